/* baseline.h - the memory: the records of every watch as they were when last compared, and what is decided but not yet
 * told. On disk it is store/; in tests it is a table in memory.
 *
 * A round's changes, the event lines they make and the facts about the watches are one transaction: after any crash either
 * all of them stand or none. The lines wait in the outbox until the ledger has them on disk; at start, lines that it does
 * not have are appended (recorder.h). That is why nothing is lost or said twice. */
#pragma once

#include "buffer.h"
#include "stream.h"
#include "watch.h"

enum baseline_view {
        BASELINE_BEFORE,        /* as it was before the open transaction */
        BASELINE_NOW,           /* with what the open transaction has put so far */
};

/* A line or block that waits in the outbox. */
struct outbox_entry {
        uint64_t number;        /* order of filing, never reused */
        uint8_t destination;    /* enum outbox_destination */
        struct bytes data;      /* borrowed until the next call */
};

enum outbox_destination {
        OUTBOX_LEDGER = 1, OUTBOX_TEXT = 2, OUTBOX_ALERT = 3,
        OUTBOX_SENTENCE = 4,    /* of an event that was noted: for the text log, when the notes are settled */
};

struct baseline {
        const struct baseline_ops *ops;
};

struct baseline_ops {
        /* The records of a watch with keys above 'after' (empty: all), in key order. The stream must be closed before the
         * transaction ends. A record that cannot be decoded ends the stream with -EBADMSG. */
        int (*read)(struct baseline *baseline, enum baseline_view view, const char *name, const struct field *fields,
                    struct bytes after, struct stream **ret);
        /* Copies the last key of a watch; *ret_size 0 if it has none. -ENOBUFS if it is longer than size. */
        int (*last_key)(struct baseline *baseline, const char *name, uint8_t *ret, size_t size, size_t *ret_size);
        /* 1 if the watch was ever collected (even with no record), 0 if not. */
        int (*known)(struct baseline *baseline, const char *name);

        int (*begin)(struct baseline *baseline);
        /* A part of the transaction that can be given back alone: one watch failing does not undo the others. */
        int (*begin_part)(struct baseline *baseline);
        int (*end_part)(struct baseline *baseline, bool keep);
        int (*put)(struct baseline *baseline, const char *name, const struct field *fields, const struct record *record);
        int (*remove)(struct baseline *baseline, const char *name, struct bytes key);
        /* Removes the first records of a watch until at most 'keep' are left. */
        int (*prune)(struct baseline *baseline, const char *name, size_t keep);
        /* Marks the watch as collected and notes its fields, so that a reader can decode without the watch. */
        int (*set_known)(struct baseline *baseline, const char *name, const struct field *fields);
        int (*file)(struct baseline *baseline, enum outbox_destination destination, struct bytes data);
        /* Forgets outbox entries up to and including this number. */
        int (*settle)(struct baseline *baseline, uint64_t number);
        int (*set_fact)(struct baseline *baseline, const char *name, struct bytes value);
        int (*commit)(struct baseline *baseline);
        void (*abort)(struct baseline *baseline);

        /* --- Notes: the short way, for one change that must be told within microseconds. What is noted stands against a killed
         * daemon when note_commit() returns (one write to a journal, no sync), and against a power cut with the next
         * transaction: begin() first applies all notes to it, so that BASELINE_NOW has them and BASELINE_BEFORE has not,
         * commit() empties the journal, abort() leaves the notes as they were. Outside of a transaction read() and last_key()
         * do not see notes; get(), get_fact() and outbox() do. Inside of one all but get() answers -EBUSY.
         * -ENOBUFS: too much is noted, or with other fields: begin() and commit(), then try again. --- */

        /* The record of one key as it is with notes (and what the open transaction has put). 1 and *ret, whose bytes live in
         * 'room' (cleared first); 0 not there; or negative errno. */
        int (*get)(struct baseline *baseline, const char *name, const struct field *fields, struct bytes key,
                   struct buffer *room, struct record *ret);
        /* Staged until note_commit() or note_abort(); begin() drops it too. The watch must be known (-ENOENT). A record without
         * a single value is one of which only the key is known yet. */
        int (*note_put)(struct baseline *baseline, const char *name, const struct field *fields, const struct record *record);
        int (*note_remove)(struct baseline *baseline, const char *name, struct bytes key);
        int (*note_fact)(struct baseline *baseline, const char *name, struct bytes value);
        /* As file(): outbox() shows it behind what is committed, from note_commit() on. */
        int (*note_file)(struct baseline *baseline, enum outbox_destination destination, struct bytes data);
        /* Alerts up to this outbox number have gone out: they are not shown by outbox() again, even after a crash. At once, not
         * staged. If the journal cannot be written, that is the answer, and they are not shown until the daemon ends. */
        int (*note_alerted)(struct baseline *baseline, uint64_t number);
        /* 'durable': as said above; else what is staged is kept in memory alone, and a daemon that is killed finds it anew.
         * At an error nothing was noted and nothing is staged any more. */
        int (*note_commit)(struct baseline *baseline, bool durable);
        void (*note_abort)(struct baseline *baseline);
        /* What is noted stands against a power cut as well. */
        int (*note_sync)(struct baseline *baseline);
        /* Number of the outbox entry that was filed or staged last; 0: none ever was. */
        uint64_t (*last_number)(struct baseline *baseline);
        /* Calls back with each record change that was noted since the last commit(), ordered by name and key: 'gone' or there.
         * What was only noted and is gone again is left out. name: of this watch alone, NULL: of all; above: keys above this
         * one alone, empty: all. What comes before costs nothing. The callback may read, and change nothing; with a positive
         * answer it has heard enough. */
        int (*noted)(struct baseline *baseline, const char *name, struct bytes above,
                     int (*note)(void *context, const char *name, struct bytes key, bool gone), void *context);

        /* Copies a fact. 1 found, 0 not there, -ENOBUFS too long. */
        int (*get_fact)(struct baseline *baseline, const char *name, void *ret, size_t size, size_t *ret_size);
        /* Calls back for each outbox entry in order, as committed. */
        int (*outbox)(struct baseline *baseline, int (*entry)(void *context, const struct outbox_entry *entry),
                      void *context);
};
