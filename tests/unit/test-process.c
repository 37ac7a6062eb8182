/* What /proc says of a process, taken apart. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tree.h"

#include "account.h"
#include "fd.h"
#include "host.h"
#include "process.h"

static struct bytes text(const char *string) {
        return bytes_of_string(string);
}

static void test_stat(void **unused) {
        static const char plain[] =
                "812 (sshd) S 1 812 812 34816 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 4711 1000 200 18446744073709551615 "
                "94001 94002 140001 0 0 0 0\n";
        static const char forged[] = "7 (x) R 1 (y\n) S 2 7 7 0 -1 2097152 1 2 3 4 5 6 7 8 20 0 1 0 12";
        static const char no_name[] = "7 () S 2 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551615 1";
        static const char *const bad[] = {
                "",
                "7",
                "7 ",
                "7 (",
                "7 (x",
                "7 (x)",
                "7 (x) ",
                "7 (x) S",
                "7 (x) S 1 2 3",
                "x (x) S 1 2 3",
                "0 (x) S 1",
                "4294967296 (x) S 2 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 12",
                "7 (x) S 2 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 ",
                "7 (x) S 2 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 18446744073709551616",
                "7 (x) S 2 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 one 0 12",
                "7 (x)S 2 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 12",
        };
        struct process_stat stat;

        (void)unused;
        assert_int_equal(process_parse_stat(text(plain), &stat), 0);
        assert_int_equal(stat.pid, 812);
        assert_true(bytes_equal(stat.name, text("sshd")));
        assert_int_equal(stat.state, 'S');
        assert_int_equal(stat.parent, 1);
        assert_int_equal(stat.tty, 34816);
        assert_int_equal(stat.flags, 4194560);
        assert_int_equal(stat.threads, 3);
        assert_int_equal(stat.start_ticks, 4711);
        assert_int_equal(stat.code_start, 94001);
        assert_int_equal(stat.code_end, 94002);
        assert_int_equal(stat.stack_start, 140001);

        assert_int_equal(process_parse_stat(text(forged), &stat), 0);
        assert_true(bytes_equal(stat.name, text("x) R 1 (y\n")));
        assert_int_equal(stat.parent, 2);
        assert_true(stat.flags & PROCESS_FLAG_KERNEL);
        assert_int_equal(stat.start_ticks, 12);
        assert_int_equal(stat.code_start, 0);

        assert_int_equal(process_parse_stat(text(no_name), &stat), 0);
        assert_int_equal(stat.name.size, 0);
        assert_true(stat.start_ticks == UINT64_MAX);

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (process_parse_stat(text(bad[i]), &stat) != -EBADMSG)
                        fail_msg("taken: %s", bad[i]);
}

static void test_ended(void **unused) {
        (void)unused;
        assert_true(process_leader_ended(&(struct process_stat){ .state = 'Z' }));
        assert_true(process_leader_ended(&(struct process_stat){ .state = 'X' }));
        assert_true(process_leader_ended(&(struct process_stat){ .state = 'R', .flags = PROCESS_FLAG_EXITING }));
        assert_false(process_leader_ended(&(struct process_stat){ .state = 'D', .flags = PROCESS_FLAG_KERNEL }));
}

static void test_image(void **unused) {
        struct process_stat a = { .code_start = 0x55aa00001000,
                                  .code_end = 0x55aa00002000,
                                  .stack_start = 0x7ffc00001230 };
        struct process_stat b = a, c = a;

        (void)unused;
        b.code_start += 0x1000;
        b.code_end += 0x1000;
        c.stack_start += 16;
        assert_true(process_image(&a) == process_image(&a));
        assert_true(process_image(&a) != process_image(&b));
        assert_true(process_image(&a) != process_image(&c));
        assert_true(process_image(&a) <= UINT16_MAX);
}

static void test_status_user(void **unused) {
        uint32_t user = 0;

        (void)unused;
        assert_int_equal(process_parse_status_user(text("Name:\tx\\nUid:\t1\nUid:\t1000\t33\t0\t0\nGid:\t5\n"), &user),
                         0);
        assert_int_equal(user, 33);
        assert_int_equal(process_parse_status_user(text("Name:\tx\n"), &user), -EBADMSG);
        assert_int_equal(process_parse_status_user(text("Uid:\t1000\n"), &user), -EBADMSG);
        assert_int_equal(process_parse_status_user(text("Uid:\t1000\t4294967296\n"), &user), -EBADMSG);
        assert_int_equal(process_parse_status_user(text(""), &user), -EBADMSG);
}

static void test_boot_time(void **unused) {
        uint64_t seconds = 0;

        (void)unused;
        assert_int_equal(
                process_parse_boot_time(text("cpu  1 2 3\nintr 5\nctxt 1\nbtime 1700000000\nprocesses 5\n"), &seconds),
                0);
        assert_int_equal(seconds, 1700000000);
        assert_int_equal(process_parse_boot_time(text("cpu  1 2 3\nbtime x\n"), &seconds), -EBADMSG);
        assert_int_equal(process_parse_boot_time(text("cpu  1 2 3\n"), &seconds), -EBADMSG);
}

static void test_cgroup(void **unused) {
        static const struct {
                const char *text, *path;
        } cases[] = {
                { "0::/system.slice/ssh.service\n", "/system.slice/ssh.service" },
                { "0::/\n", "/" },
                { "0::/a:b\n", "/a:b" },
                { "9:name=systemd:/init.scope\n4:memory:/m\n0::/\n", "/init.scope" },
                { "9:name=systemd:/\n4:memory:/m\n1:cpu:/c\n0::/\n", "/m" },
                { "9:name=systemd:/s\n4:memory:/m\n0::/u\n", "/u" },
                { "8:pids:/\n", "/" },
                { "0::/no-newline", "/no-newline" },
                { "rubbish\n:\n::\n0::/x\n", "/x" },
                { "", NULL }, { "0:\n", NULL }, { "\n\n", NULL }, { "0::", NULL },
        };
        struct bytes path;

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int r = process_parse_cgroup(text(cases[i].text), &path);

                if (!cases[i].path)
                        assert_int_equal(r, -EBADMSG);
                else if (r < 0 || !bytes_equal(path, text(cases[i].path)))
                        fail_msg("%s", cases[i].text);
        }
}

static void test_pid(void **unused) {
        static const char *const bad[] = {
                "", "0", "01", "-1", "1x", "x", "4294967296", "99999999999999999999999", " 1"
        };
        uint32_t pid;

        (void)unused;
        assert_int_equal(process_parse_pid("4294967295", &pid), 0);
        assert_true(pid == UINT32_MAX);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(process_parse_pid(bad[i], &pid), -EINVAL);
}

static void test_arguments(void **unused) {
        static const struct {
                struct bytes raw;
                const char *joined;
        } cases[] = {
                { { (const uint8_t *)"ls\0-l\0", 6 }, "ls -l" },
                { { (const uint8_t *)"x\0\0y\0\0\0", 7 }, "x  y" },
                { { (const uint8_t *)"title: idle\0\0\0\0\0", 16 }, "title: idle" },
                { { (const uint8_t *)"\0\0\0", 3 }, "" },
                { { NULL, 0 }, "" },
                { { (const uint8_t *)"a\n\x1b[2J\xff", 7 }, "a\n\x1b[2J\xff" },
        };
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                buffer_clear(&buffer);
                process_join_arguments(cases[i].raw, &buffer);
                assert_string_equal(buffer_string(&buffer), cases[i].joined);
        }
}

static void test_tty(void **unused) {
        static const struct {
                uint32_t tty;
                const char *name;
        } cases[] = {
                { 0, "" },
                { 136 << 8, "pts/0" },
                { 136 << 8 | 255, "pts/255" },
                { 136 << 8 | 1 << 20 | 4, "pts/260" },
                { 4 << 8 | 1, "tty1" },
                { 4 << 8 | 64, "ttyS0" },
                { 204 << 8 | 64, "ttyAMA0" },
                { 229 << 8, "229:0" },
        };
        struct tree tree;
        _cleanup_free_ char *serial = NULL, *arm = NULL;
        int sys;

        (void)unused;
        tree_make(&tree);
        tree_folder(&tree, "dev/char");
        serial = tree_path(&tree, "dev/char/4:64");
        arm = tree_path(&tree, "dev/char/204:64");
        assert_int_equal(symlink("../../devices/pnp0/tty/ttyS0", serial), 0);
        assert_int_equal(symlink("../../devices/x/tty/ttyAMA0", arm), 0);
        sys = open(tree.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                process_tty_name(sys, cases[i].tty, &buffer);
                assert_string_equal(buffer_string(&buffer), cases[i].name);
        }
        (void)close(sys);
        tree_remove(&tree);
}

/* What the readers say of a process whose answers we know: ourselves. */
static void test_self(void **unused) {
        _cleanup_buffer_ struct buffer first = BUFFER_NULL, second = BUFFER_NULL;
        _cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct process_place place = { .proc_fd = proc, .pid = (uint32_t)getpid() };
        struct process_list list = PROCESS_LIST_NULL;
        char own[PATH_MAX] = "";
        struct process_stat stat;
        uint32_t live = 1, written = 2;
        bool deleted = true, seen = false;

        (void)unused;
        assert_int_equal(process_read_stat(&place, &first, &stat), 0);
        assert_int_equal(stat.parent, getppid());
        assert_false(process_leader_ended(&stat));
        assert_int_equal(process_read_user(&place, true, &second, &live), 0);
        assert_int_equal(process_read_user(&place, false, &second, &written), 0);
        assert_int_equal(live, geteuid());
        assert_int_equal(written, geteuid());
        assert_int_equal(process_read_command_line(&place, &first, &second), 0);
        assert_true(second.size > 0);
        assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
        assert_int_equal(process_read_executable(&place, &first, &deleted), 0);
        assert_string_equal(buffer_string(&first), own);
        assert_false(deleted);

        assert_int_equal(process_list_read(proc, &list), 0);
        for (size_t i = 0; i < list.count; i++) {
                assert_true(i == 0 || list.pids[i] > list.pids[i - 1]);
                seen = seen || list.pids[i] == place.pid;
        }
        assert_true(seen);
        process_list_done(&list);
}

/* The kernel shows the effective user as the owner of /proc/PID for a process that is not dumpable too: the fact on
 * which process_read_user() stands. */
static void test_user_not_dumpable(void **unused) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
        _cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct process_place place = { .proc_fd = proc };
        int ready[2], status;
        uint32_t user = 0;
        char byte;
        pid_t pid;

        (void)unused;
        if (geteuid() != 0)
                skip();
        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                /* A change of ids makes a process not dumpable. */
                _exit(setresuid(65534, 65534, 65534) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
                              write(ready[1], "x", 1) == 1 && pause() ? 0 : 1);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        place.pid = (uint32_t)pid;
        assert_int_equal(process_read_user(&place, true, &buffer, &user), 0);
        assert_int_equal(user, 65534);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(process_read_user(&place, true, &buffer, &user), -ENOENT);
        (void)close(ready[0]);
        (void)close(ready[1]);
}

static void test_accounts(void **unused) {
        struct account_names names = ACCOUNT_NAMES_NULL;
        struct host host = HOST_NULL;
        struct tree tree;

        (void)unused;
        tree_make(&tree);
        assert_int_equal(host_open(&host, tree.root), 0);
        assert_int_equal(account_names_refresh(&names, &host), 0);
        assert_int_equal(account_name(&names, 0).size, 0);

        tree_text(&tree, "etc/passwd",
                  "none:x::1::/:\n" /* before root: an empty id must not read as 0 */
                  "root:x:0:0:root:/root:/bin/sh\n"
                  "toor:x:0:0::/:\n"
                  "+nis::5::::\n"
                  "# web:x:33:33::/:\n"
                  "www-data:x:33:33::/:\n"
                  ":x:6:6::/:\n"
                  "big:x:4294967296:1::/:\n"
                  "bad:x:12a:1::/:\n"
                  "short:x:7\n"
                  "last:x:4294967295:1::/:");
        assert_int_equal(account_names_refresh(&names, &host), 0);
        assert_true(bytes_equal(account_name(&names, 0), text("root")));
        assert_true(bytes_equal(account_name(&names, 33), text("www-data")));
        assert_true(bytes_equal(account_name(&names, UINT32_MAX), text("last")));
        assert_int_equal(names.count, 3);

        tree_text(&tree, "etc/passwd.new", "admin:x:0:0::/:\n");
        {
                _cleanup_free_ char *from = tree_path(&tree, "etc/passwd.new"), *to = tree_path(&tree, "etc/passwd");
                assert_int_equal(rename(from, to), 0);
        }
        assert_int_equal(account_names_refresh(&names, &host), 0);
        assert_true(bytes_equal(account_name(&names, 0), text("admin")));
        assert_int_equal(account_name(&names, 33).size, 0);

        tree_delete(&tree, "etc/passwd");
        assert_int_equal(account_names_refresh(&names, &host), 0);
        assert_int_equal(account_name(&names, 0).size, 0);
        account_names_done(&names);
        host_close(&host);
        tree_remove(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stat), cmocka_unit_test(test_ended), cmocka_unit_test(test_image),
                cmocka_unit_test(test_status_user), cmocka_unit_test(test_boot_time), cmocka_unit_test(test_cgroup),
                cmocka_unit_test(test_pid), cmocka_unit_test(test_arguments), cmocka_unit_test(test_tty),
                cmocka_unit_test(test_self), cmocka_unit_test(test_user_not_dumpable), cmocka_unit_test(test_accounts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
