/* hint.h - what a source tells the engine: where to look, and what it could not see. What it saw pass is delta.h. */
#pragma once

#include "record.h"

/* Which process did it, as far as the source knows. The rest of its story is the engine's to find. */
struct origin {
        bool known;
        uint32_t pid;           /* of the process, not of a thread; as the host's own pid namespace counts */
        uint64_t start_ticks;   /* /proc/PID/stat field 22: with the pid it names one process for ever; 0: not told */
};

enum hint_flags {
        HINT_APPEARED = 1 << 0, /* something of this key was made ... */
        HINT_VANISHED = 1 << 1, /* ... and/or removed since: if a look finds nothing and nothing was known, it passed */
        HINT_GONE = 1 << 3,     /* when its source spoke of it last, it was gone: by events of one process, in their order */
        HINT_WRITTEN = 1 << 4,  /* it may have other content though its times stand still: a mapping, say, moves them once a while */
        HINT_BELOW = 1 << 2,    /* it is, or was, a directory: what lies below it may have come or gone with it */
};

/* What a later hint of the same key and process adds to an earlier one. */
static inline unsigned hint_flags_add(unsigned earlier, unsigned later) {
        if (later & (HINT_APPEARED | HINT_VANISHED))
                earlier &= ~(unsigned)HINT_GONE;
        return earlier | later;
}

/* "Look at this key of this watch." */
struct hint {
        const char *watch;      /* a watch's name; NULL: all of the kind */
        const char *kind;       /* kind of watch; both NULL: the clock, those whose time has come */
        struct bytes key;       /* this record, with HINT_BELOW all below it too (key, NUL, more); empty: everything */
        unsigned flags;         /* enum hint_flags */
        struct origin origin;
        const char *source;     /* which source says so: static; NULL for the clock */
};

/* "Something was dropped before anybody could read it." */
struct loss {
        const char *source;     /* "kmsg", "fanotify", ... static */
        const char *reason;     /* a word: "overrun". static */
        bool counted;
        uint64_t count;         /* if counted */
        const char *watch, *kind; /* who may have missed something, as in a hint; both NULL: everybody that this source covers */
        bool everybody;         /* whatever they are covered by: the machine slept */
        uint64_t since_ns;      /* wall clock: the last moment when surely nothing was lost; 0: not known */
};

/* What a source that was opened sees of a watch. */
enum coverage_level {
        COVERAGE_WAKES,         /* it tells of some changes at once; the watch polls as before for the others */
        COVERAGE_MOST,          /* of all but what 'limits' says: looked at again every COVERAGE_MOST_EVERY */
        COVERAGE_FULL,          /* of every change: the full comparison every Reconcile= is the proof */
};

struct coverage {
        const char *watch, *kind; /* as in a hint */
        const char *mechanism;  /* what status shows: "bpf", "fanotify filesystem mark", ... static */
        enum coverage_level level;
        const char *limits;     /* what it cannot see, one sentence without a full stop; NULL: nothing. Copied */
};
