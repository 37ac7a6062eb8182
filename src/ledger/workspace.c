#include "workspace.h"

#include <fcntl.h>
#include <stdio.h>

#include "buffer.h"
#include "fd.h"
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
