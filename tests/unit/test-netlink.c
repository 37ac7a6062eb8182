/* test-netlink.c - messages and attributes in a datagram, whole and cut. */
#include <errno.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "netlink.h"

static void test_messages(void **unused) {
        struct {
                struct nlmsghdr first;
                uint8_t payload[8];     /* 5 used */
                struct nlmsghdr second;
        } datagram = {
                .first = { .nlmsg_len = 16 + 5, .nlmsg_type = 7, .nlmsg_seq = 9 },
                .payload = "abcde",
                .second = { .nlmsg_len = 16, .nlmsg_type = 8 },
        };
        struct bytes rest = bytes_of(&datagram, sizeof(datagram));
        struct netlink_message message;

        (void)unused;
        assert_true(netlink_next(&rest, &message));
        assert_int_equal(message.type, 7);
        assert_int_equal(message.sequence, 9);
        assert_true(bytes_equal(message.payload, bytes_of_string("abcde")));
        assert_true(netlink_next(&rest, &message));
        assert_int_equal(message.type, 8);
        assert_int_equal(message.payload.size, 0);
        assert_false(netlink_next(&rest, &message));

        datagram.second.nlmsg_len = 17;
        rest = bytes_of(&datagram, sizeof(datagram));
        assert_true(netlink_next(&rest, &message));
        assert_false(netlink_next(&rest, &message));
        datagram.first.nlmsg_len = 15;
        rest = bytes_of(&datagram, sizeof(datagram));
        assert_false(netlink_next(&rest, &message));
        datagram.first.nlmsg_len = UINT32_MAX;
        assert_false(netlink_next(&rest, &message));
        datagram.first.nlmsg_len = 16 + 5;
        rest = bytes_of(&datagram, 16 + 5); /* without its padding */
        assert_true(netlink_next(&rest, &message));
        assert_int_equal(rest.size, 0);
        rest = bytes_of(&datagram, 16 + 4);
        assert_false(netlink_next(&rest, &message));
}

static void test_attributes(void **unused) {
        uint16_t numbers[] = { 6, 0x8000 | 3, 0x4241, 0, 4, 5, 3, 6 };
        struct bytes rest = bytes_of(numbers, sizeof(numbers)), payload;
        uint16_t type;

        (void)unused;
        assert_true(netlink_next_attribute(&rest, &type, &payload));
        assert_int_equal(type, 3);
        assert_true(bytes_equal(payload, bytes_of_string("AB")));
        assert_true(netlink_next_attribute(&rest, &type, &payload));
        assert_int_equal(type, 5);
        assert_int_equal(payload.size, 0);
        assert_false(netlink_next_attribute(&rest, &type, &payload)); /* shorter than its header */
}

static void test_a_socket(void **unused) {
        _cleanup_close_ int fd = netlink_open(NETLINK_ROUTE, 0, 65536);
        struct netlink_datagram datagram;
        uint8_t place[64];

        (void)unused;
        assert_true(fd >= 0);
        assert_int_equal(netlink_receive(fd, place, sizeof(place), &datagram), 0);
        assert_int_equal(netlink_check(fd, NETLINK_ROUTE, 0), 0);
        assert_int_equal(netlink_check(fd, NETLINK_AUDIT, 0), -EBADF);
        assert_int_equal(netlink_check(fd, NETLINK_ROUTE, 1), -ENOTCONN);
        assert_int_equal(netlink_check(-1, NETLINK_ROUTE, 0), -EBADF);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_messages),
                cmocka_unit_test(test_attributes),
                cmocka_unit_test(test_a_socket),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
