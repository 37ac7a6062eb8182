/* socket-diag.h - asks the kernel for its sockets over NETLINK_SOCK_DIAG. A socket speaks of the network namespace it
 * was opened in, for as long as it is open: and keeps that namespace alive. */
#pragma once

#include <stdint.h>

#include "connection.h"

struct mnl_socket;

enum {
        SOCKET_DIAG_INTERRUPTED = 1,
        SOCKET_DIAG_BOTH = 0,           /* as family, for TCP: one walk of the kernel's table, which is the cost */
};

/* In our own namespace. 0 or negative errno. */
int socket_diag_open(struct mnl_socket **ret);
/* In the namespace of a process, if it is still the one with that inode, else -ESRCH. Our own namespace is entered
 * again before it returns (own_namespace_fd). Single-threaded callers only. */
int socket_diag_open_in(int proc_fd, uint32_t pid, uint64_t namespace_inode, int own_namespace_fd,
                        struct mnl_socket **ret);
struct mnl_socket *socket_diag_close(struct mnl_socket *socket);        /* takes NULL; returns NULL */

/* Adds what is established to the list. 0; SOCKET_DIAG_INTERRUPTED if the kernel says that its table moved meanwhile
 * (ask again); -ENOENT if it has no such table; after another negative errno the socket is to be closed. */
int socket_diag_dump(struct mnl_socket *socket, uint8_t protocol, uint8_t family, uint64_t namespace_inode,
                     struct connection_list *list);

/* Name of an interface in the socket's namespace. 0 or negative errno. */
enum { INTERFACE_NAME_ROOM = 16 };
int socket_diag_interface(struct mnl_socket *socket, uint32_t index, char ret[INTERFACE_NAME_ROOM]);
