/* spawn.c - "spawn processes|files|connections WORKERS SECONDS PATH": so many workers do it as fast as they can for so long.
 *   processes PATH   start the program PATH and wait for its end
 *   files PATH       create a file, write into it, close it, delete it; each worker in its own folder, PATH/0, PATH/1, ...
 *   connections PATH connect to a listener of its own over loopback, accept, close both; PATH is not used
 * Says at the end how often it was done, how long that took, and the CPU time of the workers and all they started. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WORKERS = 64, CACHE_LINE = 64 };

struct worker {
        uint64_t done;
} __attribute__((aligned(CACHE_LINE)));

__attribute__((noreturn)) static void fail(const char *what) {
        (void)fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void spawn_processes(struct worker *worker, size_t number, uint64_t end, const char *program) {
        char *arguments[] = { (char *)program, NULL }, *environment[] = { NULL };

        (void)number;
        while (now_ns() < end) {
                pid_t child;
                int r = posix_spawn(&child, program, NULL, NULL, arguments, environment);

                if (r != 0) {
                        errno = r;
                        fail(program);
                }
                if (waitpid(child, NULL, 0) < 0)
                        fail("waitpid");
                worker->done++;
        }
}

static void make_files(struct worker *worker, size_t number, uint64_t end, const char *path) {
        char name[64];
        int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), folder;

        (void)snprintf(name, sizeof(name), "%zu", number);
        folder = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                fail(path);
        while (now_ns() < end) {
                int file;

                (void)snprintf(name, sizeof(name), "bench-%d-%" PRIu64, (int)getpid(), worker->done);
                file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
                if (file < 0 || write(file, "bench\n", 6) != 6 || close(file) < 0 || unlinkat(folder, name, 0) < 0)
                        fail(name);
                worker->done++;
        }
}

static void make_connections(struct worker *worker, size_t number, uint64_t end, const char *path) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct linger reset = { .l_onoff = 1 }; /* no port waits for two minutes */
        socklen_t size = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)number;
        (void)path;
        if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 16) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &size) < 0)
                fail("listen");
        while (now_ns() < end) {
                int from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), to;

                if (from < 0 || connect(from, (struct sockaddr *)&address, sizeof(address)) < 0)
                        fail("connect");
                to = accept(listener, NULL, NULL);
                if (to < 0 || setsockopt(from, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
                        fail("accept");
                (void)close(from);
                (void)close(to);
                worker->done++;
        }
}

static uint64_t cpu_us_of_children(void) {
        struct rusage used;

        (void)getrusage(RUSAGE_CHILDREN, &used);
        return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
               (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
        void (*work)(struct worker *worker, size_t number, uint64_t end, const char *path) = NULL;
        struct worker *workers;
        size_t count = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
        uint64_t begin, done = 0;

        if (count > 0 && strcmp(argv[1], "processes") == 0)
                work = spawn_processes;
        if (count > 0 && strcmp(argv[1], "files") == 0)
                work = make_files;
        if (count > 0 && strcmp(argv[1], "connections") == 0)
                work = make_connections;
        if (work == NULL || count > MOST_WORKERS) {
                (void)fprintf(stderr, "usage: spawn processes|files|connections WORKERS SECONDS PATH\n");
                return 2;
        }
        workers = mmap(NULL, count * sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (workers == MAP_FAILED)
                fail("mmap");
        begin = now_ns();
        for (size_t i = 0; i < count; i++) {
                pid_t child = fork();

                if (child < 0)
                        fail("fork");
                if (child == 0) {
                        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                        work(&workers[i], i, begin + strtoull(argv[3], NULL, 10) * 1000000000, argv[4]);
                        _exit(0);
                }
        }
        for (size_t i = 0; i < count; i++) {
                int status;

                if (wait(&status) < 0 || status != 0)
                        return 1;
        }
        for (size_t i = 0; i < count; i++)
                done += workers[i].done;
        (void)printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", done, (now_ns() - begin) / 1000, cpu_us_of_children());
        return 0;
}
