#include "netlink.h"

#include <linux/netlink.h>

#include "fd.h"

int netlink_open(int protocol, uint32_t groups, int room) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

        if (fd < 0)
                return -errno;
        /* FORCE needs CAP_NET_ADMIN; without it net.core.rmem_max is the end */
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
        /* the groups of a socket that was not bound first get nothing (sock_diag) */
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int netlink_receive(int fd, void *place, size_t size, struct netlink_datagram *ret) {
        union {
                struct cmsghdr header;
                uint8_t space[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct sockaddr_nl address = { .nl_pid = UINT32_MAX };
        struct iovec part = { .iov_base = place, .iov_len = size };
        struct msghdr message = {
                .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &part, .msg_iovlen = 1,
                .msg_control = control.space, .msg_controllen = sizeof(control.space),
        };
        ssize_t n;

        do
                n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        *ret = (struct netlink_datagram){
                .bytes = bytes_of(place, (size_t)n),
                .sender = message.msg_namelen == sizeof(address) ? address.nl_pid : UINT32_MAX,
                .cut = message.msg_flags & MSG_TRUNC,
        };
        for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
                if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS &&
                    header->cmsg_len == CMSG_LEN(sizeof(ret->credentials))) {
                        memcpy(&ret->credentials, CMSG_DATA(header), sizeof(ret->credentials));
                        ret->has_credentials = true;
                }
        return 1;
}

int netlink_check(int fd, int protocol, uint32_t groups) {
        struct sockaddr_nl address = { 0 };
        socklen_t size = sizeof(int), address_size = sizeof(address);
        int found = -1;

        if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &found, &size) < 0)
                return -errno;
        if (found != protocol)
                return -EBADF;
        if (getsockname(fd, (struct sockaddr *)&address, &address_size) < 0)
                return -errno;
        return (address.nl_groups & groups) == groups ? 0 : -ENOTCONN; /* somebody took it out */
}

bool netlink_next(struct bytes *rest, struct netlink_message *ret) {
        struct nlmsghdr header;
        size_t step;

        if (rest->size < sizeof(header))
                return false;
        memcpy(&header, rest->data, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest->size)
                return false;
        *ret = (struct netlink_message){
                .type = header.nlmsg_type,
                .flags = header.nlmsg_flags,
                .sequence = header.nlmsg_seq,
                .payload = bytes_of(rest->data + sizeof(header), header.nlmsg_len - sizeof(header)),
        };
        step = ((size_t)header.nlmsg_len + 3) / 4 * 4;
        if (step > rest->size)
                step = rest->size;
        *rest = bytes_of(rest->data + step, rest->size - step);
        return true;
}

bool netlink_next_attribute(struct bytes *rest, uint16_t *ret_type, struct bytes *ret_payload) {
        struct nlattr header;
        size_t step;

        if (rest->size < sizeof(header))
                return false;
        memcpy(&header, rest->data, sizeof(header));
        if (header.nla_len < sizeof(header) || header.nla_len > rest->size)
                return false;
        *ret_type = header.nla_type & NLA_TYPE_MASK;
        *ret_payload = bytes_of(rest->data + sizeof(header), header.nla_len - sizeof(header));
        step = ((size_t)header.nla_len + 3) / 4 * 4;
        if (step > rest->size)
                step = rest->size;
        *rest = bytes_of(rest->data + step, rest->size - step);
        return true;
}
