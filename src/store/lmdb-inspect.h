/* lmdb-inspect.h - looking over everything that was committed, without knowing the watches. */
#pragma once

#include "lmdb-stream.h"

/* The name of each watch that was collected, in order; the callback may do as it likes. */
int lmdb_inspect_names(struct lmdb_session *session, int (*name)(void *context, const char *name), void *context);

/* Decodes every entry of every table. 0, or -EBADMSG and what is wrong in words. */
int lmdb_inspect_check(struct lmdb_session *session, struct buffer *problem);
