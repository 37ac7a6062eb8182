#include "tree-rules.h"

#include <fnmatch.h>
#include <linux/magic.h>
#include <sys/vfs.h>

bool tree_excludes(const struct strings *patterns, const char *path, const char *name) {
        for (size_t i = 0; i < patterns->count; i++)
                if (fnmatch(patterns->items[i], path, 0) == 0 || fnmatch(patterns->items[i], name, 0) == 0)
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
