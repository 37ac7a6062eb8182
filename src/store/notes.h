/* notes.h - what was noted since the last transaction (baseline.h), in order, and what is staged to be noted.
 *
 * A note is an operation, in memory as in the journal: a later one of the same key takes the place of an earlier one. What
 * is staged has its memory already, so merging it cannot fail once the journal has it. The trees are treaps: the keys come
 * from outside, the shape does not. */
#pragma once

#include "buffer.h"
#include "record.h"

enum note_kind {
        NOTE_WATCH = 1,         /* name; value: its fields, as fields_encode() has them. Before the first NOTE_PUT of it */
        NOTE_PUT = 2,           /* name, key; value: record_encode() */
        NOTE_REMOVE = 3,        /* name, key: was committed, is gone */
        NOTE_FORGET = 4,        /* name, key: was only noted */
        NOTE_FACT = 5,          /* key: the fact's name; value */
        NOTE_FILE = 6,          /* key: number, big-endian; value: destination byte and data */
        NOTE_ALERTED = 7,       /* key: number, big-endian */
};

struct note_op {
        enum note_kind kind;
        struct bytes name, key, value;
};

struct note {
        struct note_op op;              /* its bytes are in data */
        struct notes_watch *watch;      /* borrowed; of PUT, REMOVE, FORGET */
        struct note *next;              /* while staged */
        struct note *left, *right;
        uint32_t priority;
        uint8_t data[];
};

struct note_tree {
        struct note *root;              /* owned */
};

struct notes_watch {
        struct notes_watch *next;       /* owned; in order of names */
        struct field *fields;           /* owned; NULL: only removals so far */
        bool written;                   /* the journal has its NOTE_WATCH */
        struct note_tree records;
        char name[];
};

struct notes {
        struct notes_watch *watches;    /* owned */
        struct note_tree facts, outbox;
        struct note *staged, **end;     /* owned; end is NULL while nothing is */
        uint64_t next_number;           /* of the outbox; moves with every NOTE_FILE */
        uint64_t alerted;               /* highest NOTE_ALERTED */
        size_t size;                    /* memory held */
        size_t count;                   /* merged notes */
        uint64_t random;
};

enum {
        NOTES_SIZE_MAX = 32 << 20,
        NOTES_WATCHES_MAX = 64,
        NOTES_NAME_MAX = 200,
};

void notes_init(struct notes *notes);
void notes_done(struct notes *notes);

/* Copies the operation. -ENOBUFS: too much is noted, or the watch's notes have other fields: a transaction first.
 * -ENAMETOOLONG, -EINVAL: what a transaction would not take. -ENOMEM. */
int notes_stage(struct notes *notes, const struct note_op *op);
/* The same for everything in the payload of a journal's record, or nothing: -EBADMSG or -ENOMEM. */
int notes_stage_payload(struct notes *notes, struct bytes payload);
/* Appends what is staged, for the journal, and the fields of watches that it does not have yet. 0 or -ENOMEM. */
int notes_encode(const struct notes *notes, struct buffer *payload);
void notes_merge(struct notes *notes, bool written);    /* what is staged now stands; 'written': the journal has it */
void notes_drop(struct notes *notes);                   /* what is staged never was */
void notes_clear(struct notes *notes);                  /* all of it is in a transaction; the numbers stay */

struct notes_watch *notes_find_watch(const struct notes *notes, struct bytes name);
const struct note *notes_find(const struct note_tree *tree, struct bytes key);
/* The first note above the key; NULL: the very first. Or NULL. */
const struct note *notes_above(const struct note_tree *tree, const struct bytes *key);

uint64_t notes_number(struct bytes key);                /* of NOTE_FILE and NOTE_ALERTED */
struct bytes notes_number_key(uint64_t number, uint8_t room[static 8]);
