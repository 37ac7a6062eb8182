/* confinement.h - what each role may still do, once it has what it needs: one function per role, always in the order Landlock, ids,
 * capabilities, system calls. What a role keeps stands in tables of confinement.c, a reason beside each entry. */
#pragma once

#include <sys/types.h>

#include "buffer.h"

enum confinement {
        CONFINEMENT_FULL,       /* a system call that is not in the table ends the role */
        CONFINEMENT_LOGGED,     /* it is done, and the kernel's log tells of it. For tests; do not use in production */
};

/* The leak check of a sanitizer makes a process at the end, and traces us. */
#if defined(__SANITIZE_ADDRESS__)
#define CONFINEMENT_DEFAULT CONFINEMENT_LOGGED
#else
#define CONFINEMENT_DEFAULT CONFINEMENT_FULL
#endif

enum { CONFINEMENT_AS_MEANT = 0, CONFINEMENT_WEAKER = 1 };

/* Each is called once, without other threads and children. CONFINEMENT_AS_MEANT; CONFINEMENT_WEAKER if this kernel lacks a part,
 * which is appended to the text for people; or negative errno: then the role must not go on. */
int confinement_observer(enum confinement mode, struct buffer *weaker);

/* nephronix-pkgdb, which reads the rpm database in this folder; who it runs as was decided before it was started (job.h). */
int confinement_pkgdb(const char *folder, enum confinement mode, struct buffer *weaker);

struct confinement_paths {
        const char *state, *run;        /* StateDirectory=, RunDirectory= */
};

/* Becomes this user, for good. */
int confinement_courier(const struct confinement_paths *paths, uid_t user, gid_t group, enum confinement mode, struct buffer *weaker);
