/* process-table.h - who is who: every process that was heard of, with its parents, for as long as somebody may ask.
 * A process is a pid and the time of its start: the next owner of a pid is another process. What the kernel's records say of
 * a process stands; /proc, which the process itself can write on, only fills the gaps. Pure: the clock comes in, the host
 * is asked through model/process-lookup.h.
 *
 * Whatever is handed out (facts, actors and their bytes) is borrowed from the table and lives until the next call that takes
 * a table which is not const. */
#pragma once

#include "actor.h"
#include "process-lookup.h"

enum {
        PROCESS_TABLE_SEED_SIZE = 16,
        PROCESS_TABLE_LIVING_MAX = 32768,       /* then the one not heard of for longest goes; it can be asked for again */
        PROCESS_TABLE_DEAD_MAX = 4096,          /* the most that end while a loop stalls for a second and a half */
        PROCESS_TABLE_DEAD_BYTES_MAX = 1024 * 1024, /* of their texts: where compilers run, those of some seconds */
        PROCESS_TABLE_BYTES_MAX = 32 * 1024 * 1024,     /* of all texts */
        PROCESS_TABLE_COMMAND_LINE_MAX = 4096,  /* what is longer is cut off and marked PROCESS_CUT */
};

/* How long the dead are remembered; those with descendants in the table as long as these. */
#define PROCESS_TABLE_DEAD_NS UINT64_C(60000000000)
/* A run of a package manager ends this long after the package manager itself: what it leaves behind (a daemon that a
 * maintainer script started) works for somebody else from then on. */
#define TRANSACTION_GRACE_NS UINT64_C(60000000000)

struct process_table;

/* lookup: borrowed, must outlive the table; NULL: nobody can be asked. seed: mixed into the ids of transactions; the boot id
 * makes them the same before and after a restart of ours in the middle of a run. 0 or -ENOMEM. */
int process_table_new(struct process_lookup *lookup, const uint8_t seed[PROCESS_TABLE_SEED_SIZE], struct process_table **ret);
struct process_table *process_table_free(struct process_table *table);  /* takes NULL; returns NULL */

/* Whether every execve and every exit comes in as a delta. If not (as at first) a process known by its pid alone is asked for
 * again when it is named. */
void process_table_follow(struct process_table *table, bool followed);
/* Records were lost: whom we believe alive may be gone, and is asked for again once. */
void process_table_doubt(struct process_table *table);

/* Takes a DELTA_PROCESS (others are ignored) and copies it. now_ns: monotonic, here and below. A process seen at its execve
 * is bound to its parent then and there, who is asked for if unknown: it keeps ancestors and transaction when they die. */
void process_table_delta(struct process_table *table, const struct delta *delta, uint64_t now_ns);

/* What the table knows; asks nobody. start_ticks 0: whoever has the pid now, or had it last. NULL: not known. */
const struct process_facts *process_table_find(const struct process_table *table, uint32_t pid, uint64_t start_ticks);
/* The same of its parent, dead or alive. */
const struct process_facts *process_table_parent(const struct process_table *table, uint32_t pid, uint64_t start_ticks);

/* Who this is: from the table, else from the host at once. NULL: not known. Of an origin without start time it can only say
 * who has the pid now, or who had it until a moment ago. */
const struct process_facts *process_table_learn(struct process_table *table, const struct origin *origin, uint64_t now_ns);

/* All of it. False: not known, and *ret is empty. Gaps in what is known of the process are filled from the host, once. The
 * remote address is the peer of the sshd process that serves the session, or, when that is gone, what the session's
 * environment says, which its user can write: a hint, no proof. */
bool process_table_actor(struct process_table *table, const struct origin *origin, uint64_t now_ns, struct actor *ret);

/* Remembers this process, dead or alive, and those it comes from, until it is released as often as it was held; unless very many
 * are. start_ticks must be told. */
void process_table_hold(struct process_table *table, uint32_t pid, uint64_t start_ticks);
void process_table_release(struct process_table *table, uint32_t pid, uint64_t start_ticks);

/* Whether it still runs; the host is asked if that is not certain. */
bool process_table_lives(struct process_table *table, const struct origin *origin, uint64_t now_ns);

/* How full it is. */
void process_table_count(const struct process_table *table, size_t *ret_living, size_t *ret_dead, size_t *ret_bytes);

static inline void process_table_free_place(struct process_table **place) {
        (void)process_table_free(*place);
}

#define _cleanup_process_table_ __attribute__((cleanup(process_table_free_place)))
