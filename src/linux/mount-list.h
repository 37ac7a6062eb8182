/* mount-list.h - the mount table (/proc/PID/mountinfo, proc(5)), and what is different from the one before. */
#pragma once

#include "buffer.h"

struct mount {
        uint64_t id, parent;
        size_t root, root_size;         /* all in the list's text: the part of the filesystem that is seen there, */
        size_t where, where_size;       /* the mount point, */
        size_t type, type_size;         /* the filesystem's type, */
        size_t what, what_size;         /* and the device or source */
        size_t device, device_size;     /* "8:1" */
};

struct mount_list {
        struct mount *items;            /* owned; in the order of the table: what covers stands behind what it covers */
        size_t count, capacity;
        struct buffer text;             /* with octal escapes undone */
        size_t skipped;                 /* lines that cannot be understood */
};

#define MOUNT_LIST_NULL ((struct mount_list){ 0 })

void mount_list_done(struct mount_list *list);

/* Reads a whole table into the list in place of what was in it. 0 or -ENOMEM. */
int mount_list_parse(struct mount_list *list, struct bytes text);

/* Calls 'gone' for each mount that is in 'before' alone, in reverse order, then 'come' for each that is in 'after' alone. One that
 * stands on another place, or shows something else, is another one. 0 or -ENOMEM. */
int mount_list_compare(const struct mount_list *before, const struct mount_list *after, void *context,
                       void (*gone)(void *context, const struct mount_list *list, const struct mount *mount),
                       void (*come)(void *context, const struct mount_list *list, const struct mount *mount));

static inline struct bytes mount_where(const struct mount_list *list, const struct mount *mount) {
        return bytes_of(list->text.data + mount->where, mount->where_size);
}

static inline struct bytes mount_what(const struct mount_list *list, const struct mount *mount) {
        return bytes_of(list->text.data + mount->what, mount->what_size);
}

static inline struct bytes mount_root(const struct mount_list *list, const struct mount *mount) {
        return bytes_of(list->text.data + mount->root, mount->root_size);
}

/* True if it is a filesystem of this machine on which files lie: of a block device, or one of those that need none (btrfs, zfs,
 * bcachefs, tmpfs, ramfs, devtmpfs; overlay as the root alone: else its files lie, and are found, below). Not what a server or a
 * program answers for (NFS, SMB, 9p, FUSE...), who may never do so, nor what the kernel makes up. */
bool mount_is_local(const struct mount_list *list, const struct mount *mount);

/* True if something is mounted at the path, of which what covers the rest is not local. */
bool mount_list_is_foreign(const struct mount_list *list, const char *path, size_t size);

/* True if the mount point is the path, above it or below it: what is seen at the path may be another thing now. */
bool mount_touches(struct bytes where, const char *path);
