#include "loop.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "fd.h"

enum { BATCH = 32 };

struct loop {
        int epoll_fd;
        bool stopped;
        int status;
        int (*after)(void *context);
        void *context;
        struct epoll_event *batch;      /* the one being served; entries of removed files are nulled */
        int batch_size;
};

struct loop *loop_new(void) {
        struct loop *loop = calloc(1, sizeof(*loop));

        if (!loop)
                return NULL;
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                return loop_free(loop);
        return loop;
}

struct loop *loop_free(struct loop *loop) {
        if (!loop)
                return NULL;
        (void)fd_close(loop->epoll_fd);
        free(loop);
        return NULL;
}

int loop_add(struct loop *loop, struct loop_file *file, uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = file };

        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, file->fd, &event) < 0)
                return -errno;
        file->loop = loop;
        return 0;
}

int loop_change(struct loop *loop, struct loop_file *file, uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = file };

        return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, file->fd, &event) < 0 ? -errno : 0;
}

void loop_remove(struct loop_file *file) {
        struct loop *loop = file->loop;

        if (!loop)
                return;
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, file->fd, NULL);
        for (int i = 0; i < loop->batch_size; i++)
                if (loop->batch[i].data.ptr == file)
                        loop->batch[i].data.ptr = NULL;
        file->loop = NULL;
}

void loop_after(struct loop *loop, int (*after)(void *context), void *context) {
        loop->after = after;
        loop->context = context;
}

int loop_run(struct loop *loop) {
        struct epoll_event batch[BATCH];
        int r = 0;

        loop->stopped = false;
        while (!loop->stopped && r >= 0) {
                int n = epoll_wait(loop->epoll_fd, batch, BATCH, -1);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                loop->batch = batch;
                loop->batch_size = n;
                for (int i = 0; i < n && r >= 0 && !loop->stopped; i++) {
                        struct loop_file *file = batch[i].data.ptr;
                        if (file)
                                r = file->ready(file, batch[i].events);
                }
                loop->batch = NULL;
                loop->batch_size = 0;
                if (r >= 0 && loop->after)
                        r = loop->after(loop->context);
        }
        return r < 0 ? r : loop->status;
}

void loop_stop(struct loop *loop, int status) {
        loop->stopped = true;
        loop->status = status;
}
