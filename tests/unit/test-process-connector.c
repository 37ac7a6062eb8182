/* test-process-connector.c - children of ours that execute, exit, change their user, and are too many. */
#include "listen.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "process-connector.h"

enum { SOMEBODY = 4242 };

static void await(pid_t pid, int expected) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, expected);
}

/* The text with the pid in its middle. */
static const char *line(const char *before, pid_t pid, const char *after) {
        static char text[256];

        (void)snprintf(text, sizeof(text), "%s%d%s", before, (int)pid, after);
        return text;
}

static void test_executes_and_exits(void **unused) {
        struct listen listen;
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_process_connector, 1U << DELTA_PROCESS);
        assert_int_equal(listen.subjects, 1U << DELTA_PROCESS);
        assert_true(listen_has(&listen, "covers processes by process connector most without "));
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)execl("/bin/sleep", "sleep", "60.25", NULL);
                _exit(99);
        }
        listen_for(&listen, line("appeared process pid=", pid, " parent="));
        assert_true(listen_has(&listen, line("appeared process pid=", pid, " parent=")));
        assert_true(listen_has(&listen, " user=0/0 name=sleep executable=/"));
        assert_true(listen_has(&listen, " command=sleep 60.25 "));
        assert_int_equal(kill(pid, SIGKILL), 0);
        await(pid, SIGKILL);
        listen_for(&listen, line("vanished process pid=", pid, " "));
        assert_true(listen_has(&listen, " exit=9"));

        /* gone before it is read: its pid is told all the same */
        pid = vfork();
        if (pid == 0) {
                (void)execl("/bin/true", "true", NULL);
                _exit(99);
        }
        await(pid, 0);
        listen_for(&listen, line("appeared process pid=", pid, " user="));
        listen_for(&listen, line("vanished process pid=", pid, " exit=0 by "));
        listen_close(&listen);
}

/* Ends after its first thread. */
static void *later(void *go) {
        char byte;

        (void)!read(*(int *)go, &byte, 1);
        syscall(SYS_exit_group, 0);
        return NULL;
}

static void test_the_first_thread_ends_first(void **unused) {
        struct listen listen;
        int go[2];
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_process_connector, 1U << DELTA_PROCESS);
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                pthread_t thread;

                (void)close(go[1]); /* whatever becomes of the test, this child ends with it */
                if (pthread_create(&thread, NULL, later, &go[0]) != 0)
                        _exit(1);
                syscall(SYS_exit, 0);
        }
        listen_a_while(&listen);
        assert_false(listen_has(&listen, line("vanished process pid=", pid, " ")));
        assert_int_equal(write(go[1], "x", 1), 1);
        await(pid, 0);
        listen_for(&listen, line("vanished process pid=", pid, " "));
        (void)close(go[0]);
        (void)close(go[1]);
        listen_close(&listen);
}

static void test_raised(void **unused) {
        struct listen listen;
        pid_t pid;

        (void)unused;
        if (geteuid() != 0)
                skip();
        listen_open_or_skip(&listen, &source_process_connector, 1U << DELTA_PROCESS);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                /* below, and up again without an execve */
                _exit(setresuid(0, SOMEBODY, 0) == 0 && setresuid(0, 0, 0) == 0 ? 0 : 1);
        }
        await(pid, 0);
        listen_for(&listen, line("incident privileges-raised 4242 0 by ", pid, "\n"));
        assert_true(listen_has(&listen, line("changed process pid=", pid, " user=0/4242 by ")));
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                /* this one might be an execve by what the kernel says: told a little later */
                if (setresuid(SOMEBODY, SOMEBODY, 0) < 0 || setresuid(SOMEBODY, 0, 0) < 0)
                        _exit(1);
                (void)sleep(60);
                _exit(0);
        }
        listen_for(&listen, line("incident privileges-raised 4242 0 by ", pid, "\n"));
        assert_int_equal(kill(pid, SIGKILL), 0);
        await(pid, SIGKILL);
        listen_close(&listen);
}

static void test_set_user_id_is_not_raised(void **unused) {
        _cleanup_free_ char *program = NULL;
        struct listen listen;
        struct tree tree;
        char command[512];
        pid_t pid;

        (void)unused;
        if (geteuid() != 0)
                skip();
        listen_open_or_skip(&listen, &source_process_connector, 1U << DELTA_PROCESS);
        tree_make(&tree);
        program = tree_path(&tree, "sleep");
        (void)snprintf(command, sizeof(command), "cp /bin/sleep '%s' && chmod 4755 '%s' && chmod 755 '%s'", program, program,
                       tree.root);
        assert_int_equal(system(command), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0)
                        _exit(1);
                (void)execl(program, "sleep", "1", NULL);
                _exit(99);
        }
        listen_for(&listen, line("appeared process pid=", pid, " "));
        assert_true(listen_has(&listen, " user=4242/0 name=sleep "));
        assert_true(listen_has(&listen, line("changed process pid=", pid, " user=4242/0 by ")));
        await(pid, 0);
        listen_for(&listen, line("vanished process pid=", pid, " "));
        assert_false(listen_has(&listen, line("incident privileges-raised 4242 0 by ", pid, "")));
        tree_remove(&tree);
        listen_close(&listen);
}

static void test_more_than_its_room(void **unused) {
        struct listen listen;
        uint64_t events, lost;
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_process_connector, 1U << DELTA_PROCESS);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                for (int i = 0; i < 30000; i++) {
                        pid_t child = vfork();

                        if (child == 0)
                                _exit(0);
                        (void)waitpid(child, NULL, 0);
                }
                _exit(0);
        }
        await(pid, 0);
        listen_for(&listen, "loss proc-connector overrun ");
        listen_a_while(&listen); /* the gap shows with the next event of its CPU */
        pid = fork();
        if (pid == 0)
                _exit(0);
        await(pid, 0);
        listen_for(&listen, line("vanished process pid=", pid, " "));
        source_process_connector.count(listen.state, &events, &lost);
        print_message("%llu told, %llu events lost\n", (unsigned long long)events, (unsigned long long)lost);
        assert_true(lost > 100);
        listen_close(&listen);
}

static void test_still_heard(void **unused) {
        struct listen listen;

        (void)unused;
        listen_open_or_skip(&listen, &source_process_connector, 1U << DELTA_PROCESS);
        for (int i = 0; i < 3; i++) {
                source_process_connector.check(listen.state);
                assert_false(listen_has(&listen, "ended"));
        }
        listen_close(&listen);
}

static void test_not_wanted_not_opened(void **unused) {
        struct listen listen;

        (void)unused;
        assert_int_equal(listen_open(&listen, &source_process_connector, 1U << DELTA_MODULE), -EOPNOTSUPP);
        assert_non_null(listen.reason);
        listen_close(&listen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_executes_and_exits),
                cmocka_unit_test(test_the_first_thread_ends_first),
                cmocka_unit_test(test_raised),
                cmocka_unit_test(test_set_user_id_is_not_raised),
                cmocka_unit_test(test_more_than_its_room),
                cmocka_unit_test(test_still_heard),
                cmocka_unit_test(test_not_wanted_not_opened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
