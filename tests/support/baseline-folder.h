/* baseline-folder.h - a folder for a baseline on disk, and children that may die of what they find in it. */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"

struct baseline_folder {
        char path[64], data[80], lock[80];
};

static inline void baseline_folder_make(struct baseline_folder *folder) {
        snprintf(folder->path, sizeof(folder->path), "/tmp/baseline-XXXXXX");
        assert_non_null(mkdtemp(folder->path));
        snprintf(folder->data, sizeof(folder->data), "%s/data.mdb", folder->path);
        snprintf(folder->lock, sizeof(folder->lock), "%s/lock.mdb", folder->path);
}

static inline void baseline_folder_remove(struct baseline_folder *folder) {
        unlink(folder->data);
        unlink(folder->lock);
        rmdir(folder->path);
}

static inline void baseline_folder_write(const struct baseline_folder *folder, const void *data, size_t size) {
        int file = open(folder->data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(file >= 0);
        assert_int_equal(write(file, data, size), size);
        close(file);
}

/* The caller's to free(). */
static inline uint8_t *baseline_folder_read(const struct baseline_folder *folder, size_t *ret_size) {
        int file = open(folder->data, O_RDONLY | O_CLOEXEC);
        struct stat status;
        uint8_t *data;

        assert_true(file >= 0);
        assert_int_equal(fstat(file, &status), 0);
        data = malloc((size_t)status.st_size + 1);
        assert_non_null(data);
        assert_int_equal(read(file, data, (size_t)status.st_size), status.st_size);
        close(file);
        *ret_size = (size_t)status.st_size;
        return data;
}

/* The function's value as the exit status of a child, or minus the signal that ended it. */
static inline int in_child(int (*function)(void *context), void *context) {
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

                for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
                        signal(signals[i], SIG_DFL);
                _exit(function(context));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
