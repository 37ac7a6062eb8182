/* workspace.h - the classic files: NAME_current.dat, NAME_previous.dat, NAME_diff.dat, each replaced at one stroke. */
#pragma once

#include <stdbool.h>

#include "new-file.h"

struct workspace_document {
        struct new_file current, diff;
};

#define WORKSPACE_DOCUMENT_NULL ((struct workspace_document){ .current = NEW_FILE_NULL, .diff = NEW_FILE_NULL })

/* Begins the next state of a document beside the present one; diff may be left out. */
int workspace_begin(struct workspace_document *document, int folder, const char *name, bool with_diff);
/* All is written, nothing is in place yet. */
int workspace_finish(struct workspace_document *document);
/* What was current becomes previous, the new one current. If the document says what the present file says, nothing moves:
 * pass 'only_if_different' for that. */
int workspace_place(struct workspace_document *document, int folder, const char *name, bool only_if_different);
enum { WORKSPACE_FILES = 3 /* current, previous, diff */ };

/* The files of a document as we left them. */
struct workspace_mark {
        bool known, immutable;
        struct workspace_file {
                uint64_t device, inode, size;   /* inode 0: not there */
                int64_t modified_ns;
        } files[WORKSPACE_FILES];
};

enum workspace_standing {
        WORKSPACE_STANDS,
        WORKSPACE_CHANGED,      /* one was removed, replaced or written to */
        WORKSPACE_IMMUTABLE,    /* nobody may replace one any more */
};

/* Notes how they lie there. */
void workspace_note(struct workspace_mark *mark, int folder, const char *name);
/* Whether they still do; a current one that does not is removed, so that it does not become the previous one. What was answered once is
 * not answered again. */
enum workspace_standing workspace_stand(struct workspace_mark *mark, int folder, const char *name);

/* Drops what was not placed. */
void workspace_drop(struct workspace_document *document);
