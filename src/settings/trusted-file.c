#include "trusted-file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "escape.h"
#include "fd.h"
#include "string-list.h"

static int complain(struct buffer *error, const char *shown, int code, const char *text) {
        escape_append(error, bytes_of_string(shown));
        buffer_append_string(error, ": ");
        buffer_append_string(error, text);
        return code;
}

static int complain_errno(struct buffer *error, const char *shown, int code) {
        complain(error, shown, code, "cannot be read: ");
        buffer_append_string(error, strerror(-code));
        return code;
}

/* On the descriptor, not the name: what was checked is what is read. */
static int check_owner(const struct stat *stat, const char *shown, struct buffer *error) {
        if (stat->st_uid != 0) {
                complain(error, shown, 0, "is owned by user ");
                buffer_printf(error, "%u, not by root: refused", (unsigned)stat->st_uid);
                return -EPERM;
        }
        if (stat->st_mode & (S_IWGRP | S_IWOTH)) {
                complain(error, shown, 0, "is writable by ");
                buffer_printf(error, "%s (mode %04o): refused", stat->st_mode & S_IWOTH ? "everybody" : "its group",
                              (unsigned)stat->st_mode & 07777);
                return -EPERM;
        }
        return 0;
}

static const char *kind_of(mode_t mode) {
        switch (mode & S_IFMT) {
        case S_IFDIR:
                return "is a folder, not a file: refused";
        case S_IFIFO:
                return "is a FIFO, not a file: refused";
        default:
                return "is a device, not a file: refused";
        }
}

static int too_large(const char *shown, struct buffer *error) {
        return complain(error, shown, -EFBIG, "is larger than 1 MiB: refused");
}

int trusted_file_read(int directory, const char *name, const char *shown, bool any_owner, struct buffer *text,
                      struct buffer *error) {
        /* O_NONBLOCK: a FIFO must not hold the start up */
        _cleanup_close_ int fd =
                openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        uint8_t piece[16 * 1024];
        size_t total = 0;
        struct stat stat;
        int r;

        if (fd < 0 && errno == ELOOP)
                return complain(error, shown, -EPERM, "is a symbolic link: refused");
        if (fd < 0 && errno == ENOENT)
                return complain(error, shown, -ENOENT, "there is no such file");
        if (fd < 0 && errno == ENXIO)
                return complain(error, shown, -EPERM, "is a socket or a device, not a file: refused");
        if (fd < 0 || fstat(fd, &stat) < 0)
                return complain_errno(error, shown, -errno);
        if (!S_ISREG(stat.st_mode))
                return complain(error, shown, -EPERM, kind_of(stat.st_mode));
        r = any_owner ? 0 : check_owner(&stat, shown, error);
        if (r < 0)
                return r;
        if (stat.st_size > TRUSTED_FILE_SIZE_MAX)
                return too_large(shown, error);

        for (;;) {
                ssize_t n = read(fd, piece, sizeof(piece));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return complain_errno(error, shown, -errno);
                if (n == 0)
                        break;
                total += (size_t)n;
                if (total > TRUSTED_FILE_SIZE_MAX) /* it grew */
                        return too_large(shown, error);
                buffer_append(text, piece, (size_t)n);
        }
        return buffer_error(text);
}

static bool has_suffix(const char *name, const char *suffix) {
        size_t length = strlen(name), wanted = strlen(suffix);

        return length > wanted && strcmp(name + length - wanted, suffix) == 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(int fd, const char *suffix, struct strings *names) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r = 0;
        struct dirent *entry;
        DIR *stream;

        stream = copy < 0 ? NULL : fdopendir(copy);
        if (!stream) {
                r = -errno;
                (void)fd_close(copy);
                return r;
        }
        for (;;) {
                errno = 0;
                entry = readdir(stream);
                if (!entry) {
                        r = -errno;
                        break;
                }
                if (entry->d_name[0] == '.' || !has_suffix(entry->d_name, suffix))
                        continue;
                r = names->count == TRUSTED_FOLDER_FILES_MAX ? -E2BIG : string_list_add(names, entry->d_name);
                if (r < 0)
                        break;
        }
        (void)closedir(stream);
        return r;
}

int trusted_folder_open(int directory, const char *name, const char *shown, const char *suffix, bool any_owner,
                        int *ret_fd, struct strings *ret_names, struct buffer *error) {
        _cleanup_string_list_ struct strings names = { .items = NULL };
        _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        struct stat stat;
        int r;

        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
                return complain(error, shown, -EPERM, "is not a folder (a symbolic link is not followed): refused");
        if (fd < 0 || fstat(fd, &stat) < 0)
                return complain_errno(error, shown, -errno);
        r = any_owner ? 0 : check_owner(&stat, shown, error);
        if (r < 0)
                return r;
        r = list(fd, suffix, &names);
        if (r == -E2BIG) {
                complain(error, shown, r, "holds more than ");
                buffer_printf(error, "%d configuration files: refused", TRUSTED_FOLDER_FILES_MAX);
                return r;
        }
        if (r < 0)
                return complain_errno(error, shown, r);
        if (names.count > 0)
                qsort(names.items, names.count, sizeof(*names.items), compare_names);

        *ret_fd = TAKE_FD(fd);
        *ret_names = names;
        names = (struct strings){ .items = NULL };
        return 0;
}
