/* workspace.h - the classic files: NAME_current.dat, NAME_previous.dat, NAME_diff.dat, each replaced at one stroke. */
#pragma once

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
/* Drops what was not placed. */
void workspace_drop(struct workspace_document *document);
