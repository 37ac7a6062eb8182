#include "dpkg-folder.h"

#include <dirent.h>
#include <fcntl.h>

#include "fd.h"
#include "host.h"

int dpkg_folder_open(const struct host *host) {
        return host_openat(host, DPKG_FOLDER, O_PATH | O_DIRECTORY);
}

unsigned dpkg_folder_locks(int folder) {
        static const struct {
                const char *name;
                unsigned bit;
        } locks[] = { { "lock", DPKG_LOCK }, { "lock-frontend", DPKG_LOCK_FRONTEND } };
        unsigned held = 0;

        for (size_t i = 0; i < ELEMENTS(locks); i++) {
                _cleanup_close_ int fd = openat(folder, locks[i].name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

                if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
                        held |= locks[i].bit;
        }
        return held;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int is_update(const struct dirent *entry) {
        return entry->d_name[0] != '\0' && strspn(entry->d_name, "0123456789") == strlen(entry->d_name);
}

int dpkg_folder_read_updates(int folder, size_t limit, struct buffer *text) {
        _cleanup_close_ int updates = openat(folder, "updates", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        struct dirent **entries = NULL;
        _cleanup_free_ char **names = NULL;
        size_t total = text->size;
        int count, r = 0;

        if (updates < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        count = scandirat(updates, ".", &entries, is_update, NULL);
        if (count < 0)
                return -errno;
        names = calloc((size_t)count + 1, sizeof(*names));
        if (!names)
                r = -ENOMEM;
        for (int i = 0; i < count && names; i++)
                names[i] = entries[i]->d_name;
        if (names)
                qsort(names, (size_t)count, sizeof(*names), compare_names);
        for (int i = 0; i < count && r == 0; i++) {
                buffer_append_string(text, "\n\n");
                r = file_read_at(updates, names[i], limit - total, text);
                total = text->size < limit ? text->size : limit;
                if (r == -ENOENT) /* the next dpkg merged it just now: its status will be looked at */
                        r = 0;
        }
        for (int i = 0; i < count; i++)
                free(entries[i]);
        free(entries);
        return r;
}

int dpkg_folder_read(int folder, const char *path, size_t limit, struct buffer *text, struct stat *ret_stat) {
        _cleanup_close_ int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        struct stat file;
        size_t wanted, begun = text->size;

        if (fd < 0)
                return errno == ELOOP ? -EINVAL : -errno;
        if (fstat(fd, &file) < 0)
                return -errno;
        if (!S_ISREG(file.st_mode))
                return -EINVAL;
        if (file.st_size < 0 || (uint64_t)file.st_size > limit)
                return -EFBIG;
        wanted = (size_t)file.st_size;
        if (!buffer_room(text, wanted + 1))
                return -ENOMEM;
        while (text->size - begun < wanted) {
                ssize_t n = read(fd, text->data + text->size, wanted - (text->size - begun));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                text->size += (size_t)n;
        }
        *ret_stat = file;
        return 0;
}
