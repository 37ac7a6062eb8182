#include "workspace.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "buffer.h"
#include "fd.h"
#include "folder.h"
#include "host.h"

enum { NAME_SIZE = 128, SAME_MAX = 64 * 1024 * 1024 };

static const char *file_name(char room[NAME_SIZE], const char *name, const char *what) {
        (void)snprintf(room, NAME_SIZE, "%s_%s.dat", name, what);
        return room;
}

int workspace_begin(struct workspace_document *document, int folder, const char *name, bool with_diff) {
        char room[NAME_SIZE];
        int r;

        r = new_file_begin(&document->current, folder, file_name(room, name, "current"), 0640);
        if (r == 0 && with_diff)
                r = new_file_begin(&document->diff, folder, file_name(room, name, "diff"), 0640);
        return r;
}

int workspace_finish(struct workspace_document *document) {
        int r = new_file_finish(&document->current, false);

        if (document->diff.name) {
                int s = new_file_finish(&document->diff, false);
                r = r < 0 ? r : s;
        }
        return r;
}

static bool same_content(int folder, const char *a, const char *b) {
        _cleanup_buffer_ struct buffer left = BUFFER_NULL, right = BUFFER_NULL;

        return file_read_at(folder, a, SAME_MAX, &left) == 0 && file_read_at(folder, b, SAME_MAX, &right) == 0 &&
               bytes_equal(buffer_bytes(&left), buffer_bytes(&right));
}

int workspace_place(struct workspace_document *document, int folder, const char *name, bool only_if_different) {
        char current[NAME_SIZE], previous[NAME_SIZE];
        int r;

        (void)file_name(current, name, "current");
        (void)file_name(previous, name, "previous");
        if (only_if_different && same_content(folder, current, document->current.temporary)) {
                workspace_drop(document);
                return 0;
        }

        if (renameat2(folder, document->current.temporary, folder, current, RENAME_EXCHANGE) == 0) {
                /* what was current now lies under the temporary name */
                if (renameat(folder, document->current.temporary, folder, previous) < 0)
                        return -errno;
                free(document->current.temporary);
                document->current.temporary = NULL;
                new_file_drop(&document->current);
        } else {
                /* the first one; or a filesystem that cannot exchange */
                int empty;

                if (errno != ENOENT && renameat(folder, current, folder, previous) < 0)
                        return -errno;
                empty = openat(folder, previous, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
                (void)fd_close(empty);
                r = new_file_place(&document->current);
                if (r < 0)
                        return r;
        }
        return document->diff.name ? new_file_place(&document->diff) : 0;
}

void workspace_drop(struct workspace_document *document) {
        new_file_drop(&document->current);
        new_file_drop(&document->diff);
}

static const char *const file_kinds[WORKSPACE_FILES] = { "current", "previous", "diff" };

static struct workspace_file look_at(int folder, const char *name) {
        struct stat stat;

        if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
                return (struct workspace_file){ .inode = 0 };
        return (struct workspace_file){
                .device = (uint64_t)stat.st_dev,
                .inode = (uint64_t)stat.st_ino,
                .size = (uint64_t)stat.st_size,
                .modified_ns = (int64_t)stat.st_mtim.tv_sec * 1000000000 + stat.st_mtim.tv_nsec,
        };
}

void workspace_note(struct workspace_mark *mark, int folder, const char *name) {
        char room[NAME_SIZE];

        for (size_t i = 0; i < WORKSPACE_FILES; i++)
                mark->files[i] = look_at(folder, file_name(room, name, file_kinds[i]));
        mark->known = true;
}

static bool same_file(const struct workspace_file *a, const struct workspace_file *b) {
        return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified_ns == b->modified_ns;
}

enum workspace_standing workspace_stand(struct workspace_mark *mark, int folder, const char *name) {
        bool changed = false, immutable = false, was_immutable = mark->immutable;
        char room[NAME_SIZE];

        if (!mark->known)
                return WORKSPACE_STANDS;
        for (size_t i = 0; i < WORKSPACE_FILES; i++) {
                struct workspace_file now = look_at(folder, file_name(room, name, file_kinds[i]));

                immutable |= now.inode && folder_entry_is_immutable(folder, room);
                if (same_file(&now, &mark->files[i]))
                        continue;
                changed = true;
                if (i == 0)
                        (void)unlinkat(folder, room, 0);
        }
        mark->immutable = immutable;
        if (changed)
                workspace_note(mark, folder, name);
        return changed ? WORKSPACE_CHANGED : immutable && !was_immutable ? WORKSPACE_IMMUTABLE : WORKSPACE_STANDS;
}
