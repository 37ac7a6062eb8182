/* kernel-log.c - a descriptor of its own on /dev/kmsg that always stands at the end: it only says that there is something new.
 * What it is, each message once, is the watch's to find with a descriptor that stands where it has read to. */
#include "kernel-log.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "clock.h"
#include "fd.h"
#include "host.h"
#include "loop.h"

static const char source_name[] = "kmsg";

struct kernel_log_state {
        struct loop_file file;
        struct source_listener *listener;       /* borrowed */
        uint64_t events, lost;
        uint64_t woken_ns;                      /* wall clock: when it last stood at the end */
        dev_t device;                           /* of the file that was opened: another one may get its descriptor */
        ino_t inode;
};

static void kernel_log_close(void *data) {
        struct kernel_log_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        state->file.fd = fd_close(state->file.fd);
        free(state);
}

static void end(struct kernel_log_state *state, const char *reason) {
        if (!state->file.loop)
                return;
        loop_remove(&state->file);
        state->listener->ended(state->listener, source_name, reason);
}

static int ready(struct loop_file *file, uint32_t events) {
        struct kernel_log_state *state = container_of(file, struct kernel_log_state, file);
        struct hint hint = { .kind = "kernel-messages", .source = source_name };
        uint64_t now = clock_ns(CLOCK_REALTIME);

        /* Before the hint: what comes after it wakes us again. */
        if (events & EPOLLHUP || lseek(file->fd, 0, SEEK_END) < 0) {
                end(state, "/dev/kmsg cannot be read any more");
                return 0;
        }
        if (events & EPOLLERR) { /* the ring was written round before we came (devkmsg_poll() in kernel/printk/printk.c) */
                struct loss loss = { .source = source_name, .reason = "overrun", .kind = "kernel-messages",
                                     .since_ns = state->woken_ns };

                state->lost++;
                state->listener->loss(state->listener, &loss);
        }
        state->woken_ns = now;
        state->events++;
        state->listener->hint(state->listener, &hint);
        return 0;
}

static int refuse(struct kernel_log_state *state, int r, const char **ret_reason) {
        kernel_log_close(state);
        switch (r) {
        case -EPERM:
        case -EACCES:
                *ret_reason = "the kernel log may not be read: CAP_SYSLOG is missing";
                return -EOPNOTSUPP;
        case -ENOENT:
        case -ENXIO:
        case -ENODEV:
        case -ESPIPE:
                *ret_reason = "no /dev/kmsg on this host";
                return -EOPNOTSUPP;
        default:
                *ret_reason = "/dev/kmsg could not be opened";
                return r;
        }
}

static int kernel_log_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects,
                           const char **ret_reason) {
        struct coverage coverage = { .kind = "kernel-messages", .mechanism = "kmsg", .level = COVERAGE_FULL };
        struct kernel_log_state *state;
        struct stat status;
        int r;

        if (!request->host->live) {
                *ret_reason = "a tree of files has no kernel that says something";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->listener = request->listener;
        state->file.ready = ready;
        state->file.fd = host_openat(request->host, "dev/kmsg", O_RDONLY);
        if (state->file.fd < 0) {
                r = state->file.fd;
                state->file.fd = -1;
                return refuse(state, r, ret_reason);
        }
        if (fstat(state->file.fd, &status) < 0 || lseek(state->file.fd, 0, SEEK_END) < 0)
                return refuse(state, -errno, ret_reason);
        state->device = status.st_dev;
        state->inode = status.st_ino;
        r = loop_add(request->loop, &state->file, EPOLLIN);
        if (r < 0) /* EPERM: a plain file, which some containers put there */
                return refuse(state, r == -EPERM ? -ENODEV : r, ret_reason);
        state->woken_ns = clock_ns(CLOCK_REALTIME);
        *ret_state = state;
        *ret_subjects = 0;
        request->listener->covers(request->listener, &coverage);
        return 0;
}

static void kernel_log_check(void *data) {
        struct kernel_log_state *state = data;

        struct stat status;

        if (fstat(state->file.fd, &status) < 0 || status.st_dev != state->device || status.st_ino != state->inode)
                end(state, "the descriptor of /dev/kmsg was closed");
}

static void kernel_log_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct kernel_log_state *state = data;

        *ret_events = state->events;
        *ret_lost = state->lost;
}

const struct source source_kernel_log = {
        .name = source_name,
        .open = kernel_log_open,
        .close = kernel_log_close,
        .check = kernel_log_check,
        .count = kernel_log_count,
};
