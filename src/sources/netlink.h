/* netlink.h - sockets of netlink(7) that only listen, and the messages in a datagram. */
#pragma once

#include <sys/socket.h>

#include "bytes.h"

struct netlink_datagram {
        struct bytes bytes;             /* in the caller's place */
        uint32_t sender;                /* 0: the kernel */
        bool cut;                       /* longer than the place */
        bool has_credentials;
        struct ucred credentials;
};

/* Bound to these groups (one bit each, groups 1 to 32), O_CLOEXEC, non-blocking, with so much room in the kernel for what was
 * not read yet (as much as it allows). The descriptor or negative errno. */
int netlink_open(int protocol, uint32_t groups, int room);

/* One datagram. 1; 0: there is none now; -ENOBUFS: some did not fit and are lost; another negative errno: it does not work
 * any more. */
int netlink_receive(int fd, void *place, size_t size, struct netlink_datagram *ret);

/* Whether the descriptor is still such a socket, and in these groups: 0, or negative errno. Takes no error that waits for
 * receive. */
int netlink_check(int fd, int protocol, uint32_t groups);

struct netlink_message {
        uint16_t type, flags;
        uint32_t sequence;
        struct bytes payload;
};

/* Pure. Takes the first message off *rest. False if there is none, or none that is whole. */
bool netlink_next(struct bytes *rest, struct netlink_message *ret);
/* The same for attributes. */
bool netlink_next_attribute(struct bytes *rest, uint16_t *ret_type, struct bytes *ret_payload);
