/* event.h - a finished finding. The engine makes it, codec/ writes it down, the ledger keeps it. */
#pragma once

#include <time.h>

#include "actor.h"
#include "change.h"
#include "settings.h"
#include "watch.h"

enum { UUID_SIZE = 16 };

/* A further fact of an event: dotted path, and a number or bytes. */
struct fact {
        const char *path;
        enum field_kind kind;
        struct value value;
};

enum { EVENT_FACTS_MAX = 16 };

/* Facts that sentences use, too: the names of the users of a FIELD_USER that changed. */
#define FACT_OWNER "file.owner"
#define FACT_OWNER_BEFORE "nephronix.file.owner_before"

/* The difference of a FIELD_HIDDEN text, as codec/unified-diff.h has it; in JSON an array of its lines. */
#define FACT_DIFF "nephronix.file.diff"

/* What one package has to do with an event that stands for many files. Bytes are borrowed as the event's; empty: not known, or
 * there is none. */
struct event_package {
        struct bytes name, architecture, before, version; /* before: its version before */
        const char *manager;            /* "dpkg", "rpm"; static; NULL: not known */
        const char *what;               /* "installed", "upgraded", "downgraded", "removed", "changed"; static; NULL: not told */
        uint64_t files;
};

/* Of an event that stands for many files: the packages that explain them, and some of their paths. */
struct event_packages {
        const struct event_package *items; /* the first of them */
        size_t count;
        uint64_t all;                   /* how many there are */
        const struct bytes *paths;      /* a sample */
        size_t n_paths;
        uint64_t links;                 /* symbolic links among the files that the manager made and nothing proves */
};

struct event {
        uint64_t sequence;
        uint8_t id[UUID_SIZE], round[UUID_SIZE];
        struct timespec at;             /* CLOCK_REALTIME */

        const char *watch;              /* the watch's name, or NULL for what nephronix says of itself */
        const struct watch *kind;       /* NULL likewise */
        const struct action *action;
        enum severity severity;
        const char *seen_by;            /* "event", "reconcile"; NULL for what nephronix says of itself */
        const char *sensor;
        const struct change *change;    /* NULL: no record is concerned */
        const struct actor *actor;      /* NULL: unknown. Borrowed for the call that hands the event over */
        const char *message;            /* NULL: codec builds it from the action's sentence */
        bool quiet;                     /* never alerts, whatever the severity (first round) */
        uint64_t count;                 /* of a folded event: how many, this one among them; 0 or 1: not folded */
        uint64_t first_ns, last_ns;     /* of a folded event: wall clock of the first and last of them */

        const struct event_packages *packages; /* NULL: it stands for itself. Then count, first_ns, last_ns are told too */

        struct fact facts[EVENT_FACTS_MAX];
        size_t n_facts;
};

static inline void event_add(struct event *event, const char *path, enum field_kind kind, struct value value) {
        if (event->n_facts < EVENT_FACTS_MAX && value.present)
                event->facts[event->n_facts++] = (struct fact){ .path = path, .kind = kind, .value = value };
}
