/* hash.c - how fast BLAKE2b-512 is: each implementation with each number of lanes, beside libsodium and b2sum(1). With "tree": all
 * files below a folder through the pool, as b2sum would print them or as figures.
 *
 *   hash [MIB]                                     of memory; CPU time of one thread, the best of several turns
 *   hash tree FOLDER [THREADS [BATCH]]             files, bytes, CPU and wall time
 *   hash list FOLDER [THREADS [BATCH]]             digest and name of each */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blake2b-lanes.h"
#include "digest-pool.h"

enum { TURNS = 15, BATCH = 256 };

extern char **environ;

__attribute__((noreturn)) static void fail(const char *what) {
        perror(what);
        exit(2);
}

static double seconds(clockid_t clock) {
        struct timespec now;

        (void)clock_gettime(clock, &now);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double cpu_of(int who) {
        struct rusage used;

        (void)getrusage(who, &used);
        return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/* --- memory ----------------------------------------------------------------------------------------------------------- */

static uint8_t *data[BLAKE2B_MOST_LANES], wanted[BLAKE2B_MOST_LANES][BLAKE2B_SIZE];
static double reference;

static void row(const char *name, unsigned lanes, double bytes, double best) {
        double rate = bytes / best / 1e9;

        if (reference == 0)
                reference = rate;
        (void)printf("%-22s %5u  %6.2f  %6.2f  %6.2f\n", name, lanes, rate, rate / lanes, rate / reference);
}

static void measure_sodium(size_t size) {
        double best = 1e9;

        for (int turn = 0; turn < TURNS; turn++) {
                double begin = seconds(CLOCK_THREAD_CPUTIME_ID), used;

                for (unsigned i = 0; i < BLAKE2B_MOST_LANES; i++)
                        (void)crypto_generichash(wanted[i], BLAKE2B_SIZE, data[i], size, NULL, 0);
                used = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
                best = used < best ? used : best;
        }
        row("libsodium", 1, (double)size * BLAKE2B_MOST_LANES, best);
}

/* A process of its own, that reads a file in memory: what an admin has. */
static void measure_b2sum(size_t size) {
        char path[] = "/dev/shm/nephronix-hash-XXXXXX", *arguments[] = { "b2sum", path, NULL };
        int fd = mkstemp(path);
        double best = 1e9;

        for (unsigned i = 0; i < BLAKE2B_MOST_LANES && fd >= 0; i++)
                if (write(fd, data[i], size) != (ssize_t)size)
                        fail(path);
        for (int turn = 0; turn < TURNS / 3 && fd >= 0; turn++) {
                double begin = cpu_of(RUSAGE_CHILDREN), used;
                posix_spawn_file_actions_t actions;
                pid_t pid;

                (void)posix_spawn_file_actions_init(&actions);
                (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
                if (posix_spawnp(&pid, "b2sum", &actions, NULL, arguments, environ) != 0 || waitpid(pid, NULL, 0) != pid)
                        fail("b2sum");
                (void)posix_spawn_file_actions_destroy(&actions);
                used = cpu_of(RUSAGE_CHILDREN) - begin;
                best = used < best ? used : best;
        }
        if (fd < 0 || unlink(path) < 0)
                fail(path);
        (void)close(fd);
        row("b2sum (process, reads)", 1, (double)size * BLAKE2B_MOST_LANES, best);
}

static void measure_engine(const struct blake2b_engine *engine, unsigned count, size_t size) {
        struct blake2b_lane lanes[BLAKE2B_MOST_LANES], *live[BLAKE2B_MOST_LANES];
        double best = 1e9;

        for (int turn = 0; turn < TURNS; turn++) {
                double begin, used;

                for (unsigned i = 0; i < count; i++) {
                        blake2b_lane_begin(&lanes[i]);
                        blake2b_lane_end(&lanes[i], data[i], size);
                        live[i] = &lanes[i];
                }
                begin = seconds(CLOCK_THREAD_CPUTIME_ID);
                blake2b_lanes_step(engine, live, count);
                used = seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
                best = used < best ? used : best;
        }
        for (unsigned i = 0; i < count; i++) {
                uint8_t digest[BLAKE2B_SIZE];

                blake2b_lane_digest(&lanes[i], digest);
                if (memcmp(digest, wanted[i], sizeof(digest)) != 0) {
                        (void)fprintf(stderr, "hash: %s is wrong\n", engine->name);
                        exit(1);
                }
        }
        row(engine->name, count, (double)size * count, best);
}

static void memory(size_t size) {
        for (unsigned i = 0; i < BLAKE2B_MOST_LANES; i++) {
                data[i] = malloc(size + BLAKE2B_BLOCK);
                if (data[i] == NULL)
                        fail("memory");
                randombytes_buf(data[i], size);
        }
        (void)printf("%zu MiB a stream; GB/s of CPU time\n", size >> 20);
        (void)printf("%-22s %5s  %6s  %6s  %6s\n", "", "lanes", "GB/s", "a lane", "ratio");
        measure_sodium(size);
        measure_b2sum(size);
        for (const struct blake2b_engine *const *engine = blake2b_engines; *engine != NULL; engine++)
                for (unsigned lanes = 1; (*engine)->usable() && lanes <= (*engine)->lanes; lanes++)
                        measure_engine(*engine, lanes, size);
}

/* --- a tree ----------------------------------------------------------------------------------------------------------- */

static struct {
        struct digest_pool *pool;
        struct digest_job *jobs;
        char **names, **paths;
        int *folders;
        size_t batch, count, n_folders, errors;
        long generation;                /* of batches */
        bool list;
} tree = { .generation = 1 };

static void run_batch(void) {
        (void)digest_pool_run(tree.pool, tree.jobs, tree.count);
        for (size_t i = 0; i < tree.count; i++) {
                if (tree.jobs[i].error != 0) {
                        tree.errors++;
                        (void)fprintf(stderr, "hash: %s: %s\n", tree.paths[i], strerror(-tree.jobs[i].error));
                } else if (tree.list) {
                        for (unsigned j = 0; j < BLAKE2B_SIZE; j++)
                                (void)printf("%02x", tree.jobs[i].blake2b[j]);
                        (void)printf("  %s\n", tree.paths[i]);
                }
                free(tree.names[i]);
                free(tree.paths[i]);
        }
        while (tree.n_folders > 0)
                (void)close(tree.folders[--tree.n_folders]);
        tree.count = 0;
        tree.generation++;
}

/* fts stands in the folder; the pool will not, so it gets a descriptor of it, once for each batch. */
static int folder_of(FTSENT *entry) {
        FTSENT *folder = entry->fts_parent;

        if (folder->fts_number != tree.generation) {
                int fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

                if (fd < 0)
                        fail(entry->fts_path);
                folder->fts_number = tree.generation;
                folder->fts_pointer = (void *)(intptr_t)fd;
                tree.folders[tree.n_folders++] = fd;
        }
        return (int)(intptr_t)folder->fts_pointer;
}

static void add(FTSENT *entry) {
        tree.paths[tree.count] = strdup(entry->fts_path);
        tree.names[tree.count] = strdup(entry->fts_name);
        if (tree.names[tree.count] == NULL || tree.paths[tree.count] == NULL)
                fail("memory");
        tree.jobs[tree.count] = (struct digest_job){
                .directory = folder_of(entry), .name = tree.names[tree.count], .size = (uint64_t)entry->fts_statp->st_size,
        };
        if (++tree.count == tree.batch)
                run_batch();
}

static void walk(char *folder) {
        char *folders[] = { folder, NULL };
        FTS *fts = fts_open(folders, FTS_PHYSICAL | FTS_XDEV, NULL);
        FTSENT *entry;

        if (fts == NULL)
                fail(folder);
        while ((entry = fts_read(fts)) != NULL)
                if (entry->fts_info == FTS_F && entry->fts_level > 0)
                        add(entry);
        (void)fts_close(fts);
        run_batch();
}

static void files(char *folder, unsigned threads, size_t batch) {
        struct digest_pool_settings settings = { .threads = threads };
        double wall = seconds(CLOCK_MONOTONIC), cpu = cpu_of(RUSAGE_SELF);
        struct digest_progress progress;
        struct rusage used;

        tree.batch = batch;
        tree.jobs = calloc(batch, sizeof(*tree.jobs));
        tree.names = calloc(batch, sizeof(*tree.names));
        tree.paths = calloc(batch, sizeof(*tree.paths));
        tree.folders = calloc(batch, sizeof(*tree.folders));
        if (tree.jobs == NULL || tree.names == NULL || tree.paths == NULL || tree.folders == NULL || digest_pool_new(&settings, &tree.pool) < 0)
                fail("memory");
        walk(folder);
        progress = digest_pool_progress(tree.pool);
        (void)getrusage(RUSAGE_SELF, &used);
        if (!tree.list)
                (void)printf("%llu files, %llu MiB, %zu errors: %.2f s CPU, %.2f s wall, %ld KiB resident at most\n",
                             (unsigned long long)progress.files, (unsigned long long)progress.bytes >> 20, tree.errors,
                             cpu_of(RUSAGE_SELF) - cpu, seconds(CLOCK_MONOTONIC) - wall, used.ru_maxrss);
}

int main(int argc, char **argv) {
        if (sodium_init() < 0)
                return 2;
        if (argc >= 3 && (strcmp(argv[1], "tree") == 0 || strcmp(argv[1], "list") == 0)) {
                unsigned long batch = argc > 4 ? strtoul(argv[4], NULL, 10) : BATCH;

                tree.list = argv[1][0] == 'l';
                files(argv[2], argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1, batch > 0 ? batch : 1);
        } else {
                size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;

                memory((mib > 0 ? mib : 1) << 20);
        }
        return 0;
}
