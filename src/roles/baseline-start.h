/* baseline-start.h - finding the baseline at a start, in whatever state the last end left it. */
#pragma once

#include "lmdb-baseline.h"

enum baseline_found {
        BASELINE_GOOD,
        BASELINE_NEW,           /* there was none */
        BASELINE_DAMAGED,       /* what was there lies aside now, a new one was made */
};

/* Checks the baseline in a child process (LMDB trusts its pages: a damaged file can end the process that maps it), puts a
 * damaged one aside as FOLDER.damaged-TIME, opens it or makes a new one. *aside: where the damaged one lies. */
int baseline_start(const char *folder, struct lmdb_baseline **ret, enum baseline_found *ret_found, struct buffer *aside,
                   struct buffer *problem);
