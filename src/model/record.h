/* record.h - one thing that is true of the host now: a key and the values of the watch's fields.
 * A record is borrowed: its bytes belong to whoever hands it over and live until that hand-over returns. */
#pragma once

#include "bytes.h"

struct buffer;

enum field_kind {
        FIELD_TEXT,             /* bytes from outside, shown escaped */
        FIELD_NUMBER,           /* a count or size: a JSON number */
        FIELD_IDENTIFIER,       /* a number that only names something (uid, inode): a JSON string, as ECS has it */
        FIELD_MODE,             /* permission bits, shown as four octal digits */
        FIELD_TIME,             /* nanoseconds since the epoch, UTC */
        FIELD_DIGEST,           /* raw digest bytes, shown as lower-case hexadecimal */
        FIELD_FLAG,             /* 0 or 1 */
        FIELD_SET,              /* words with a blank between each two; a JSON array. A sentence says which came and went; of a word
                                 * "name=value" that has another value, that it changed */
};

enum field_flags {
        FIELD_QUIET    = 1 << 0, /* carried and shown, never compared: it moves by itself */
        FIELD_EVIDENCE = 1 << 1, /* while all evidence stays the same, costly fields are taken over from the record before */
        FIELD_COSTLY   = 1 << 2, /* left absent by collect(), filled by complete() when the evidence moved */
        FIELD_KEY_PATH = 1 << 3, /* not stored: the key is this path with every '/' turned into NUL and no leading one */
        FIELD_LOOKED   = 1 << 4, /* when the costly fields were read (FIELD_TIME); set by the engine, never compared */
        FIELD_CHANGED  = 1 << 5, /* time of the last change as the kernel tells it (ctime): evidence from a moment too close
                                  * to the look proves nothing (PLATFORM: ctime moves in ticks) */
        FIELD_STEADY   = 1 << 6, /* a delta tells it in the words of a look: another value a moment later is a change */
        FIELD_FAINT    = 1 << 7, /* moves along with other fields: a sentence names it only when nothing else differs */
        FIELD_USER     = 1 << 8, /* the number of a user: where it changes, the engine adds the names of both (event.h) */
        FIELD_TOLD     = 1 << 9, /* of one event alone: never kept. Also FIELD_QUIET */
        FIELD_HIDDEN   = 1 << 10, /* kept and never shown: of a change, the engine tells its difference. Also FIELD_QUIET */
};

/* One row of a watch's field table: names in configuration, JSON, man page and diff come from here, once. */
struct field {
        const char *name;       /* lower case, '_' between words; NULL ends the table */
        const char *ecs;        /* dotted path in the JSON event; NULL: nephronix.<dataset>.<name> */
        enum field_kind kind;
        unsigned flags;         /* enum field_flags */
};

struct value {
        bool present;           /* absent is an answer: this host does not tell, or there is no such thing */
        union {
                uint64_t number;        /* FIELD_NUMBER, _IDENTIFIER, _MODE, _TIME, _FLAG */
                struct bytes bytes;     /* FIELD_TEXT, FIELD_DIGEST, FIELD_SET */
        };
};

enum { RECORD_FIELDS_MAX = 40 };

struct record {
        struct bytes key;               /* unique in its watch; records travel in bytes_compare() order of it */
        struct value values[RECORD_FIELDS_MAX]; /* parallel to the field table */
};

static inline bool field_is_bytes(const struct field *field) {
        return field->kind == FIELD_TEXT || field->kind == FIELD_DIGEST || field->kind == FIELD_SET;
}

/* Of a FIELD_SET: the next word; shortens 'rest'. False: there is none. */
static inline bool words_next(struct bytes *rest, struct bytes *ret) {
        const uint8_t *blank;
        size_t size;

        while (rest->size > 0 && *rest->data == ' ')
                *rest = bytes_of(rest->data + 1, rest->size - 1);
        if (rest->size == 0)
                return false;
        blank = memchr(rest->data, ' ', rest->size);
        size = blank ? (size_t)(blank - rest->data) : rest->size;
        *ret = bytes_of(rest->data, size);
        *rest = bytes_of(rest->data + size, rest->size - size);
        return true;
}

static inline struct value value_number(uint64_t number) {
        return (struct value){ .present = true, .number = number };
}

static inline struct value value_bytes(struct bytes bytes) {
        return (struct value){ .present = true, .bytes = bytes };
}

static inline struct value value_string(const char *text) {
        return text ? value_bytes(bytes_of_string(text)) : (struct value){ .present = false };
}

/* How many rows the table has before its NULL name. */
size_t fields_count(const struct field *fields);

/* Index of the field of that name, or -1. */
int fields_find(const struct field *fields, const char *name);

static inline bool value_equal(const struct field *field, const struct value *a, const struct value *b) {
        if (a->present != b->present)
                return false;
        if (!a->present)
                return true;
        return field_is_bytes(field) ? bytes_equal(a->bytes, b->bytes) : a->number == b->number;
}

/* True if every compared field (not QUIET, not LOOKED) is the same; keys are not looked at. */
bool record_equal(const struct field *fields, const struct record *a, const struct record *b);

/* Copies everything that the record points to into room (cleared first) and lets it point there. 0 or -ENOMEM. */
int record_keep(struct buffer *room, const struct field *fields, struct record *record);
