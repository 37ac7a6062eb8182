#include "found-file.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include "fd.h"
#include "host.h"

/* A file of any size costs its maker nothing, as a hole, and its reader an hour. */
#define HOLE_SIZE (UINT64_C(1) << 30)
#define HOLE_PART 8

void found_file_done(struct found_file *file) {
        buffer_done(&file->path);
}

int found_file_init(struct found_file *file, const struct host *host, struct bytes path, bool present) {
        *file = (struct found_file){ .host = host, .present = present };
        buffer_append_bytes(&file->path, path);
        return buffer_error(&file->path);
}

static bool same_state(const struct statx *a, const struct statx *b) {
        return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor &&
               a->stx_size == b->stx_size && a->stx_mode == b->stx_mode && a->stx_uid == b->stx_uid &&
               a->stx_gid == b->stx_gid && a->stx_ctime.tv_sec == b->stx_ctime.tv_sec &&
               a->stx_ctime.tv_nsec == b->stx_ctime.tv_nsec && a->stx_mtime.tv_sec == b->stx_mtime.tv_sec &&
               a->stx_mtime.tv_nsec == b->stx_mtime.tv_nsec;
}

int found_file_look(struct found_file *file) {
        _cleanup_close_ int fd = -1;

        if (file->looked)
                return 0;
        fd = host_openat(file->host, buffer_string(&file->path), O_PATH | O_NOFOLLOW);
        if (fd < 0)
                return fd;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &file->stat) < 0)
                return -errno;
        file->looked = true;
        return 0;
}

/* Opens what was looked at. */
static int open_same(struct found_file *file) {
        _cleanup_close_ int fd = -1;
        struct statx stat;

        fd = host_openat(file->host, buffer_string(&file->path), O_RDONLY | O_NOFOLLOW | O_NOATIME);
        if (fd == -EPERM) /* O_NOATIME is for the owner and CAP_FOWNER */
                fd = host_openat(file->host, buffer_string(&file->path), O_RDONLY | O_NOFOLLOW);
        if (fd == -ELOOP)
                return -ESTALE;
        if (fd < 0)
                return fd;
        /* What was put there meanwhile need not be a regular file. */
        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat) < 0)
                return -errno;
        return same_state(&stat, &file->stat) ? TAKE_FD(fd) : -ESTALE;
}

int found_file_read(struct found_file *file, unsigned wanted) {
        _cleanup_close_ int fd = -1;
        struct statx stat;
        int r;

        if ((file->have & wanted) == wanted)
                return 0;
        r = found_file_look(file);
        if (r < 0)
                return r;
        if (!S_ISREG(file->stat.stx_mode))
                return -ESTALE;
        if (file->stat.stx_size > HOLE_SIZE && file->stat.stx_blocks < file->stat.stx_size / 512 / HOLE_PART)
                return -EFBIG;
        fd = open_same(file);
        if (fd < 0)
                return fd;
        r = file_digests(fd, wanted, &file->digests);
        if (r < 0)
                return r;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat) < 0)
                return -errno;
        if (!same_state(&stat, &file->stat))
                return -ESTALE;
        file->have |= wanted;
        return 0;
}

int found_file_target(struct found_file *file, struct buffer *ret) {
        _cleanup_close_ int fd = host_openat(file->host, buffer_string(&file->path), O_PATH | O_NOFOLLOW);
        int r;

        if (fd < 0)
                return fd;
        r = link_read_at(fd, "", ret);
        return r == -ENOENT || r == -EINVAL ? -ESTALE : r;
}

int found_file_has_capabilities(struct found_file *file, bool *ret) {
        _cleanup_close_ int fd = -1;
        int r = found_file_look(file);

        if (r < 0)
                return r;
        if (!S_ISREG(file->stat.stx_mode))
                return -ESTALE;
        fd = open_same(file);
        if (fd < 0)
                return fd;
        if (fgetxattr(fd, "security.capability", NULL, 0) >= 0)
                *ret = true;
        else if (errno == ENODATA || errno == EOPNOTSUPP)
                *ret = false;
        else
                return -errno;
        return 0;
}
