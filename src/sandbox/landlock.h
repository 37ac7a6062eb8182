/* landlock.h - which part of the file system a process may still use (landlock(7)). Only for roles that ask nothing of /proc/PID:
 * to the kernel, reading the program or the descriptors of a process outside of the sandbox is tracing it, and that is refused. */
#pragma once

#include <stdint.h>

enum landlock_access {
        LANDLOCK_READ = 1,      /* files and folders */
        LANDLOCK_WRITE = 2,     /* existing files and new ones, and removing them */
        LANDLOCK_EXECUTE = 4,
};

/* path, and all below it. A table of them ends with a NULL path; a place that is not there is left out. */
struct landlock_place {
        const char *path;
        unsigned access;
};

enum { LANDLOCK_ABSENT = 0, LANDLOCK_APPLIED = 1 };

/* From here on nothing but these places; on kernels that can (6.7), no TCP; (6.12) no signals and no abstract sockets to the
 * outside. Needs privileges_no_new(). LANDLOCK_ABSENT if this kernel has none of it, or negative errno. */
int landlock_enforce(const struct landlock_place *places);
