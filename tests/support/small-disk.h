/* small-disk.h - a filesystem that is soon full, for a child in mounts of its own; and a limit on the size of files. */
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tree.h"

/* Runs the function in a child that has a tmpfs of this size (as mount(8) takes it) on the folder. False if this process may not
 * mount. The function's value must be 0: the number of what went wrong else. */
static inline bool on_small_disk(const char *folder, const char *size, int (*function)(void *context), void *context) {
        char options[64];
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                (void)snprintf(options, sizeof(options), "size=%s", size);
                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("tmpfs", folder, "tmpfs", 0, options) < 0)
                        _exit(77);
                _exit(function(context));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                return false;
        assert_int_equal(WEXITSTATUS(status), 0);
        return true;
}

/* Files may not grow beyond this: writing stops there with EFBIG, after what fits. RLIM_INFINITY: no longer. */
static inline void limit_files(rlim_t size) {
        struct rlimit limit;

        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
