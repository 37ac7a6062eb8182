/* tree.h - a fixture tree that a test makes in a folder of its own and that goes away with it. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "ownership.h"

struct tree {
        char root[64];
};

static inline void tree_make(struct tree *tree) {
        (void)snprintf(tree->root, sizeof(tree->root), "/tmp/nephronix-test-XXXXXX");
        assert_non_null(mkdtemp(tree->root));
}

static inline int tree_remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk) {
        (void)status;
        (void)kind;
        (void)walk;
        return remove(path);
}

static inline void tree_remove(struct tree *tree) {
        assert_int_equal(nftw(tree->root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline char *tree_path(const struct tree *tree, const char *path) {
        size_t size = strlen(tree->root) + strlen(path) + 2;
        char *whole = malloc(size);

        assert_non_null(whole);
        (void)snprintf(whole, size, "%s/%s", tree->root, path);
        return whole;
}

static inline void tree_folder(const struct tree *tree, const char *path) {
        _cleanup_free_ char *whole = tree_path(tree, path);

        for (char *slash = strchr(whole + strlen(tree->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                (void)mkdir(whole, 0755);
                *slash = '/';
        }
        (void)mkdir(whole, 0755);
        assert_int_equal(access(whole, F_OK), 0);
}

/* Writes the file anew, with the folders it needs. */
static inline void tree_write(const struct tree *tree, const char *path, const void *data, size_t size) {
        _cleanup_free_ char *whole = tree_path(tree, path), *folder = strdup(path);
        char *slash = strrchr(folder, '/');
        int fd;

        if (slash) {
                *slash = '\0';
                tree_folder(tree, folder);
        }
        fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), (ssize_t)size);
        (void)close(fd);
}

static inline void tree_text(const struct tree *tree, const char *path, const char *text) {
        tree_write(tree, path, text, strlen(text));
}

static inline void tree_delete(const struct tree *tree, const char *path) {
        _cleanup_free_ char *whole = tree_path(tree, path);

        assert_int_equal(remove(whole), 0);
}
