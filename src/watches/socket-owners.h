/* socket-owners.h - which process holds a socket, by the links in /proc/PID/fd.
 * There is no other way to ask, and a link costs microseconds: the walk goes only as far as the first answer and goes
 * on from there for the next question. Processes are walked by pid, so of several owners the one with the lowest pid
 * and descriptor is told. */
#pragma once

#include "process.h"

struct socket_owner {
        uint32_t inode, pid, descriptor;
};

struct socket_owners {
        int proc_fd;                    /* borrowed */
        bool started, ended;
        size_t next;                    /* process to walk next */
        size_t refused;                 /* processes whose descriptors we were not let see */
        struct process_list pids, descriptors;
        struct socket_owner *table;     /* owned; open addressing by inode, 0 is free */
        size_t count, capacity;         /* capacity: a power of two, or 0 */
};

void socket_owners_init(struct socket_owners *owners, int proc_fd);
void socket_owners_done(struct socket_owners *owners);
/* Forgets everything: the next question walks anew. */
void socket_owners_reset(struct socket_owners *owners);
/* 1 and *ret, 0 if no process has it, or negative errno. */
int socket_owners_find(struct socket_owners *owners, uint32_t inode, struct socket_owner *ret);

/* "socket:[123]"; pure. */
bool socket_owners_parse_link(struct bytes target, uint32_t *ret_inode);
