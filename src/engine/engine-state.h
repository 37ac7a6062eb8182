/* engine-state.h - what the files of the engine share, and nobody else includes.
 *
 *      engine.c    its life and the round
 *      look.c      one look of one watch: collect, diff, what failed
 *      sweep.c     a look at everything in slices, and what of it is read again
 *      tell.c      from a change to an event: word, severity, who, folded or not
 *      fast.c      the short way: deltas and single keys, noted in the baseline and told at once
 *      settle.c    notes become part of the baseline, with the text that goes with them
 *      cover.c     which source sees what of which watch
 *      proof.c     what packages explain: what waits for their database, what needs no event of its own
 *      rescan.c    after a loss: look again at just what may have missed something, and say what came of it */
#pragma once

#include "diff.h"
#include "engine.h"
#include "folding.h"
#include "notices.h"
#include "process-table.h"
#include "schedule.h"

#define NS_PER_S UINT64_C(1000000000)

enum {
        COVERS_MAX = 8,                 /* sources that see something of one watch */
        STAGED_WORDS = 16,              /* of a filter of the keys that a batch has staged */
        EARLY_MAX = 1024,
        KEYS_MAX = 4096,                /* single keys to look at: beyond that the whole watch is */
        TICKS_UNSAFE = 2,               /* evidence younger than this many ticks proves nothing */
};

struct cover {
        const char *source, *mechanism;
        enum coverage_level level;
        char *limits;                   /* owned; NULL: none */
        uint64_t since_ns;
};

/* A key that somebody wants looked at. */
struct key_hint {
        struct buffer key;
        struct buffer seen;             /* what its source saw of it, as record-codec's bytes; for what is gone when we look */
        unsigned flags;
        struct origin origin;
        struct origin made, removed;    /* of the last hints that said so */
        bool mixed;                     /* several processes had to do with it: nobody knows whose doing it is ... */
        bool crowd;                     /* ... and they were more than these two */
        struct origin one, other;
        const char *source;
        uint64_t at_ns;                 /* wall clock; 0: not told */
        struct deed *deed;              /* of a key that waits for the package database: whose it is; borrowed (proof.c) */
        uint64_t since_ns, known_ns;    /* of it, monotonic: when it came; when its watch was last looked at as a whole before */
        bool gap;                       /* of it: it changed while nobody watched, perhaps */
        bool by_manager;                /* of it: nobody but package managers themselves had to do with it */
        bool proven, done;              /* of it: it was as packaged when it was looked at; it waits no longer */
};

struct key_list {
        struct key_hint *items;         /* owned */
        size_t count, capacity;
        size_t limit;                   /* 0: KEYS_MAX */
        uint16_t *places;               /* owned; by hash: index in items plus one; twice the capacity */
};

/* Where a change comes from. */
struct telling {
        const char *seen_by, *sensor;
        struct origin origin;
        const struct delta *delta;      /* NULL: found by a look */
        uint64_t at_ns;                 /* wall clock; 0: now */
        bool gap;                       /* it happened while nobody watched, perhaps */
        bool may_fold;
        bool mixed;                     /* several processes had to do with it, and the origin is not known for that reason */
        const struct proof_words *proof; /* what packages say of it; NULL: nothing */
};

/* A look at everything, in slices: other watches and the sources are served between two of them. Each slice stands for itself: what
 * it found is one transaction. */
struct sweep {
        bool active;
        bool sifts;                     /* each slice first looks dry (look_for_suspects()) */
        bool thorough, by_clock, reconcile, learning;
        bool spoilt, lost_again;        /* since it began: hinted as a whole, something was lost. It does not make that good */
        bool stale;                     /* too much was touched to remember: the watch must not trust what it kept */
        bool moved;                     /* in the round that runs: from 'place' to 'end' */
        bool to_end;                    /* the dry slice came to the end */
        struct telling telling;
        struct buffer place;            /* the next slice begins behind this key; empty: at the first */
        struct buffer end;              /* of the slice that runs */
        struct key_list touched;        /* keys that events told of meanwhile: they know better */
        uint64_t began_ns, next_ns;     /* monotonic; when the next slice is due */
        uint64_t cost_ns, slices, records, appeared, changes, bytes;
        uint64_t rehash_from_ns, rehash_to_ns; /* wall clock: whose time lies between is read again */
};

struct slot {
        struct engine_watch watch;
        struct schedule schedule;
        void *state;                    /* the watch's own */
        bool opened;
        enum engine_watch_state what;
        int error;
        uint64_t records, looks, changes, losses;
        uint64_t last_look_ns, last_change_ns, failing_since_ns, last_cost_ns, total_cost_ns;
        struct stamp stamp;
        bool has_stamp;
        uint64_t stamp_since_ns;        /* monotonic: when this stamp was first seen */
        uint64_t collected_ns;          /* monotonic: when the last collection began */
        uint64_t asked_ns;              /* monotonic: when it asked what is not answered yet; 0: no question is open */
        unsigned failures;              /* in a row */
        uint64_t retry_ns;              /* monotonic: until then a failing watch whose place did not move is left alone */
        struct buffer conditions, new_conditions;
        bool changed, looked;
        uint64_t found;                 /* changes of this round */
        uint64_t passed;                /* told in this batch, and nothing that a look will find again */
        bool caught_up;                 /* a look of this run stands: what comes next happened while we watched */

        struct cover covers[COVERS_MAX];
        size_t n_covers;
        struct buffer mechanisms;       /* of cover_describe() */
        struct key_list keys;           /* of this batch: the short way */
        struct key_list ranges;         /* for the next round: with all that lies below */
        struct key_list early;          /* said to have appeared, and gone when we looked: that it went is still to be said */
        uint64_t early_ns;              /* monotonic: when the last of them came */
        struct key_list waiting;        /* for the package database */
        struct deed *crowded;           /* of this one more keys came than can wait: all is looked at when it is over */
        uint64_t crowd_ns;              /* collected_ns when that began, plus one; 0: it is not so */
        struct origin origin;           /* of the hint that made it due; known only if all hints agree */
        bool hinted, mixed;             /* since the last look: by a source; by several processes */
        const char *hint_source;
        bool noted;                     /* notes of it are not settled yet */
        uint64_t staged[STAGED_WORDS];  /* bit per hash of a key: what is staged is not known to get() before it is kept */
        uint64_t events;                /* hints and deltas that sources gave for it */
        uint64_t last_reconcile_ns, reconcile_found; /* wall clock; what the last full comparison found that events had not told */
        struct buffer last_key;         /* append-only: of the newest record, also while it is only noted */
        uint64_t *suspects;             /* owned; hashes of what a full comparison found, until it is clear that no event is on
                                         * its way that tells it */
        size_t n_suspects, suspects_capacity;
        bool sifting;                   /* this look tells suspects only */
        bool clean;                     /* there were none: the look of this round is over ... */
        bool clean_whole;               /* ... and came to the end */
        struct sweep sweep;
        size_t window_records;          /* of a slice: what is read without a pause, by how long that took */
        uint64_t window_bytes;
        uint64_t rehash_seed;
        uint64_t rehashed_ns, rehashed_kept_ns; /* wall clock up to which files were read again; the same as the baseline has it */
        uint64_t passed_ns;             /* wall clock: when a sweep of this run began last; 0: none did */
        bool has_rehashed;              /* the fact was asked for */
        bool rescan;                    /* something was lost: look again, thoroughly */
        uint64_t rescan_after_ns;       /* monotonic: not before */
};

struct pending_loss {
        struct loss loss;
        bool *affected;                 /* owned; per slot */
};

struct engine {
        struct engine_options options;
        struct slot *slots;
        size_t n_slots;
        uint64_t sequence;
        struct notices notices;
        bool notices_told;              /* in the round that runs */
        bool unhurried;                 /* it may take as long as it takes */
        struct process_table *processes;
        struct folding *folding;
        struct proof *proof;            /* owned; NULL: there are no packages to ask */
        struct pending_loss *losses;    /* owned; growing never beyond LOSSES_MAX */
        size_t n_losses;
        bool covers_changed;            /* since the last statement */
        uint64_t stated_ns;             /* monotonic: when all coverage was stated last; 0: never */

        /* the round that runs */
        struct round round;
        bool transaction, part;
        int fatal;                      /* the round cannot be kept, whatever the watches do */

        /* the short way */
        struct buffer departed;         /* bytes of the process whose end is told just now */
        bool flushing;                  /* nobody may flush meanwhile */
        bool fast;                      /* a batch is open */
        bool staged;                    /* it has something to keep */
        bool high;                      /* it told something that people want to know */
        uint64_t passed;                /* as of a slot: incidents */
        uint64_t fast_sequence;         /* of its first event */
        size_t notes_told;              /* events told since the last settling: each holds kilobytes until then */
        size_t notes_kept;              /* batches kept since */
        size_t staged_bytes, noted_bytes; /* about: of this batch; kept since */
        bool notes;                     /* something is noted that is not settled */
        bool began;                     /* a round has an id */
        uint64_t settle_ns;             /* monotonic: when it has to be; UINT64_MAX: never */
        uint64_t settle_delay_ns, settled_ns;
        uint64_t retry_ns;              /* monotonic: what cannot be kept is not tried without pause */
};

/* What a watch hands its records to, and the diff its findings. */
struct look {
        struct collector collector;
        struct diff_events events;
        struct diff diff;
        struct engine *engine;
        struct slot *slot;
        struct telling telling;
        struct bytes within;            /* empty: all */
        bool learning;                  /* nothing was known: everything is kept, and told as one event */
        bool thorough;
        bool below;                     /* what lies below 'within' belongs to it */
        bool dry;                       /* suspects are noted, nothing is kept or told */
        bool found_below;               /* records below 'within' came too */
        bool sliced, stopped;           /* it is a slice of a sweep; it was stopped before the end */
        bool limited;                   /* in time */
        struct bytes until;             /* it ends with this key; empty: does not */
        uint64_t until_ns;              /* monotonic */
        uint64_t kept, refreshed;       /* records put or removed; those of which only the time of the look was to be noted */
        uint64_t window_bytes, bytes;   /* read for the batch that waits; for all */
        size_t window_records;
        uint64_t appeared, changes;
};

static inline struct baseline *baseline_of(struct engine *engine) {
        return engine->options.baseline;
}

static inline uint64_t engine_now_ns(struct engine *engine) {
        return engine->options.clock->monotonic_ns(engine->options.clock);
}

/* engine.c */
int engine_fatal(struct engine *engine, int error);
int engine_ensure_part(struct engine *engine);
int engine_end_part(struct engine *engine, bool keep);
void engine_begin_round(struct engine *engine);
int engine_close_round(struct engine *engine, int r, uint64_t sequence);
bool slot_matches(const struct slot *slot, const char *watch, const char *kind);

/* look.c */
int look_at(struct engine *engine, struct slot *slot, bool thorough);
/* A full comparison of what sources cover finds things whose event is on its way. Looks without telling: 0, nothing differs and the
 * look stands; 1, the suspects are noted; or negative as look_at(). */
int look_for_suspects(struct engine *engine, struct slot *slot);
bool look_needs_sifting(const struct slot *slot, uint64_t now_ns);
/* 'known' and what is there now of look->within (or all), through diff. What the watch answered. */
int look_collect(struct look *look);
int slot_open(struct slot *slot);

/* sweep.c */
int sweep_begin(struct engine *engine, struct slot *slot, bool thorough, bool sifts, const struct telling *telling);
void sweep_end(struct slot *slot);
/* Readies a look for the next slice. */
void sweep_slice(struct engine *engine, struct slot *slot, struct look *look);
bool sweep_slice_over(struct engine *engine, const struct look *look);
/* A slice that was stopped stands, or will when its round does. */
void sweep_advance(struct engine *engine, struct slot *slot, const struct look *look);
void sweep_round_stands(struct slot *slot, bool stands);
bool sweep_reads_again(const struct engine *engine, const struct slot *slot, struct bytes key);
/* The look that ends it stands. */
void sweep_read(struct slot *slot, bool all);
int sweep_keep_facts(struct engine *engine);
void sweep_touch(struct slot *slot, struct bytes key);
bool sweep_touched(const struct slot *slot, struct bytes key);
void sweep_open_window(const struct engine *engine, const struct slot *slot, struct diff *diff);
void sweep_fit_window(struct engine *engine, struct look *look, uint64_t took_ns);

/* tell.c */
int tell_event(struct engine *engine, struct event *event);
int tell_change(struct engine *engine, struct slot *slot, const struct change *change, const struct telling *telling);
/* Who that was, with names of users, which live in 'names'. False: not known. */
bool tell_actor(struct engine *engine, const struct origin *origin, struct buffer *names, struct actor *ret);
int tell_folded(struct engine *engine, bool all);
/* The span in which nobody watched. */
void tell_gap(struct engine *engine, struct event *event);
__attribute__((format(printf, 5, 6)))
void tell_notice(struct engine *engine, struct slot *slot, const struct action *action, enum severity severity,
                 const char *format, ...);

/* fast.c */
int key_list_add(struct key_list *list, struct bytes key, unsigned flags, const struct origin *origin, const char *source);
void key_list_clear(struct key_list *list);
void key_list_done(struct key_list *list);
struct key_hint *key_list_find(const struct key_list *list, struct bytes key);
/* Forgets those that are done. */
void key_list_sweep(struct key_list *list);
/* One key, in a batch that this opens. */
int look_at_key(struct engine *engine, struct slot *slot, struct key_hint *hint);
int batch_make_room(struct engine *engine);
void batch_open(struct engine *engine);
/* A change is about to be staged. */
void slot_stage(struct engine *engine, struct slot *slot, const struct change *change);
/* What is staged stands and is told; more may follow. */
int keep_batch(struct engine *engine);

/* settle.c */
int settle(struct engine *engine);
void settle_after(struct engine *engine, bool high);

/* cover.c */
enum coverage_level slot_level(const struct slot *slot);        /* COVERAGE_WAKES also if none */
bool slot_covered(const struct slot *slot);                     /* at least COVERAGE_MOST */
void slot_set_interval(struct engine *engine, struct slot *slot);
void cover_state(struct engine *engine);
void cover_describe(struct slot *slot, struct engine_report *ret);
void slot_covers_done(struct slot *slot);

/* rescan.c */
bool rescan_due(const struct slot *slot, uint64_t now_ns);
void rescan_report(struct engine *engine);
/* A look found that something was lost before it. */
void rescan_seen(struct engine *engine, struct slot *slot, const struct loss *loss);
/* Events of this watch (NULL: of none) were told to us, and could not be kept. */
void rescan_not_kept(struct engine *engine, struct slot *slot, uint64_t count);
/* A loss for which no watch has to look again waits to be told. */
bool rescan_unsaid(const struct engine *engine);
void rescan_done(struct engine *engine);
