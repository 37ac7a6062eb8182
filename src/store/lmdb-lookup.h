/* lmdb-lookup.h - one committed record by its key, in a microsecond or two: handles and fields of tables are kept between two
 * transactions, and so is the read transaction. */
#pragma once

#include "lmdb-stream.h"

enum { LMDB_LOOKUP_TABLES = 16 };

struct lmdb_lookup {
        struct {
                char name[LMDB_WATCH_NAME_MAX + 1];
                struct field *noted;    /* owned; as its records are written */
                MDB_dbi table;
                bool there, collected;
        } tables[LMDB_LOOKUP_TABLES];
        size_t count;
        uint64_t generation;            /* of the session, when they were looked up */
};

void lmdb_lookup_done(struct lmdb_lookup *lookup);

/* Not inside a transaction. 1 and *ret in 'room' (cleared first), 0 not there. With fields NULL only whether it is there. */
int lmdb_lookup_get(struct lmdb_lookup *lookup, struct lmdb_session *session, const char *name, const struct field *fields,
                    struct bytes key, struct buffer *room, struct record *ret);
/* 1 if the watch was ever collected, 0 if not. */
int lmdb_lookup_known(struct lmdb_lookup *lookup, struct lmdb_session *session, const char *name);

/* The record in the transaction; 'noted' as its value is written. */
int lmdb_lookup_decode(struct bytes value, struct bytes key, const struct field *noted, const struct field *fields,
                       struct buffer *room, struct record *ret);
