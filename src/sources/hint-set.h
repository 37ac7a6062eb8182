/* hint-set.h - hints of one batch of events, each key of a watch once per process.
 * A program that writes one file a thousand times makes a thousand events and one reason to look. */
#pragma once

#include "buffer.h"
#include "source.h"

struct hint_item {
        const char *watch, *kind;       /* as in a hint; borrowed */
        size_t key, key_size;           /* in the set's bytes */
        uint32_t hash, pid;             /* pid 0: not known */
        unsigned flags;
        bool dropped;
};

struct hint_set {
        struct hint_item *items;        /* owned */
        size_t count, capacity, kept;   /* kept: those that are not dropped */
        struct buffer bytes;
        uint32_t *index;                /* owned: of item + 1, 0: free */
        size_t n_index;
};

void hint_set_done(struct hint_set *set);

/* The names are borrowed until the set is handed over, the key is copied. 0, or -ENOMEM: then what was in the set may
 * be lost too. */
int hint_set_add(struct hint_set *set, const char *watch, const char *kind, struct bytes key, uint32_t pid, unsigned flags);

/* Forgets this key, whoever it was. */
void hint_set_drop(struct hint_set *set, const char *watch, const char *kind, struct bytes key);

/* Tells the listener all of them, in the order they came, and is empty then. */
void hint_set_tell(struct hint_set *set, struct source_listener *listener, const char *source);
