/* test-kernel-log.c - a line written into the running kernel's log wakes the watch. */
#include "listen.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>

#include "kernel-log.h"

static void say(const char *text) {
        int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

        if (fd < 0) {
                print_message("/dev/kmsg may not be written\n");
                skip();
        }
        assert_true(write(fd, text, strlen(text)) > 0);
        (void)close(fd);
}

static void test_a_line(void **unused) {
        struct listen listen;
        uint64_t events, lost;

        (void)unused;
        say("nephronix test: before\n");
        listen_open_or_skip(&listen, &source_kernel_log, 0);
        assert_string_equal(buffer_string(&listen.text), "covers kernel-messages by kmsg full\n");
        listen_a_while(&listen); /* what was said before it was opened is for the first look */
        assert_false(listen_has(&listen, "hint"));
        say("nephronix test: after\n");
        listen_for(&listen, "hint kernel-messages\n");
        listen_a_while(&listen);
        source_kernel_log.count(listen.state, &events, &lost);
        assert_true(events >= 1 && lost == 0);

        source_kernel_log.check(listen.state);
        assert_false(listen_has(&listen, "ended"));
        listen_close(&listen);
}

/* How: closed, or something else under its number. */
static void check_closed(bool replaced) {
        struct listen listen;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(null >= 0);
        listen_open_or_skip(&listen, &source_kernel_log, 0);
        for (int fd = 3; fd < 64; fd++) {
                char path[64], target[64] = "";

                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                if (readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, "/dev/kmsg") == 0)
                        (void)(replaced ? dup2(null, fd) : close(fd));
        }
        (void)close(null);
        source_kernel_log.check(listen.state);
        source_kernel_log.check(listen.state);
        assert_non_null(strstr(buffer_string(&listen.text), "\nended kmsg "));
        assert_null(strstr(strstr(buffer_string(&listen.text), "ended kmsg ") + 1, "ended"));
        listen_close(&listen);
}

static void test_closed_under_us(void **unused) {
        (void)unused;
        check_closed(false);
}

static void test_replaced_under_us(void **unused) {
        (void)unused;
        check_closed(true);
}

static void test_a_tree_has_none(void **unused) {
        struct listen listen;
        struct tree tree;

        (void)unused;
        tree_make(&tree);
        assert_int_equal(listen_open_at(&listen, &source_kernel_log, 0, tree.root), -EOPNOTSUPP);
        assert_non_null(listen.reason);
        assert_string_equal(buffer_string(&listen.text), "");
        listen_close(&listen);
        tree_remove(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_line),
                cmocka_unit_test(test_closed_under_us), cmocka_unit_test(test_replaced_under_us),
                cmocka_unit_test(test_a_tree_has_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
