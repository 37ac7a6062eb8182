/* test-uevent.c - what the running kernel says of a module, and a process that pretends to be the kernel. */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "uevent.h"

/* Makes the kernel speak of an object that is there: "add", though nothing was added. */
static void ask_kernel(const char *path) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0) {
                print_message("%s may not be written\n", path);
                skip();
        }
        assert_int_equal(write(fd, "add", 3), 3);
        (void)close(fd);
}

static void pretend(const char *message, size_t size) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

        assert_true(fd >= 0);
        assert_true(sendto(fd, message, size, 0, (const struct sockaddr *)&address, sizeof(address)) == (ssize_t)size);
        (void)close(fd);
}

static void test_only_the_kernel_is_heard(void **unused) {
        static const char forged[] = "add@/module/forged\0ACTION=add\0DEVPATH=/module/forged\0SUBSYSTEM=module\0SEQNUM=1";
        struct listen listen;

        (void)unused;
        listen_open_or_skip(&listen, &source_uevent, 1U << DELTA_MODULE);
        assert_int_equal(listen.subjects, 1U << DELTA_MODULE);
        assert_true(listen_has(&listen, "covers modules by uevents full without who loaded"));
        pretend(forged, sizeof(forged));
        ask_kernel("/sys/bus/cpu/uevent");
        listen_a_while(&listen);
        assert_false(listen_has(&listen, "forged"));
        assert_false(listen_has(&listen, "hint"));
        source_uevent.check(listen.state);
        assert_false(listen_has(&listen, "ended"));
        listen_close(&listen);
}

/* Only a kernel with loadable modules has the file. */
static void test_a_module(void **unused) {
        _cleanup_(globfree) glob_t found = { 0 };
        _cleanup_buffer_ struct buffer wanted = BUFFER_NULL;
        struct listen listen;
        const char *name;

        (void)unused;
        if (glob("/sys/module/*/uevent", 0, NULL, &found) != 0) {
                print_message("this kernel has no loadable modules\n");
                skip();
        }
        listen_open_or_skip(&listen, &source_uevent, 1U << DELTA_MODULE);
        ask_kernel(found.gl_pathv[0]);
        name = found.gl_pathv[0] + strlen("/sys/module/");
        buffer_append_string(&wanted, "hint modules key=");
        while (*name != '/')
                buffer_printf(&wanted, "%02x", (uint8_t)*name++);
        buffer_append_byte(&wanted, '\n');
        /* a key to look at, not "it was loaded": it was not */
        listen_for(&listen, buffer_string(&wanted));
        assert_false(listen_has(&listen, "appeared module"));
        listen_close(&listen);
}

static void test_more_than_its_room(void **unused) {
        struct listen listen;
        uint64_t events, lost;

        (void)unused;
        listen_open_or_skip(&listen, &source_uevent, 1U << DELTA_MODULE);
        for (int i = 0; i < 20000; i++)
                ask_kernel("/sys/bus/cpu/uevent");
        listen_for(&listen, "loss uevent overrun modules\n");
        source_uevent.count(listen.state, &events, &lost);
        assert_true(events == 0 && lost > 0);
        listen_close(&listen);
}

static void test_not_wanted_not_opened(void **unused) {
        struct listen listen;

        (void)unused;
        assert_int_equal(listen_open(&listen, &source_uevent, 1U << DELTA_BPF_PROGRAM), -EOPNOTSUPP);
        assert_non_null(listen.reason);
        listen_close(&listen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_the_kernel_is_heard),
                cmocka_unit_test(test_a_module),
                cmocka_unit_test(test_more_than_its_room),
                cmocka_unit_test(test_not_wanted_not_opened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
