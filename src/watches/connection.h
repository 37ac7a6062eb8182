/* connection.h - one established connection as the kernel tells it, and the list they are gathered in.
 * Kept small and in key order by memcmp: ten thousand of them are less than a megabyte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        /* Where the parts of a key are, all big-endian. */
        CONNECTION_NAMESPACE = 0,       /* inode of the network namespace; 0: the host's own */
        CONNECTION_PROTOCOL = 8,        /* IPPROTO_TCP, IPPROTO_UDP */
        CONNECTION_FAMILY = 9,          /* 4 or 6 */
        CONNECTION_LOCAL = 10,          /* address, IPv4 in the first four bytes */
        CONNECTION_LOCAL_PORT = 26,
        CONNECTION_REMOTE = 28,
        CONNECTION_REMOTE_PORT = 44,
        CONNECTION_INTERFACE = 46,      /* index of the interface it is bound to, or 0 */
        /* What tells this socket from the next one with the same addresses: the kernel's cookie. The inode will not do:
         * it is 0 until the program has accepted the connection. */
        CONNECTION_IDENTITY = 50,
        CONNECTION_KEY_SIZE = 58,

        CONNECTION_IPV4 = 4, CONNECTION_IPV6 = 6,
};

struct connection {
        uint8_t key[CONNECTION_KEY_SIZE];
        uint32_t inode;                 /* 0: not accepted yet */
        uint32_t user;
};

struct connection_list {
        struct connection *items;       /* owned */
        size_t count, capacity;
};

#define CONNECTION_LIST_NULL ((struct connection_list){ .items = NULL })

void connection_list_done(struct connection_list *list);
/* Copies it to the end. 0 or -ENOMEM. */
int connection_list_add(struct connection_list *list, const struct connection *connection);
/* In key order, each key once. */
void connection_list_sort(struct connection_list *list);
/* Forgets all; gives memory back that the last rounds did not need. */
void connection_list_clear(struct connection_list *list);

void connection_put(uint8_t *key, size_t place, size_t width, uint64_t number);
uint64_t connection_get(const uint8_t *key, size_t place, size_t width);
