#include "host.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fd.h"

enum { TRIES = 1000 };

static int open_below(int directory, const char *path, int flags, uint64_t resolve) {
        struct open_how how = {
                .flags = (uint64_t)(flags | O_CLOEXEC | ((flags & O_PATH) ? 0 : O_NOCTTY | O_NONBLOCK)),
                .resolve = resolve,
        };
        int fd, tries = 0;

        /* EAGAIN: a rename raced the walk (openat2(2)), anybody's anywhere: it must not be in their hand to keep us here */
        do
                fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
        while (fd < 0 && (errno == EINTR || errno == EAGAIN) && ++tries < TRIES);
        return fd < 0 ? -errno : fd;
}

int host_open(struct host *host, const char *root) {
        struct host opened = HOST_NULL;

        opened.root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (opened.root_fd < 0)
                return -errno;
        opened.live = strcmp(root, "/") == 0;
        opened.proc_fd = open_below(opened.root_fd, "proc", O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
        opened.sys_fd = open_below(opened.root_fd, "sys", O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
        if (opened.proc_fd < 0)
                opened.proc_fd = -1;
        if (opened.sys_fd < 0)
                opened.sys_fd = -1;
        *host = opened;
        return 0;
}

void host_close(struct host *host) {
        host->root_fd = fd_close(host->root_fd);
        host->proc_fd = fd_close(host->proc_fd);
        host->sys_fd = fd_close(host->sys_fd);
}

int host_openat(const struct host *host, const char *path, int flags) {
        while (*path == '/')
                path++;
        return open_below(host->root_fd, *path ? path : ".", flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Straight into the buffer; of a file that says how large it is all at once. */
static int read_whole(int fd, size_t limit, struct buffer *buffer) {
        enum { FIRST = 4096, MOST = 256 * 1024 };
        size_t size = FIRST, total = 0;
        bool asked = false;

        for (;;) {
                uint8_t *place = buffer_room(buffer, size);
                ssize_t n;

                if (!place)
                        return -ENOMEM;
                n = read(fd, place, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return buffer_error(buffer);
                total += (size_t)n;
                if (total > limit)
                        return -EFBIG;
                buffer->size += (size_t)n;
                if (!asked && (size_t)n == size) { /* more than a page of it */
                        struct stat status;

                        asked = true;
                        size = MOST;
                        if (fstat(fd, &status) == 0 && status.st_size > 0 && (uint64_t)status.st_size <= limit &&
                            (uint64_t)status.st_size > total)
                                size = (size_t)status.st_size - total + 1; /* and the end behind it */
                }
        }
}

int host_read(const struct host *host, const char *path, size_t limit, struct buffer *buffer) {
        _cleanup_close_ int fd = host_openat(host, path, O_RDONLY);

        return fd < 0 ? fd : read_whole(fd, limit, buffer);
}

int file_read_at(int directory, const char *path, size_t limit, struct buffer *buffer) {
        _cleanup_close_ int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);

        return fd < 0 ? -errno : read_whole(fd, limit, buffer);
}

int link_read_at(int directory, const char *path, struct buffer *buffer) {
        size_t size = 256;

        for (;;) {
                _cleanup_free_ char *target = malloc(size);
                ssize_t n;

                if (!target)
                        return -ENOMEM;
                n = readlinkat(directory, path, target, size);
                if (n < 0)
                        return -errno;
                if ((size_t)n < size) {
                        buffer_append(buffer, target, (size_t)n);
                        return buffer_error(buffer);
                }
                if (size >= 1024 * 1024)
                        return -ENAMETOOLONG;
                size *= 2;
        }
}

static int hex_value(uint8_t digit) {
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        if (digit >= 'a' && digit <= 'f')
                return digit - 'a' + 10;
        return -1;
}

int host_boot_id(const struct host *host, uint8_t ret[BOOT_ID_SIZE]) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint8_t id[BOOT_ID_SIZE] = { 0 };
        size_t digits = 0;
        int r;

        r = host_read(host, "proc/sys/kernel/random/boot_id", 256, &text);
        if (r < 0)
                return r;
        for (size_t i = 0; i < text.size && digits < 2 * BOOT_ID_SIZE; i++) {
                int value = hex_value(text.data[i]);

                if (value < 0)
                        continue;
                id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | value);
                digits++;
        }
        if (digits != 2 * BOOT_ID_SIZE)
                return -EBADMSG;
        memcpy(ret, id, sizeof(id));
        return 0;
}
