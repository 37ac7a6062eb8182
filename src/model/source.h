/* source.h - one kernel facility that says when to look.
 * A source neither compares nor formats. It is opened before the first collection ("open the tap, then look"). */
#pragma once

#include "hint.h"
#include "settings.h"

struct host;
struct loop;

/* Implemented by the observer; called from the loop, never from open(). */
struct source_listener {
        void (*hint)(struct source_listener *listener, const struct hint *hint);
        void (*delta)(struct source_listener *listener, const struct delta *delta);
        void (*loss)(struct source_listener *listener, const struct loss *loss);
};

struct source {
        const char *name;
        /* All four are borrowed until close. 0 and *ret_state; -EOPNOTSUPP if this host has no such facility (the next
         * rung of the ladder is tried); another negative errno if it should have worked. */
        int (*open)(const struct settings *settings, const struct host *host, struct loop *loop,
                    struct source_listener *listener, void **ret_state);
        void (*close)(void *state);     /* takes NULL */
};
