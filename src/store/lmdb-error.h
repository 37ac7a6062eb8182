/* lmdb-error.h - LMDB's answers as negative errno. */
#pragma once

#include <lmdb.h>

/* 0 stays 0. -EBADMSG: what lies on disk is damaged. -ECANCELED: an earlier failure spoilt the transaction.
 * -EFBIG: the map is full. MDB_NOTFOUND is an answer that the caller handles; here it is -ENOENT. */
int lmdb_error(int rc);
/* A write that a full disk cut short is an I/O error to LMDB: -ENOSPC instead. */
int lmdb_error_of_disk(MDB_env *env, int r);
