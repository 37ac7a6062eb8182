/* proof.h - does a package explain this change? What a package manager does is quiet when its packages prove it, and told as one
 * event when it is done; everything else is told as before, with what the packages say of it.
 *
 * A file that a package manager or a descendant of it changes is not looked at while the database is being written: its key waits,
 * nothing of it is noted, so that a daemon that is killed finds it anew. When the database is at rest the key is looked at. */
#pragma once

#include "engine-state.h"
#include "provenance.h"

enum proof_way {
        PROOF_TELL,             /* an event of its own */
        PROOF_QUIET,            /* explained and counted: keep it, tell nobody */
        PROOF_WAIT,             /* leave it as it is: neither keep nor tell */
};

/* What packages say of a change, for its event. */
struct proof_words {
        const char *verdict;    /* static; NULL: nobody was asked */
        struct buffer why;      /* a clause */
        struct buffer texts;    /* what the bytes below lie in */
        struct bytes package, version, architecture;
        const char *manager;
        const uint8_t *run;     /* id of the transaction that it was part of; borrowed; NULL: none */
        struct origin run_manager;
};

#define _cleanup_proof_words_ _cleanup_(proof_words_done)
void proof_words_done(struct proof_words *words);
void proof_words_add(const struct proof_words *words, struct event *event);

int proof_new(struct provenance *provenance, struct proof **ret);
struct proof *proof_free(struct proof *proof);  /* takes NULL; returns NULL */
/* What an earlier run of ours knew of packages whose files it had not told yet. */
int proof_restore(struct engine *engine);

/* A hinted key: true if it is not to be looked at now, for it waits or is explained. */
bool proof_takes_key(struct engine *engine, struct slot *slot, struct key_hint *hint);
/* It came and went, and is no event: a name that a package manager uses for a moment. */
bool proof_takes_passed(struct engine *engine, struct slot *slot, const struct key_hint *hint);
/* A change that a look found; 'dry': only whether it waits is wanted. 'whole': by a look at more than a hinted key. */
enum proof_way proof_judge(struct engine *engine, struct slot *slot, const struct change *change, const struct telling *telling,
                           bool whole, bool dry, struct proof_words *ret);
/* A change of the package watch is about to be told. */
int proof_package(struct engine *engine, const struct slot *slot, const struct change *change, const struct action *action,
                  const struct telling *telling);

/* At the end of a batch: looks at what waits and may be looked at, and tells what is over. 0 or negative errno: the batch is
 * given up. */
int proof_serve(struct engine *engine);
/* At the end of a round's looks. */
int proof_serve_round(struct engine *engine);
uint64_t proof_next_ns(const struct engine *engine);    /* monotonic; UINT64_MAX: never */

/* Before what is staged is kept: what must outlive us. */
int proof_stage(struct engine *engine);
/* It was kept, or given up. */
void proof_settled(struct engine *engine, bool kept);
/* What is staged must outlive us though it has no event: what was explained is not explained again later. */
bool proof_keeps(const struct engine *engine);
void proof_look_begins(struct engine *engine);
void proof_look_failed(struct engine *engine);
