#include "courier-keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "clock.h"
#include "diagnostics.h"
#include "fd.h"

enum {
        BACKOFF_MAX_S = 60,
        ALIVE_S = 60,                   /* one that lived so long did not fail at once */
        STOP_TRIES = 50,                /* of 20 ms */
};

#define NS_PER_S UINT64_C(1000000000)

static const uint8_t question = '?';

struct courier_keeper {
        struct courier_keeper_options options;
        char *state_directory, *run_directory; /* owned */
        struct loop *loop;
        struct loop_file channel, exit, timer;
        int listener;
        pid_t pid;                      /* 0: does not run */
        uint64_t started_ns;
        unsigned failures;
        bool asked;
        const char *why;                /* static; we end it for that */
};

static int start(struct courier_keeper *keeper);

static void forget(struct courier_keeper *keeper) {
        loop_remove(&keeper->channel);
        loop_remove(&keeper->exit);
        keeper->channel.fd = fd_close(keeper->channel.fd);
        keeper->exit.fd = fd_close(keeper->exit.fd);
        keeper->pid = 0;
        keeper->asked = false;
        keeper->why = NULL;
}

static void start_later(struct courier_keeper *keeper) {
        unsigned wait_s = keeper->failures > 6 ? BACKOFF_MAX_S : 1u << (keeper->failures ? keeper->failures - 1 : 0);
        struct itimerspec when = { .it_value = { .tv_sec = (time_t)wait_s } };

        (void)timerfd_settime(keeper->timer.fd, 0, &when, NULL);
}

static int on_timer(struct loop_file *file, uint32_t events) {
        struct courier_keeper *keeper = container_of(file, struct courier_keeper, timer);
        uint64_t times;
        int r;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0 || keeper->pid)
                return 0;
        r = start(keeper);
        if (r < 0) {
                diagnostics_error(r, "the courier could not be started and is tried again");
                keeper->failures++;
                start_later(keeper);
        }
        return 0; /* without it everything is watched all the same */
}

static int on_exit_of_courier(struct loop_file *file, uint32_t events) {
        struct courier_keeper *keeper = container_of(file, struct courier_keeper, exit);
        bool at_once = clock_ns(CLOCK_MONOTONIC) - keeper->started_ns < ALIVE_S * NS_PER_S;
        pid_t pid = keeper->pid;
        const char *why = keeper->why;
        int status;

        (void)events;
        if (waitpid(pid, &status, WNOHANG) != pid)
                return 0;
        forget(keeper);
        keeper->failures = at_once ? keeper->failures + 1 : 1;
        diagnostics_warn("the courier ended");
        keeper->options.ended(keeper->options.context, pid, status, why);
        start_later(keeper);
        return 0;
}

static int on_channel(struct loop_file *file, uint32_t events) {
        struct courier_keeper *keeper = container_of(file, struct courier_keeper, channel);
        uint8_t byte;
        ssize_t n = recv(file->fd, &byte, 1, 0);

        (void)events;
        if (n == 1 && keeper->asked && byte == question) {
                keeper->asked = false;
        } else if (n == 1) {
                keeper->why = "for having said something that no courier says";
                loop_remove(file);
                helper_user_kill(&keeper->options.user, keeper->pid);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                loop_remove(file); /* its exit says the rest */
        }
        return 0;
}

static int start(struct courier_keeper *keeper) {
        int ends[2], r;
        pid_t self = getpid();

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
                return -errno;
        keeper->pid = fork();
        if (keeper->pid < 0) {
                r = -errno;
                keeper->pid = 0;
                (void)fd_close(ends[0]);
                (void)fd_close(ends[1]);
                return r;
        }
        if (keeper->pid == 0) {
                struct courier_options options = {
                        .state_directory = keeper->state_directory,
                        .run_directory = keeper->run_directory,
                        .listener = keeper->listener,
                        .channel = ends[1],
                        .user = keeper->options.user,
                        .confinement = keeper->options.confinement,
                        .foreground = keeper->options.foreground,
                };
                int status;

                (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (getppid() != self)
                        _exit(EXIT_FAILURE);
                (void)fd_close(ends[0]);
                (void)fd_close(keeper->timer.fd);
                keeper->options.in_child(keeper->options.context);
                status = courier_run(&options);
                (void)fflush(NULL);
                _exit(status);
        }
        (void)fd_close(ends[1]);
        keeper->started_ns = clock_ns(CLOCK_MONOTONIC);
        keeper->channel.fd = ends[0];
        keeper->exit.fd = (int)syscall(SYS_pidfd_open, keeper->pid, 0);
        r = keeper->exit.fd < 0 ? -errno : loop_add(keeper->loop, &keeper->exit, EPOLLIN);
        if (r == 0)
                r = loop_add(keeper->loop, &keeper->channel, EPOLLIN);
        if (r < 0) {
                helper_user_kill(&keeper->options.user, keeper->pid);
                (void)waitpid(keeper->pid, NULL, 0);
                forget(keeper);
        }
        return r;
}

int courier_keeper_new(struct loop *loop, const struct courier_keeper_options *options, struct courier_keeper **ret) {
        struct courier_keeper *keeper = calloc(1, sizeof(*keeper));
        int r;

        if (!keeper)
                return -ENOMEM;
        *keeper = (struct courier_keeper){
                .options = *options,
                .loop = loop,
                .channel = { .fd = -1, .ready = on_channel },
                .exit = { .fd = -1, .ready = on_exit_of_courier },
                .timer = { .ready = on_timer },
                .state_directory = strdup(options->state_directory),
                .run_directory = strdup(options->run_directory),
        };
        r = keeper->listener = keeper->run_directory ? courier_listen(keeper->run_directory, &options->user) : -ENOMEM;
        keeper->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (r >= 0 && !keeper->state_directory)
                r = -ENOMEM;
        if (r >= 0)
                r = keeper->timer.fd < 0 ? -errno : loop_add(loop, &keeper->timer, EPOLLIN);
        if (r == 0)
                r = start(keeper);
        if (r < 0) {
                (void)courier_keeper_free(keeper);
                return r;
        }
        *ret = keeper;
        return 0;
}

void courier_keeper_ask(struct courier_keeper *keeper) {
        if (!keeper->pid)
                return;
        if (keeper->asked) {
                keeper->why = "because it no longer answered";
                helper_user_kill(&keeper->options.user, keeper->pid);
                return;
        }
        keeper->asked = send(keeper->channel.fd, &question, 1, MSG_NOSIGNAL) == 1;
}

void courier_keeper_leave(struct courier_keeper *keeper) {
        if (!keeper)
                return;
        keeper->channel.fd = fd_close(keeper->channel.fd);
        keeper->exit.fd = fd_close(keeper->exit.fd);
        keeper->timer.fd = fd_close(keeper->timer.fd);
        keeper->listener = fd_close(keeper->listener);
}

struct courier_keeper *courier_keeper_free(struct courier_keeper *keeper) {
        if (!keeper)
                return NULL;
        loop_remove(&keeper->channel);
        loop_remove(&keeper->exit);
        loop_remove(&keeper->timer);
        keeper->channel.fd = fd_close(keeper->channel.fd); /* it ends by that */
        for (int i = 0; keeper->pid && i < STOP_TRIES; i++) {
                if (waitpid(keeper->pid, NULL, WNOHANG) == keeper->pid)
                        keeper->pid = 0;
                else
                        (void)usleep(20000);
        }
        if (keeper->pid) {
                helper_user_kill(&keeper->options.user, keeper->pid);
                (void)waitpid(keeper->pid, NULL, 0);
        }
        (void)fd_close(keeper->exit.fd);
        (void)fd_close(keeper->timer.fd);
        if (keeper->listener >= 0) {
                _cleanup_buffer_ struct buffer path = BUFFER_NULL;

                buffer_printf(&path, "%s/control.sock", keeper->run_directory);
                (void)unlink(buffer_string(&path));
                (void)fd_close(keeper->listener);
        }
        free(keeper->state_directory);
        free(keeper->run_directory);
        free(keeper);
        return NULL;
}
