/* test-socket-destroy.c - connections over loopback that close, and one that never was. */
#include "listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "socket-destroy.h"

static struct sockaddr_in name_of(int fd) {
        struct sockaddr_in address = { .sin_family = AF_INET };
        socklen_t size = sizeof(address);

        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        return address;
}

static int bound(int type) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static void expect(struct listen *listen, int protocol, uint16_t local, uint16_t remote, int client) {
        unsigned long long cookie = 0;
        socklen_t size = sizeof(cookie);
        char text[160];

        assert_int_equal(getsockopt(client, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
        (void)close(client);
        (void)snprintf(text, sizeof(text), "vanished connection %d 127.0.0.1:%u > 127.0.0.1:%u cookie=%llu\n", protocol, local,
                       remote, cookie);
        listen_for(listen, text);
}

static void test_connections(void **unused) {
        struct sockaddr_in server_name, client_name, nobody_name;
        int server, client, accepted, nobody;
        struct listen told;
        char text[64];

        (void)unused;
        listen_open_or_skip(&told, &source_socket_destroy, 1U << DELTA_CONNECTION);
        assert_int_equal(told.subjects, 1U << DELTA_CONNECTION);
        assert_true(listen_has(&told, "covers connections by sock_diag destroy groups wakes without "));

        /* refused: no connection */
        nobody = bound(SOCK_STREAM);
        nobody_name = name_of(nobody);
        (void)close(nobody);
        client = bound(SOCK_STREAM);
        assert_int_equal(connect(client, (const struct sockaddr *)&nobody_name, sizeof(nobody_name)), -1);
        assert_int_equal(errno, ECONNREFUSED);
        (void)snprintf(text, sizeof(text), "127.0.0.1:%u >", ntohs(name_of(client).sin_port));
        (void)close(client);

        server = bound(SOCK_STREAM);
        server_name = name_of(server);
        assert_int_equal(listen(server, 5), 0);
        client = bound(SOCK_STREAM);
        client_name = name_of(client);
        assert_int_equal(connect(client, (const struct sockaddr *)&server_name, sizeof(server_name)), 0);
        accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        assert_true(accepted >= 0);
        (void)close(server);
        listen_a_while(&told);
        assert_false(listen_has(&told, text));
        expect(&told, IPPROTO_TCP, ntohs(server_name.sin_port), ntohs(client_name.sin_port), accepted);
        expect(&told, IPPROTO_TCP, ntohs(client_name.sin_port), ntohs(server_name.sin_port), client);

        server = bound(SOCK_DGRAM);
        server_name = name_of(server);
        client = bound(SOCK_DGRAM);
        client_name = name_of(client);
        assert_int_equal(connect(client, (const struct sockaddr *)&server_name, sizeof(server_name)), 0);
        (void)close(server);
        expect(&told, IPPROTO_UDP, ntohs(client_name.sin_port), ntohs(server_name.sin_port), client);
        source_socket_destroy.check(told.state);
        assert_false(listen_has(&told, "ended"));
        listen_close(&told);
}

static void test_not_wanted_not_opened(void **unused) {
        struct listen told;

        (void)unused;
        assert_int_equal(listen_open(&told, &source_socket_destroy, 1U << DELTA_MODULE), -EOPNOTSUPP);
        assert_non_null(told.reason);
        listen_close(&told);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_connections),
                cmocka_unit_test(test_not_wanted_not_opened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
