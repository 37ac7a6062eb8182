#include "digest-pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <time.h>

#include "blake2b-lanes.h"
#include "fd.h"
#include "page-cache.h"

#define HOLE_SIZE (UINT64_C(1) << 30)
#define HOLE_PART 8
#define SECOND_NS UINT64_C(1000000000)
#define PAUSE_NS (SECOND_NS / 20)

/* No io_uring: measured (bench/files/small.c), chains of open, read and close save at best one of the ten microseconds that a small file
 * takes in all, and from a disk plain threads are faster than they are. And a chain cannot do what is needed: statx() of a descriptor
 * that only the ring has, to know which state was read. */
enum {
        STEP = 64 * 1024,               /* read at once: eight of them fit into the second cache of most processors */
        SMALL = 16 * 1024,              /* a single file that is smaller is digested without asking for memory */
        OPEN_AHEAD = 16,                /* files that the kernel reads while others are digested */
        ASK_AHEAD = 1024 * 1024,        /* and so many bytes of each */
        DROP_STEP = 8 * 1024 * 1024,    /* a large file does not wait for its end */
        BETWEEN_BYTES = 1024 * 1024,
        THREAD_BYTES = 1024 * 1024,     /* takes several times as long as beginning a thread; */
        FILE_BYTES = 16 * 1024,         /* to open and to close a file as long as digesting this; */
        UNKNOWN_BYTES = 64 * 1024,      /* the mean size of a system's files */
        STACK_SIZE = 256 * 1024,
};

/* A block before what is read, for the one kept back, and one behind it, for the zeros. No power of two: eight lanes would meet in
 * the same places of the first cache. */
#define ROOM(step) ((step) + 2 * BLAKE2B_BLOCK)

struct digest_pool {
        struct digest_pool_settings settings;
        _Atomic uint64_t files, bytes;
        _Atomic uint64_t paced;         /* CLOCK_MONOTONIC: all that was read by now was due before */
};

/* A file on its way. */
struct file {
        struct digest_job *job;
        int fd;
        unsigned tries;
        struct statx before;
        struct page_cache cache;
        uint64_t offset, asked, dropped; /* read, asked for, dropped up to there */
        uint8_t *data;                  /* STEP bytes, with a block before and behind them */
        size_t step;
        struct blake2b_lane lane;
};

struct run {
        struct digest_pool *pool;
        struct digest_job *jobs;
        uint32_t *order;                /* of the jobs; NULL: as they come */
        size_t count;
        const struct blake2b_engine *engine;
        unsigned lanes, ahead;          /* of each thread: files in work, files opened */
        _Atomic size_t next;
        _Atomic bool stop;
        int answer;                     /* of between(); the first thread's */
        pthread_mutex_t lock;
        pthread_cond_t ended;
        unsigned others;                /* threads that have not ended */
};

struct worker {
        struct run *run;
        bool leads;                     /* is the thread that called run(): asks between() */
        uint64_t told_files, told_bytes;
        struct file files[BLAKE2B_MOST_LANES + OPEN_AHEAD];
        struct file *spare[BLAKE2B_MOST_LANES + OPEN_AHEAD], *ahead[OPEN_AHEAD], *live[BLAKE2B_MOST_LANES];
        uint8_t *rooms[BLAKE2B_MOST_LANES];
        struct digest_job *refused;     /* could not be opened while others of ours are */
        size_t step;
        unsigned n_spare, n_ahead, n_live, n_rooms;
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
        return (struct digest_progress){ atomic_load(&pool->files), atomic_load(&pool->bytes) };
}

/* --- between() and the rate ------------------------------------------------------------------------------------------- */

static void ask_between(struct worker *worker, bool waits) {
        struct digest_pool *pool = worker->run->pool;
        struct digest_progress progress = digest_pool_progress(pool);

        if (!worker->leads || worker->run->answer || !pool->settings.between)
                return;
        if (!waits && progress.files == worker->told_files && progress.bytes - worker->told_bytes < BETWEEN_BYTES)
                return;
        worker->told_files = progress.files;
        worker->told_bytes = progress.bytes;
        worker->run->answer = pool->settings.between(pool->settings.context, &progress);
        if (worker->run->answer)
                atomic_store(&worker->run->stop, true);
}

static uint64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Waits until what is to be read is due. */
static void keep_rate(struct worker *worker, uint64_t bytes) {
        struct digest_pool *pool = worker->run->pool;
        uint64_t rate = pool->settings.rate, now, due, paced;

        if (!rate)
                return;
        paced = atomic_load(&pool->paced);
        now = now_ns();
        do
                due = paced > now ? paced : now;
        while (!atomic_compare_exchange_weak(&pool->paced, &paced, due + bytes * SECOND_NS / rate));
        while (now < due && !atomic_load(&worker->run->stop)) {
                struct timespec pause = { .tv_nsec = (long)(due - now < PAUSE_NS ? due - now : PAUSE_NS) };

                (void)nanosleep(&pause, NULL);
                ask_between(worker, true);
                now = now_ns();
        }
}

/* --- one file --------------------------------------------------------------------------------------------------------- */

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

static int look_at(int fd, struct statx *ret) {
        if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, ret) < 0)
                return -errno;
        if (!S_ISREG(ret->stx_mode))
                return -ESTALE;
        return is_hole(ret) ? -EFBIG : 0;
}

/* Has the kernel read in advance what was not in memory: a disk is fast when it has much to do at once. */
static void ask_ahead(struct file *file) {
        if (file->asked >= file->before.stx_size || file->offset + ASK_AHEAD / 2 < file->asked)
                return;
        page_cache_ask(file->fd, &file->cache, file->asked, file->asked + ASK_AHEAD);
        file->asked += ASK_AHEAD;
}

static int file_open(struct file *file, struct digest_job *job) {
        int r;

        *file = (struct file){ .job = job, .fd = open_for_reading(job->directory, job->name) };
        if (file->fd < 0)
                return file->fd;
        r = look_at(file->fd, &file->before);
        if (r < 0) {
                file->fd = fd_close(file->fd);
                return r;
        }
        file->cache = page_cache_look(file->fd, file->before.stx_size);
        ask_ahead(file);
        return 0;
}

/* Gives the lane the next piece. A read that brings less than there was room for, up to where the file is said to end, was the last
 * one; where no size is said (/proc) only one that brings nothing was. Whether a block is the last one is known when nothing
 * follows, so one is kept back. */
static int file_read(struct worker *worker, struct file *file) {
        size_t kept = file->lane.data ? BLAKE2B_BLOCK : 0, filled = 0;
        bool ends = false;

        if (kept)
                memcpy(file->data - kept, file->lane.data, kept);
        ask_ahead(file);
        if (file->offset < file->before.stx_size)
                keep_rate(worker, file->before.stx_size - file->offset < file->step ? file->before.stx_size - file->offset : file->step);
        while (filled < file->step && !ends) {
                ssize_t n = pread(file->fd, file->data + filled, file->step - filled, (off_t)file->offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                filled += (size_t)n;
                file->offset += (uint64_t)n;
                ends = n == 0 || (filled < file->step && file->offset == file->before.stx_size);
        }
        atomic_fetch_add(&worker->run->pool->bytes, filled);
        if (file->offset - file->dropped >= DROP_STEP) {
                page_cache_drop(file->fd, &file->cache, file->offset);
                file->dropped = file->offset;
        }
        if (ends) {
                blake2b_lane_end(&file->lane, file->data - kept, kept + filled);
        } else {
                file->lane.data = file->data - kept;
                file->lane.blocks = (kept + filled) / BLAKE2B_BLOCK - 1;
        }
        return 0;
}

static int file_begin(struct worker *worker, struct file *file) {
        file->tries++;
        blake2b_lane_begin(&file->lane);
        return file_read(worker, file);
}

/* Of an open file that takes a tenth of what it takes by name. When in doubt whoever wants them is to ask for them. */
static bool has_attributes(int fd) {
        ssize_t n = flistxattr(fd, NULL, 0);

        return n > 0 || (n < 0 && errno != EOPNOTSUPP);
}

/* After the last block. 0: done; 1: to be read again, which has begun; or what is wrong with it. */
static int file_end(struct worker *worker, struct file *file) {
        int r = look_at(file->fd, &file->job->after);

        if (r < 0)
                return r;
        if (same_state(&file->before, &file->job->after)) {
                blake2b_lane_digest(&file->lane, file->job->blake2b);
                file->job->attributes = has_attributes(file->fd);
                return 0;
        }
        if (file->tries == DIGEST_TRIES)
                return -EAGAIN;
        file->before = file->job->after;
        file->offset = file->asked = file->dropped = 0;
        file->cache.undropped = file->cache.absent;
        r = file_begin(worker, file);
        return r < 0 ? r : 1;
}

/* --- a thread's files ------------------------------------------------------------------------------------------------- */

static void done(struct worker *worker, struct digest_job *job, int error) {
        job->error = error;
        atomic_fetch_add(&worker->run->pool->files, 1);
        ask_between(worker, false);
}

static void file_close(struct worker *worker, struct file *file) {
        page_cache_drop(file->fd, &file->cache, UINT64_MAX);
        file->fd = fd_close(file->fd);
        if (file->data)
                worker->rooms[worker->n_rooms++] = file->data;
        worker->spare[worker->n_spare++] = file;
}

static struct digest_job *next_job(struct worker *worker) {
        struct run *run = worker->run;
        struct digest_job *job = worker->refused;
        size_t i;

        worker->refused = NULL;
        if (job)
                return job;
        i = atomic_fetch_add(&run->next, 1);
        return i < run->count ? &run->jobs[run->order ? run->order[i] : i] : NULL;
}

/* Opens files until so many wait. */
static void open_ahead(struct worker *worker, unsigned wanted) {
        while (worker->n_ahead < wanted && !atomic_load(&worker->run->stop)) {
                struct digest_job *job = next_job(worker);
                struct file *file = worker->spare[worker->n_spare - 1];
                int r;

                if (!job)
                        return;
                r = file_open(file, job);
                if ((r == -EMFILE || r == -ENFILE) && worker->n_ahead + worker->n_live) {
                        worker->refused = job; /* when one of ours is closed */
                        return;
                }
                if (r < 0) {
                        done(worker, job, r);
                        continue;
                }
                worker->n_spare--;
                worker->ahead[worker->n_ahead++] = file;
        }
}

static struct file *first_ahead(struct worker *worker) {
        struct file *file = worker->ahead[0];

        memmove(worker->ahead, worker->ahead + 1, --worker->n_ahead * sizeof(*worker->ahead));
        return file;
}

static void fill_lanes(struct worker *worker) {
        while (worker->n_live < worker->run->lanes && worker->n_rooms) {
                struct file *file;
                int r;

                open_ahead(worker, worker->run->ahead);
                if (!worker->n_ahead)
                        return;
                file = first_ahead(worker);
                file->data = worker->rooms[--worker->n_rooms];
                file->step = worker->step;
                r = file_begin(worker, file);
                if (r < 0) {
                        file_close(worker, file);
                        done(worker, file->job, r);
                } else {
                        worker->live[worker->n_live++] = file;
                }
        }
}

/* One step of all lanes, and what follows from it for those that came to an end of what they had. */
static void step(struct worker *worker) {
        struct blake2b_lane *lanes[BLAKE2B_MOST_LANES] = { NULL };
        unsigned n = worker->n_live, kept = 0;

        for (unsigned i = 0; i < n; i++)
                lanes[i] = &worker->live[i]->lane;
        blake2b_lanes_step(worker->run->engine, lanes, n);
        for (unsigned i = 0; i < n; i++) {
                struct file *file = worker->live[i];
                int r = 1;

                if (!file->lane.blocks) {
                        if (file->lane.ends)
                                r = file_end(worker, file);
                        else if ((r = file_read(worker, file)) == 0)
                                r = 1;
                }
                if (r == 1) {
                        worker->live[kept++] = file;
                        continue;
                }
                file_close(worker, file);
                done(worker, file->job, r);
        }
        worker->n_live = kept;
        ask_between(worker, false);
}

static void cancel(struct worker *worker, struct file *file) {
        file->job->error = -ECANCELED;
        file_close(worker, file);
}

static void work(struct worker *worker, uint8_t *memory, unsigned rooms, size_t step_size) {
        worker->step = step_size;
        for (unsigned i = 0; i < sizeof(worker->spare) / sizeof(worker->spare[0]); i++)
                worker->spare[worker->n_spare++] = &worker->files[i];
        for (unsigned i = 0; i < rooms; i++)
                worker->rooms[worker->n_rooms++] = memory + i * ROOM(step_size) + BLAKE2B_BLOCK;
        for (;;) {
                fill_lanes(worker);
                if (!worker->n_live || atomic_load(&worker->run->stop))
                        break;
                step(worker);
        }
        while (worker->n_live)
                cancel(worker, worker->live[--worker->n_live]);
        while (worker->n_ahead)
                cancel(worker, worker->ahead[--worker->n_ahead]);
        if (worker->refused)
                worker->refused->error = -ECANCELED;
}

/* One file after the other, in memory that is there. */
static void work_small(struct run *run, bool leads) {
        struct worker worker = { .run = run, .leads = leads };
        uint8_t memory[ROOM(SMALL)];

        work(&worker, memory, 1, SMALL);
}

static void work_large(struct run *run, bool leads) {
        struct worker worker = { .run = run, .leads = leads };
        size_t size = run->lanes * ROOM(STEP);
        /* Not malloc(): that may keep it. Pages that no file is large enough for are never there. */
        uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED) {
                work_small(run, leads);
                return;
        }
        work(&worker, memory, run->lanes, STEP);
        (void)munmap(memory, size);
}

static void *thread_main(void *context) {
        struct run *run = context;

        work_large(run, false);
        (void)pthread_mutex_lock(&run->lock);
        run->others--;
        (void)pthread_cond_signal(&run->ended);
        (void)pthread_mutex_unlock(&run->lock);
        return NULL;
}

/* --- a run ------------------------------------------------------------------------------------------------------------ */

static unsigned useful_threads(const struct run *run) {
        uint64_t threads = run->pool->settings.threads, bytes = 0;

        for (size_t i = 0; i < run->count; i++)
                bytes += FILE_BYTES + (run->jobs[i].size ? run->jobs[i].size : UNKNOWN_BYTES);
        if (threads > run->count)
                threads = run->count;
        if (threads > 1 + bytes / THREAD_BYTES)
                threads = 1 + bytes / THREAD_BYTES;
        return threads ? (unsigned)threads : 1;
}

static int by_size(const void *a, const void *b, void *context) {
        const struct digest_job *jobs = context;
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        if (jobs[x].size != jobs[y].size)
                return jobs[x].size > jobs[y].size ? -1 : 1;
        return x < y ? -1 : 1;
}

/* Large files first. Without memory for it they are taken as they come. */
static uint32_t *order_of(struct digest_job *jobs, size_t count) {
        uint32_t *order = count > 1 && count <= UINT32_MAX ? malloc(count * sizeof(*order)) : NULL;

        if (!order)
                return NULL;
        for (size_t i = 0; i < count; i++)
                order[i] = (uint32_t)i;
        qsort_r(order, count, sizeof(*order), by_size, jobs);
        return order;
}

/* Signals are for the threads that the caller has. */
static unsigned begin_threads(struct run *run, pthread_t *threads, unsigned count) {
        pthread_attr_t attributes;
        sigset_t all, before;
        unsigned begun = 0;

        if (pthread_attr_init(&attributes) != 0)
                return 0;
        (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        while (begun < count && pthread_create(&threads[begun], &attributes, thread_main, run) == 0)
                begun++;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attributes);
        return begun;
}

static void await_threads(struct run *run) {
        struct worker leader = { .run = run, .leads = true };

        (void)pthread_mutex_lock(&run->lock);
        while (run->others) {
                struct timespec until;

                (void)clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_nsec += PAUSE_NS;
                until.tv_sec += until.tv_nsec / (long)SECOND_NS;
                until.tv_nsec %= (long)SECOND_NS;
                if (pthread_cond_timedwait(&run->ended, &run->lock, &until) == 0)
                        continue;
                (void)pthread_mutex_unlock(&run->lock);
                ask_between(&leader, true);
                (void)pthread_mutex_lock(&run->lock);
        }
        (void)pthread_mutex_unlock(&run->lock);
}

static void run_threads(struct run *run, unsigned count) {
        _cleanup_free_ pthread_t *threads = count > 1 ? malloc((count - 1) * sizeof(*threads)) : NULL;
        pthread_condattr_t attributes;
        unsigned begun = 0;

        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_mutex_init(&run->lock, NULL);
        (void)pthread_cond_init(&run->ended, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        if (threads) {
                run->others = count - 1;
                begun = begin_threads(run, threads, count - 1);
                (void)pthread_mutex_lock(&run->lock);
                run->others -= count - 1 - begun;
                (void)pthread_mutex_unlock(&run->lock);
        }
        work_large(run, true);
        await_threads(run);
        for (unsigned i = 0; i < begun; i++)
                (void)pthread_join(threads[i], NULL);
        (void)pthread_cond_destroy(&run->ended);
        (void)pthread_mutex_destroy(&run->lock);
}

int digest_pool_run(struct digest_pool *pool, struct digest_job *jobs, size_t count) {
        struct run run = { .pool = pool, .jobs = jobs, .count = count, .engine = blake2b_engine(), .lanes = 1, .ahead = 1 };

        if (count == 1 && jobs[0].size <= SMALL) {
                work_small(&run, true);
        } else if (count) {
                unsigned threads = useful_threads(&run);
                size_t share = (count + threads - 1) / threads;

                /* No thread takes so many that there are none left for another. */
                run.lanes = share < run.engine->lanes ? (unsigned)share : run.engine->lanes;
                if (share > run.lanes)
                        run.ahead = share - run.lanes < OPEN_AHEAD ? (unsigned)(share - run.lanes) : OPEN_AHEAD;
                run.order = order_of(jobs, count);
                run_threads(&run, threads);
        }
        for (size_t i = atomic_load(&run.next); i < count; i++)
                jobs[run.order ? run.order[i] : i].error = -ECANCELED;
        free(run.order);
        return run.answer;
}
