/* hint.h - what a source tells the engine: where to look, what it saw pass, and what it could not see. */
#pragma once

#include "record.h"

struct watch;

/* Who did it, as far as the source knows. */
struct actor {
        bool known;
        uint32_t pid;
        uint64_t start_ticks;   /* clock ticks after boot (/proc/PID/stat field 22): with the pid it names one process */
        uint32_t user, login_user;
};

/* "Look at these keys of this watch." */
struct hint {
        const char *watch;      /* a watch's name; NULL: the clock: those whose time has come */
        struct bytes first, last; /* range of keys, both included; both empty: everything */
        struct actor actor;
};

/* "This record appeared or went": for what lives shorter than any look. */
struct delta {
        const char *watch;
        bool appeared;
        const struct record *record;    /* borrowed for the call */
        struct actor actor;
        uint64_t at_ns;                 /* wall clock */
};

/* "Something was dropped before anybody could read it." */
struct loss {
        const char *source;     /* "kmsg", "fanotify", ... */
        const char *reason;     /* a word: "overrun" */
        bool counted;
        uint64_t count;         /* if counted */
};
