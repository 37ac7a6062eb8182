/* coverage-text.h - how a watch learns of changes, and what it cannot learn, in words. Pure. */
#pragma once

#include "buffer.h"
#include "hint.h"

struct watch_coverage {
        const char *watch;
        bool unavailable;               /* no such thing on this host */
        enum coverage_level level;      /* of mechanism */
        const char *mechanism;          /* NULL or "": no source sees anything of it */
        const char *limits;             /* what that cannot see: a sentence, or several as lines; NULL or "": nothing */
        const char *reason;             /* why a better source is not in use, as it said; NULL: there is none */
        uint64_t interval_ns;           /* of polling */
};

/* "boot: watched by fanotify inode marks; writes through a mapping are seen when it is unmapped"
 * "connections: polled every 2 s: bpf is not available: EPERM"
 * "users: polled every 2 s, woken by inotify" */
void coverage_sentence(struct buffer *buffer, const struct watch_coverage *coverage);
