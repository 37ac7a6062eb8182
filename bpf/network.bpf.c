// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* network.bpf.c - TCP connections made and no longer made.
 * Between the handshake and the first word of close a connection is "established", as for the watch "connections". Most of these
 * steps are taken by whatever process a packet interrupts: only who called connect(2) is known, and who called close(2). */
#include "ring.h"

/* Who connects: by the address of the socket, which stays until it is closed. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4096);
        __type(key, __u64);
        __type(value, struct proto_origin);
} connecting SEC(".maps");

static __always_inline void put_address(__u8 to[16], const struct in6_addr *from) {
        __u32 words[4];

        for (int i = 0; i < 4; i++)
                words[i] = from->in6_u.u6_addr32[i];
        __builtin_memcpy(to, words, sizeof(words));
}

/* A connection that is reset lets go of its port before it changes its state; then only the copy for the headers tells. */
static __always_inline __u16 own_port(struct sock *sock) {
        struct tcp_sock *tcp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sock);

        return tcp ? __builtin_bswap16(tcp->inet_conn.icsk_inet.inet_sport) : sock->__sk_common.skc_num;
}

static __always_inline void describe(struct proto_connection *connection, struct sock *sock) {
        const struct sock_common *common = &sock->__sk_common;

        connection->cookie = knows_socket_cookie ? bpf_get_socket_cookie(sock) : 0;
        connection->network_namespace = common->skc_net.net->ns.inum;
        connection->interface = common->skc_bound_dev_if;
        connection->user = sock->sk_uid.val;
        connection->protocol = IPPROTO_TCP;
        connection->padding = 0;
        connection->padding_end = 0;
        connection->local_port = own_port(sock);
        connection->remote_port = __builtin_bswap16(common->skc_dport);
        __builtin_memset(connection->local, 0, sizeof(connection->local));
        __builtin_memset(connection->remote, 0, sizeof(connection->remote));
        if (common->skc_family == AF_INET6) {
                connection->family = 6;
                put_address(connection->local, &common->skc_v6_rcv_saddr);
                put_address(connection->remote, &common->skc_v6_daddr);
        } else {
                __u32 local = common->skc_rcv_saddr, remote = common->skc_daddr;

                connection->family = 4;
                __builtin_memcpy(connection->local, &local, sizeof(local));
                __builtin_memcpy(connection->remote, &remote, sizeof(remote));
        }
}

static __always_inline void tell(enum proto_kind kind, struct sock *sock, const struct proto_origin *origin, bool inbound) {
        struct proto_connection *connection = bpf_ringbuf_reserve(&ring, sizeof(*connection), 0);

        if (!connection) {
                count_lost(PROTO_LOST_CONNECTION);
                return;
        }
        connection->origin.start_ns = origin ? origin->start_ns : 0;
        connection->origin.pid = origin ? origin->pid : 0;
        connection->origin.padding = 0;
        connection->inbound = inbound;
        describe(connection, sock);
        set_header(&connection->header, kind, sizeof(*connection));
        bpf_ringbuf_submit(connection, wake_flags());
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(connection_changed, struct sock *sock, int before, int now) {
        __u64 key = (unsigned long)sock;
        struct proto_origin origin, *known;

        if (sock->sk_protocol != IPPROTO_TCP)
                return 0;
        if (now == TCP_SYN_SENT) {
                set_origin(&origin);
                bpf_map_update_elem(&connecting, &key, &origin, BPF_ANY);
                return 0;
        }
        known = bpf_map_lookup_elem(&connecting, &key);
        if (now == TCP_ESTABLISHED)
                tell(PROTO_ESTABLISHED, sock, known, before != TCP_SYN_SENT);
        else if (before == TCP_ESTABLISHED && now == TCP_FIN_WAIT1) {
                set_origin(&origin);
                tell(PROTO_CLOSED, sock, &origin, false);
        } else if (before == TCP_ESTABLISHED)
                tell(PROTO_CLOSED, sock, known, false);
        if (now == TCP_CLOSE && known)
                bpf_map_delete_elem(&connecting, &key);
        return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
