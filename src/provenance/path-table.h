/* path-table.h - the paths in a text, one a line, found without going through the lines.
 * A path is without its first '/'. Where /bin, /lib and their like are symbolic links into /usr, "bin/sh" and "usr/bin/sh" are
 * the same path here. Pure. */
#pragma once

#include "buffer.h"

/* Which of the folders of usr-merge are merged: bits in the order of usr_merge_names. */
enum { USR_MERGE_NAMES = 7 };
extern const char *const usr_merge_names[USR_MERGE_NAMES];

/* The shorter spelling of a path. */
struct bytes usr_merge_shorten(unsigned merged, struct bytes path);
/* True for "bin", "lib", ... themselves, if merged. */
bool usr_merge_is_link(unsigned merged, struct bytes path);

/* 'path' must be in its shorter spelling. */
uint64_t path_hash(uint64_t seed, struct bytes path);

struct path_table {
        struct buffer text;     /* owned */
        uint32_t *slots;        /* owned: place of a line + 1; 0: free */
        size_t mask;
        uint64_t seed;
        unsigned merged;
        /* The path in a line without its newline; empty: none. NULL: no table. */
        struct bytes (*path_of)(struct bytes line);
};

#define PATH_TABLE_NULL ((struct path_table){ .slots = NULL })

enum { PATH_TABLE_TEXT_MAX = 32 * 1024 * 1024 };

void path_table_done(struct path_table *table);
/* Takes the text over. Of several lines with one path the first counts. 0, -EFBIG or -ENOMEM. */
int path_table_make(struct path_table *table, struct buffer *text, struct bytes (*path_of)(struct bytes line), uint64_t seed,
                    unsigned merged);
/* The line of a path (its shorter spelling) and what follows it. */
bool path_table_find(const struct path_table *table, struct bytes path, struct bytes *ret_line, struct bytes *ret_rest);
