/* test-bpf-source.c - our programs in the running kernel: a program run, one killed, one that only forked, arguments too long,
 * a storm, and a ring that overflows. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
        char *const arguments[] = { (char []){ "true name" }, (char []){ "with blank" }, (char []){ "" }, (char []){ "end" }, NULL };
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
        assert_false(listen_has(&listen, "\nended bpf "));
        assert_false(listen_has(&listen, "\nloss bpf ")); /* others of this host may be called so */
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
        char *const arguments[] = { (char []){ "hidden" }, NULL };
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

enum { NOBODY = 65534 };

/* As nobody who may yet become root: executes itself, and that becomes it. */
static pid_t run_raising(const char *how) {
        char self[] = "/proc/self/exe";
        char *const arguments[] = { (char []){ "test-bpf-source" }, (char *)(uintptr_t)how, NULL };
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        const struct __user_cap_data_struct only = {
                .effective = 1 << CAP_SETUID, .permitted = 1 << CAP_SETUID, .inheritable = 1 << CAP_SETUID,
        };
        const struct __user_cap_data_struct capabilities[2] = { only };
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
            syscall(SYS_capset, &header, capabilities) < 0 ||
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) < 0)
                _exit(1);
        (void)execv(self, arguments);
        _exit(127);
}

/* What it becomes then; the capability to is handed on by the ambient set. */
static int raise_privileges(const char *how) {
        if (strcmp(how, "raise-in-child") == 0) {
                pid_t pid = fork();

                if (pid == 0)
                        _exit(setresuid(0, 0, 0) < 0);
                return pid < 0 || waitpid(pid, NULL, 0) != pid;
        }
        if (setresuid(0, 0, 0) < 0)
                return 1;
        if (strcmp(how, "raise-and-execute") == 0)
                (void)execl("/bin/true", "true", (char *)NULL);
        return 0;
}

static void test_privileges_raised(void **unused) {
        static const char *const hows[] = { "raise-and-end", "raise-and-execute", "raise-in-child" };
        struct listen listen;

        (void)unused;
        for (size_t i = 0; i < 3; i++) {
                char end[64], told[128];
                int status;
                pid_t pid;

                listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
                pid = run_raising(hows[i]);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                (void)snprintf(end, sizeof(end), "vanished process pid=%d ", (int)pid);
                listen_for(&listen, end);
                if (i < 2)
                        (void)snprintf(told, sizeof(told), "appeared incident privileges-raised %d 0 by %d\n", NOBODY, (int)pid);
                else
                        (void)snprintf(told, sizeof(told), "appeared incident privileges-raised %d 0 by ", NOBODY);
                if (WEXITSTATUS(status) == 0)
                        assert_true(listen_has(&listen, told));
                else
                        print_message("%s: could not be staged here\n", hows[i]);
                listen_close(&listen);
        }
}

/* Root that becomes somebody else, and a program of root's, are nothing to tell. */
static void test_privileges_kept(void **unused) {
        char *const arguments[] = { (char []){ "true" }, NULL };
        struct listen listen;
        char end[64], told[128];
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
        pid = fork();
        if (pid == 0) {
                if (seteuid(NOBODY) < 0 || seteuid(0) < 0)
                        _exit(1);
                (void)execv("/bin/true", arguments);
                _exit(127);
        }
        finish(pid);
        (void)snprintf(end, sizeof(end), "vanished process pid=%d ", (int)pid);
        listen_for(&listen, end);
        (void)snprintf(told, sizeof(told), "privileges-raised %d 0 by %d\n", NOBODY, (int)pid);
        assert_false(listen_has(&listen, told));
        listen_close(&listen);
}

static uint64_t cookie_of(int fd) {
        socklen_t size = sizeof(uint64_t);
        uint64_t cookie = 0;

        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
        return cookie;
}

static unsigned port_of(int fd) {
        struct sockaddr_in6 address; /* a port stands in the same place for both families */
        socklen_t size = sizeof(address);

        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        return ntohs(address.sin6_port);
}

static void connect_and_close(struct listen *listening, int family, bool reset) {
        const char *host = family == AF_INET ? "127.0.0.1" : "::1";
        struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        struct linger linger = { .l_onoff = reset };
        int server = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), client, accepted;
        char out[256], in[256], out_end[256], in_end[256];
        socklen_t size = sizeof(address);

        if (family == AF_INET) {
                struct sockaddr_in *four = (struct sockaddr_in *)&address;

                memset(&address, 0, sizeof(address));
                *four = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
                size = sizeof(*four);
        }
        assert_int_equal(bind(server, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(server, 1), 0);
        assert_int_equal(getsockname(server, (struct sockaddr *)&address, &size), 0);
        client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
        accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        assert_true(accepted >= 0);
        (void)snprintf(out, sizeof(out), "appeared connection 6 %s:%u > %s:%u cookie=%llu by %d\n", host, port_of(client), host,
                       port_of(server), (unsigned long long)cookie_of(client), (int)getpid());
        /* Nobody of this host made it: it has no actor. */
        (void)snprintf(in, sizeof(in), "appeared connection 6 %s:%u > %s:%u cookie=%llu\n", host, port_of(server), host,
                       port_of(client), (unsigned long long)cookie_of(accepted));
        (void)snprintf(out_end, sizeof(out_end), "vanished%.*s by %d\n", (int)(strstr(out, " by ") - out - 8), out + 8,
                       (int)getpid());
        (void)snprintf(in_end, sizeof(in_end), "vanished%.*s\n", (int)strcspn(in + 8, "\n"), in + 8);
        assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        (void)close(client);
        (void)close(accepted);
        (void)close(server);
        listen_for(listening, out);
        listen_for(listening, in);
        listen_for(listening, out_end);
        listen_for(listening, in_end);
}

static void test_connections(void **unused) {
        struct listen listen;
        int six;

        (void)unused;
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_CONNECTION | 1U << DELTA_PROCESS);
        if (!(listen.subjects & 1U << DELTA_CONNECTION)) {
                listen_close(&listen);
                skip();
        }
        assert_true(listen_has(&listen, "covers connections by bpf most without "));
        connect_and_close(&listen, AF_INET, false);
        connect_and_close(&listen, AF_INET, true);
        six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (six >= 0)
                connect_and_close(&listen, AF_INET6, false);
        (void)close(six);
        listen_close(&listen);
}

/* What another source tells of already is not told. */
static void test_only_what_is_wanted(void **unused) {
        struct listen listen;
        char *const arguments[] = { (char []){ "unwanted" }, NULL };

        (void)unused;
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_CONNECTION);
        finish(run("/bin/true", arguments));
        listen_a_while(&listen);
        assert_false(listen_has(&listen, "unwanted"));
        assert_false(listen_has(&listen, "covers processes"));
        listen_close(&listen);
}

/* Nothing of it is lost, however the reader goes from waking up for each to batches and back. */
static void test_storm(void **unused) {
        enum { RUNS = 600 };
        char name[64]; /* others may run this test, too */
        char *const arguments[] = { (char []){ "true" }, name, NULL };
        struct listen listen;
        char end[64] = "";
        size_t told = 0;

        (void)unused;
        (void)snprintf(name, sizeof(name), "storm-of-%d", (int)getpid());
        listen_open_or_skip(&listen, &source_bpf, 1U << DELTA_PROCESS);
        for (int i = 0; i < RUNS; i++) {
                pid_t pid = run("/bin/true", arguments);

                finish(pid);
                if (i % 10 == 9) {
                        (void)snprintf(end, sizeof(end), "vanished process pid=%d ", (int)pid);
                        listen_for(&listen, end);
                }
        }
        for (const char *at = buffer_string(&listen.text); (at = strstr(at, name)); at++)
                told++;
        assert_int_equal(told, RUNS);
        assert_false(listen_has(&listen, "\nloss bpf "));
        listen_close(&listen);
}

/* Nobody reads: what the ring cannot hold is counted to the last. */
static void test_overflow_is_counted(void **unused) {
        enum { RUNS = 2300, LONG = 120 * 1024 };
        static char text[LONG + 1];
        char *const arguments[] = { (char []){ "overflow" }, text, NULL };
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
        assert_true(listen_has(&listen, "\nloss bpf ring full "));
        assert_true(lost > 0);
        for (const char *at = buffer_string(&listen.text); (at = strstr(at, "command=overflow")); at++)
                told++;
        assert_true(told < RUNS);
        /* Others of this host may have run something too. */
        assert_true(events + lost >= 2 * RUNS);
        listen_close(&listen);
}

int main(int count, char **arguments) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_executed_and_exited),
                cmocka_unit_test(test_only_forked),
                cmocka_unit_test(test_from_memory_and_deleted),
                cmocka_unit_test(test_privileges_raised),
                cmocka_unit_test(test_privileges_kept),
                cmocka_unit_test(test_connections),
                cmocka_unit_test(test_only_what_is_wanted),
                cmocka_unit_test(test_storm),
                cmocka_unit_test(test_overflow_is_counted),
        };

        if (count == 2)
                return raise_privileges(arguments[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
