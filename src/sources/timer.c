#include "timer.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "fd.h"
#include "loop.h"

#define NS_PER_S UINT64_C(1000000000)

struct timer_state {
        struct loop_file file;
        struct source_listener *listener;       /* borrowed */
        uint64_t at_ns;                         /* monotonic: when it goes off; 0: it does not */
};

static void timer_close(void *data) {
        struct timer_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        (void)fd_close(state->file.fd);
        free(state);
}

static int expired(struct loop_file *file, uint32_t events) {
        struct timer_state *state = container_of(file, struct timer_state, file);
        struct hint hint = { 0 };
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        state->at_ns = 0;
        state->listener->hint(state->listener, &hint);
        return 0;
}

static int timer_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason) {
        struct timer_state *state = calloc(1, sizeof(*state));
        int r;

        (void)ret_reason;
        if (!state)
                return -ENOMEM;
        state->listener = request->listener;
        state->file.ready = expired;
        state->file.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        r = state->file.fd < 0 ? -errno : loop_add(request->loop, &state->file, EPOLLIN);
        if (r < 0) {
                timer_close(state);
                return r;
        }
        *ret_state = state;
        *ret_subjects = 0;
        return 0;
}

int timer_set(void *data, uint64_t at_ns) {
        struct timer_state *state = data;
        struct itimerspec when = {
                .it_value = { .tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S) },
        };

        if (at_ns == state->at_ns)
                return 0;
        if (timerfd_settime(state->file.fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
                return -errno;
        state->at_ns = at_ns;
        return 0;
}

const struct source source_timer = {
        .name = "timer",
        .open = timer_open,
        .close = timer_close,
};
