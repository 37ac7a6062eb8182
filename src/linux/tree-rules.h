/* tree-rules.h - what of a file tree is watched: the same for those who walk it and for those who are told by the kernel. */
#pragma once

#include <stdbool.h>

#include "settings.h"

struct statx;

/* True if a pattern matches the whole path or its last component. */
bool tree_excludes(const struct strings *patterns, const char *path, const char *name);

/* True if the directory lies in a kernel interface that is shaped like files (/proc, /sys): what reading them does is not ours
 * to find out, and their content moves by itself. The descriptor may be one of O_PATH. */
bool tree_is_kernel_filesystem(int fd);

/* True if the directory lies on a filesystem that keeps no inode numbers (vfat, as on every EFI partition): the kernel makes them
 * up when it first sees a file after mounting, so that they say nothing of the file. */
bool tree_makes_up_inodes(int fd);

/* On which mount something lies. Of two bind mounts of one filesystem the device is the same; only a kernel before 5.8 leaves nothing
 * else to go by. */
struct tree_mount {
        bool by_device;
        uint64_t number;
};

/* Of an answer to TREE_MOUNT_MASK. */
extern const unsigned TREE_MOUNT_MASK;
struct tree_mount tree_mount_of(const struct statx *stat);
/* Of 'name' below the directory, without following a link or mounting anything; "": of the directory. 0 or negative errno. */
int tree_mount_at(int directory, const char *name, struct tree_mount *ret);
static inline bool tree_mount_is(struct tree_mount a, struct tree_mount b) {
        return a.by_device == b.by_device && a.number == b.number;
}
