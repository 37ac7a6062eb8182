#include "archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include "buffer.h"
#include "fd.h"

enum { STEP = 64 * 1024 };

static int pack(int in, int out) {
        _cleanup_free_ uint8_t *room = malloc(STEP);
        int copy = fcntl(out, F_DUPFD_CLOEXEC, 0), r = 0;
        gzFile gz;

        if (!room || copy < 0) {
                (void)fd_close(copy);
                return room ? -errno : -ENOMEM;
        }
        gz = gzdopen(copy, "wb9");
        if (!gz) {
                (void)fd_close(copy);
                return -ENOMEM;
        }
        for (;;) {
                ssize_t n = read(in, room, STEP);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        r = -errno;
                if (n <= 0)
                        break;
                if (gzwrite(gz, room, (unsigned)n) != (int)n) {
                        r = errno ? -errno : -EIO;
                        break;
                }
        }
        errno = 0;
        if (gzclose(gz) != Z_OK && r == 0)
                r = errno ? -errno : -EIO;
        if (r == 0 && fsync(out) < 0)
                r = -errno;
        return r;
}

int archive_pack(int from_folder, const char *from, int to_folder, const char *to) {
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int in = -1, out = -1;
        int r;

        if (asprintf(&temporary, "%s.new", to) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }
        in = openat(from_folder, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (in < 0)
                return -errno;
        if (unlinkat(to_folder, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        out = openat(to_folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (out < 0)
                return -errno;
        r = pack(in, out);
        if (r == 0 && renameat(to_folder, temporary, to_folder, to) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(to_folder, temporary, 0);
                return r;
        }
        if (fsync(to_folder) < 0)
                return -errno;
        return unlinkat(from_folder, from, 0) < 0 ? -errno : 0;
}

struct old_file {
        int folder;
        uint64_t mtime_ns, size;
        char *name;                     /* owned */
};

static int compare_age(const void *a, const void *b) {
        const struct old_file *left = a, *right = b;

        if (left->mtime_ns != right->mtime_ns)
                return left->mtime_ns < right->mtime_ns ? -1 : 1;
        return strcmp(left->name, right->name);
}

static bool is_ours(const struct archive_folder *folder, const char *name) {
        size_t prefix = strlen(folder->prefix), digits;

        if (strncmp(name, folder->prefix, prefix) != 0)
                return false;
        digits = strspn(name + prefix, "0123456789");
        return digits > 0 && strcmp(name + prefix + digits, folder->suffix) == 0;
}

static int gather(const struct archive_folder *folder, struct buffer *files) {
        _cleanup_close_ int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *listing = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!listing)
                return -errno;
        TAKE_FD(fd);
        while ((entry = readdir(listing))) {
                struct stat stat;
                struct old_file file = { .folder = folder->fd };

                if (!is_ours(folder, entry->d_name) ||
                    fstatat(folder->fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(stat.st_mode))
                        continue;
                file.mtime_ns = (uint64_t)stat.st_mtim.tv_sec * 1000000000u + (uint64_t)stat.st_mtim.tv_nsec;
                file.size = (uint64_t)stat.st_size;
                file.name = strdup(entry->d_name);
                if (file.name)
                        buffer_append(files, &file, sizeof(file));
        }
        (void)closedir(listing);
        return buffer_error(files);
}

int archive_expire(const struct archive_folder *folders, size_t n_folders, uint64_t keep_ns, uint64_t max_use,
                   uint64_t live, uint64_t now_ns) {
        _cleanup_buffer_ struct buffer gathered = BUFFER_NULL;
        struct old_file *files;
        uint64_t use = live;
        size_t count;
        int removed = 0, r = 0;

        for (size_t i = 0; i < n_folders && r >= 0; i++)
                r = gather(&folders[i], &gathered);
        files = (struct old_file *)(void *)gathered.data;
        count = gathered.size / sizeof(*files);
        if (count)
                qsort(files, count, sizeof(*files), compare_age);
        for (size_t i = 0; i < count; i++)
                use += files[i].size;
        for (size_t i = 0; i < count; i++) {
                bool old = now_ns > files[i].mtime_ns && now_ns - files[i].mtime_ns > keep_ns;

                if (r >= 0 && (old || use > max_use) && unlinkat(files[i].folder, files[i].name, 0) == 0) {
                        use -= files[i].size;
                        removed++;
                }
                free(files[i].name);
        }
        return r < 0 ? r : removed;
}
