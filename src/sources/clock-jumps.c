/* clock-jumps.c - a timer on the wall clock that never goes off, but is cancelled when that is set and when the machine wakes from
 * sleep. The clock that counts on while the machine sleeps (boot) tells one from the other: by it, only setting moves the wall clock;
 * and by it, only sleep holds up the monotonic one. Slewing (adjtime) moves all three alike. */
#include "clock-jumps.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "clock.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "ownership.h"

enum {
        JUMP_MIN_NS = 1000000,          /* below that it is nothing for stamps of files and events, and daemons of time do it often */
        TRIES = 5,
};

static const char source_name[] = "clock";

struct clock_state {
        struct loop_file file;
        struct source_listener *listener;       /* borrowed */
        struct clock_reading reading;           /* with which the next is compared */
        uint64_t events;
};

static void clock_close(void *data) {
        struct clock_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        state->file.fd = fd_close(state->file.fd);
        free(state);
}

static void end(struct clock_state *state, const char *reason) {
        if (!state->file.loop)
                return;
        loop_remove(&state->file);
        state->listener->ended(state->listener, source_name, reason);
}

/* The one of several that took the shortest: who is interrupted between two clocks compares different moments. */
static struct clock_reading read_clocks(void) {
        struct clock_reading best = { 0 };
        uint64_t shortest = UINT64_MAX;

        for (int i = 0; i < TRIES; i++) {
                struct clock_reading reading;
                uint64_t start = clock_ns(CLOCK_MONOTONIC), took;

                reading.wall = clock_ns(CLOCK_REALTIME);
                reading.boot = clock_ns(CLOCK_BOOTTIME);
                reading.monotonic = clock_ns(CLOCK_MONOTONIC);
                took = reading.monotonic - start;
                if (took < shortest) {
                        shortest = took;
                        best = reading;
                }
        }
        return best;
}

struct clock_jump clock_jump_between(const struct clock_reading *before, const struct clock_reading *after) {
        int64_t set = (int64_t)((after->wall - after->boot) - (before->wall - before->boot));
        int64_t slept = (int64_t)((after->boot - after->monotonic) - (before->boot - before->monotonic));
        struct clock_jump jump = { .set_back = set < 0 };

        if (set >= JUMP_MIN_NS || set <= -JUMP_MIN_NS)
                jump.set_ns = set < 0 ? 0 - (uint64_t)set : (uint64_t)set;
        else
                jump.set_back = false;
        if (slept >= JUMP_MIN_NS)
                jump.slept_ns = (uint64_t)slept;
        return jump;
}

static void tell(struct clock_state *state, const struct clock_reading *now, enum incident_kind kind, uint64_t first,
                 uint64_t second) {
        struct delta delta = {
                .kind = DELTA_APPEARED, .subject = DELTA_INCIDENT, .source = source_name, .at_ns = now->wall,
                .incident = { .kind = kind, .numbers = { first, second } },
        };

        state->events++;
        state->listener->delta(state->listener, &delta);
}

static void compare(struct clock_state *state) {
        struct clock_reading now = read_clocks();
        struct clock_jump jump = clock_jump_between(&state->reading, &now);

        /* Below the least jump the old reading stays: many small steps make a large one. */
        if (jump.set_ns || jump.slept_ns)
                state->reading = now;
        if (jump.slept_ns) {
                struct loss loss = { .source = source_name, .reason = "suspend", .everybody = true, .since_ns = now.wall - jump.slept_ns };

                tell(state, &now, INCIDENT_SUSPENDED, jump.slept_ns, 0);
                state->listener->loss(state->listener, &loss);
        }
        if (jump.set_ns)
                tell(state, &now, INCIDENT_CLOCK_SET, jump.set_ns, jump.set_back);
}

static int arm(int fd) {
        /* as late as a clock goes on every kernel and for every size of time_t */
        struct itimerspec never = { .it_value = { .tv_sec = sizeof(time_t) > 4 ? (time_t)(INT64_MAX / 1000000000) : INT32_MAX } };

        return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0 && errno != ECANCELED ? -errno : 0;
}

static int ready(struct loop_file *file, uint32_t events) {
        struct clock_state *state = container_of(file, struct clock_state, file);
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (arm(file->fd) < 0) {
                end(state, "its timer does not work any more");
                return 0;
        }
        compare(state);
        return 0;
}

static int clock_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects,
                      const char **ret_reason) {
        struct clock_state *state;
        int r;

        if (!request->host->live) {
                *ret_reason = "a tree of files has no clock";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->listener = request->listener;
        state->file.ready = ready;
        state->file.fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        r = state->file.fd < 0 ? -errno : arm(state->file.fd);
        if (r >= 0)
                r = loop_add(request->loop, &state->file, EPOLLIN);
        if (r < 0) {
                clock_close(state);
                *ret_reason = "a timer that notices when the clock is set could not be made";
                return r;
        }
        state->reading = read_clocks();
        *ret_state = state;
        *ret_subjects = 1U << DELTA_INCIDENT;
        return 0;
}

static void clock_check(void *data) {
        struct clock_state *state = data;
        struct itimerspec left;

        if (!state->file.loop)
                return;
        if (timerfd_gettime(state->file.fd, &left) < 0)
                end(state, "its timer was closed");
        else
                compare(state);
}

static void clock_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct clock_state *state = data;

        *ret_events = state->events;
        *ret_lost = 0;
}

const struct source source_clock = {
        .name = source_name,
        .subjects = 1U << DELTA_INCIDENT,
        .open = clock_open,
        .close = clock_close,
        .check = clock_check,
        .count = clock_count,
};
