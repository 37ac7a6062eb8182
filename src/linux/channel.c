#include "channel.h"

#include <sys/socket.h>

#include "fd.h"

int channel_pair(int ret[2]) {
        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret) < 0 ? -errno : 0;
}

int channel_send(int socket, struct bytes datagram, int fd) {
        union {
                char room[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec part = { .iov_base = (void *)(uintptr_t)datagram.data, .iov_len = datagram.size };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t n;

        if (fd >= 0) {
                struct cmsghdr *message;

                header.msg_control = control.room;
                header.msg_controllen = sizeof(control.room);
                message = CMSG_FIRSTHDR(&header);
                message->cmsg_level = SOL_SOCKET;
                message->cmsg_type = SCM_RIGHTS;
                message->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(message), &fd, sizeof(int));
        }
        do
                n = sendmsg(socket, &header, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

/* Keeps the first descriptor that came, closes any other. */
static int take_descriptor(struct msghdr *header) {
        int kept = -1;

        for (struct cmsghdr *message = CMSG_FIRSTHDR(header); message; message = CMSG_NXTHDR(header, message)) {
                size_t count;

                if (message->cmsg_level != SOL_SOCKET || message->cmsg_type != SCM_RIGHTS)
                        continue;
                count = (message->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(message) + i * sizeof(int), sizeof(int));
                        if (kept < 0)
                                kept = fd;
                        else
                                (void)fd_close(fd);
                }
        }
        return kept;
}

int channel_receive(int socket, size_t limit, struct buffer *buffer, int *ret_fd) {
        union {
                char room[CMSG_SPACE(4 * sizeof(int))];
                struct cmsghdr align;
        } control = { 0 };
        struct iovec part = { .iov_len = limit };
        struct msghdr header = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control.room,
                .msg_controllen = sizeof(control.room),
        };
        _cleanup_close_ int fd = -1;
        ssize_t n;

        buffer_clear(buffer);
        buffer_append_fill(buffer, 0, limit);
        if (buffer_error(buffer) < 0)
                return -ENOMEM;
        part.iov_base = buffer->data;
        do
                n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                buffer_clear(buffer);
                return errno == ECONNRESET ? 0 : -errno; /* it ended with something of ours unread */
        }
        fd = take_descriptor(&header);
        buffer_truncate(buffer, (size_t)n);
        if (header.msg_flags & MSG_TRUNC)
                return -EMSGSIZE;
        if (n == 0)
                return 0;
        *ret_fd = TAKE_FD(fd);
        return 1;
}
