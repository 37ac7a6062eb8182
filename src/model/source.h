/* source.h - one kernel facility that says when to look, who did it, and what passed.
 * A source neither compares nor formats. It is opened before the first collection ("open the tap, then look"). */
#pragma once

#include "delta.h"
#include "settings.h"

struct host;
struct loop;

/* Implemented by the observer; called from the loop, and covers() from open() too. Many calls in a row are one batch: the
 * engine looks when the source's callback has returned to the loop. */
struct source_listener {
        void (*hint)(struct source_listener *listener, const struct hint *hint);
        void (*delta)(struct source_listener *listener, const struct delta *delta);
        void (*loss)(struct source_listener *listener, const struct loss *loss);
        /* Said once per watch or kind when opened, and again when it changes. */
        void (*covers)(struct source_listener *listener, const struct coverage *coverage);
        /* It does not work any more (detached, closed under us, the descriptor answers errors). The source stays as it is until
         * closed; the observer closes it later, not in this call, and opens it anew. 'reason' is copied. */
        void (*ended)(struct source_listener *listener, const char *source, const char *reason);
};

/* Borrowed until close. */
struct source_request {
        const struct settings *settings;
        const struct host *host;
        struct loop *loop;
        struct source_listener *listener;
        /* Bit per enum delta_subject that no source higher on the ladder tells of. A source of deltas hands over only these
         * (incidents always); what it needs for nothing else it does not attach. */
        unsigned wanted;
};

struct source {
        const char *name;               /* in Sources= and in status */
        unsigned subjects;              /* bit per enum delta_subject it can tell of, at best */
        /* 0 and *ret_state, *ret_subjects: bits it does tell of here. -EOPNOTSUPP if this host has no such facility (the next
         * rung of the ladder is tried); another negative errno if it should have worked. *ret_reason: in words, why not, or
         * what is missing though it opened; static, may stay NULL. */
        int (*open)(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason);
        void (*close)(void *state);     /* takes NULL */
        /* Hands over what is there now without waiting: asked before an actor is looked up. May be NULL. */
        void (*drain)(void *state);
        /* Whether it still works, every minute or so ("is my probe still attached?"): calls ended() if not. May be NULL. */
        void (*check)(void *state);
        /* What happened in it since it was opened, for status. May be NULL. */
        void (*count)(void *state, uint64_t *ret_events, uint64_t *ret_lost);
};
