#include "socket-diag.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "fd.h"

_Static_assert(INTERFACE_NAME_ROOM >= IFNAMSIZ, "interface names do not fit");

enum {
        STATE_ESTABLISHED = 1,          /* TCP_ESTABLISHED, also of a connected UDP socket */
        ANSWER_SECONDS = 5,             /* a dump is made while we ask; more than an instant means something is wrong */
        ANSWER_ROOM = 32 * 1024,        /* the kernel's largest dump message */
        PATH_ROOM = 32,
};

int socket_diag_open(struct mnl_socket **ret) {
        const struct timeval limit = { .tv_sec = ANSWER_SECONDS };
        struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);

        if (!socket)
                return -errno;
        if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
            setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0) {
                int error = errno;

                (void)mnl_socket_close(socket);
                return -error;
        }
        *ret = socket;
        return 0;
}

struct mnl_socket *socket_diag_close(struct mnl_socket *socket) {
        if (socket)
                (void)mnl_socket_close(socket);
        return NULL;
}

int socket_diag_open_in(int proc_fd, uint32_t pid, uint64_t namespace_inode, int own_namespace_fd,
                        struct mnl_socket **ret) {
        _cleanup_close_ int fd = -1;
        struct stat status;
        char path[PATH_ROOM];
        int r;

        (void)snprintf(path, sizeof(path), "%u/ns/net", pid);
        fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (status.st_ino != namespace_inode)
                return -ESRCH;
        if (setns(fd, CLONE_NEWNET) < 0)
                return -errno;
        r = socket_diag_open(ret);
        /* Staying in a stranger's namespace would make every later answer wrong, and nobody above could tell. */
        if (setns(own_namespace_fd, CLONE_NEWNET) < 0)
                abort();
        return r;
}

static int send_request(struct mnl_socket *socket, uint8_t protocol, uint8_t family, uint32_t sequence) {
        uint8_t request[NLMSG_ALIGN(sizeof(struct nlmsghdr)) + NLMSG_ALIGN(sizeof(struct inet_diag_req)) +
                        NLMSG_ALIGN(sizeof(struct inet_diag_req_v2))] __attribute__((aligned(NLMSG_ALIGNTO))) = { 0 };
        struct nlmsghdr *header = mnl_nlmsg_put_header(request);

        header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        header->nlmsg_seq = sequence;
        if (family == SOCKET_DIAG_BOTH) {
                /* Only the first form of the question, from before there were families in it, is for both. */
                struct inet_diag_req *wanted = mnl_nlmsg_put_extra_header(header, sizeof(*wanted));

                header->nlmsg_type = TCPDIAG_GETSOCK;
                wanted->idiag_states = 1U << STATE_ESTABLISHED;
        } else {
                struct inet_diag_req_v2 *wanted = mnl_nlmsg_put_extra_header(header, sizeof(*wanted));

                header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
                wanted->sdiag_family = family == CONNECTION_IPV4 ? AF_INET : AF_INET6;
                wanted->sdiag_protocol = protocol;
                wanted->idiag_states = 1U << STATE_ESTABLISHED;
        }
        return mnl_socket_sendto(socket, header, header->nlmsg_len) < 0 ? -errno : 0;
}

static int add_message(const struct nlmsghdr *header, uint8_t protocol, uint8_t family, uint64_t namespace_inode,
                       struct connection_list *list) {
        const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
        struct connection connection = { .inode = 0 };
        size_t address_size;
        uint8_t told;

        if (mnl_nlmsg_get_payload_len(header) < sizeof(*message) || message->idiag_state != STATE_ESTABLISHED ||
            (message->idiag_family != AF_INET && message->idiag_family != AF_INET6))
                return 0;
        told = message->idiag_family == AF_INET ? CONNECTION_IPV4 : CONNECTION_IPV6;
        if (family != SOCKET_DIAG_BOTH && told != family)
                return 0;
        address_size = told == CONNECTION_IPV4 ? 4 : 16;
        connection.inode = message->idiag_inode;
        connection.user = message->idiag_uid;
        connection_put(connection.key, CONNECTION_NAMESPACE, 8, namespace_inode);
        connection.key[CONNECTION_PROTOCOL] = protocol;
        connection.key[CONNECTION_FAMILY] = told;
        memcpy(connection.key + CONNECTION_LOCAL, message->id.idiag_src, address_size);
        memcpy(connection.key + CONNECTION_REMOTE, message->id.idiag_dst, address_size);
        memcpy(connection.key + CONNECTION_LOCAL_PORT, &message->id.idiag_sport, 2); /* both in network order */
        memcpy(connection.key + CONNECTION_REMOTE_PORT, &message->id.idiag_dport, 2);
        connection_put(connection.key, CONNECTION_INTERFACE, 4, message->id.idiag_if);
        connection_put(connection.key, CONNECTION_IDENTITY, 8,
                       (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0]);
        return connection_list_add(list, &connection);
}

static int error_of(const struct nlmsghdr *header) {
        const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);

        if (mnl_nlmsg_get_payload_len(header) < sizeof(*error) || error->error >= 0)
                return -EPROTO;
        return error->error;
}

/* One datagram from the kernel. Its length, or negative errno. */
static int receive(struct mnl_socket *socket, uint8_t *answer) {
        for (;;) {
                struct sockaddr_nl sender = { 0 };
                struct iovec room = { .iov_base = answer, .iov_len = ANSWER_ROOM };
                struct msghdr message = {
                        .msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &room, .msg_iovlen = 1,
                };
                ssize_t n = recvmsg(mnl_socket_get_fd(socket), &message, 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? -ETIMEDOUT : -errno;
                if (message.msg_flags & MSG_TRUNC)
                        return -EMSGSIZE;
                if (sender.nl_family == AF_NETLINK && sender.nl_pid == 0)
                        return (int)n;
        }
}

int socket_diag_dump(struct mnl_socket *socket, uint8_t protocol, uint8_t family, uint64_t namespace_inode,
                     struct connection_list *list) {
        static uint32_t sequence;
        _cleanup_free_ uint8_t *answer = malloc(ANSWER_ROOM);
        bool interrupted = false;
        int r;

        if (!answer)
                return -ENOMEM;
        r = send_request(socket, protocol, family, ++sequence);
        if (r < 0)
                return r;
        for (;;) {
                const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
                int left = receive(socket, answer);

                if (left < 0)
                        return left;
                for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
                        if (header->nlmsg_seq != sequence)
                                continue;
                        if (header->nlmsg_flags & NLM_F_DUMP_INTR)
                                interrupted = true;
                        if (header->nlmsg_type == NLMSG_ERROR)
                                return error_of(header);
                        if (header->nlmsg_type == NLMSG_DONE)
                                return interrupted ? SOCKET_DIAG_INTERRUPTED : 0;
                        if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY && header->nlmsg_type != TCPDIAG_GETSOCK)
                                continue;
                        r = add_message(header, protocol, family, namespace_inode, list);
                        if (r < 0)
                                return r;
                }
        }
}

int socket_diag_interface(struct mnl_socket *socket, uint32_t index, char ret[INTERFACE_NAME_ROOM]) {
        struct ifreq request = { .ifr_ifindex = (int)index };

        if (ioctl(mnl_socket_get_fd(socket), SIOCGIFNAME, &request) < 0)
                return -errno;
        memcpy(ret, request.ifr_name, IFNAMSIZ);
        ret[IFNAMSIZ - 1] = '\0';
        return 0;
}
