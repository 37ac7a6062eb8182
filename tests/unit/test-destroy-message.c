/* test-destroy-message.c - sockets that are gone: which of them were connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "destroy-message.h"

struct message {
        struct inet_diag_msg head;
        uint16_t protocol_size, protocol_type;
        uint8_t protocol, padding[3];
        uint16_t info_size, info_type;
        struct tcp_info info;
} __attribute__((packed));

static struct message tcp(void) {
        struct message message = {
                .head = { .idiag_family = AF_INET, .idiag_state = 7 },
                .protocol_size = 5, .protocol_type = INET_DIAG_PROTOCOL, .protocol = IPPROTO_TCP,
                .info_size = 4 + sizeof(struct tcp_info), .info_type = INET_DIAG_INFO,
                .info = { .tcpi_rtt = 77 },
        };

        message.head.id.idiag_sport = htons(50000);
        message.head.id.idiag_dport = htons(443);
        message.head.id.idiag_src[0] = htonl(0x0a000001);
        message.head.id.idiag_dst[0] = htonl(0x01020304);
        message.head.id.idiag_src[3] = message.head.id.idiag_dst[3] = UINT32_MAX; /* not part of an IPv4 address */
        message.head.id.idiag_cookie[0] = 1;
        message.head.id.idiag_cookie[1] = 2;
        return message;
}

static int parse(const struct message *message, struct connection_facts *ret) {
        return destroy_message_parse(bytes_of(message, sizeof(*message)), ret);
}

static void test_connections(void **unused) {
        static const uint8_t local[16] = { 10, 0, 0, 1 }, remote[16] = { 1, 2, 3, 4 };
        struct connection_facts facts = { .family = 0 };
        struct message message = tcp();

        (void)unused;
        assert_int_equal(parse(&message, &facts), 1);
        assert_true(facts.family == 4 && facts.protocol == IPPROTO_TCP);
        assert_true(facts.local_port == 50000 && facts.remote_port == 443);
        assert_memory_equal(facts.local, local, 16);
        assert_memory_equal(facts.remote, remote, 16);
        assert_true(facts.cookie == 0x200000001 && !facts.has_user);

        message.head.idiag_family = AF_INET6;
        assert_int_equal(parse(&message, &facts), 1);
        assert_true(facts.family == 6 && facts.local[15] == 0xff);

        message.protocol = IPPROTO_UDP;
        message.info.tcpi_rtt = 0;
        assert_int_equal(parse(&message, &facts), 1);
}

static void test_no_connections(void **unused) {
        struct connection_facts facts = { .family = 77 };
        struct message message = tcp();

        (void)unused;
        message.info.tcpi_rtt = 0;              /* refused */
        assert_int_equal(parse(&message, &facts), 0);
        message.info.tcpi_bytes_acked = 1;
        assert_int_equal(parse(&message, &facts), 1);
        facts.family = 77;
        message.head.id.idiag_dport = 0;        /* listening */
        assert_int_equal(parse(&message, &facts), 0);
        message = tcp();
        message.head.idiag_family = AF_UNIX;
        assert_int_equal(parse(&message, &facts), -EBADMSG);
        message = tcp();
        message.protocol_type = 99;
        assert_int_equal(parse(&message, &facts), -EBADMSG);
        message = tcp();
        assert_int_equal(destroy_message_parse(bytes_of(&message, sizeof(message.head) - 1), &facts), -EBADMSG);
        assert_int_equal(facts.family, 77);
        /* an older kernel says less */
        message.info_size = 4 + 8;
        assert_int_equal(parse(&message, &facts), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connections),
                cmocka_unit_test(test_no_connections),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
