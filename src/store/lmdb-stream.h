/* lmdb-stream.h - the records of a watch as a stream, and what every stream must know of the open transaction. */
#pragma once

#include "lmdb-tables.h"
#include "stream.h"

struct lmdb_stream;

struct lmdb_session {
        struct lmdb_environment environment;
        MDB_txn *transaction, *part;    /* owned */
        uint64_t generation;            /* moves with every change of a record */
        struct lmdb_stream *first;      /* the open streams, linked */
};

/* What sees everything put so far; NULL outside of a transaction. */
static inline MDB_txn *lmdb_session_now(const struct lmdb_session *session) {
        return session->part ? session->part : session->transaction;
}

/* As baseline.h has read(). 'now': in the open transaction, and then changes may be made while it is read; else what
 * was committed last when it was opened. */
int lmdb_stream_open(struct lmdb_session *session, bool now, const char *name, const struct field *fields,
                     struct bytes after, struct stream **ret);

/* A part begins or ends: streams on 'now' give their cursors back and take new ones when they are asked next. */
void lmdb_stream_loosen_all(struct lmdb_session *session);

/* The transaction ends: streams still open have nothing more to say but -ESTALE. */
void lmdb_stream_end_all(struct lmdb_session *session);
