/* text-log.h - the classic log, a rendering of the ledger that people read: append, rotate, archive. */
#pragma once

#include <time.h>

#include "bytes.h"

struct text_log;

/* Opens or makes the file; finishes a rotation that a crash interrupted, cuts off what a power cut left of a block that was not
 * synced. The archive folder is made if missing. 0 and *ret, or negative errno. */
int text_log_open(const char *path, const char *archive_folder, uint64_t max_size, struct text_log **ret);
struct text_log *text_log_close(struct text_log *log);  /* takes NULL; returns NULL */

/* A place in the log, kept with a block before it is written. */
struct text_log_place {
        uint64_t device, inode, offset;
};

enum text_log_standing {
        TEXT_LOG_STANDS,
        TEXT_LOG_GONE,          /* removed, moved, or another file in its place; goes on in that, or in a new one */
        TEXT_LOG_CUT,           /* shorter than what was written; goes on behind what is left */
        TEXT_LOG_IMMUTABLE,     /* nobody may write to it any more; waits */
};

/* What somebody did to the log since it was asked last, whatever else was called between. */
enum text_log_standing text_log_stand(struct text_log *log);

/* Where the next block will stand. If the file was moved or removed under us, a new one is begun first. */
int text_log_place(struct text_log *log, struct text_log_place *ret);

/* Writes the block if it does not stand there yet, or what is missing of it. 0 or negative errno. */
int text_log_append_at(struct text_log *log, const struct text_log_place *place, struct bytes block);

int text_log_sync(struct text_log *log);

/* Packs the log into the archive and begins a new one if it has reached its size. Call only when everything written so far is
 * settled. 1 if it did, 0, or negative errno. */
int text_log_rotate(struct text_log *log);

int text_log_archive(const struct text_log *log);       /* the folder; borrowed */
uint64_t text_log_size(const struct text_log *log);

#define TEXT_LOG_ARCHIVE_PREFIX "nephronix_"
#define TEXT_LOG_ARCHIVE_SUFFIX ".log.gz"
