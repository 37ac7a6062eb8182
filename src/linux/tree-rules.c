#include "tree-rules.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* Asked for every file of every look: most patterns begin unlike it. */
static bool matches(const char *pattern, const char *text) {
        const char *at = pattern, *in = text;

        while (*at && !strchr("*?[\\", *at)) {
                if (*at != *in)
                        return false;
                at++;
                in++;
        }
        return fnmatch(pattern, text, 0) == 0;
}

bool tree_excludes(const struct strings *patterns, const char *path, const char *name) {
        for (size_t i = 0; i < patterns->count; i++)
                if (matches(patterns->items[i], path) || matches(patterns->items[i], name))
                        return true;
        return false;
}

bool tree_is_kernel_filesystem(int fd) {
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return false;
        switch ((unsigned long)fs.f_type) {
        case PROC_SUPER_MAGIC:
        case SYSFS_MAGIC:
        case DEBUGFS_MAGIC:
        case TRACEFS_MAGIC:
        case SECURITYFS_MAGIC:
        case CGROUP_SUPER_MAGIC:
        case CGROUP2_SUPER_MAGIC:
        case DEVPTS_SUPER_MAGIC:
        case BPF_FS_MAGIC:
        case PSTOREFS_MAGIC:
        case EFIVARFS_MAGIC:
        case SELINUX_MAGIC:
        case 0x62656570: /* configfs, in no header */
                return true;
        default:
                return false;
        }
}

bool tree_makes_up_inodes(int fd) {
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return false;
        return (unsigned long)fs.f_type == MSDOS_SUPER_MAGIC || (unsigned long)fs.f_type == EXFAT_SUPER_MAGIC;
}

const unsigned TREE_MOUNT_MASK = STATX_TYPE | STATX_MNT_ID;

struct tree_mount tree_mount_of(const struct statx *stat) {
        if (stat->stx_mask & STATX_MNT_ID)
                return (struct tree_mount){ .number = stat->stx_mnt_id };
        return (struct tree_mount){ .by_device = true,
                                    .number = (uint64_t)stat->stx_dev_major << 32 | stat->stx_dev_minor };
}

int tree_mount_at(int directory, const char *name, struct tree_mount *ret) {
        struct statx stat;

        if (statx(directory, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, TREE_MOUNT_MASK, &stat) < 0)
                return -errno;
        *ret = tree_mount_of(&stat);
        return 0;
}
