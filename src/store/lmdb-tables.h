/* lmdb-tables.h - the table of a watch, and what is noted about it in "known". */
#pragma once

#include "lmdb-environment.h"
#include "record.h"

enum { LMDB_WATCH_NAME_MAX = 200 };
#define LMDB_WATCH_PREFIX "watch:"

/* 0, -EINVAL for the empty name, -ENAMETOOLONG. */
int lmdb_tables_check_name(const char *name);

/* In a write transaction: the watch's table. 1, 0 if there is none and 'make' is false. */
int lmdb_tables_open(MDB_txn *txn, const char *name, bool make, MDB_dbi *ret);

/* A read transaction and the watch's table in it; the caller's to abort, if 1. 0: no such table, and no transaction. */
int lmdb_tables_begin_read(struct lmdb_environment *environment, const char *name, MDB_txn **ret, MDB_dbi *ret_table);

/* Entries of "known". 1, 0 not there; -EBADMSG. ret_fields is the caller's to free(). */
int lmdb_tables_noted(MDB_txn *txn, MDB_dbi known, const char *name, bool *ret_collected, struct field **ret_fields);
/* -EINVAL if the fields could not be read back. Uses the scratch buffer. */
int lmdb_tables_note(MDB_txn *txn, MDB_dbi known, const char *name, bool collected, const struct field *fields,
                     struct buffer *scratch);

static inline MDB_val lmdb_tables_name(const char *name) {
        return (MDB_val){ .mv_size = strlen(name), .mv_data = (void *)(uintptr_t)name };
}
