/* walk.c - the floors of looking at a tree: what the kernel takes for it when nothing is compared, digested or kept.
 *
 *   walk stat FOLDER               each folder listed, statx(2) of each name
 *   walk read FOLDER [THREADS]     and each file read to its end; with several threads the walk comes first, so that so many reads
 *                                  are in flight
 *
 * Stays on the filesystem of FOLDER. Prints entries, files and bytes; what it cost is whoever's to say who started it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LISTING = 64 * 1024, PIECE = 256 * 1024, THREADS_MOST = 256 };

static struct {
        bool reads, gathers;
        dev_t device;
        uint64_t entries, files;
        _Atomic uint64_t bytes;
        char **paths;                   /* of files, when threads are to read them */
        size_t n_paths, capacity;
        _Atomic size_t next;
} all;

__attribute__((noreturn)) static void fail(const char *what) {
        (void)fprintf(stderr, "walk: %s: %s\n", what, strerror(errno));
        exit(1);
}

static void read_file(int directory, const char *name, char *piece) {
        int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
        uint64_t bytes = 0;
        ssize_t n;

        if (fd < 0)
                return;
        while ((n = read(fd, piece, PIECE)) > 0) {
                bytes += (uint64_t)n;
                if (n < PIECE) /* of a file on a disk that is all */
                        break;
        }
        (void)close(fd);
        atomic_fetch_add(&all.bytes, bytes);
}

static void gather(const char *path) {
        if (all.n_paths == all.capacity) {
                all.capacity = all.capacity ? all.capacity * 2 : 4096;
                all.paths = reallocarray(all.paths, all.capacity, sizeof(*all.paths));
        }
        if (all.paths == NULL || (all.paths[all.n_paths++] = strdup(path)) == NULL)
                fail("memory");
}

static void *read_gathered(void *context) {
        char *piece = malloc(PIECE);
        size_t i;

        if (piece == NULL)
                fail("memory");
        while ((i = atomic_fetch_add(&all.next, 1)) < all.n_paths)
                read_file(AT_FDCWD, all.paths[i], piece);
        free(piece);
        return context;
}

/* 'path' is scratch, with room for more behind the folder's own. */
static void walk(int fd, char *path, size_t length, char *piece) {
        char *listing = malloc(LISTING);
        long n;

        if (listing == NULL)
                fail("memory");
        while ((n = syscall(SYS_getdents64, fd, listing, LISTING)) > 0)
                for (long at = 0; at < n;) {
                        const struct dirent64 *entry = (const void *)(listing + at);
                        const char *name = entry->d_name;
                        struct statx stat;
                        size_t more = strlen(name);

                        at += entry->d_reclen;
                        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || length + more + 2 > PATH_MAX)
                                continue;
                        if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &stat) < 0)
                                continue;
                        all.entries++;
                        path[length] = '/';
                        memcpy(path + length + 1, name, more + 1);
                        if (S_ISREG(stat.stx_mode)) {
                                all.files++;
                                if (all.gathers)
                                        gather(path);
                                else if (all.reads)
                                        read_file(fd, name, piece);
                        } else if (S_ISDIR(stat.stx_mode) && ((dev_t)stat.stx_dev_major << 32 | stat.stx_dev_minor) == all.device) {
                                int inner = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);

                                if (inner >= 0) {
                                        walk(inner, path, length + 1 + more, piece);
                                        (void)close(inner);
                                }
                        }
                        path[length] = '\0';
                }
        free(listing);
}

int main(int argc, char **argv) {
        unsigned long threads = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
        static char path[PATH_MAX], piece[PIECE];
        pthread_t others[THREADS_MOST];
        struct statx stat;
        int fd;

        if (argc < 3 || argc > 4 || (strcmp(argv[1], "stat") != 0 && strcmp(argv[1], "read") != 0) || threads < 1 ||
            threads > THREADS_MOST || strlen(argv[2]) >= PATH_MAX) {
                (void)fprintf(stderr, "usage: walk stat FOLDER | walk read FOLDER [THREADS]\n");
                return 2;
        }
        all.reads = argv[1][0] == 'r';
        all.gathers = all.reads && threads > 1;
        (void)strcpy(path, argv[2]);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat) < 0)
                fail(path);
        all.device = (dev_t)stat.stx_dev_major << 32 | stat.stx_dev_minor;
        walk(fd, path, strlen(path), piece);
        for (unsigned long i = 0; all.gathers && i < threads; i++)
                if (pthread_create(&others[i], NULL, read_gathered, NULL) != 0)
                        fail("threads");
        for (unsigned long i = 0; all.gathers && i < threads; i++)
                (void)pthread_join(others[i], NULL);
        (void)printf("%llu entries, %llu files, %llu bytes read\n", (unsigned long long)all.entries, (unsigned long long)all.files,
                     (unsigned long long)atomic_load(&all.bytes));
        return 0;
}
