/* path-index.h - which packages list a path, for a whole database in eight bytes a path: a sorted table of hashes, and the
 * number of a package with each. What it finds is to be looked up in that package's own list. Pure. */
#pragma once

#include "bytes.h"

enum {
        PATH_INDEX_PACKAGE_BITS = 20,
        PATH_INDEX_PACKAGES_MAX = 1 << PATH_INDEX_PACKAGE_BITS,
        PATH_INDEX_PATHS_MAX = 32 * 1024 * 1024,
};

struct path_index {
        uint64_t *entries;      /* owned; after path_index_sort() in order */
        size_t count, capacity;
};

#define PATH_INDEX_NULL ((struct path_index){ .entries = NULL })

void path_index_done(struct path_index *index);
/* 0, -ENOMEM, or -EFBIG: more paths or packages than anybody has. */
int path_index_add(struct path_index *index, uint64_t hash, size_t package);
int path_index_sort(struct path_index *index);
/* The place of the first entry for a hash; path_index_next() takes it from there. */
size_t path_index_find(const struct path_index *index, uint64_t hash);
/* True and *ret_package, in ascending order, each once; false: no more. */
bool path_index_next(const struct path_index *index, uint64_t hash, size_t *place, size_t *ret_package);
