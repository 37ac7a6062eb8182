/* lmdb-error.h - LMDB's answers as negative errno. */
#pragma once

/* 0 stays 0. -EBADMSG: what lies on disk is damaged. -ECANCELED: an earlier failure spoilt the transaction.
 * MDB_NOTFOUND is an answer that the caller handles; here it is -ENOENT. */
int lmdb_error(int rc);
