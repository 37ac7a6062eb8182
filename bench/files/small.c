/* small.c - "small FOLDER [MOST]": small files (up to 16 KiB) read in different ways, in memory and, where the page cache can be
 * dropped, from the disk: one after the other; with sixteen opened and asked for ahead, as the digest pool does; by threads; by
 * io_uring, 64 chains of open, read and close at a time (by plain system calls, without liburing). Microseconds a file. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 16 * 1024, AHEAD = 16, THREADS_MOST = 64, DEPTH = 64, CHAIN = 3, MOST = 100000 };

#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC)

static struct {
        char **paths;
        size_t count;
        _Atomic size_t next;
        _Atomic uint64_t bytes;
} files;

__attribute__((noreturn)) static void fail(const char *what) {
        (void)fprintf(stderr, "small: %s: %s\n", what, strerror(errno));
        exit(1);
}

static void read_and_close(int fd) {
        char data[SMALL];
        ssize_t n = fd >= 0 ? read(fd, data, sizeof(data)) : -1;

        if (n > 0)
                atomic_fetch_add(&files.bytes, (uint64_t)n);
        (void)close(fd);
}

/* ---- the ways ---- */

static void *read_plainly(void *context) {
        size_t i;

        while ((i = atomic_fetch_add(&files.next, 1)) < files.count)
                read_and_close(open(files.paths[i], READ_FLAGS));
        return context;
}

static void one_by_one(unsigned unused) {
        (void)unused;
        (void)read_plainly(NULL);
}

static void opened_ahead(unsigned ahead) {
        int fds[AHEAD];
        size_t opened = 0;

        for (size_t i = 0; i < files.count; i++) {
                for (; opened < files.count && opened < i + ahead; opened++) {
                        fds[opened % AHEAD] = open(files.paths[opened], READ_FLAGS);
                        (void)posix_fadvise(fds[opened % AHEAD], 0, SMALL, POSIX_FADV_WILLNEED);
                }
                read_and_close(fds[i % AHEAD]);
        }
}

static void by_threads(unsigned count) {
        pthread_t threads[THREADS_MOST];

        for (unsigned i = 0; i < count; i++)
                if (pthread_create(&threads[i], NULL, read_plainly, NULL) != 0)
                        fail("threads");
        for (unsigned i = 0; i < count; i++)
                (void)pthread_join(threads[i], NULL);
}

/* ---- io_uring ---- */

static struct {
        int fd;
        uint8_t *submissions, *completions;
        struct io_uring_sqe *entries;
        struct io_uring_params parameters;
        char *data;
        unsigned missing[DEPTH];        /* completions of the chain in that slot */
} ring = { .fd = -1 };

static void *map(size_t size, off_t offset) {
        void *place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, offset);

        if (place == MAP_FAILED)
                fail("ring");
        return place;
}

/* False: this kernel, or whoever confines us, has none. */
static bool ring_open(void) {
        const struct io_uring_params *is = &ring.parameters;
        int none[DEPTH];

        ring.fd = (int)syscall(SYS_io_uring_setup, DEPTH * CHAIN, &ring.parameters);
        if (ring.fd < 0)
                return false;
        ring.submissions = map(is->sq_off.array + is->sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
        ring.completions = map(is->cq_off.cqes + is->cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
        ring.entries = map(is->sq_entries * sizeof(*ring.entries), IORING_OFF_SQES);
        ring.data = malloc((size_t)DEPTH * SMALL);
        for (unsigned i = 0; i < DEPTH; i++)
                none[i] = -1;
        if (ring.data == NULL || syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, none, DEPTH) < 0)
                fail("ring");
        return true;
}

static _Atomic uint32_t *number(uint8_t *base, uint32_t offset) {
        return (_Atomic uint32_t *)(void *)(base + offset);
}

static void push(const struct io_uring_sqe *entry) {
        uint32_t tail = atomic_load(number(ring.submissions, ring.parameters.sq_off.tail));
        uint32_t place = tail & (ring.parameters.sq_entries - 1);

        ring.entries[place] = *entry;
        atomic_store(number(ring.submissions, ring.parameters.sq_off.array) + place, place);
        atomic_store(number(ring.submissions, ring.parameters.sq_off.tail), tail + 1);
}

/* A read that brings less than there is room for ends a chain, but for one of hard links. */
static void push_chain(const char *path, unsigned slot) {
        push(&(struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .flags = IOSQE_IO_LINK, .fd = AT_FDCWD, .addr = (uintptr_t)path,
                                     .open_flags = READ_FLAGS & ~O_CLOEXEC, .file_index = slot + 1, .user_data = slot });
        push(&(struct io_uring_sqe){ .opcode = IORING_OP_READ, .flags = IOSQE_IO_HARDLINK | IOSQE_FIXED_FILE, .fd = (int)slot,
                                     .addr = (uintptr_t)(ring.data + (size_t)slot * SMALL), .len = SMALL, .user_data = slot | DEPTH });
        push(&(struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .file_index = slot + 1, .user_data = slot });
        ring.missing[slot] = CHAIN;
}

static void by_ring(unsigned unused) {
        unsigned free_slots[DEPTH], n_free = 0, submit = 0;
        size_t next = 0;

        (void)unused;
        while (n_free < DEPTH) {
                free_slots[n_free] = n_free;
                n_free++;
        }
        while (next < files.count || n_free < DEPTH) {
                uint32_t head = atomic_load(number(ring.completions, ring.parameters.cq_off.head));

                while (n_free > 0 && next < files.count) {
                        push_chain(files.paths[next++], free_slots[--n_free]);
                        submit += CHAIN;
                }
                if (syscall(SYS_io_uring_enter, ring.fd, submit, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0 && errno != EINTR)
                        fail("ring");
                submit = 0;
                while (head != atomic_load(number(ring.completions, ring.parameters.cq_off.tail))) {
                        const struct io_uring_cqe *cqe = (const void *)(ring.completions + ring.parameters.cq_off.cqes);
                        unsigned slot;

                        cqe += head++ & (ring.parameters.cq_entries - 1);
                        slot = (unsigned)cqe->user_data % DEPTH;
                        if (cqe->user_data & DEPTH && cqe->res > 0)
                                atomic_fetch_add(&files.bytes, (uint64_t)cqe->res);
                        if (--ring.missing[slot] == 0)
                                free_slots[n_free++] = slot;
                }
                atomic_store(number(ring.completions, ring.parameters.cq_off.head), head);
        }
}

/* ---- what it takes ---- */

static double wall_us(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double cpu_us(void) {
        struct rusage used;

        (void)getrusage(RUSAGE_SELF, &used);
        return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static bool drop_caches(void) {
        int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
        bool dropped;

        sync();
        dropped = fd >= 0 && write(fd, "3\n", 2) == 2;
        (void)close(fd);
        return dropped;
}

static void measure(const char *name, void (*way)(unsigned how_many), unsigned how_many) {
        static uint64_t wanted;

        (void)printf("%-34s", name);
        for (int cold = 0; cold < 2; cold++) {
                double cpu, wall;

                if (cold && !drop_caches()) {
                        (void)printf("         -        -");
                        break;
                }
                for (int turn = 0; turn < (cold ? 1 : 2); turn++) { /* in memory the second counts */
                        atomic_store(&files.next, 0);
                        atomic_store(&files.bytes, 0);
                        cpu = cpu_us();
                        wall = wall_us();
                        way(how_many);
                        cpu = cpu_us() - cpu;
                        wall = wall_us() - wall;
                }
                (void)printf("  %8.2f %8.2f", cpu / (double)files.count, wall / (double)files.count);
                if (wanted == 0)
                        wanted = atomic_load(&files.bytes);
                if (wanted != atomic_load(&files.bytes))
                        (void)printf("  (not all was read)");
        }
        (void)printf("\n");
        (void)fflush(stdout);
}

static void gather(char *folder, size_t most) {
        char *folders[] = { folder, NULL };
        FTS *fts = fts_open(folders, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
        FTSENT *entry;

        files.paths = calloc(most, sizeof(*files.paths));
        if (fts == NULL || files.paths == NULL)
                fail(folder);
        while (files.count < most && (entry = fts_read(fts)) != NULL)
                if (entry->fts_info == FTS_F && entry->fts_statp->st_size > 0 && entry->fts_statp->st_size <= SMALL)
                        if ((files.paths[files.count++] = strdup(entry->fts_path)) == NULL)
                                fail("memory");
        (void)fts_close(fts);
}

int main(int argc, char **argv) {
        size_t most = argc == 3 ? strtoul(argv[2], NULL, 10) : MOST;

        if (argc < 2 || argc > 3 || most == 0) {
                (void)fprintf(stderr, "usage: small FOLDER [MOST]\n");
                return 2;
        }
        gather(argv[1], most);
        if (files.count == 0)
                return 0;
        (void)printf("%zu files of up to 16 KiB; microseconds a file\n%-34s  %17s  %17s\n", files.count, "", "in memory", "from the disk");
        (void)printf("%-34s  %8s %8s  %8s %8s\n", "", "CPU", "wall", "CPU", "wall");
        measure("one after the other", one_by_one, 0);
        measure("16 opened and asked for ahead", opened_ahead, AHEAD);
        measure("4 threads", by_threads, 4);
        measure("16 threads", by_threads, 16);
        if (ring_open())
                measure("io_uring, 64 chains", by_ring, 0);
        else
                (void)printf("io_uring: %s\n", strerror(errno));
        return 0;
}
