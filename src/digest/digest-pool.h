/* digest-pool.h - BLAKE2b-512 of many files at once: opened, read, digested and checked for change while they were read.
 * Leaves the machine as it was: access times stand still where the kernel lets us, and what was not in the page cache before is
 * not in it afterwards. Between two runs a pool holds neither threads nor buffers. Nice value and I/O class are the caller's to
 * set: its threads are begun by the thread that calls run() and inherit them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "blake2b.h"

struct digest_pool;

/* One file. The name is one part below the directory; no link is followed. */
struct digest_job {
        int directory;                  /* borrowed until run() is back; AT_FDCWD will do */
        const char *name;               /* borrowed until run() is back */
        uint64_t size;                  /* a hint, 0 if it is not known: large files are begun first, so that none is left alone */

        /* The answer: written once, by run(), for each job. */
        int error;                      /* 0, or negative errno: see below */
        struct statx after;             /* of exactly the bytes that were digested (STATX_BASIC_STATS); if error is 0 */
        uint8_t blake2b[BLAKE2B_SIZE];  /* if error is 0 */
        bool attributes;                /* false: it has no extended attributes, asked after that state was; if error is 0 */
};

/* Errors of a job besides those of open(2), read(2) and statx(2) themselves:
 *   -ESTALE    it is no regular file (any more): a link, a directory, a FIFO, a socket, a device
 *   -EAGAIN    it changed each time it was read (DIGEST_TRIES), or somebody holds a write lease on it
 *   -EFBIG     larger than 1 GiB and most of it a hole: whoever may write makes such a file at no cost, and reading a terabyte
 *              of zeros keeps everything else from being watched
 *   -ECANCELED between() asked to stop before this one was done
 * -ENOMEM, -EMFILE and -ENFILE say something of this process and not of the file. */
enum { DIGEST_TRIES = 3 };

struct digest_progress {
        uint64_t files;                 /* done, whatever came of them; since the pool was made */
        uint64_t bytes;                 /* read of files; those that were read again count again */
};

struct digest_pool_settings {
        unsigned threads;               /* that digest, the caller's counted; 0 is 1. No more are begun than pay */
        uint64_t rate;                  /* bytes a second that are read at most, all threads together; 0: no limit */

        /* Called in the thread that called run(), when a file is done and every MiB or so, and while it waits for the others; it
         * must not touch the jobs. Not 0: stop; what is not done gets -ECANCELED and run() answers this value. May be NULL. */
        int (*between)(void *context, const struct digest_progress *progress);
        void *context;
};

/* The settings are copied. 0 or -ENOMEM. */
int digest_pool_new(const struct digest_pool_settings *settings, struct digest_pool **ret);
struct digest_pool *digest_pool_free(struct digest_pool *pool);         /* NULL does nothing; NULL */

/* For the runs to come. */
void digest_pool_configure(struct digest_pool *pool, const struct digest_pool_settings *settings);

/* Comes back when every job has its answer: 0, or what between() answered. Jobs are done in any order. A run of one small file takes
 * no memory and begins no thread. The more jobs the better: a file of more than an eighth of all their bytes is alone at the end, and
 * one file alone is digested at a quarter of the speed of eight. */
int digest_pool_run(struct digest_pool *pool, struct digest_job *jobs, size_t count);

struct digest_progress digest_pool_progress(const struct digest_pool *pool);

static inline void digest_pool_free_place(struct digest_pool **place) {
        *place = digest_pool_free(*place);
}

#define _cleanup_digest_pool_ _cleanup_(digest_pool_free_place)
