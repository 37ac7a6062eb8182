/* long-keys.h - keys longer than LMDB's 511 bytes, in bytes_compare() order.
 *
 * A table is a tree of namespaces. In each, a key (or what is left of it) of up to 500 bytes is an entry of its own.
 * A longer one leaves its first 500 bytes and a closing NUL as a node; the node's value names a further namespace
 * where the rest stands. The table's entries:
 *
 *      00                      next free namespace, number of nodes
 *      01 piece                a key of up to 500 bytes                        -> value
 *      01 500 bytes 00         a node                                          -> namespace, big-endian
 *      02 namespace piece      the same two inside a namespace; its number is big-endian
 *
 * Order: only a node's piece has 501 bytes. Two pieces that differ within the shorter one are ordered there, as
 * whole keys are. Else one is a prefix of the other: a leaf that is a prefix of a node's 500 bytes, or is them, is
 * shorter than the node and stands before it, as it stands before all keys that it begins; and two nodes of one
 * namespace are never prefixes of one another. So all keys of a node follow where the node stands. A node whose last
 * key goes is removed.
 *
 * A namespace is younger than the one its node stands in, and has a greater number: damage cannot make a cursor run
 * in circles. All calls answer negative errno; -EBADMSG for what these calls could not have written. */
#pragma once

#include <lmdb.h>

#include "buffer.h"

enum {
        LONG_KEYS_PIECE = 500,
        LONG_KEYS_MAX = 256 * 1024,
        LONG_KEYS_LEVELS = LONG_KEYS_MAX / LONG_KEYS_PIECE + 1,
};

/* 0, or -ENAMETOOLONG above LONG_KEYS_MAX. */
int long_keys_put(MDB_txn *txn, MDB_dbi table, struct bytes key, struct bytes value);

/* 1 removed, 0 not there. */
int long_keys_remove(MDB_txn *txn, MDB_dbi table, struct bytes key);

/* 1 and the value, which is LMDB's own memory; 0 not there. */
int long_keys_get(MDB_txn *txn, MDB_dbi table, struct bytes key, struct bytes *ret_value);

int long_keys_count(MDB_txn *txn, MDB_dbi table, size_t *ret);

/* Appends the last key to ret. 1, or 0 if there is none. */
int long_keys_last(MDB_txn *txn, MDB_dbi table, struct buffer *ret);

/* Steps through a table. Any change to the table ends it: close it and open it again after the key it gave last. */
struct long_keys_cursor {
        MDB_cursor *cursor;             /* owned */
        struct buffer key;              /* pieces of the nodes above, then the last one */
        size_t level;
        size_t left;                    /* no more entries than the table has: damage again */
        MDB_val found_key, found_value;
        int found;                      /* MDB_SUCCESS, MDB_NOTFOUND: seek() has stepped already */
        bool waiting, ended;
        uint64_t spaces[LONG_KEYS_LEVELS];
};

#define LONG_KEYS_CURSOR_NULL ((struct long_keys_cursor){ .cursor = NULL })

/* At the first key above *after; NULL: at the very first. The transaction must outlive the cursor. */
int long_keys_open(struct long_keys_cursor *cursor, MDB_txn *txn, MDB_dbi table, const struct bytes *after);
void long_keys_close(struct long_keys_cursor *cursor);  /* also one that was never opened */

/* 1 and both filled, 0 at the end. The value is LMDB's own memory; the key too or the cursor's: until the next call. */
int long_keys_next(struct long_keys_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value);
