#include "destroy-message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "netlink.h"

/* Who connected has had an answer to its SYN acknowledged or timed; who was connected to only has a socket since then. Without
 * figures (older kernels, UDP) a peer is enough. */
static bool was_established(struct bytes information) {
        struct tcp_info info = { .tcpi_state = 0 };

        if (information.size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received))
                return true;
        memcpy(&info, information.data, information.size < sizeof(info) ? information.size : sizeof(info));
        return info.tcpi_rtt > 0 || info.tcpi_bytes_acked > 0 || info.tcpi_bytes_received > 0;
}

int destroy_message_parse(struct bytes payload, struct connection_facts *ret) {
        struct connection_facts facts = { .family = 0 };
        struct bytes attributes, value;
        struct inet_diag_msg message;
        bool established = true;
        uint16_t type;

        if (payload.size < sizeof(message))
                return -EBADMSG;
        memcpy(&message, payload.data, sizeof(message));
        if (message.idiag_family == AF_INET)
                facts.family = 4;
        else if (message.idiag_family == AF_INET6)
                facts.family = 6;
        else
                return -EBADMSG;
        _Static_assert(sizeof(message.id.idiag_src) == sizeof(facts.local), "an address in four words");
        memcpy(facts.local, message.id.idiag_src, facts.family == 4 ? 4 : 16);
        memcpy(facts.remote, message.id.idiag_dst, facts.family == 4 ? 4 : 16);
        facts.local_port = ntohs(message.id.idiag_sport);
        facts.remote_port = ntohs(message.id.idiag_dport);
        facts.interface = message.id.idiag_if;
        facts.cookie = (uint64_t)message.id.idiag_cookie[1] << 32 | message.id.idiag_cookie[0];

        attributes = bytes_of(payload.data + sizeof(message), payload.size - sizeof(message));
        while (netlink_next_attribute(&attributes, &type, &value)) {
                if (type == INET_DIAG_PROTOCOL && value.size >= 1)
                        facts.protocol = value.data[0];
                else if (type == INET_DIAG_INFO && facts.protocol != IPPROTO_UDP)
                        established = was_established(value);
        }
        if (facts.protocol == 0)
                return -EBADMSG;
        if (facts.remote_port == 0 || (facts.protocol == IPPROTO_TCP && !established))
                return 0;
        *ret = facts;
        return 1;
}
