/* Feeds a fuzz target every file of the folders (or the files) that are named: what libFuzzer does with a corpus, without
 * libFuzzer. Fails if there was none. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static size_t n_fed;

static int feed(const char *path) {
        FILE *file = fopen(path, "re");
        uint8_t *data = NULL;
        struct stat status;
        size_t size;

        if (!file || fstat(fileno(file), &status) < 0) {
                perror(path);
                return -1;
        }
        size = (size_t)status.st_size;
        /* Exactly as large as the input, so that a sanitizer sees the first byte read too far. */
        data = malloc(size);
        if ((size && !data) || fread(data, 1, size, file) != size) {
                perror(path);
                free(data);
                (void)fclose(file);
                return -1;
        }
        (void)fclose(file);
        (void)LLVMFuzzerTestOneInput(data, size);
        free(data);
        n_fed++;
        return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static int feed_folder(const char *path) {
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, visible, by_name), r = n < 0 ? -1 : 0;

        if (n < 0)
                return errno == ENOTDIR ? feed(path) : (perror(path), -1);
        for (int i = 0; i < n; i++) {
                char *file = NULL;

                if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0 || feed(file) < 0)
                        r = -1;
                free(file);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int main(int argc, char **argv) {
        int r = 0;

        if (LLVMFuzzerInitialize)
                (void)LLVMFuzzerInitialize(&argc, &argv);
        for (int i = 1; i < argc; i++)
                if (feed_folder(argv[i]) < 0)
                        r = 1;
        (void)printf("%zu inputs replayed\n", n_fed);
        return n_fed ? r : 1;
}
