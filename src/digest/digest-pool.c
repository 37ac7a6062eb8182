#include "digest-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fd.h"

#define HOLE_SIZE (UINT64_C(1) << 30)
#define HOLE_PART 8

struct digest_pool {
        struct digest_pool_settings settings;
        struct digest_progress progress;
};

int digest_pool_new(const struct digest_pool_settings *settings, struct digest_pool **ret) {
        struct digest_pool *pool = calloc(1, sizeof(*pool));

        if (!pool)
                return -ENOMEM;
        pool->settings = *settings;
        *ret = pool;
        return 0;
}

struct digest_pool *digest_pool_free(struct digest_pool *pool) {
        free(pool);
        return NULL;
}

void digest_pool_configure(struct digest_pool *pool, const struct digest_pool_settings *settings) {
        pool->settings = *settings;
}

struct digest_progress digest_pool_progress(const struct digest_pool *pool) {
        return pool->progress;
}

static int open_for_reading(int directory, const char *name) {
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
        int fd = openat(directory, name, flags | O_NOATIME);

        if (fd < 0 && errno == EPERM) /* O_NOATIME is for the owner and CAP_FOWNER */
                fd = openat(directory, name, flags);
        if (fd < 0)
                return errno == ELOOP || errno == ENXIO ? -ESTALE : -errno; /* a link; a socket */
        return fd;
}

static bool same_stamp(struct statx_timestamp a, struct statx_timestamp b) {
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_state(const struct statx *a, const struct statx *b) {
        return a->stx_ino == b->stx_ino && a->stx_size == b->stx_size && same_stamp(a->stx_ctime, b->stx_ctime) &&
               same_stamp(a->stx_mtime, b->stx_mtime);
}

/* A large file must at least take up some room. */
static bool is_hole(const struct statx *stat) {
        return stat->stx_size > HOLE_SIZE && stat->stx_blocks < stat->stx_size / 512 / HOLE_PART;
}

static int digest_one(struct digest_pool *pool, struct digest_job *job) {
        _cleanup_close_ int fd = open_for_reading(job->directory, job->name);
        struct statx before;

        if (fd < 0)
                return fd;
        for (unsigned i = 0; i < DIGEST_TRIES; i++) {
                int r;

                if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &before) < 0)
                        return -errno;
                if (!S_ISREG(before.stx_mode))
                        return -ESTALE;
                if (is_hole(&before))
                        return -EFBIG;
                if (lseek(fd, 0, SEEK_SET) < 0)
                        return -errno;
                r = blake2b_file(fd, job->blake2b);
                if (r < 0)
                        return r;
                if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &job->after) < 0)
                        return -errno;
                pool->progress.bytes += job->after.stx_size;
                if (same_state(&before, &job->after))
                        return 0;
        }
        return -EAGAIN;
}

int digest_pool_run(struct digest_pool *pool, struct digest_job *jobs, size_t count) {
        int r = 0;

        for (size_t i = 0; i < count; i++) {
                if (r) {
                        jobs[i].error = -ECANCELED;
                        continue;
                }
                jobs[i].error = digest_one(pool, &jobs[i]);
                pool->progress.files++;
                if (pool->settings.between)
                        r = pool->settings.between(pool->settings.context, &pool->progress);
        }
        return r;
}
