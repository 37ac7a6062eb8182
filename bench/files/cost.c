/* cost.c - "cost COMMAND...": runs it, with what it prints thrown away, and says what it and all that it started took: CPU time (user
 * and system) and wall time in microseconds, and the most memory that they held at a time (proportional set size, KiB), looked at
 * every 10 ms at first and every 100 ms later. Ends as the command did. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 10, LATER_MS = 100, LATER_AFTER_MS = 2000, DEPTH = 8 };

__attribute__((noreturn)) static void fail(const char *what) {
        (void)fprintf(stderr, "cost: %s: %s\n", what, strerror(errno));
        exit(126);
}

static uint64_t now_us(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t pss_of(pid_t pid) {
        uint64_t size = 0;
        char path[64], line[256];
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "Pss: %" SCNu64, &size) == 1)
                        break;
        if (file)
                (void)fclose(file);
        return size;
}

/* With all its children. */
static uint64_t pss_of_all(pid_t pid, unsigned depth) {
        uint64_t size = pss_of(pid);
        char path[64];
        FILE *file;
        int child;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
        file = depth < DEPTH ? fopen(path, "re") : NULL;
        while (file && fscanf(file, "%d", &child) == 1)
                size += pss_of_all(child, depth + 1);
        if (file)
                (void)fclose(file);
        return size;
}

static uint64_t us_of(struct timeval time) {
        return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

int main(int argc, char **argv) {
        uint64_t began = now_us(), most = 0;
        struct rusage used;
        sigset_t child;
        int status;
        pid_t pid;

        if (argc < 2) {
                (void)fprintf(stderr, "usage: cost COMMAND...\n");
                return 126;
        }
        (void)sigemptyset(&child);
        (void)sigaddset(&child, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &child, NULL);
        pid = fork();
        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

                (void)sigprocmask(SIG_UNBLOCK, &child, NULL);
                if (nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
                        fail("/dev/null");
                (void)execvp(argv[1], argv + 1);
                fail(argv[1]);
        }
        for (;;) {
                long pause_ms = now_us() - began < LATER_AFTER_MS * 1000 ? FIRST_MS : LATER_MS;
                uint64_t size = pss_of_all(pid, 0);

                most = size > most ? size : most;
                (void)sigtimedwait(&child, NULL, &(struct timespec){ .tv_nsec = pause_ms * 1000000 });
                if (waitpid(pid, &status, WNOHANG) == pid)
                        break;
        }
        if (getrusage(RUSAGE_CHILDREN, &used) < 0)
                fail("usage");
        (void)printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", us_of(used.ru_utime) + us_of(used.ru_stime), now_us() - began, most);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
