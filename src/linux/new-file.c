#include "new-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"

enum { ROOM = 64 * 1024 };

int write_all(int fd, struct bytes bytes) {
        while (bytes.size > 0) {
                ssize_t n = write(fd, bytes.data, bytes.size);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                bytes.data += n;
                bytes.size -= (size_t)n;
        }
        return 0;
}

int new_file_begin(struct new_file *file, int directory, const char *name, mode_t mode) {
        struct new_file new = NEW_FILE_NULL;
        int r = -ENOMEM;

        new.directory = directory;
        new.name = strdup(name);
        new.room = malloc(ROOM);
        if (!new.name || !new.room || asprintf(&new.temporary, "%s.new", name) < 0) {
                new.temporary = NULL;
                goto fail;
        }
        if (unlinkat(directory, new.temporary, 0) < 0 && errno != ENOENT) {
                r = -errno;
                goto fail;
        }
        new.fd = openat(directory, new.temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (new.fd < 0) {
                r = -errno;
                goto fail;
        }
        *file = new;
        return 0;
fail:
        free(new.name);
        free(new.temporary);
        free(new.room);
        return r;
}

static void flush(struct new_file *file) {
        int r;

        if (file->error || file->used == 0)
                return;
        r = write_all(file->fd, bytes_of(file->room, file->used));
        if (r < 0)
                file->error = r;
        file->used = 0;
}

void new_file_write(struct new_file *file, struct bytes bytes) {
        while (bytes.size > 0 && !file->error) {
                size_t step = ROOM - file->used < bytes.size ? ROOM - file->used : bytes.size;

                memcpy(file->room + file->used, bytes.data, step);
                file->used += step;
                bytes.data += step;
                bytes.size -= step;
                if (file->used == ROOM)
                        flush(file);
        }
}

int new_file_finish(struct new_file *file, int sync) {
        flush(file);
        if (!file->error && sync && fsync(file->fd) < 0)
                file->error = -errno;
        file->fd = fd_close(file->fd);
        return file->error;
}

int new_file_place(struct new_file *file) {
        if (renameat(file->directory, file->temporary, file->directory, file->name) < 0)
                return -errno;
        free(file->temporary);
        file->temporary = NULL;
        new_file_drop(file);
        return 0;
}

void new_file_drop(struct new_file *file) {
        file->fd = fd_close(file->fd);
        if (file->temporary)
                (void)unlinkat(file->directory, file->temporary, 0);
        free(file->name);
        free(file->temporary);
        free(file->room);
        *file = NEW_FILE_NULL;
}
