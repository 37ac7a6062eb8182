/* diff.h - the difference of two ordered streams: the one place where a change is found.
 * What was known is pulled, what is true is fed; both in key order. Memory: one record of each side; with a window so many more
 * as wait in it to be completed together, and what lies between them and changed, for it is told in key order. */
#pragma once

#include "buffer.h"
#include "change.h"
#include "stream.h"

/* A window is emptied when it holds so many records, or when reading what its records stand for takes so many bytes. */
enum { DIFF_WINDOW_RECORDS = 512 };
#define DIFF_WINDOW_BYTES (UINT64_C(64) << 20)

struct diff_events {
        /* 0, or negative to stop the diff with that. */
        int (*change)(struct diff_events *events, const struct change *change);
        /* Asked before two records of one key are compared and for each that appeared, when the table has FIELD_COSTLY:
         * fill them in 'now' from the host. Not called when the evidence allows taking them over from 'known'. 0, or negative; positive:
         * it went meanwhile, this record is passed over. complete_deferred() alike. */
        int (*complete)(struct diff_events *events, struct record *now);
        /* The same record, but its FIELD_LOOKED moved: keep the new one, tell nobody. May be NULL. */
        int (*refresh)(struct diff_events *events, const struct record *now);
        /* With 'asks_due' alone: whether the costly fields of this record are to be read again though the evidence holds. */
        bool (*due)(struct diff_events *events, const struct record *known);
        /* With a window alone, where complete() would be asked. 1: it can be completed later, *ret_bytes is what has to be read for
         * it; 0: there is nothing to wait for, complete() will do; or negative. */
        int (*defer)(struct diff_events *events, const struct record *now, uint64_t *ret_bytes);
        /* What all those that were deferred since need is read, in one go; then each is completed, in the order of defer(). */
        int (*read_deferred)(struct diff_events *events);
        int (*complete_deferred)(struct diff_events *events, struct record *now);
};

/* What waits in the window: one change, or one that will turn out to be none. */
struct diff_waiting {
        struct record before, after;
        struct buffer before_room, after_room;  /* owned; what they point to */
        bool has_before, has_after, deferred, completed;
};

/* A record that is known without FIELD_LOOKED, where the table has one, comes from before the table was what it is: what it lacks
 * is not absent but unknown. Such values are learnt, by refresh(), and are no change. */
struct diff {
        const struct field *fields;     /* borrowed */
        struct stream *known;           /* borrowed */
        struct diff_events *events;     /* borrowed */
        bool has_costly;
        int looked;                     /* place of FIELD_LOOKED; -1: none */
        bool thorough;                  /* complete every record, whatever the evidence */
        bool asks_due;
        bool keep_known;                /* append-only: what is known and not fed has not vanished */
        uint64_t window_bytes;          /* 0: no window, each record is completed on the spot */
        size_t window_records;          /* 0: as many as there is room for */
        uint64_t now_ns;                /* wall clock at the start of the look: goes into FIELD_LOOKED */
        uint64_t tick_ns;               /* evidence younger than this at the look before proves nothing */

        /* private */
        uint8_t evidence[RECORD_FIELDS_MAX], others[RECORD_FIELDS_MAX]; /* places in the table, so that few are asked of each record */
        size_t n_evidence, n_others;
        struct record pending;
        int have_pending;               /* 1, 0 at the end of known */
        bool primed, fed;
        uint64_t records;
        uint8_t *last_key;              /* owned */
        size_t last_key_size, last_key_capacity;
        struct diff_waiting *waiting;   /* owned */
        size_t n_waiting, n_deferred, waiting_capacity;
        uint64_t waiting_bytes;
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
/* No more records up to and including this key, and nothing is said of those behind it. */
int diff_end_at(struct diff *diff, struct bytes key);

/* How many records were fed, or stay. */
static inline uint64_t diff_records(const struct diff *diff) {
        return diff->records;
}
