#include "connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>

#include "account.h"
#include "clock.h"
#include "connection.h"
#include "delta.h"
#include "fd.h"
#include "host.h"
#include "net-table.h"
#include "process.h"
#include "socket-diag.h"
#include "socket-owners.h"
#include "tcp-counters.h"

enum {
        PROTOCOL, TYPE, LOCAL_ADDRESS, LOCAL_PORT, REMOTE_ADDRESS, REMOTE_PORT, INTERFACE, NAMESPACE, INODE, USER_ID,
        USER, LOCAL, REMOTE, PID, COMMAND, DESCRIPTOR, CGROUP,

        DUMP_TRIES = 4,
        TABLE_MAX = 256 * 1024 * 1024,
        COUNTERS_MAX = 64 * 1024,
        ADDRESS_ROOM = INET6_ADDRSTRLEN,
        END_ROOM = ADDRESS_ROOM + INTERFACE_NAME_ROOM + sizeof("[%]:65535"),
        PATH_ROOM = 32,
};

/* None is FIELD_STEADY: what is compared of a connection is in its key, and all else moves by itself or is found by looks alone. */
static const struct field fields[] = {
        [PROTOCOL] = { "protocol", "network.transport", FIELD_TEXT, 0 },
        [TYPE] = { "type", "network.type", FIELD_TEXT, 0 },
        [LOCAL_ADDRESS] = { "local_address", "source.ip", FIELD_TEXT, 0 },
        [LOCAL_PORT] = { "local_port", "source.port", FIELD_NUMBER, 0 },
        [REMOTE_ADDRESS] = { "remote_address", "destination.ip", FIELD_TEXT, 0 },
        [REMOTE_PORT] = { "remote_port", "destination.port", FIELD_NUMBER, 0 },
        /* An interface may be renamed under its connections. */
        [INTERFACE] = { "interface", NULL, FIELD_TEXT, FIELD_QUIET | FIELD_EVIDENCE },
        [NAMESPACE] = { "namespace", NULL, FIELD_IDENTIFIER, 0 },
        /* Comes when the program accepts: no change of the connection, but now there is an owner to ask for. */
        [INODE] = { "inode", NULL, FIELD_IDENTIFIER, FIELD_QUIET | FIELD_EVIDENCE },
        /* Before that, older kernels say root, whoever listens. */
        [USER_ID] = { "user_id", "user.id", FIELD_IDENTIFIER, FIELD_QUIET | FIELD_EVIDENCE },
        [USER] = { "user", "user.name", FIELD_TEXT, FIELD_QUIET | FIELD_EVIDENCE },
        /* The addresses as ss writes them. */
        [LOCAL] = { "local", NULL, FIELD_TEXT, FIELD_QUIET },
        [REMOTE] = { "remote", NULL, FIELD_TEXT, FIELD_QUIET },
        /* Quiet: a descriptor is handed from a listener to its workers, shared over fork and outlives one of its
         * holders without anything happening to the connection. Costly: to find it, every descriptor of the host is
         * looked at. */
        [PID] = { "pid", "process.pid", FIELD_NUMBER, FIELD_QUIET | FIELD_COSTLY },
        [COMMAND] = { "command", "process.name", FIELD_TEXT, FIELD_QUIET | FIELD_COSTLY },
        [DESCRIPTOR] = { "descriptor", NULL, FIELD_NUMBER, FIELD_QUIET | FIELD_COSTLY },
        [CGROUP] = { "cgroup", NULL, FIELD_TEXT, FIELD_QUIET | FIELD_COSTLY },
        { 0 },
};

static const struct kind {
        uint8_t protocol, family;
        const char *table;              /* below /proc/net */
} both_tcp = { IPPROTO_TCP, SOCKET_DIAG_BOTH, NULL }, kinds[] = {
        { IPPROTO_TCP, CONNECTION_IPV4, "tcp" },
        { IPPROTO_TCP, CONNECTION_IPV6, "tcp6" },
        { IPPROTO_UDP, CONNECTION_IPV4, "udp" },
        { IPPROTO_UDP, CONNECTION_IPV6, "udp6" },
};

enum { FIRST_BESIDE_TCP = 2 };         /* index in kinds */

#define ACCOUNTS_EVERY_NS UINT64_C(1000000000) /* at most so often a delta asks whether they are still the same */

struct interface {
        uint64_t namespace_inode;
        uint32_t index;
        char name[INTERFACE_NAME_ROOM];
};

struct namespace {
        uint64_t inode;
        uint32_t pid;                   /* one process in it */
};

/* What a record's values point at. */
struct texts {
        char local_address[ADDRESS_ROOM], remote_address[ADDRESS_ROOM], local[END_ROOM], remote[END_ROOM];
};

struct state {
        const struct host *host;        /* borrowed */
        bool all_namespaces;
        struct mnl_socket *diag;        /* in our own namespace */
        /* No sock_diag for this table on this kernel. Not asked again: the kernel would run modprobe each time. */
        bool no_diag[ELEMENTS(kinds)], no_both;
        struct connection_list list;
        size_t n_own_tcp;               /* so many of the list, its first, are TCP in our own namespace */
        struct tcp_counters counters;   /* of our own namespace */
        bool interrupted;               /* a dump of this look was: some may be missing */
        struct account_names accounts;
        struct socket_owners owners;
        bool owners_refused;            /* a whole walk could not look into some processes */
        struct interface *interfaces;   /* owned; few: only those that sockets are bound to */
        size_t n_interfaces;
        struct namespace *namespaces;   /* owned; sorted by inode */
        size_t n_namespaces, namespace_capacity;
        struct process_list pids;
        struct buffer table;            /* of the fallback */

        /* What was last read of an owner; the next connection is often held by the same one. */
        uint32_t owner_pid;             /* 0: nobody's */
        struct buffer owner_stat, owner_cgroup;
        struct value owner_command, owner_path;

        /* Of the record that recognize() made. */
        struct connection told;
        struct texts told_texts;
        uint64_t accounts_ns;           /* monotonic: when it last looked for new names; 0: never */
};

static void connections_close(void *data) {
        struct state *state = data;

        if (!state)
                return;
        state->diag = socket_diag_close(state->diag);
        connection_list_done(&state->list);
        tcp_counters_done(&state->counters);
        account_names_done(&state->accounts);
        socket_owners_done(&state->owners);
        free(state->interfaces);
        free(state->namespaces);
        process_list_done(&state->pids);
        buffer_done(&state->table);
        buffer_done(&state->owner_stat);
        buffer_done(&state->owner_cgroup);
        free(state);
}

static int connections_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct state *state = calloc(1, sizeof(*state));

        if (!state)
                return -ENOMEM;
        state->host = host;
        state->all_namespaces = settings && settings->all_namespaces;
        socket_owners_init(&state->owners, host->proc_fd);
        *ret_state = state;
        return 0;
}

/* This kernel or this confinement has no sock_diag, as opposed to: it failed. */
static bool is_unsupported(int error) {
        return error == -ENOENT || error == -EOPNOTSUPP || error == -EPROTONOSUPPORT || error == -EAFNOSUPPORT ||
               error == -EINVAL || error == -EPERM || error == -EACCES;
}

static int dump(struct state *state, struct mnl_socket *diag, const struct kind *kind, uint64_t namespace_inode,
                struct collector *collector) {
        const struct loss loss = { .source = "sock_diag", .reason = "interrupted" };
        const size_t mark = state->list.count;
        int r = 0;

        for (int i = 0; i < DUMP_TRIES; i++) {
                state->list.count = mark;
                r = socket_diag_dump(diag, kind->protocol, kind->family, namespace_inode, &state->list);
                if (r != SOCKET_DIAG_INTERRUPTED)
                        break;
        }
        if (r == SOCKET_DIAG_INTERRUPTED) {
                state->interrupted = true;
                collector->loss(collector, &loss); /* what came is true, but some may be missing */
                return 0;
        }
        if (r < 0)
                state->list.count = mark;
        return r;
}

/* pid 0: our own namespace, or the fixture's. */
static int read_table(struct state *state, const struct kind *kind, uint32_t pid, uint64_t namespace_inode) {
        char path[PATH_ROOM];
        int r;

        buffer_clear(&state->table);
        if (pid == 0) {
                (void)snprintf(path, sizeof(path), "proc/net/%s", kind->table);
                r = host_read(state->host, path, TABLE_MAX, &state->table);
        } else {
                (void)snprintf(path, sizeof(path), "%u/net/%s", pid, kind->table);
                r = file_read_at(state->host->proc_fd, path, TABLE_MAX, &state->table);
        }
        if (r == -ENOENT)
                return 0; /* a host without IPv6 */
        if (r == 0)
                r = net_table_parse(buffer_bytes(&state->table), kind->protocol, kind->family, namespace_inode,
                                    &state->list);
        buffer_done(&state->table);
        return r;
}

static int note_interfaces(struct state *state, struct mnl_socket *diag, size_t from) {
        for (size_t i = from; i < state->list.count; i++) {
                const uint8_t *key = state->list.items[i].key;
                struct interface interface = {
                        .namespace_inode = connection_get(key, CONNECTION_NAMESPACE, 8),
                        .index = (uint32_t)connection_get(key, CONNECTION_INTERFACE, 4),
                };
                struct interface *interfaces;
                size_t j;

                if (interface.index == 0)
                        continue;
                for (j = 0; j < state->n_interfaces; j++)
                        if (state->interfaces[j].index == interface.index &&
                            state->interfaces[j].namespace_inode == interface.namespace_inode)
                                break;
                if (j < state->n_interfaces)
                        continue;
                if (socket_diag_interface(diag, interface.index, interface.name) < 0)
                        (void)snprintf(interface.name, sizeof(interface.name), "%u", interface.index);
                interfaces = reallocarray(state->interfaces, state->n_interfaces + 1, sizeof(*interfaces));
                if (!interfaces)
                        return -ENOMEM;
                state->interfaces = interfaces;
                state->interfaces[state->n_interfaces++] = interface;
        }
        return 0;
}

/* Everything of one namespace. diag may be NULL. has_tcp: all of the list is TCP of this namespace, and all there is. */
static int gather(struct state *state, struct mnl_socket *diag, uint32_t pid, uint64_t namespace_inode, bool has_tcp,
                  struct collector *collector) {
        const size_t from = has_tcp ? 0 : state->list.count;
        size_t first = has_tcp ? FIRST_BESIDE_TCP : 0;
        int r;

        if (diag && !has_tcp && !state->no_both) {
                r = dump(state, diag, &both_tcp, namespace_inode, collector);
                if (r < 0 && !is_unsupported(r))
                        return r;
                state->no_both = r < 0;
                first = r < 0 ? 0 : FIRST_BESIDE_TCP;
        }
        for (size_t i = first; i < ELEMENTS(kinds); i++) {
                if (diag && !state->no_diag[i]) {
                        r = dump(state, diag, &kinds[i], namespace_inode, collector);
                        if (r == 0)
                                continue;
                        if (!is_unsupported(r))
                                return r;
                        state->no_diag[i] = true;
                }
                r = read_table(state, &kinds[i], pid, namespace_inode);
                if (r < 0)
                        return r;
        }
        return diag ? note_interfaces(state, diag, from) : 0;
}

/* Leaves the TCP connections of the last look in the list if they are still all there are, else nothing. */
static bool keep_own_tcp(struct state *state, uint64_t now_ns) {
        struct buffer *text = &state->counters.scratch;

        buffer_clear(text);
        if (!state->host->live || !state->diag || state->no_both ||
            host_read(state->host, "proc/net/snmp", COUNTERS_MAX, text) < 0)
                tcp_counters_forget(&state->counters);
        else if (tcp_counters_still(&state->counters, buffer_bytes(text), now_ns)) {
                state->list.count = state->n_own_tcp;
                return true;
        }
        connection_list_clear(&state->list);
        return false;
}

/* The list is sorted: its beginning is what keep_own_tcp() may keep. */
static void note_own_tcp(struct state *state, bool kept, uint64_t now_ns) {
        bool accepted = true;
        size_t n;

        for (n = 0; n < state->list.count; n++) {
                const struct connection *connection = &state->list.items[n];

                if (connection_get(connection->key, CONNECTION_NAMESPACE, 8) != 0 ||
                    connection->key[CONNECTION_PROTOCOL] != IPPROTO_TCP)
                        break;
                accepted = accepted && connection->inode != 0;
        }
        state->n_own_tcp = n;
        /* accept() is not counted, but it is what gives a connection its owner. */
        if (state->interrupted || !accepted)
                tcp_counters_forget(&state->counters);
        else if (!kept)
                tcp_counters_walked(&state->counters, now_ns);
}

static int gather_own(struct state *state, bool has_tcp, struct collector *collector) {
        bool fallback = false;
        int r = 0;

        if (state->host->live && !state->diag) {
                r = socket_diag_open(&state->diag);
                if (r < 0 && !is_unsupported(r))
                        return r;
        }
        r = gather(state, state->diag, 0, 0, has_tcp, collector);
        if (r < 0) {
                state->diag = socket_diag_close(state->diag); /* opened anew next time: it may hold half an answer */
                return r;
        }
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                fallback = fallback || !state->diag || state->no_diag[i];
        if (state->host->live && fallback)
                collector->condition(collector,
                                     "no sock_diag for some protocols: read from /proc/net, where a TCP connection "
                                     "that is made again with the same ports between two looks goes unnoticed");
        return 0;
}

static int add_namespace(struct state *state, uint64_t inode, uint32_t pid) {
        size_t low = 0, high = state->n_namespaces;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (state->namespaces[middle].inode < inode)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low < state->n_namespaces && state->namespaces[low].inode == inode)
                return 0;
        if (state->n_namespaces == state->namespace_capacity) {
                size_t capacity = state->namespace_capacity ? state->namespace_capacity * 2 : 16;
                struct namespace *namespaces = reallocarray(state->namespaces, capacity, sizeof(*namespaces));
                if (!namespaces)
                        return -ENOMEM;
                state->namespaces = namespaces;
                state->namespace_capacity = capacity;
        }
        memmove(state->namespaces + low + 1, state->namespaces + low,
                (state->n_namespaces - low) * sizeof(*state->namespaces));
        state->namespaces[low] = (struct namespace){ .inode = inode, .pid = pid };
        state->n_namespaces++;
        return 0;
}

static int find_namespaces(struct state *state, uint64_t own, bool *ret_refused) {
        int r = process_list_read(state->host->proc_fd, &state->pids);

        if (r < 0)
                return r;
        state->n_namespaces = 0;
        *ret_refused = false;
        for (size_t i = 0; i < state->pids.count; i++) {
                struct stat status;
                char path[PATH_ROOM];

                (void)snprintf(path, sizeof(path), "%u/ns/net", state->pids.pids[i]);
                if (fstatat(state->host->proc_fd, path, &status, 0) < 0) {
                        *ret_refused = *ret_refused || errno == EACCES || errno == EPERM;
                        continue;
                }
                if (status.st_ino == own)
                        continue;
                r = add_namespace(state, status.st_ino, state->pids.pids[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_in_namespace(const struct state *state, uint32_t pid, uint64_t inode) {
        struct stat status;
        char path[PATH_ROOM];

        (void)snprintf(path, sizeof(path), "%u/ns/net", pid);
        return fstatat(state->host->proc_fd, path, &status, 0) == 0 && status.st_ino == inode;
}

/* The next process of that namespace after 'pid', or 0. */
static uint32_t next_in_namespace(const struct state *state, uint32_t pid, uint64_t inode) {
        for (size_t i = 0; i < state->pids.count; i++)
                if (state->pids.pids[i] > pid && is_in_namespace(state, state->pids.pids[i], inode))
                        return state->pids.pids[i];
        return 0;
}

/* The process by which we enter may end while others stay: then by the next, for a namespace left out would make all
 * its connections seem closed. */
static int gather_other(struct state *state, const struct namespace *namespace, int own, struct collector *collector) {
        const size_t mark = state->list.count;
        int r = 0;

        for (uint32_t pid = namespace->pid; pid; pid = next_in_namespace(state, pid, namespace->inode)) {
                struct mnl_socket *diag = NULL;

                /* Not kept open: a container's namespace would outlive it. */
                r = state->diag ? socket_diag_open_in(state->host->proc_fd, pid, namespace->inode, own, &diag) : 0;
                if (r == 0)
                        r = gather(state, diag, pid, namespace->inode, false, collector);
                (void)socket_diag_close(diag);
                if (r == 0 && !diag && !is_in_namespace(state, pid, namespace->inode))
                        r = -ESRCH; /* its tables were gone before we had read them all */
                if (r == 0)
                        return 0;
                state->list.count = mark;
                if (r != -ENOENT && r != -ESRCH)
                        return r;
        }
        return 0;
}

static int gather_others(struct state *state, struct collector *collector) {
        _cleanup_close_ int own = openat(state->host->proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
        struct stat status;
        bool refused = false;
        int r;

        if (own < 0 || fstat(own, &status) < 0)
                return -errno;
        r = find_namespaces(state, status.st_ino, &refused);
        if (r < 0)
                return r;
        for (size_t i = 0; i < state->n_namespaces; i++) {
                r = gather_other(state, &state->namespaces[i], own, collector);
                if (r == -EACCES || r == -EPERM)
                        refused = true;
                else if (r < 0)
                        return r;
        }
        if (refused)
                collector->condition(collector, "connections of some other network namespaces cannot be seen: "
                                                "the kernel does not let us enter them");
        return 0;
}

static size_t format_ipv4(const uint8_t *address, char ret[ADDRESS_ROOM]) {
        size_t size = 0;

        /* Half the cost of a record by inet_ntop(). */
        for (int i = 0; i < 4; i++) {
                uint8_t byte = address[i];

                if (i > 0)
                        ret[size++] = '.';
                if (byte >= 100)
                        ret[size++] = (char)('0' + byte / 100);
                if (byte >= 10)
                        ret[size++] = (char)('0' + byte / 10 % 10);
                ret[size++] = (char)('0' + byte % 10);
        }
        return size;
}

static size_t format_address(uint8_t family, const uint8_t *address, char ret[ADDRESS_ROOM]) {
        if (family == CONNECTION_IPV4)
                return format_ipv4(address, ret);
        return inet_ntop(AF_INET6, address, ret, ADDRESS_ROOM) ? strlen(ret) : 0;
}

/* "127.0.0.1:22", "[::1]:22", "[fe80::1]%eth0:22" */
static size_t format_end(uint8_t family, const char *address, size_t address_size, const char *interface, uint64_t port,
                         char ret[END_ROOM]) {
        char digits[5];
        size_t size = 0, n = 0;

        if (family == CONNECTION_IPV6)
                ret[size++] = '[';
        memcpy(ret + size, address, address_size);
        size += address_size;
        if (family == CONNECTION_IPV6)
                ret[size++] = ']';
        if (interface) {
                size_t length = strnlen(interface, INTERFACE_NAME_ROOM - 1);

                ret[size++] = '%';
                memcpy(ret + size, interface, length);
                size += length;
        }
        ret[size++] = ':';
        do {
                digits[n++] = (char)('0' + port % 10);
                port /= 10;
        } while (port && n < sizeof(digits));
        while (n > 0)
                ret[size++] = digits[--n];
        return size;
}

static const char *interface_name(const struct state *state, const uint8_t *key) {
        const uint64_t index = connection_get(key, CONNECTION_INTERFACE, 4);

        if (index == 0)
                return NULL;
        for (size_t i = 0; i < state->n_interfaces; i++)
                if (state->interfaces[i].index == index &&
                    state->interfaces[i].namespace_inode == connection_get(key, CONNECTION_NAMESPACE, 8))
                        return state->interfaces[i].name;
        return NULL;
}

static void make_record(struct state *state, const struct connection *connection, struct texts *texts,
                        struct record *record) {
        const uint8_t *key = connection->key;
        const uint8_t family = key[CONNECTION_FAMILY];
        const uint64_t local_port = connection_get(key, CONNECTION_LOCAL_PORT, 2);
        const uint64_t remote_port = connection_get(key, CONNECTION_REMOTE_PORT, 2);
        const uint64_t namespace_inode = connection_get(key, CONNECTION_NAMESPACE, 8);
        const char *interface = interface_name(state, key);
        const size_t local_size = format_address(family, key + CONNECTION_LOCAL, texts->local_address);
        const size_t remote_size = format_address(family, key + CONNECTION_REMOTE, texts->remote_address);
        struct value *values = record->values;

        record->key = bytes_of(key, CONNECTION_KEY_SIZE);
        values[PROTOCOL] = value_string(key[CONNECTION_PROTOCOL] == IPPROTO_TCP ? "tcp" : "udp");
        values[TYPE] = value_string(family == CONNECTION_IPV4 ? "ipv4" : "ipv6");
        values[LOCAL_ADDRESS] = value_bytes(bytes_of(texts->local_address, local_size));
        values[LOCAL_PORT] = value_number(local_port);
        values[REMOTE_ADDRESS] = value_bytes(bytes_of(texts->remote_address, remote_size));
        values[REMOTE_PORT] = value_number(remote_port);
        values[INTERFACE] = value_string(interface);
        values[NAMESPACE] = (struct value){ .present = namespace_inode != 0, .number = namespace_inode };
        values[INODE] = (struct value){ .present = connection->inode != 0, .number = connection->inode };
        values[USER_ID] = (struct value){ .present = connection->inode != 0, .number = connection->user };
        values[USER].bytes = account_name(&state->accounts, connection->user);
        values[USER].present = values[USER_ID].present && values[USER].bytes.size > 0;
        values[LOCAL] = value_bytes(bytes_of(texts->local, format_end(family, texts->local_address, local_size, interface,
                                                                      local_port, texts->local)));
        values[REMOTE] = value_bytes(bytes_of(texts->remote, format_end(family, texts->remote_address, remote_size, NULL,
                                                                        remote_port, texts->remote)));
}

static int emit(struct state *state, const struct connection *connection, struct record *record,
                struct collector *collector) {
        struct texts texts;

        make_record(state, connection, &texts, record);
        return collector->record(collector, record);
}

static int connections_recognize(void *data, const struct delta *delta, struct record *ret) {
        const struct connection_facts *facts = &delta->connection;
        const uint64_t now = clock_ns(CLOCK_MONOTONIC);
        struct state *state = data;
        uint8_t *key = state->told.key;
        int r;

        /* Without its cookie it is not to be told from the next one with the same addresses. */
        if (delta->subject != DELTA_CONNECTION || facts->cookie == 0 || (facts->family != 4 && facts->family != 6) ||
            (facts->protocol != IPPROTO_TCP && facts->protocol != IPPROTO_UDP) ||
            (facts->network_namespace != 0 && !state->all_namespaces))
                return 0;
        if (state->accounts_ns == 0 || now - state->accounts_ns >= ACCOUNTS_EVERY_NS) {
                r = account_names_refresh(&state->accounts, state->host);
                if (r < 0)
                        return r;
                state->accounts_ns = now;
        }
        state->told = (struct connection){ .user = facts->user };
        connection_put(key, CONNECTION_NAMESPACE, 8, facts->network_namespace);
        key[CONNECTION_PROTOCOL] = facts->protocol;
        key[CONNECTION_FAMILY] = facts->family == 4 ? CONNECTION_IPV4 : CONNECTION_IPV6;
        memcpy(key + CONNECTION_LOCAL, facts->local, facts->family == 4 ? 4 : 16);
        connection_put(key, CONNECTION_LOCAL_PORT, 2, facts->local_port);
        memcpy(key + CONNECTION_REMOTE, facts->remote, facts->family == 4 ? 4 : 16);
        connection_put(key, CONNECTION_REMOTE_PORT, 2, facts->remote_port);
        connection_put(key, CONNECTION_INTERFACE, 4, facts->interface);
        connection_put(key, CONNECTION_IDENTITY, 8, facts->cookie);

        *ret = (struct record){ 0 };
        make_record(state, &state->told, &state->told_texts, ret);
        if (facts->has_user) {
                ret->values[USER_ID] = value_number(facts->user);
                ret->values[USER].present = ret->values[USER].bytes.size > 0;
        }
        /* Who made it holds it. */
        if (delta->kind == DELTA_APPEARED && delta->origin.known)
                ret->values[PID] = value_number(delta->origin.pid);
        return 1;
}

static int connections_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct state *state = data;
        const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
        struct record record = { 0 };
        bool kept;
        int r;

        (void)request;
        if (!state->host->live && state->host->proc_fd < 0) {
                collector->condition(collector, "no /proc on this host");
                return WATCH_E_UNAVAILABLE;
        }
        r = account_names_refresh(&state->accounts, state->host);
        if (r < 0)
                return r;
        socket_owners_reset(&state->owners);
        state->owner_pid = 0;
        state->n_interfaces = 0;
        state->interrupted = false;
        kept = keep_own_tcp(state, now_ns);
        r = gather_own(state, kept, collector);
        if (r == 0 && state->all_namespaces && state->host->live && state->host->proc_fd >= 0)
                r = gather_others(state, collector);
        if (r < 0) {
                tcp_counters_forget(&state->counters);
                return r;
        }
        connection_list_sort(&state->list);
        note_own_tcp(state, kept, now_ns);
        for (size_t i = 0; i < state->list.count; i++) {
                r = emit(state, &state->list.items[i], &record, collector);
                if (r < 0)
                        return r;
        }
        if (state->owners.ended)
                state->owners_refused = state->owners.refused > 0;
        if (state->owners_refused)
                collector->condition(collector, "some connections may lack their owner: "
                                                "the descriptors of some processes cannot be seen");
        return WATCH_OK;
}

static int read_owner(struct state *state, uint32_t pid) {
        struct process_place place = { .proc_fd = state->host->proc_fd, .pid = pid };
        struct process_stat stat;
        struct bytes path;
        int r;

        if (pid == state->owner_pid)
                return 0;
        state->owner_pid = 0;
        state->owner_command.present = state->owner_path.present = false;
        r = process_read_stat(&place, &state->owner_stat, &stat);
        if (r == -ENOMEM)
                return r;
        if (r == 0)
                state->owner_command = value_bytes(stat.name);
        r = process_read_cgroup(&place, &state->owner_cgroup, &path);
        if (r == -ENOMEM)
                return r;
        if (r == 0)
                state->owner_path = value_bytes(path);
        state->owner_pid = pid;
        return 0;
}

static int connections_complete(void *data, struct record *record) {
        struct state *state = data;
        struct socket_owner owner;
        int r;

        for (size_t i = PID; i <= CGROUP; i++)
                record->values[i].present = false;
        if (!record->values[INODE].present)
                return 0;
        r = socket_owners_find(&state->owners, (uint32_t)record->values[INODE].number, &owner);
        if (r <= 0)
                return r;
        r = read_owner(state, owner.pid);
        if (r < 0)
                return r;
        record->values[PID] = value_number(owner.pid);
        record->values[DESCRIPTOR] = value_number(owner.descriptor);
        record->values[COMMAND] = state->owner_command;
        record->values[CGROUP] = state->owner_path;
        return 0;
}

/* As "ss -tupan state established" prints, but with widths that no other line can move, and queues, which move by
 * themselves, always 0. */
static const struct column columns[] = {
        { .field = "protocol", .width = 5 },
        { .before = " 0      0      " },
        { .field = "local", .width = 25 },
        { .before = " ", .field = "remote", .width = 25 },
        { .before = " users:((\"", .field = "command", .after = "\"", .absent = "?", .only_if = "pid" },
        { .before = ",pid=", .field = "pid" },
        { .before = ",fd=", .field = "descriptor", .after = "))", .absent = "?", .only_if = "pid" },
        { .before = " netns:", .field = "namespace" },
        { 0 },
};

static const struct document document = {
        .name = "constate",
        .header = "Netid Recv-Q Send-Q Local Address:Port        Peer Address:Port         Process\n",
        .columns = columns,
};

const struct watch watch_connections = {
        .kind = "connections",
        .noun = "connection",
        .sensor = "sock_diag",
        .dataset = "connections",
        .fields = fields,
        .label = "{protocol} {local} - {remote}",
        .priority = PRIORITY_LOW,
        .built_in = true,
        .subjects = 1U << DELTA_CONNECTION,
        .delta_is_record = true,
        .appeared = {
                .action = "connection-established",
                .category = "network",
                .type = "connection start",
                .severity = SEVERITY_INFO,
                .sentence = "{protocol} connection between {local} and {remote}{command? of {command}}"
                            "{pid? (process {pid})} was established",
        },
        .vanished = {
                .action = "connection-closed",
                .category = "network",
                .type = "connection end",
                .severity = SEVERITY_INFO,
                .sentence = "{protocol} connection between {local} and {remote}{command? of {command}}"
                            "{pid? (process {pid})} was closed",
        },
        .changed = {
                .action = "connection-changed",
                .category = "network",
                .type = "connection info",
                .severity = SEVERITY_INFO,
        },
        .title_changed = "Connection state change detected! Diff:",
        .title_quiet = "No changes in established connections.",
        .document = &document,
        .open = connections_open,
        .collect = connections_collect,
        .complete = connections_complete,
        .recognize = connections_recognize,
        .close = connections_close,
};
