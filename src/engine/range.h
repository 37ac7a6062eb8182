/* range.h - what is known of a watch, or of one key of it and all below (key, NUL, more): the baseline, and what is noted on top
 * of it. */
#pragma once

#include "baseline.h"

/* True for the key itself and for those below it. */
static inline bool range_holds(struct bytes within, struct bytes key) {
        return key.size >= within.size && (within.size == 0 || memcmp(key.data, within.data, within.size) == 0) &&
               (key.size == within.size || within.size == 0 || key.data[within.size] == 0);
}

/* Records in key order, as before the open transaction; outside of one with the notes. within: borrowed; empty: all above 'after'.
 * alone: nothing below the key. */
int range_open(struct baseline *baseline, const char *name, const struct field *fields, struct bytes within, struct bytes after,
               bool alone, bool noted, struct stream **ret);
