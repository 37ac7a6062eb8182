/* crowd.c - what a busy host is made of, held still: "crowd processes N" or "crowd connections N".
 * Says "ready" on standard output when all are there, holds them until standard input ends.
 * A connection is made over loopback and both ends of it are held here, so the kernel has two sockets for each. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SPARE_DESCRIPTORS = 32 };

static void fail(const char *what) {
        (void)fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* True in the child, which goes when the parent does. */
static bool make_child(void) {
        pid_t parent = getpid(), child = fork();

        if (child < 0)
                fail("fork");
        if (child > 0)
                return false;
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(1);
        return true;
}

static void hold(void) {
        (void)close(STDIN_FILENO);
        for (;;)
                (void)pause();
}

static void make_processes(size_t count) {
        for (size_t i = 0; i < count; i++)
                if (make_child())
                        hold();
}

static void connect_pairs(size_t count) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM, 0);

        if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 16) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &size) < 0)
                fail("listen");
        for (size_t i = 0; i < count; i++) {
                int end = socket(AF_INET, SOCK_STREAM, 0);

                if (end < 0 || connect(end, (struct sockaddr *)&address, sizeof(address)) < 0)
                        fail("connect");
                if (accept(listener, NULL, NULL) < 0)
                        fail("accept");
        }
        (void)close(listener);
}

/* As many processes as the limit of descriptors makes necessary. */
static void make_connections(size_t count) {
        struct rlimit limit;
        size_t each;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                fail("limits");
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < 2 * SPARE_DESCRIPTORS)
                fail("too few descriptors");
        each = (limit.rlim_cur - SPARE_DESCRIPTORS) / 2;
        while (count > 0) {
                size_t now = count < each ? count : each;
                char byte = 0;
                int ready[2];

                if (pipe(ready) < 0)
                        fail("pipe");
                if (make_child()) {
                        (void)close(ready[0]);
                        connect_pairs(now);
                        if (write(ready[1], &byte, 1) != 1)
                                fail("ready");
                        (void)close(ready[1]);
                        hold();
                }
                (void)close(ready[1]);
                if (read(ready[0], &byte, 1) != 1)
                        exit(1);        /* the child has said why */
                (void)close(ready[0]);
                count -= now;
        }
}

int main(int argc, char **argv) {
        char byte;

        if (argc != 3) {
                (void)fprintf(stderr, "usage: crowd processes|connections COUNT\n");
                return 2;
        }
        if (strcmp(argv[1], "processes") == 0)
                make_processes(strtoul(argv[2], NULL, 10));
        else if (strcmp(argv[1], "connections") == 0)
                make_connections(strtoul(argv[2], NULL, 10));
        else
                return 2;
        (void)printf("ready\n");
        (void)fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
                ;
        return 0;
}
