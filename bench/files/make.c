/* make.c - "make FOLDER COUNT": a tree of so many small files, 1,000 in a folder, 0 to 8 KiB each, all of them different. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IN_FOLDER = 1000, LARGEST = 8192 };

__attribute__((noreturn)) static void fail(const char *what) {
        (void)fprintf(stderr, "make: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* xorshift: the same tree each time. */
static uint64_t next_random(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

int main(int argc, char **argv) {
        unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
        uint64_t state = UINT64_C(0x9e3779b97f4a7c15), content[LARGEST / 8];
        int folder = -1;

        if (count == 0) {
                (void)fprintf(stderr, "usage: make FOLDER COUNT\n");
                return 2;
        }
        if (mkdir(argv[1], 0755) < 0 || chdir(argv[1]) < 0)
                fail(argv[1]);
        for (size_t i = 0; i < LARGEST / 8; i++)
                content[i] = next_random(&state);
        for (unsigned long i = 0; i < count; i++) {
                size_t size = next_random(&state) % (LARGEST + 1);
                char name[32];
                int fd;

                if (i % IN_FOLDER == 0) {
                        if (folder >= 0)
                                (void)close(folder);
                        (void)snprintf(name, sizeof(name), "folder-%lu", i / IN_FOLDER);
                        if (mkdir(name, 0755) < 0 || (folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
                                fail(name);
                }
                (void)snprintf(name, sizeof(name), "file-%lu", i % IN_FOLDER);
                content[0] = i;
                fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
                if (fd < 0 || write(fd, content, size) != (ssize_t)size || close(fd) < 0)
                        fail(name);
        }
        return 0;
}
