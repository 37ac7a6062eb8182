/* engine.h - the only place where a change is decided.
 * Owns: what each watch is doing (idle, due, failing) and the round. Must not own: how a record is read, written or told, nor
 * what time it is: those come in as interfaces, so that all of it runs in a test with a fake watch, a baseline in memory and a
 * clock made by hand.
 *
 *      hint, interval -> due -> collect() -> diff -> event -> out->event() ... commit -> out->committed()
 *      delta, key     -> recognize() or collect() of one key -> event -> out->note() ... journal -> out->noted()
 *
 * The first is the round: everything that is due, one transaction. The second is the short way for what a source saw happen: it
 * is told within microseconds, noted in the baseline, and settled into it by the round that follows.
 *
 * One watch failing fails alone: its part of the transaction is given back, the failure is an event, once, and so is its end. */
#pragma once

#include "baseline.h"
#include "event.h"
#include "process-table.h"

struct engine;
struct provenance;

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
        /* --- The short way: in a batch, not in a transaction. --- */
        /* Stage the event's line and sentence as notes. About how many bytes; negative: the batch is given up. */
        int (*note)(struct engine_out *out, const struct event *event);
        /* All events of the batch are staged: stage what goes with them. */
        int (*noting)(struct engine_out *out, const struct round *batch);
        /* The notes stand: tell them. */
        void (*noted)(struct engine_out *out, const struct round *batch);

        /* --- A round. --- */
        /* Inside the round's transaction: put the event's line into the outbox. Negative: the round is given up. */
        int (*event)(struct engine_out *out, const struct event *event);
        /* All events of the round are filed, the transaction is open: render what follows from the records. */
        int (*finish)(struct engine_out *out, const struct round *round);
        /* The round stands. */
        void (*committed)(struct engine_out *out, const struct round *round);
        /* Round or batch could not be kept (disk full, ...): what is still there will be found again, what passed is stated as lost. */
        void (*given_up)(struct engine_out *out, const struct round *round, int error);
};

struct engine_options {
        struct baseline *baseline;
        struct engine_clock *clock;
        struct engine_out *out;
        const struct engine_watch *watches;     /* copied */
        size_t n_watches;
        uint64_t interval_ns, reconcile_ns, fold_window_ns;
        uint64_t rehash_ns;                     /* in so much time each record's costly fields are read again; 0: never for that */
        bool starts_gently;                     /* a thorough round reads all of small watches alone; the others' turn comes */
        unsigned scan_threads, learn_threads;   /* that read for a look at everything; when nothing was known */
        uint64_t scan_rate;                     /* bytes a second that looks at everything read; 0: no limit */
        bool (*go_on)(void *context);           /* asked between the slices of a thorough round; may be NULL */
        void *go_on_context;
        void (*drain)(void *context);           /* lets the sources hand over what they have; may be NULL */
        void *drain_context;
        struct provenance *provenance;          /* asks packages about files; NULL: there are none on this host */
        struct process_lookup *lookup;          /* asks the host about a process; NULL: nobody does */
        uint8_t seed[PROCESS_TABLE_SEED_SIZE];  /* of the ids of transactions: the boot's id */
        bool unsettled;                         /* an earlier run noted what is not settled yet */
        bool states_coverage;                   /* say at start, on each change and each day what is watched how */
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
        bool sweeping, learning;        /* a look at everything is under way; the first one */
        uint64_t sweep_records, sweep_bytes; /* looked at, and read, by it so far */
        uint64_t sweep_since_ns;        /* monotonic */
};

/* The options' pointers are borrowed until engine_free(). */
int engine_new(const struct engine_options *options, struct engine **ret);
struct engine *engine_free(struct engine *engine);      /* takes NULL; returns NULL */

/* Marks watches, or keys of them, as due. */
void engine_hint(struct engine *engine, const struct hint *hint);
/* Something passed. Told when the batch is flushed; all it borrows is free again on return. */
void engine_delta(struct engine *engine, const struct delta *delta);
/* Something was lost: the affected watches are looked at again in full in the next round, which reports what came of it. */
void engine_loss(struct engine *engine, const struct loss *loss);

/* True if flushing will look at something: then let the sources hand over what they know of processes first. */
bool engine_wants_looks(const struct engine *engine);
/* Looks at the keys that were hinted and tells all that the batch brought. 0, or negative errno: it could not be kept, and the
 * watches concerned are looked at in the next round. */
int engine_flush(struct engine *engine);
/* As engine_flush(), and tells what was counted and not told yet: nothing more will come. */
int engine_flush_all(struct engine *engine);

/* A source says what it sees; 'source' is static. Until engine_uncovers() the watch is compared in full at Reconcile= only. */
void engine_covers(struct engine *engine, const char *source, const struct coverage *coverage);
void engine_uncovers(struct engine *engine, const char *source);
/* Whether every execve and every exit is told by deltas. */
void engine_follow_processes(struct engine *engine, bool followed);

/* When engine_round() should be called at the latest (monotonic); 0: now. */
uint64_t engine_next_ns(struct engine *engine);

/* An event of nephronix's own, told with the next round. The event's strings, action and facts must live until then or be
 * static; sequence, ids and time are the engine's. -ENOBUFS if too many wait. */
int engine_notice(struct engine *engine, const struct event *event);

/* One pass from wake-up to sleep: looks at all that is due. 0, or negative errno if the round was given up. A look at everything of
 * a watch that can resume (watch.h) takes several rounds, a slice in each. 'thorough': every watch, whatever its stamp and evidence,
 * to the end: round after round, until go_on() says no. */
int engine_round(struct engine *engine, bool thorough);

size_t engine_count(const struct engine *engine);
void engine_report(const struct engine *engine, size_t index, struct engine_report *ret);
uint64_t engine_next_sequence(const struct engine *engine);
/* Wall clock up to which every watch that works has looked: who starts after us knows what changed until then. 0: none has. */
uint64_t engine_watched_until(const struct engine *engine);

/* Actions of events that nephronix tells of itself. */
extern const struct action engine_baseline_created, engine_watch_failed, engine_watch_recovered, engine_events_lost,
        engine_condition_changed;
