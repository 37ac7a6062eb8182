/* engine.h - the only place where a change is decided.
 * Owns: what each watch is doing (idle, due, failing) and the round. Must not own: how a record is read, written or told, nor
 * what time it is: those come in as interfaces, so that all of it runs in a test with a fake watch, a baseline in memory and a
 * clock made by hand.
 *
 *      hint, interval -> due -> collect() -> diff -> event -> out->event() ... commit -> out->committed()
 *
 * One watch failing fails alone: its part of the transaction is given back, the failure is an event, once, and so is its end. */
#pragma once

#include "baseline.h"
#include "event.h"

struct engine;

struct engine_clock {
        struct timespec (*realtime)(struct engine_clock *clock);
        uint64_t (*monotonic_ns)(struct engine_clock *clock);
        uint64_t (*cpu_ns)(struct engine_clock *clock);         /* of this process */
        void (*random)(struct engine_clock *clock, void *ret, size_t size);
        uint64_t tick_ns;               /* granularity of the host's time stamps */
};

/* One watch of the configuration. All borrowed. */
struct engine_watch {
        const struct watch *kind;
        const struct watch_settings *settings;
        const struct host *host;
};

struct round {
        uint8_t id[UUID_SIZE];
        struct timespec at;
        size_t events;                  /* told in this round */
};

struct engine_out {
        /* Inside the round's transaction: put the event's line into the outbox. Negative: the round is given up. */
        int (*event)(struct engine_out *out, const struct event *event);
        /* All events of the round are filed, the transaction is open: render what follows from the records. */
        int (*finish)(struct engine_out *out, const struct round *round);
        /* The round stands. */
        void (*committed)(struct engine_out *out, const struct round *round);
        /* The round could not be kept (disk full, ...): everything will be found again at the next one. */
        void (*given_up)(struct engine_out *out, const struct round *round, int error);
};

struct engine_options {
        struct baseline *baseline;
        struct engine_clock *clock;
        struct engine_out *out;
        const struct engine_watch *watches;     /* copied */
        size_t n_watches;
        uint64_t interval_ns, reconcile_ns;
        uint64_t next_sequence;                 /* of the next event */
        /* When somebody last watched before this start (wall clock); 0: never. What the first round then finds carries the
         * span in which nobody did. */
        uint64_t unwatched_since_ns;
};

enum engine_watch_state {
        ENGINE_IDLE,
        ENGINE_WAITING,         /* asked somebody, the answer is on its way */
        ENGINE_UNAVAILABLE,     /* no such thing on this host */
        ENGINE_FAILING,
};

/* What status shows of a watch. Borrowed until the next round. */
struct engine_report {
        const char *name;
        const struct watch *kind;
        const struct watch_settings *settings;
        enum engine_watch_state state;
        int error;                      /* negative errno while failing */
        uint64_t records, looks, changes, losses;
        uint64_t last_look_ns, last_change_ns, failing_since_ns; /* wall clock; 0: never */
        uint64_t last_cost_ns, total_cost_ns, cadence_ns;
        const char *conditions;         /* lines; "" if everything can be seen */
        const char *mechanism;          /* what the sources that cover it use: "bpf, fanotify filesystem mark"; NULL or "":
                                         * none, it polls */
        uint64_t covered_since_ns;      /* wall clock: since when by that; 0: not known */
        const char *limits;             /* what that cannot see, lines; NULL or "": nothing */
        uint64_t events, lost;          /* hints and deltas that sources gave for it; what they lost of it, where counted */
        uint64_t last_reconcile_ns;     /* wall clock: when everything was compared last; 0: never */
        uint64_t reconcile_found;       /* what that found that no event had told */
        bool changed;                   /* in the last round */
        bool looked;                    /* in the last round */
};

/* The options' pointers are borrowed until engine_free(). */
int engine_new(const struct engine_options *options, struct engine **ret);
struct engine *engine_free(struct engine *engine);      /* takes NULL; returns NULL */

/* Marks watches as due. */
void engine_hint(struct engine *engine, const struct hint *hint);
/* Something was lost: reported in the next round, and the affected watches are looked at again in full. */
void engine_loss(struct engine *engine, const struct loss *loss);

/* An event of nephronix's own, told with the next round. The event's strings, action and facts must live until then or be
 * static; sequence, ids and time are the engine's. -ENOBUFS if too many wait. */
int engine_notice(struct engine *engine, const struct event *event);

/* One pass from wake-up to sleep: looks at all that is due. 0, or negative errno if the round was given up. 'thorough': every
 * watch, whatever its stamp and evidence. */
int engine_round(struct engine *engine, bool thorough);

size_t engine_count(const struct engine *engine);
void engine_report(const struct engine *engine, size_t index, struct engine_report *ret);
uint64_t engine_next_sequence(const struct engine *engine);
/* Wall clock up to which every watch that works has looked: who starts after us knows what changed until then. 0: none has. */
uint64_t engine_watched_until(const struct engine *engine);

/* Actions of events that nephronix tells of itself. */
extern const struct action engine_baseline_created, engine_watch_failed, engine_watch_recovered, engine_events_lost,
        engine_condition_changed;
