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
        state->listener->hint(state->listener, &hint);
        return 0;
}

static int timer_open(const struct settings *settings, const struct host *host, struct loop *loop,
                      struct source_listener *listener, void **ret_state) {
        struct timer_state *state = calloc(1, sizeof(*state));
        struct itimerspec when = {
                .it_interval = { .tv_sec = (time_t)(settings->interval_ns / NS_PER_S),
                                 .tv_nsec = (long)(settings->interval_ns % NS_PER_S) },
        };
        int r;

        (void)host;
        if (!state)
                return -ENOMEM;
        state->listener = listener;
        state->file.ready = expired;
        state->file.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (state->file.fd < 0) {
                r = -errno;
                goto fail;
        }
        when.it_value = when.it_interval;
        if (timerfd_settime(state->file.fd, 0, &when, NULL) < 0) {
                r = -errno;
                goto fail;
        }
        r = loop_add(loop, &state->file, EPOLLIN);
        if (r < 0)
                goto fail;
        *ret_state = state;
        return 0;
fail:
        timer_close(state);
        return r;
}

const struct source source_timer = {
        .name = "timer",
        .open = timer_open,
        .close = timer_close,
};
