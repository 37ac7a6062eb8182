/* follow.c - "follow [--awake] FILE": what is appended to FILE from now on, each line with the time (CLOCK_MONOTONIC,
 * nanoseconds) at which it was read. Ends at SIGTERM.
 * It sleeps until there is something, as "tail -f" does. With --awake it looks again and again, on the last CPU and only when
 * nobody else wants that (SCHED_IDLE): then no wake-up is in what is measured, and one CPU never sleeps. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal) {
        (void)signal;
        ended = 1;
}

static void fail(const char *what) {
        (void)fprintf(stderr, "follow: %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void stay_awake(void) {
        struct sched_param parameter = { 0 };
        cpu_set_t last;

        CPU_ZERO(&last);
        CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
        if (sched_setaffinity(0, sizeof(last), &last) < 0 || sched_setscheduler(0, SCHED_IDLE, &parameter) < 0)
                fail("scheduling");
}

/* Until the file was written, or the end. */
static void await(int changes, const sigset_t *signals) {
        struct pollfd polled = { .fd = changes, .events = POLLIN };
        char buffer[4096];

        if (ppoll(&polled, 1, NULL, signals) < 0 && errno != EINTR)
                fail("poll");
        while (read(changes, buffer, sizeof(buffer)) > 0)
                ;
}

int main(int argc, char **argv) {
        static char buffer[1 << 20];
        struct sigaction action = { .sa_handler = end };
        bool awake = argc == 3 && strcmp(argv[1], "--awake") == 0, begin = true;
        const char *path = argv[argc - 1];
        sigset_t blocked, before;
        int fd, changes;

        if (argc != 2 + awake) {
                (void)fprintf(stderr, "usage: follow [--awake] FILE\n");
                return 2;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
        changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (fd < 0 || lseek(fd, 0, SEEK_END) < 0 || changes < 0 || inotify_add_watch(changes, path, IN_MODIFY) < 0)
                fail(path);
        (void)sigemptyset(&blocked);
        (void)sigaddset(&blocked, SIGTERM);
        if (sigaction(SIGTERM, &action, NULL) < 0 || (!awake && sigprocmask(SIG_BLOCK, &blocked, &before) < 0))
                fail("signals");
        if (awake)
                stay_awake();
        (void)setvbuf(stdout, NULL, _IOFBF, 1 << 20);
        (void)printf("ready\n");
        (void)fflush(stdout);
        while (!ended) {
                ssize_t size = read(fd, buffer, sizeof(buffer));
                uint64_t now;

                if (size < 0)
                        fail("read");
                if (size == 0) {
                        if (begin)
                                (void)fflush(stdout);
                        if (!awake)
                                await(changes, &before);
                        continue;
                }
                now = now_ns();
                for (ssize_t i = 0; i < size; i++) {
                        if (begin)
                                (void)printf("%" PRIu64 " ", now);
                        (void)putchar(buffer[i]);
                        begin = buffer[i] == '\n';
                }
        }
        return 0;
}
