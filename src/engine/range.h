/* range.h - what the baseline knows of one key and of all below it (key, NUL, more). */
#pragma once

#include "baseline.h"

/* True for the key itself and for those below it. */
static inline bool range_holds(struct bytes within, struct bytes key) {
        return key.size >= within.size && memcmp(key.data, within.data, within.size) == 0 &&
               (key.size == within.size || key.data[within.size] == 0);
}

/* Records in key order, as before the open transaction; 'alone': with notes, and of the key alone. 'within' is borrowed. */
int range_open(struct baseline *baseline, const char *name, const struct field *fields, struct bytes within, bool alone,
               struct stream **ret);
