/* The watch "connections" over text tables of a tree, and over the real kernel with sockets of our own. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "collect.h"
#include "tree.h"

#include "connection.h"
#include "connections.h"
#include "delta.h"
#include "fd.h"
#include "host.h"
#include "net-table.h"
#include "socket-owners.h"

#define HEADER "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#define REST " 00000000:00000000 00:00000000 00000000 "

static const char tcp[] =
        HEADER
        "   0: 0100007F:0016 00000000:0000 0A" REST "    0        0 10 1 ffff 100 0 0 10 0\n"
        "   1: 0100007F:0016 0200007F:9C40 01" REST " 1000        0 501 1 ffff 20 4 30 10 -1\n"
        "   2: 0100007F:0016 0200007F:9C41 06" REST "    0        0 0 1 ffff\n"
        "   3: 0100007F:0016 0200007F:0001 01" REST "    0        0 0 1 ffff\n"
        "   4: FFFFFFFF:FFFF FFFFFFFF:FFFF 08" REST "    0        0 77 1 ffff\n";
static const char tcp6[] =
        HEADER "   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:C000 01" REST
               "   33        0 502 1 ffff\n";
static const char udp[] =
        HEADER
        "   0: 0100007F:0035 0100007F:A000 01" REST "    0        0 504 2 ffff 0\n"
        "   1: 0100007F:0035 0100007F:A000 01" REST "    0        0 503 2 ffff 0\n"
        "   2: 00000000:0044 00000000:0000 07" REST "    0        0 505 2 ffff 0\n";

static void test_tables(void **unused) {
        static const char *const bad[] = {
                "", "\n\n", HEADER, "0: 0100007F:0016 0200007F:9C40 01\n",
                "0: 0100007F 0200007F:9C40 01" REST "0 0 1\n",
                "0: 0100007:0016 0200007F:9C40 01" REST "0 0 1\n",
                "0: 0100007F:0016 0200007F:19C40 01" REST "0 0 1\n",
                "0: 0100007F:0016 0200007F: 01" REST "0 0 1\n",
                "0: 0100007X:0016 0200007F:9C40 01" REST "0 0 1\n",
                "0: 0100007F:0016 0200007F:9C40 01" REST "4294967296 0 1\n",
                "0: 0100007F:0016 0200007F:9C40 01" REST "0 0 -1\n",
                "0: 0100007F:0016 0200007F:9C40 100000001" REST "0 0 1\n",
        };
        struct connection_list list = CONNECTION_LIST_NULL;

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                assert_int_equal(net_table_parse(bytes_of_string(bad[i]), IPPROTO_TCP, CONNECTION_IPV4, 0, &list), 0);
                if (list.count)
                        fail_msg("taken: %s", bad[i]);
        }
        assert_int_equal(net_table_parse(bytes_of_string(tcp), IPPROTO_TCP, CONNECTION_IPV6, 0, &list), 0);
        assert_int_equal(list.count, 0);
        assert_int_equal(net_table_parse(bytes_of_string(tcp), IPPROTO_TCP, CONNECTION_IPV4, 7, &list), 0);
        assert_int_equal(list.count, 2);
        assert_int_equal(list.items[0].inode, 501);
        assert_int_equal(list.items[0].user, 1000);
        assert_int_equal(connection_get(list.items[0].key, CONNECTION_NAMESPACE, 8), 7);
        assert_int_equal(connection_get(list.items[0].key, CONNECTION_LOCAL, 4), 0x7f000001);
        assert_int_equal(connection_get(list.items[0].key, CONNECTION_REMOTE_PORT, 2), 40000);
        connection_list_done(&list);
}

static void test_list(void **unused) {
        struct connection_list list = CONNECTION_LIST_NULL;

        (void)unused;
        connection_list_sort(&list);
        for (unsigned i = 0; i < 1000; i++) {
                struct connection connection = { .inode = i };

                connection_put(connection.key, CONNECTION_LOCAL_PORT, 2, (i * 7919) % 500);
                assert_int_equal(connection_list_add(&list, &connection), 0);
        }
        connection_list_sort(&list);
        assert_int_equal(list.count, 500);
        for (size_t i = 0; i < list.count; i++)
                assert_int_equal(connection_get(list.items[i].key, CONNECTION_LOCAL_PORT, 2), i);
        connection_list_clear(&list);
        assert_true(list.capacity >= 500);
        connection_list_clear(&list); /* not needed for a whole round */
        assert_int_equal(list.capacity, 0);
        connection_list_done(&list);
}

static void test_link(void **unused) {
        static const char *const bad[] = {
                "",          "socket:[]",    "socket:[0]",          "socket:[12",   "socket:12]",
                "pipe:[12]", "socket:[12a]", "socket:[4294967296]", "/socket:[12]", "socket:[12] (deleted)",
        };
        uint32_t inode = 0;

        (void)unused;
        assert_true(socket_owners_parse_link(bytes_of_string("socket:[4294967295]"), &inode));
        assert_true(inode == UINT32_MAX);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(socket_owners_parse_link(bytes_of_string(bad[i]), &inode));
}

static void add_link(const struct tree *tree, const char *path, const char *target) {
        _cleanup_free_ char *whole = tree_path(tree, path);

        assert_int_equal(symlink(target, whole), 0);
}

static void make_tree(struct tree *tree) {
        tree_make(tree);
        tree_text(tree, "etc/passwd", "root:x:0:0::/:\nalice:x:1000:1000::/:\n");
        tree_text(tree, "proc/net/tcp", tcp);
        tree_text(tree, "proc/net/tcp6", tcp6);
        tree_text(tree, "proc/net/udp", udp); /* and no udp6 */
        tree_text(tree, "proc/70/stat",
                  "70 (ssh\") R 1 (x) S 1 70 70 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 22 0 0 0 1 1 0\n");
        tree_text(tree, "proc/70/cgroup", "0::/ssh\n");
        tree_folder(tree, "proc/70/fd");
        add_link(tree, "proc/70/fd/0", "socket:[501]");
        add_link(tree, "proc/70/fd/12", "socket:[504]");
        add_link(tree, "proc/70/fd/3", "socket:[504]");
        add_link(tree, "proc/70/fd/4", "/a name much longer than that of any socket: socket:[503]");
        tree_text(tree, "proc/8/stat", "8 (low) S 1 70 70 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 22 0 0 0 1 1 0\n");
        tree_folder(tree, "proc/8/fd");
        add_link(tree, "proc/8/fd/5", "socket:[503]");
        tree_folder(tree, "proc/700/fd");
        add_link(tree, "proc/700/fd/5", "socket:[501]");
        tree_folder(tree, "proc/9"); /* ended while it is looked at */
}

struct fixture {
        struct tree tree;
        struct host host;
        struct test_collector collector;
        void *state;
};

static void begin(struct fixture *fixture, const char *root, const struct watch_settings *settings) {
        assert_int_equal(host_open(&fixture->host, root), 0);
        assert_int_equal(watch_connections.open(settings, &fixture->host, &fixture->state), 0);
        test_collector_init(&fixture->collector, &watch_connections);
}

static void end(struct fixture *fixture) {
        watch_connections.close(fixture->state);
        host_close(&fixture->host);
        test_collector_done(&fixture->collector);
}

/* A collector between: fills the costly fields, as the engine would for a record it has not known. */
struct completing {
        struct collector collector;
        struct test_collector *test;
        void *state;
};

static int complete_record(struct collector *collector, const struct record *record) {
        struct completing *completing = container_of(collector, struct completing, collector);
        struct record whole = *record;

        assert_int_equal(watch_connections.complete(completing->state, &whole), 0);
        return test_record(&completing->test->collector, &whole);
}

static void complete_loss(struct collector *collector, const struct loss *loss) {
        struct completing *completing = container_of(collector, struct completing, collector);

        test_loss(&completing->test->collector, loss);
}

static void complete_condition(struct collector *collector, const char *condition) {
        struct completing *completing = container_of(collector, struct completing, collector);

        test_condition(&completing->test->collector, condition);
}

static int collect_whole(struct fixture *fixture) {
        struct completing completing = {
                .collector = { complete_record, complete_loss, complete_condition },
                .test = &fixture->collector,
                .state = fixture->state,
        };
        struct collect_request request = { .after = BYTES_NULL };

        buffer_clear(&fixture->collector.records);
        buffer_clear(&fixture->collector.conditions);
        fixture->collector.count = 0;
        return watch_connections.collect(fixture->state, &request, &completing.collector);
}

static void test_fixture(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };

        (void)unused;
        make_tree(&fixture.tree);
        begin(&fixture, fixture.tree.root, NULL);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        assert_null(strstr(buffer_string(&fixture.collector.records), "pid="));
        assert_int_equal(collect_whole(&fixture), WATCH_OK);
        assert_string_equal(
                buffer_string(&fixture.collector.records),
                "protocol=tcp type=ipv4 local_address=127.0.0.1 local_port=22 remote_address=127.0.0.2 remote_port=1 "
                "local=127.0.0.1:22 remote=127.0.0.2:1\n"
                "protocol=tcp type=ipv4 local_address=127.0.0.1 local_port=22 remote_address=127.0.0.2 "
                "remote_port=40000 "
                "inode=501 user_id=1000 user=alice local=127.0.0.1:22 remote=127.0.0.2:40000 pid=70 "
                "command=ssh\") R 1 (x descriptor=0 cgroup=/ssh\n"
                "protocol=tcp type=ipv6 local_address=::1 local_port=8080 remote_address=::1 remote_port=49152 "
                "inode=502 "
                "user_id=33 local=[::1]:8080 remote=[::1]:49152\n"
                "protocol=udp type=ipv4 local_address=127.0.0.1 local_port=53 remote_address=127.0.0.1 "
                "remote_port=40960 "
                "inode=503 user_id=0 user=root local=127.0.0.1:53 remote=127.0.0.1:40960 pid=8 command=low "
                "descriptor=5\n"
                "protocol=udp type=ipv4 local_address=127.0.0.1 local_port=53 remote_address=127.0.0.1 "
                "remote_port=40960 "
                "inode=504 user_id=0 user=root local=127.0.0.1:53 remote=127.0.0.1:40960 pid=70 "
                "command=ssh\") R 1 (x descriptor=3 cgroup=/ssh\n");
        assert_int_equal(fixture.collector.conditions.size, 0);
        end(&fixture);
        tree_remove(&fixture.tree);
}

static void test_no_proc(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };

        (void)unused;
        tree_make(&fixture.tree);
        begin(&fixture, fixture.tree.root, NULL);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_E_UNAVAILABLE);
        assert_string_equal(buffer_string(&fixture.collector.conditions), "no /proc on this host\n");
        end(&fixture);
        tree_remove(&fixture.tree);
}

/* A connected pair over loopback. */
struct pair {
        int listener, client, server;
        uint16_t client_port, port;
};

static uint16_t port_of(int fd) {
        struct sockaddr_storage address = { 0 };
        socklen_t size = sizeof(address);

        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                  : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static int make_socket(int family, int type, uint16_t remote_port) {
        const struct sockaddr_in v4 = {
                .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(remote_port),
        };
        const struct sockaddr_in6 v6 = {
                .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(remote_port),
        };
        const struct sockaddr *address =
                family == AF_INET ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
        const socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
        int fd = socket(family, type | SOCK_CLOEXEC, 0);

        if (fd < 0 || (remote_port ? connect(fd, address, size) : bind(fd, address, size)) < 0)
                return fd_close(fd);
        return fd;
}

static bool make_pair(int family, struct pair *pair) {
        pair->listener = make_socket(family, SOCK_STREAM, 0);
        if (pair->listener < 0)
                return false;
        assert_int_equal(listen(pair->listener, 5), 0);
        pair->port = port_of(pair->listener);
        pair->client = make_socket(family, SOCK_STREAM, pair->port);
        assert_true(pair->client >= 0);
        pair->client_port = port_of(pair->client);
        pair->server = -1;
        return true;
}

static char *line_with(struct test_collector *collector, const char *needle) {
        const char *records = buffer_string(&collector->records), *found = strstr(records, needle), *start = found;

        if (!found)
                return NULL;
        while (start > records && start[-1] != '\n')
                start--;
        return strndup(start, strcspn(start, "\n"));
}

static char *line_of(struct test_collector *collector, const char *protocol, uint16_t local, uint16_t remote) {
        _cleanup_free_ char *v4 = NULL, *v6 = NULL;
        char *line;

        assert_true(asprintf(&v4,
                             "protocol=%s type=ipv4 local_address=127.0.0.1 local_port=%u remote_address=127.0.0.1 "
                             "remote_port=%u ",
                             protocol, local, remote) > 0);
        assert_true(asprintf(&v6,
                             "protocol=%s type=ipv6 local_address=::1 local_port=%u remote_address=::1 remote_port=%u ",
                             protocol, local, remote) > 0);
        line = line_with(collector, v4);
        return line ? line : line_with(collector, v6);
}

static void check_pair(int family) {
        _cleanup_free_ char *client = NULL, *waiting = NULL, *server = NULL, *owner = NULL, *gone = NULL;
        struct fixture fixture = { .host = HOST_NULL };
        struct pair pair;

        if (!make_pair(family, &pair))
                skip(); /* a host without IPv6 */
        begin(&fixture, "/", NULL);
        assert_int_equal(collect_whole(&fixture), WATCH_OK);
        client = line_of(&fixture.collector, "tcp", pair.client_port, pair.port);
        waiting = line_of(&fixture.collector, "tcp", pair.port, pair.client_port);
        assert_non_null(client);
        assert_non_null(waiting);
        assert_true(asprintf(&owner, " pid=%d command=", (int)getpid()) > 0);
        assert_non_null(strstr(client, owner));
        assert_null(strstr(waiting, " inode="));
        assert_null(strstr(waiting, " user_id="));

        pair.server = accept(pair.listener, NULL, NULL);
        assert_true(pair.server >= 0);
        assert_int_equal(collect_whole(&fixture), WATCH_OK);
        server = line_of(&fixture.collector, "tcp", pair.port, pair.client_port);
        assert_non_null(server);
        assert_non_null(strstr(server, owner));

        /* Half closed is not established any more. */
        assert_int_equal(shutdown(pair.client, SHUT_WR), 0);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        gone = line_of(&fixture.collector, "tcp", pair.client_port, pair.port);
        assert_null(gone);
        end(&fixture);
        (void)close(pair.client);
        (void)close(pair.server);
        (void)close(pair.listener);
}

static void test_real_ipv4(void **unused) {
        (void)unused;
        check_pair(AF_INET);
}

static void test_real_ipv6(void **unused) {
        (void)unused;
        check_pair(AF_INET6);
}

static void test_real_udp(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };
        _cleanup_free_ char *line = NULL, *unconnected = NULL;
        int server = make_socket(AF_INET, SOCK_DGRAM, 0), client;

        (void)unused;
        client = make_socket(AF_INET, SOCK_DGRAM, port_of(server));
        begin(&fixture, "/", NULL);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        line = line_of(&fixture.collector, "udp", port_of(client), port_of(server));
        assert_non_null(line);
        unconnected = line_of(&fixture.collector, "udp", port_of(server), 0);
        assert_null(unconnected);
        end(&fixture);
        (void)close(client);
        (void)close(server);
}

/* The key of the record with this local port. */
struct key_finder {
        struct collector collector;
        uint16_t port;
        uint8_t key[CONNECTION_KEY_SIZE];
        size_t found;
};

static int find_key(struct collector *collector, const struct record *record) {
        struct key_finder *finder = container_of(collector, struct key_finder, collector);

        assert_int_equal(record->key.size, CONNECTION_KEY_SIZE);
        if (connection_get(record->key.data, CONNECTION_LOCAL_PORT, 2) == finder->port) {
                memcpy(finder->key, record->key.data, CONNECTION_KEY_SIZE);
                finder->found++;
        }
        return 0;
}

static void ignore_condition(struct collector *collector, const char *condition) {
        (void)collector;
        (void)condition;
}

/* A delta and a look make the same record, with the same key. */
static void recognize_pair(int family) {
        const struct collect_request request = { .after = BYTES_NULL };
        struct key_finder finder = { .collector = { find_key, NULL, ignore_condition } };
        struct fixture fixture = { .host = HOST_NULL };
        _cleanup_free_ char *looked = NULL;
        const uint8_t four[4] = { 127, 0, 0, 1 };
        struct delta delta = { .kind = DELTA_APPEARED, .subject = DELTA_CONNECTION };
        struct connection_facts *facts = &delta.connection;
        socklen_t size = sizeof(facts->cookie);
        struct record record;
        struct pair pair;
        char *place;

        if (!make_pair(family, &pair))
                skip(); /* a host without IPv6 */
        begin(&fixture, "/", NULL);
        *facts = (struct connection_facts){
                .protocol = IPPROTO_TCP, .family = family == AF_INET ? 4 : 6, .local_port = pair.client_port,
                .remote_port = pair.port, .user = getuid(), .has_user = true,
        };
        if (family == AF_INET)
                memcpy(facts->local, four, sizeof(four));
        else
                facts->local[15] = 1;
        memcpy(facts->remote, facts->local, sizeof(facts->remote));
        assert_int_equal(getsockopt(pair.client, SOL_SOCKET, SO_COOKIE, &facts->cookie, &size), 0);
        finder.port = pair.client_port;
        assert_int_equal(watch_connections.recognize(fixture.state, &delta, &record), 1);
        assert_int_equal(watch_connections.collect(fixture.state, &request, &finder.collector), WATCH_OK);
        assert_int_equal(finder.found, 1);
        assert_int_equal(record.key.size, CONNECTION_KEY_SIZE);
        assert_memory_equal(record.key.data, finder.key, CONNECTION_KEY_SIZE);

        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        looked = line_of(&fixture.collector, "tcp", pair.client_port, pair.port);
        assert_non_null(looked);
        place = strstr(looked, " inode=");
        assert_non_null(place);
        memmove(place, place + 7 + strspn(place + 7, "0123456789"), strlen(place + 7 + strspn(place + 7, "0123456789")) + 1);
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 1);
        assert_int_equal(strcspn(buffer_string(&fixture.collector.records), "\n"), strlen(looked));
        assert_memory_equal(buffer_string(&fixture.collector.records), looked, strlen(looked));

        delta.origin = (struct origin){ .known = true, .pid = 4711 };
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 1);
        assert_non_null(strstr(buffer_string(&fixture.collector.records), " pid=4711\n"));
        facts->network_namespace = 4026531833;
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 0);
        facts->network_namespace = 0;
        facts->cookie = 0;
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 0);
        end(&fixture);
        (void)close(pair.client);
        (void)close(pair.listener);
}

static void test_recognizes_ipv4(void **unused) {
        (void)unused;
        recognize_pair(AF_INET);
}

static void test_recognizes_ipv6(void **unused) {
        (void)unused;
        recognize_pair(AF_INET6);
}

/* The same two ends twice in a row are two connections; accepting one does not make it another. */
static void test_real_again(void **unused) {
        const struct linger abort_on_close = { .l_onoff = 1 };
        const struct collect_request request = { .after = BYTES_NULL };
        struct key_finder first = { .collector = { find_key, NULL, ignore_condition } }, accepted = first,
                          second = first;
        struct fixture fixture = { .host = HOST_NULL };
        struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, to = from;
        struct pair pair;
        int again;

        (void)unused;
        assert_true(make_pair(AF_INET, &pair));
        begin(&fixture, "/", NULL);
        first.port = accepted.port = second.port = pair.client_port;
        assert_int_equal(watch_connections.collect(fixture.state, &request, &first.collector), WATCH_OK);
        assert_int_equal(first.found, 1);
        pair.server = accept(pair.listener, NULL, NULL);
        assert_int_equal(watch_connections.collect(fixture.state, &request, &accepted.collector), WATCH_OK);
        assert_memory_equal(first.key, accepted.key, sizeof(first.key));

        assert_int_equal(setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close)), 0);
        (void)close(pair.client);
        (void)close(pair.server);
        from.sin_port = htons(pair.client_port);
        to.sin_port = htons(pair.port);
        again = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(again, (struct sockaddr *)&from, sizeof(from)), 0);
        assert_int_equal(connect(again, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(watch_connections.collect(fixture.state, &request, &second.collector), WATCH_OK);
        assert_int_equal(second.found, 1);
        assert_memory_equal(first.key, second.key, CONNECTION_IDENTITY);
        assert_memory_not_equal(first.key, second.key, sizeof(first.key));
        (void)close(again);
        (void)close(pair.listener);
        end(&fixture);
}

/* A child in a network namespace of its own with a connection: seen only when asked for, and we are where we were. */
static void test_real_namespaces(void **unused) {
        const struct watch_settings all = { .all_namespaces = true };
        struct fixture fixture = { .host = HOST_NULL };
        _cleanup_free_ char *owner = NULL, *found = NULL, *hidden = NULL;
        struct stat before, after;
        int ready[2], status;
        char byte = 'n';
        pid_t pid;

        (void)unused;
        if (geteuid() != 0)
                skip();
        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
                int fd = -1;
                struct pair pair;

                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || unshare(CLONE_NEWNET) < 0 ||
                    (fd = socket(AF_INET, SOCK_DGRAM, 0)) < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0 ||
                    !make_pair(AF_INET, &pair))
                        byte = 'n';
                else
                        byte = 'y';
                _exit(write(ready[1], &byte, 1) == 1 && pause() ? 0 : 1);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        if (byte == 'y') {
                assert_int_equal(stat("/proc/self/ns/net", &before), 0);
                assert_true(asprintf(&owner, " pid=%d ", (int)pid) > 0);
                begin(&fixture, "/", NULL);
                assert_int_equal(collect_whole(&fixture), WATCH_OK);
                hidden = line_with(&fixture.collector, owner);
                assert_null(hidden);
                end(&fixture);

                begin(&fixture, "/", &all);
                assert_int_equal(collect_whole(&fixture), WATCH_OK);
                found = line_with(&fixture.collector, owner);
                assert_non_null(found);
                assert_non_null(strstr(found, " namespace="));
                end(&fixture);
                assert_int_equal(stat("/proc/self/ns/net", &after), 0);
                assert_true(before.st_ino == after.st_ino);
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        (void)close(ready[0]);
        (void)close(ready[1]);
        if (byte != 'y')
                skip();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tables), cmocka_unit_test(test_list), cmocka_unit_test(test_link),
                cmocka_unit_test(test_fixture), cmocka_unit_test(test_no_proc), cmocka_unit_test(test_real_ipv4),
                cmocka_unit_test(test_real_ipv6), cmocka_unit_test(test_real_udp), cmocka_unit_test(test_recognizes_ipv4), cmocka_unit_test(test_recognizes_ipv6),
                cmocka_unit_test(test_real_again),
                cmocka_unit_test(test_real_namespaces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
