#include "baseline-start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "diagnostics.h"
#include "fd.h"
#include "timestamp.h"

enum { TRIES = 3, ASIDE_MAX = 100, CHILD_GOOD = 0, CHILD_DAMAGED = 3, CHILD_UNCLEAR = 4 };

/* Opens and reads everything there is. The child's exit status. */
static int check(const char *folder) {
        _cleanup_buffer_ struct buffer problem = BUFFER_NULL;
        struct lmdb_baseline *lmdb = NULL;
        /* As a reader: what is not there must not be made here, or its loss would go unnoticed. */
        int r = lmdb_baseline_open_reader(folder, &lmdb);

        if (r == -ENOENT)
                return CHILD_GOOD;
        if (r == LMDB_BASELINE_OK)
                r = lmdb_baseline_check(lmdb, &problem);
        (void)lmdb_baseline_close(lmdb);
        if (problem.size)
                diagnostics_warn("baseline: %s", buffer_string(&problem));
        return r >= 0 ? CHILD_GOOD : r == -EBADMSG ? CHILD_DAMAGED : CHILD_UNCLEAR;
}

/* What a process does to itself over bytes that make no sense; any other signal was somebody's, and says nothing about them. */
static bool is_own_fault(int number) {
        return number == SIGBUS || number == SIGSEGV || number == SIGABRT || number == SIGFPE || number == SIGILL;
}

/* 0 if the baseline can be used, -EBADMSG if it is damaged, -EAGAIN if the child was killed, other negative errno if nobody can
 * tell. */
static int check_once(const char *folder, struct buffer *problem) {
        int status;
        pid_t child = fork();

        if (child < 0)
                return -errno;
        if (child == 0)
                _exit(check(folder));
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (WIFSIGNALED(status) && !is_own_fault(WTERMSIG(status)))
                return -EAGAIN;
        if (WIFSIGNALED(status)) {
                buffer_printf(problem, "reading it ended with signal %d", WTERMSIG(status));
                return -EBADMSG;
        }
        if (WEXITSTATUS(status) == CHILD_DAMAGED) {
                buffer_append_string(problem, "its content makes no sense");
                return -EBADMSG;
        }
        return 0;
}

static int check_apart(const char *folder, struct buffer *problem) {
        int r = -EAGAIN;

        for (int i = 0; i < TRIES && r == -EAGAIN; i++)
                r = check_once(folder, problem);
        return r;
}

/* An older one that was put aside within the same second keeps its name. */
static int put_aside(const char *folder, struct buffer *aside) {
        struct timespec now;
        size_t size;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        buffer_printf(aside, "%s.damaged-", folder);
        timestamp_compact(aside, &now);
        size = aside->size;
        for (unsigned i = 2; buffer_error(aside) == 0; i++) {
                if (renameat2(AT_FDCWD, folder, AT_FDCWD, buffer_string(aside), RENAME_NOREPLACE) == 0)
                        return 0;
                if (errno != EEXIST || i > ASIDE_MAX)
                        return -errno;
                buffer_truncate(aside, size);
                buffer_printf(aside, "-%u", i);
        }
        return -ENOMEM;
}

int baseline_start(const char *folder, struct lmdb_baseline **ret, enum baseline_found *ret_found, struct buffer *aside,
                   struct buffer *problem) {
        int r;

        if (access(folder, F_OK) == 0) {
                r = check_apart(folder, problem);
                if (r == -EBADMSG) {
                        r = put_aside(folder, aside);
                        if (r < 0)
                                return r;
                        r = lmdb_baseline_open(folder, ret);
                        if (r >= 0)
                                *ret_found = BASELINE_DAMAGED;
                        return r < 0 ? r : 0;
                }
                if (r < 0)
                        return r;
        }
        r = lmdb_baseline_open(folder, ret);
        if (r < 0)
                return r;
        *ret_found = r == LMDB_BASELINE_E_NEW ? BASELINE_NEW : BASELINE_GOOD;
        return 0;
}
