/* test-bpf-source.c - our programs in the running kernel: a program run, one killed, one that only forked, arguments too long,
 * a storm, and a ring that overflows. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf-programs.h"

static void finish(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
}

static pid_t run(const char *path, char *const arguments[]) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                (void)execv(path, arguments);
                _exit(127);
        }
        return pid;
}

/* The line that begins so, alone; the caller's to free. */
static char *line_of(struct listen *listen, const char *start) {
        const char *found = strstr(buffer_string(&listen->text), start);
        char *line;

        assert_non_null(found);
        line = strndup(found, strcspn(found, "\n"));
        assert_non_null(line);
        return line;
}

static void test_executed_and_exited(void **unused) {
        char *const arguments[] = { (char *)"true name", (char *)"with blank", (char *)"", (char *)"end", NULL };
        _cleanup_free_ char *appeared = NULL, *vanished = NULL;
        struct listen listen;
        char start[64], end[64], text[256];
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
        assert_true(listen.subjects & 1U << DELTA_PROCESS);
        assert_true(listen_has(&listen, "covers processes by bpf full"));
        pid = run("/bin/true", arguments);
        finish(pid);
        (void)snprintf(start, sizeof(start), "appeared process pid=%d ", (int)pid);
        (void)snprintf(end, sizeof(end), "vanished process pid=%d ", (int)pid);
        listen_for(&listen, end);
        appeared = line_of(&listen, start);
        vanished = line_of(&listen, end);
        (void)snprintf(text, sizeof(text), "parent=%d user=%u/%u name=true executable=", (int)getpid(), getuid(), geteuid());
        assert_non_null(strstr(appeared, text));
        assert_non_null(strstr(appeared, "/bin/true command=true name with blank  end by "));
        assert_non_null(strstr(vanished, " exit=0 name=true by "));
        source_bpf.check(listen.state);
        assert_false(listen_has(&listen, "ended"));
        assert_false(listen_has(&listen, "loss"));
        listen_close(&listen);
}

static void test_only_forked(void **unused) {
        _cleanup_free_ char *vanished = NULL;
        struct listen listen;
        char end[64];
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
        pid = fork();
        if (pid == 0)
                for (;;)
                        (void)pause();
        (void)kill(pid, SIGKILL);
        finish(pid);
        (void)snprintf(end, sizeof(end), "vanished process pid=%d ", (int)pid);
        listen_for(&listen, end);
        vanished = line_of(&listen, end);
        assert_non_null(strstr(vanished, " exit=9 "));
        listen_close(&listen);
}

static void test_from_memory_and_deleted(void **unused) {
        char *const arguments[] = { (char *)"hidden", NULL };
        static char program[1 << 20];
        char copy[] = "/tmp/nephronix-deleted-XXXXXX", start[64];
        int from, memory, file;
        struct listen listen;
        ssize_t size;
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
        from = open("/bin/true", O_RDONLY | O_CLOEXEC);
        size = read(from, program, sizeof(program));
        assert_true(size > 0);
        (void)close(from);

        memory = memfd_create("with/slash", MFD_CLOEXEC);
        assert_int_equal(write(memory, program, (size_t)size), size);
        pid = fork();
        if (pid == 0) {
                (void)fexecve(memory, arguments, environ);
                _exit(127);
        }
        finish(pid);
        (void)snprintf(start, sizeof(start), "vanished process pid=%d ", (int)pid);
        listen_for(&listen, start);
        assert_true(listen_has(&listen, " memfd name="));
        assert_true(listen_has(&listen, " executable=/memfd:with/slash command=hidden by "));
        (void)close(memory);

        file = mkstemp(copy);
        assert_int_equal(write(file, program, (size_t)size), size);
        (void)fchmod(file, 0700);
        (void)close(file);
        file = open(copy, O_RDONLY | O_CLOEXEC);
        (void)unlink(copy);
        pid = fork();
        if (pid == 0) {
                (void)fexecve(file, arguments, environ);
                _exit(127);
        }
        finish(pid);
        (void)snprintf(start, sizeof(start), "vanished process pid=%d ", (int)pid);
        listen_for(&listen, start);
        assert_true(listen_has(&listen, " deleted name="));
        assert_true(listen_has(&listen, copy));
        (void)close(file);
        listen_close(&listen);
}

/* Nothing of it is lost, however the reader goes from waking up for each to batches and back. */
static void test_storm(void **unused) {
        enum { RUNS = 600 };
        char *const arguments[] = { (char *)"true", (char *)"storm-of-tests", NULL };
        struct listen listen;
        char end[64] = "";
        size_t told = 0;

        (void)unused;
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
        for (int i = 0; i < RUNS; i++) {
                pid_t pid = run("/bin/true", arguments);

                finish(pid);
                if (i % 10 == 9) {
                        (void)snprintf(end, sizeof(end), "vanished process pid=%d ", (int)pid);
                        listen_for(&listen, end);
                }
        }
        for (const char *at = buffer_string(&listen.text); (at = strstr(at, "storm-of-tests")); at++)
                told++;
        assert_int_equal(told, RUNS);
        assert_false(listen_has(&listen, "loss"));
        listen_close(&listen);
}

/* Nobody reads: what the ring cannot hold is counted to the last. */
static void test_overflow_is_counted(void **unused) {
        enum { RUNS = 2300, LONG = 120 * 1024 };
        static char text[LONG + 1];
        char *const arguments[] = { (char *)"overflow", text, NULL };
        uint64_t events = 0, lost = 0;
        struct listen listen;
        size_t told = 0;

        (void)unused;
        memset(text, 'x', LONG);
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
        for (int i = 0; i < RUNS; i++)
                finish(run("/bin/true", arguments));
        source_bpf.drain(listen.state);
        source_bpf.count(listen.state, &events, &lost);
        assert_true(listen_has(&listen, "loss bpf ring full"));
        assert_true(lost > 0);
        for (const char *at = buffer_string(&listen.text); (at = strstr(at, "command=overflow")); at++)
                told++;
        assert_true(told < RUNS);
        /* Others of this host may have run something too. */
        assert_true(events + lost >= 2 * RUNS);
        listen_close(&listen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_executed_and_exited),
                cmocka_unit_test(test_only_forked),
                cmocka_unit_test(test_from_memory_and_deleted),
                cmocka_unit_test(test_storm),
                cmocka_unit_test(test_overflow_is_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
