/* diff.h - the difference of two ordered streams: the one place where a change is found.
 * What was known is pulled, what is true is fed; both in key order. Memory: one record of each side. */
#pragma once

#include "change.h"
#include "stream.h"

struct diff_events {
        /* 0, or negative to stop the diff with that. */
        int (*change)(struct diff_events *events, const struct change *change);
        /* Asked before two records of one key are compared and for each that appeared, when the table has FIELD_COSTLY:
         * fill them in 'now' from the host. Not called when the evidence allows taking them over from 'known'. */
        int (*complete)(struct diff_events *events, struct record *now);
        /* The same record, but its FIELD_LOOKED moved: keep the new one, tell nobody. May be NULL. */
        int (*refresh)(struct diff_events *events, const struct record *now);
};

struct diff {
        const struct field *fields;     /* borrowed */
        struct stream *known;           /* borrowed */
        struct diff_events *events;     /* borrowed */
        bool has_costly;
        bool thorough;                  /* complete every record, whatever the evidence */
        bool keep_known;                /* append-only: what is known and not fed has not vanished */
        uint64_t now_ns;                /* wall clock at the start of the look: goes into FIELD_LOOKED */
        uint64_t tick_ns;               /* evidence younger than this at the look before proves nothing */

        /* private */
        struct record pending;
        int have_pending;               /* 1, 0 at the end of known */
        bool primed, fed;
        uint64_t records;
        uint8_t *last_key;              /* owned */
        size_t last_key_size, last_key_capacity;
};

/* Also readies a diff for reuse; diff_done() frees what it holds. */
void diff_init(struct diff *diff, const struct field *fields, struct stream *known, struct diff_events *events);
void diff_done(struct diff *diff);

/* The next record that is true now. -EBADMSG if its key does not come after the one before: the watch is at fault.
 * Else 0 or what a callback or the known stream answered. */
int diff_feed(struct diff *diff, const struct record *now);

/* What is known of this key and of all below it (key, NUL, more) stays: nobody can tell. In key order among the records. */
int diff_unseen(struct diff *diff, struct bytes key);

/* No more records. */
int diff_end(struct diff *diff);

/* How many records were fed, or stay. */
static inline uint64_t diff_records(const struct diff *diff) {
        return diff->records;
}
