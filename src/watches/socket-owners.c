#include "socket-owners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fd.h"

enum { FIRST_CAPACITY = 256, LINK_ROOM = 32, PATH_ROOM = 32 };

void socket_owners_init(struct socket_owners *owners, int proc_fd) {
        *owners = (struct socket_owners){ .proc_fd = proc_fd };
}

void socket_owners_done(struct socket_owners *owners) {
        socket_owners_reset(owners);
        process_list_done(&owners->pids);
        process_list_done(&owners->descriptors);
}

void socket_owners_reset(struct socket_owners *owners) {
        free(owners->table);
        owners->table = NULL;
        owners->count = owners->capacity = owners->next = owners->refused = 0;
        owners->started = owners->ended = false;
}

bool socket_owners_parse_link(struct bytes target, uint32_t *ret_inode) {
        const struct bytes prefix = bytes_of_string("socket:[");
        uint64_t inode = 0;

        if (!bytes_starts_with(target, prefix) || target.size < prefix.size + 2 || target.data[target.size - 1] != ']')
                return false;
        for (size_t i = prefix.size; i < target.size - 1; i++) {
                if (target.data[i] < '0' || target.data[i] > '9')
                        return false;
                inode = inode * 10 + (uint64_t)(target.data[i] - '0');
                if (inode > UINT32_MAX)
                        return false;
        }
        *ret_inode = (uint32_t)inode;
        return inode != 0;
}

/* Where the inode is or would go. The capacity is more than the count. */
static struct socket_owner *place(const struct socket_owners *owners, uint32_t inode) {
        size_t slot = (inode * UINT32_C(2654435761)) & (owners->capacity - 1);

        while (owners->table[slot].inode && owners->table[slot].inode != inode)
                slot = (slot + 1) & (owners->capacity - 1);
        return &owners->table[slot];
}

static int grow(struct socket_owners *owners) {
        struct socket_owners larger = { .capacity = owners->capacity ? owners->capacity * 2 : FIRST_CAPACITY };

        larger.table = calloc(larger.capacity, sizeof(*larger.table));
        if (!larger.table)
                return -ENOMEM;
        for (size_t i = 0; i < owners->capacity; i++)
                if (owners->table[i].inode)
                        *place(&larger, owners->table[i].inode) = owners->table[i];
        free(owners->table);
        owners->table = larger.table;
        owners->capacity = larger.capacity;
        return 0;
}

static int add(struct socket_owners *owners, uint32_t inode, uint32_t pid, uint32_t descriptor) {
        struct socket_owner *owner;

        if (owners->count >= owners->capacity / 2) {
                int r = grow(owners);
                if (r < 0)
                        return r;
        }
        owner = place(owners, inode);
        if (owner->inode) /* of a lower pid or descriptor */
                return 0;
        *owner = (struct socket_owner){ .inode = inode, .pid = pid, .descriptor = descriptor };
        owners->count++;
        return 0;
}

static int add_descriptor(struct socket_owners *owners, int directory, uint32_t pid, uint32_t descriptor) {
        char name[PATH_ROOM], target[LINK_ROOM];
        uint32_t inode;
        ssize_t n;

        (void)snprintf(name, sizeof(name), "%u", descriptor);
        n = readlinkat(directory, name, target, sizeof(target));
        if (n <= 0 || !socket_owners_parse_link(bytes_of(target, (size_t)n), &inode))
                return 0; /* closed since, or a longer name than any socket's */
        return add(owners, inode, pid, descriptor);
}

static int walk_process(struct socket_owners *owners, uint32_t pid) {
        _cleanup_close_ int directory = -1;
        char path[PATH_ROOM];
        int r;

        (void)snprintf(path, sizeof(path), "%u/fd", pid);
        directory = openat(owners->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (directory < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                        return -errno;
                if (errno == EACCES || errno == EPERM)
                        owners->refused++;
                return 0;
        }
        r = process_list_read_at(directory, ".", &owners->descriptors);
        if (r == -EACCES || r == -EPERM)
                owners->refused++;
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        for (size_t i = 0; i < owners->descriptors.count; i++) {
                r = add_descriptor(owners, directory, pid, owners->descriptors.pids[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int socket_owners_find(struct socket_owners *owners, uint32_t inode, struct socket_owner *ret) {
        int r;

        if (inode == 0 || owners->proc_fd < 0)
                return 0;
        if (!owners->started) {
                r = process_list_read(owners->proc_fd, &owners->pids);
                if (r < 0)
                        return r;
                owners->started = true;
        }
        for (;;) {
                if (owners->capacity) {
                        const struct socket_owner *owner = place(owners, inode);
                        if (owner->inode) {
                                *ret = *owner;
                                return 1;
                        }
                }
                if (owners->next == owners->pids.count) {
                        owners->ended = true;
                        return 0;
                }
                r = walk_process(owners, owners->pids.pids[owners->next]);
                if (r < 0)
                        return r;
                owners->next++;
        }
}
