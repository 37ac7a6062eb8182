/* Files of /proc that stay open: what is closed when, and whom they speak of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fd.h"
#include "process.h"

enum { LIMIT = 256 };

static bool is_open(int fd) {
        return fcntl(fd, F_GETFD) >= 0;
}

static int any_file(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void test_passes(void **unused) {
        struct process_files files = { .before = NULL };
        struct process_open *open;
        int one, two, three;

        (void)unused;
        assert_int_equal(process_files_begin(&files), 0);
        for (uint32_t pid = 10; pid <= 30; pid += 10) {
                open = process_files_of(&files, pid);
                assert_non_null(open);
                assert_int_equal(open->stat, -1);
                assert_int_equal(open->command_line, -1);
                open->stat = any_file();
        }
        one = files.now[0].stat, two = files.now[1].stat, three = files.now[2].stat;
        process_files_end(&files);
        assert_true(is_open(one) && is_open(two) && is_open(three));

        /* 20 is gone, 25 is new */
        assert_int_equal(process_files_begin(&files), 0);
        assert_int_equal(process_files_of(&files, 10)->stat, one);
        open = process_files_of(&files, 25);
        assert_int_equal(open->stat, -1);
        assert_false(is_open(two));
        open->command_line = any_file();
        two = open->command_line;
        assert_int_equal(process_files_of(&files, 30)->stat, three);
        process_files_end(&files);

        /* a pass that is given up after the first */
        assert_int_equal(process_files_begin(&files), 0);
        assert_int_equal(process_files_of(&files, 10)->stat, one);
        assert_true(is_open(two) && is_open(three));
        assert_int_equal(process_files_begin(&files), 0);
        assert_true(is_open(one));
        assert_false(is_open(two) || is_open(three));
        process_files_end(&files);
        assert_false(is_open(one));

        assert_int_equal(process_files_begin(&files), 0);
        process_files_of(&files, 10)->stat = one = any_file();
        process_files_done(&files);
        assert_false(is_open(one));
        process_files_done(&files);
}

static void test_limit(void **unused) {
        struct process_files files = { .before = NULL };
        struct rlimit limit;

        (void)unused;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = 1024; /* a service's */
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                skip();
        for (int pass = 0; pass < 3; pass++) {
                assert_int_equal(process_files_begin(&files), 0);
                for (uint32_t pid = 1; pid <= LIMIT + 5; pid++) {
                        struct process_open *open = process_files_of(&files, pid);

                        if (pid > LIMIT) {
                                assert_null(open);
                                continue;
                        }
                        assert_non_null(open);
                        if (pass == 0)
                                open->stat = any_file();
                        assert_true(is_open(open->stat));
                }
                process_files_end(&files);
        }
        process_files_done(&files);
}

static pid_t make_child(void) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void)pause();
        }
        return child;
}

static void test_real(void **unused) {
        _cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, raw = BUFFER_NULL, arguments = BUFFER_NULL;
        struct process_open open = { .stat = -1, .command_line = -1 };
        pid_t child = make_child(), other = make_child();
        struct process_place place = { .proc_fd = proc, .pid = (uint32_t)child, .open = &open };
        struct process_stat stat;
        int kept;

        (void)unused;
        open.pid = place.pid;
        assert_int_equal(process_read_stat(&place, &text, &stat), 0);
        assert_int_equal(stat.pid, child);
        assert_true(is_open(open.stat));
        kept = open.stat;
        /* it is asked, not the path: that would be of nobody */
        place.proc_fd = -1;
        assert_int_equal(process_read_stat(&place, &text, &stat), 0);
        assert_int_equal(stat.pid, child);
        assert_int_equal(open.stat, kept);
        place.proc_fd = proc;
        assert_int_equal(process_read_command_line(&place, &raw, &arguments), 0);
        assert_true(arguments.size > 0);
        assert_int_equal(process_read_command_line(&place, &raw, &arguments), 0);
        assert_true(is_open(open.command_line));

        /* as if its number had been given away while we slept */
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        place.pid = (uint32_t)other;
        assert_int_equal(process_read_stat(&place, &text, &stat), 0);
        assert_int_equal(stat.pid, other);
        assert_int_equal(process_read_command_line(&place, &raw, &arguments), 0);
        assert_true(arguments.size > 0);

        /* a thread answers for a leader that has ended: nothing of that stays */
        place.task = (uint32_t)other;
        kept = open.stat;
        open.stat = -1;
        assert_int_equal(process_read_stat(&place, &text, &stat), 0);
        assert_int_equal(open.stat, -1);
        open.stat = kept;
        place.task = 0;

        assert_int_equal(kill(other, SIGKILL), 0);
        assert_int_equal(waitpid(other, NULL, 0), other);
        assert_int_equal(process_read_stat(&place, &text, &stat), -ENOENT);
        assert_int_equal(open.stat, -1);
        assert_int_equal(process_read_command_line(&place, &raw, &arguments), -ENOENT);
        assert_int_equal(open.command_line, -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_passes), cmocka_unit_test(test_limit), cmocka_unit_test(test_real),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
