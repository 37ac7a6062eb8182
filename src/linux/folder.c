#include "folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fd.h"

int folder_open(const char *path, mode_t mode) {
        int fd;

        if (mode && mkdir(path, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static bool same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int folder_follow(int fd, const char *path, mode_t mode) {
        _cleanup_close_ int now = -1;
        struct stat held, named;

        if (fstat(fd, &held) < 0)
                return -errno;
        if (stat(path, &named) == 0 && same_file(&held, &named))
                return 0;
        now = folder_open(path, mode);
        if (now < 0)
                return now;
        return dup3(now, fd, O_CLOEXEC) < 0 ? -errno : 1;
}

bool folder_holds(int folder, const char *name, int fd) {
        struct stat held, named;

        return fstat(fd, &held) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&held, &named);
}

bool folder_entry_is_immutable(int folder, const char *name) {
        struct statx stat;

        return statx(folder, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0, &stat) == 0 &&
               stat.stx_attributes & STATX_ATTR_IMMUTABLE;
}
