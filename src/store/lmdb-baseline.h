/* lmdb-baseline.h - the baseline on disk: LMDB, one environment, a table per watch, ordered cursors, a round's
 * changes in one transaction (baseline.h). A stream that is still open when a transaction ends answers -ESTALE from
 * then on. */
#pragma once

#include "baseline.h"
#include "buffer.h"

struct lmdb_baseline;

enum {
        LMDB_BASELINE_OK = 0,
        LMDB_BASELINE_E_NEW = 1,        /* there was none: an empty one was made */
};

/* Opens or makes the environment in this folder (made with mode 0700 if missing). LMDB_BASELINE_OK or _E_NEW and *ret;
 * -EBADMSG: what lies there is damaged or of another format (nothing was changed); -EBUSY: somebody else has it open
 * for writing; else negative errno. */
int lmdb_baseline_open(const char *folder, struct lmdb_baseline **ret);
/* Read-only, beside a running daemon: begin() and what follows answer -EROFS. */
int lmdb_baseline_open_reader(const char *folder, struct lmdb_baseline **ret);
struct lmdb_baseline *lmdb_baseline_close(struct lmdb_baseline *lmdb);  /* takes NULL; returns NULL */

/* After an open that answered -EBADMSG: the same answer, and what is wrong in words. */
int lmdb_baseline_diagnose(const char *folder, struct buffer *problem);

enum lmdb_baseline_standing {
        LMDB_BASELINE_STANDS,
        LMDB_BASELINE_RESTORED,         /* it was removed or replaced, and was put back as it is known here: nothing is forgotten */
        LMDB_BASELINE_LOST,             /* it was truncated, or removed and could not be put back: not to be used any more, by nobody */
};

/* Whether the file that is written to still stands where it is read, and as long as it was. Not inside a transaction. */
enum lmdb_baseline_standing lmdb_baseline_stand(struct lmdb_baseline *lmdb);

struct baseline *lmdb_baseline_interface(struct lmdb_baseline *lmdb);

/* The field table noted by set_known(), in one allocation that the caller free()s. 1 found, 0 not there, negative
 * errno. */
int lmdb_baseline_fields(struct lmdb_baseline *lmdb, const char *name, struct field **ret);
/* Calls back with the name of every known watch, in order. */
int lmdb_baseline_names(struct lmdb_baseline *lmdb, int (*name)(void *context, const char *name), void *context);

/* Reads every record of every table with its own fields: 0, or -EBADMSG and the table's name in words. For the
 * start, when the last stop was not clean. */
int lmdb_baseline_check(struct lmdb_baseline *lmdb, struct buffer *problem);
