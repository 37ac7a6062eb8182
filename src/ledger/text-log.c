#include "text-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "archive.h"
#include "buffer.h"
#include "fd.h"
#include "folder.h"
#include "new-file.h"
#include "timestamp.h"
#include "torn-tail.h"

/* While it is being packed the full log has this name: it is renamed at one stroke, so no line falls between two files, and
 * the archive's name follows from its last write, so doing it again after a crash gives the same archive. */
#define ROTATING ".rotating"

enum { ARCHIVE_MODE = 0750 };

struct text_log {
        int folder, archive, fd;
        char *name, *rotating;          /* owned */
        char *folder_path, *archive_path;       /* owned */
        uint64_t max_size, size, device, inode;
        enum text_log_standing harm;    /* that nobody asked for yet */
        bool immutable;
};

static int open_file(struct text_log *log) {
        _cleanup_close_ int fd = -1;
        struct stat stat;
        int r;

        log->fd = fd_close(log->fd);
        r = folder_follow(log->folder, log->folder_path, 0);
        if (r < 0)
                return r;
        fd = openat(log->folder, log->name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &stat) < 0)
                return -errno;
        if (!S_ISREG(stat.st_mode))
                return -EINVAL;
        log->fd = TAKE_FD(fd);
        log->size = (uint64_t)stat.st_size;
        log->device = (uint64_t)stat.st_dev;
        log->inode = (uint64_t)stat.st_ino;
        return 0;
}

/* What was not synced waits in the outbox and is written again. */
static int cut_torn_tail(struct text_log *log) {
        uint64_t whole = log->size;
        int r = torn_tail_find(log->fd, whole, &log->size);

        if (r < 0 || log->size == whole)
                return r;
        if (ftruncate(log->fd, (off_t)log->size) == 0)
                return 0;
        log->size = whole;
        return errno == EPERM ? 0 : -errno; /* it may only be appended to (chattr +a) */
}

static int pack_rotating(struct text_log *log) {
        _cleanup_buffer_ struct buffer name = BUFFER_NULL;
        struct stat stat;
        int r;

        if (fstatat(log->folder, log->rotating, &stat, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        buffer_append_string(&name, TEXT_LOG_ARCHIVE_PREFIX);
        timestamp_compact(&name, &stat.st_mtim);
        buffer_append_string(&name, TEXT_LOG_ARCHIVE_SUFFIX);
        r = buffer_error(&name);
        if (r == 0)
                r = archive_pack(log->folder, log->rotating, log->archive, buffer_string(&name));
        return r;
}

static int split_path(const char *path, char **ret_folder, char **ret_name) {
        const char *slash = strrchr(path, '/');

        if (!slash || !slash[1])
                return -EINVAL;
        *ret_folder = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
        *ret_name = strdup(slash + 1);
        return *ret_folder && *ret_name ? 0 : -ENOMEM;
}

int text_log_open(const char *path, const char *archive_folder, uint64_t max_size, struct text_log **ret) {
        struct text_log *log = calloc(1, sizeof(*log));
        int r;

        if (!log)
                return -ENOMEM;
        log->folder = log->archive = log->fd = -1;
        log->max_size = max_size;
        r = split_path(path, &log->folder_path, &log->name);
        log->archive_path = strdup(archive_folder);
        if (!log->archive_path)
                r = -ENOMEM;
        if (r == 0 && asprintf(&log->rotating, "%s" ROTATING, log->name) < 0) {
                log->rotating = NULL;
                r = -ENOMEM;
        }
        if (r < 0)
                goto fail;
        log->archive = r = folder_open(archive_folder, ARCHIVE_MODE);
        if (r >= 0)
                log->folder = r = folder_open(log->folder_path, 0);
        if (r >= 0)
                r = open_file(log);
        if (r == 0)
                r = cut_torn_tail(log);
        if (r == 0)
                r = pack_rotating(log);
        if (r == -ENOSPC || r == -EDQUOT) /* it waits under that name; nothing is to be written yet */
                r = 0;
        if (r < 0)
                goto fail;
        *ret = log;
        return 0;
fail:
        (void)text_log_close(log);
        return r;
}

struct text_log *text_log_close(struct text_log *log) {
        if (!log)
                return NULL;
        (void)fd_close(log->fd);
        (void)fd_close(log->folder);
        (void)fd_close(log->archive);
        free(log->folder_path);
        free(log->archive_path);
        free(log->name);
        free(log->rotating);
        free(log);
        return NULL;
}

/* Follows the name to the file that is to be written to. Where there is none, or another, that is not opened, or made, before something is
 * to be written: who removes a folder would find it not empty. */
static int follow(struct text_log *log, bool open) {
        struct stat stat;
        int r = folder_follow(log->folder, log->folder_path, 0);

        if (r < 0) { /* what was open lies nowhere where it is read */
                if (log->fd >= 0)
                        log->harm = TEXT_LOG_GONE;
                log->fd = fd_close(log->fd);
                log->size = 0;
                return r;
        }
        if (log->fd >= 0 && fstatat(log->folder, log->name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
            (uint64_t)stat.st_ino == log->inode && (uint64_t)stat.st_dev == log->device) {
                if ((uint64_t)stat.st_size < log->size)
                        log->harm = TEXT_LOG_CUT;
                log->size = (uint64_t)stat.st_size;
                return 0;
        }
        if (log->fd >= 0)
                log->harm = TEXT_LOG_GONE;
        log->fd = fd_close(log->fd);
        log->size = 0;
        return open ? open_file(log) : 0;
}

enum text_log_standing text_log_stand(struct text_log *log) {
        bool immutable = follow(log, false) == 0 && folder_entry_is_immutable(log->folder, log->name);
        enum text_log_standing harm = log->harm;

        if (immutable && !log->immutable && harm == TEXT_LOG_STANDS)
                harm = TEXT_LOG_IMMUTABLE;
        log->immutable = immutable;
        log->harm = TEXT_LOG_STANDS;
        return harm;
}

int text_log_place(struct text_log *log, struct text_log_place *ret) {
        int r = follow(log, true);

        if (r < 0)
                return r;
        *ret = (struct text_log_place){ .device = log->device, .inode = log->inode, .offset = log->size };
        return 0;
}

/* How much of the block stands at the place already. */
static int standing(struct text_log *log, uint64_t offset, struct bytes block, size_t *ret) {
        _cleanup_buffer_ struct buffer there = BUFFER_NULL;
        ssize_t n;

        buffer_append_fill(&there, 0, block.size);
        if (buffer_error(&there) < 0)
                return -ENOMEM;
        n = block.size ? pread(log->fd, there.data, block.size, (off_t)offset) : 0;
        if (n < 0)
                return -errno;
        if (memcmp(there.data, block.data, (size_t)n) != 0)
                n = 0; /* somebody else wrote there: the whole block goes behind that */
        *ret = (size_t)n;
        return 0;
}

/* Takes back what a failing write left; if even that fails, the block is seen half written when it comes again. */
static void cut_back(struct text_log *log) {
        struct stat stat;

        if (ftruncate(log->fd, (off_t)log->size) < 0 && fstat(log->fd, &stat) == 0)
                log->size = (uint64_t)stat.st_size;
}

int text_log_append_at(struct text_log *log, const struct text_log_place *place, struct bytes block) {
        size_t done = 0;
        int r;

        if (block.size == 0)
                return 0;
        if (log->fd < 0) { /* it could not be opened when it was looked for last */
                r = open_file(log);
                if (r < 0)
                        return r;
        }
        if (place->inode == log->inode && place->device == log->device && place->offset < log->size) {
                r = standing(log, place->offset, block, &done);
                if (r < 0)
                        return r;
                if (done < block.size && place->offset + done != log->size)
                        done = 0;
        }
        r = write_all(log->fd, bytes_of(block.data + done, block.size - done));
        if (r < 0) {
                cut_back(log);
                return r;
        }
        log->size += block.size - done;
        return 0;
}

int text_log_sync(struct text_log *log) {
        return log->fd >= 0 && fdatasync(log->fd) < 0 ? -errno : 0;
}

int text_log_rotate(struct text_log *log) {
        int r;

        if (log->size < log->max_size)
                return 0;
        r = folder_follow(log->archive, log->archive_path, ARCHIVE_MODE);
        /* One that could not be packed when it was full (no space) must not be the one that is replaced. */
        if (r >= 0)
                r = pack_rotating(log);
        if (r < 0)
                return r;
        /* A second archive within the same second would have the same name: it waits for the next round. */
        {
                _cleanup_buffer_ struct buffer name = BUFFER_NULL;
                struct stat stat;

                if (fstat(log->fd, &stat) < 0)
                        return -errno;
                buffer_append_string(&name, TEXT_LOG_ARCHIVE_PREFIX);
                timestamp_compact(&name, &stat.st_mtim);
                buffer_append_string(&name, TEXT_LOG_ARCHIVE_SUFFIX);
                if (faccessat(log->archive, buffer_string(&name), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return 0;
        }
        if (fsync(log->fd) < 0)
                return -errno;
        if (renameat(log->folder, log->name, log->folder, log->rotating) < 0)
                return -errno;
        r = open_file(log);
        if (r == 0)
                r = pack_rotating(log);
        return r < 0 ? r : 1;
}

int text_log_archive(const struct text_log *log) {
        return log->archive;
}

uint64_t text_log_size(const struct text_log *log) {
        return log->size;
}
