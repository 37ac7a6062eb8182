/* folding.h - activity of low priority, folded: the first of a group is told at once, the others are counted and told as one
 * when the group's window ends. Every item is either told or counted, exactly, whatever comes. Pure, the clock comes in. */
#pragma once

#include "bytes.h"

enum {
        FOLDING_GROUPS_MAX = 4096,      /* what is beyond is counted per watch and action, without distinction */
        FOLDING_TOLD_PER_MINUTE = 200,  /* verdicts FOLDING_TELL; beyond it a new group is counted from its first item on */
        FOLDING_LINES_PER_MINUTE = 300, /* these and flushed groups together; a group beyond it waits for the next minute.
                                         * 300 lines of 2.9 kB each are 50 MiB an hour */
        FOLDING_SAMPLE_MAX = 8192,
        FOLDING_SAMPLES_MAX = 4 * 1024 * 1024, /* all together; a group beyond it has none */
};

/* A group that goes on gets a window twice as long each time, from the first of these to the second. */
#define FOLDING_WINDOW_NS UINT64_C(60000000000)
#define FOLDING_WINDOW_MAX_NS UINT64_C(600000000000)
/* Windows end at multiples of this, so that one wake-up serves many. */
#define FOLDING_ALIGN_NS UINT64_C(10000000000)

struct folding_key {
        const char *watch, *action;     /* static, or live as long as the folding */
        struct bytes executable, parent_executable; /* copied */
        struct bytes destination;       /* remote address and port of a connection, folder of a file; copied */
        uint32_t user;
};

struct folding_group {
        struct folding_key key;         /* of the others: watch and action alone */
        bool others;                    /* a collection of all that found no group of its own */
        uint64_t count;                 /* of those not told yet */
        uint64_t first_ns, last_ns;     /* wall clock: the earliest and the latest of these */
        struct bytes sample;            /* what the caller gave with the first of these; empty: none */
};

enum folding_verdict { FOLDING_TELL, FOLDING_COUNT };

struct folding;

/* window_ns: the first window of a group; 0: FOLDING_WINDOW_NS. 0 or -ENOMEM. */
int folding_new(uint64_t window_ns, struct folding **ret);
struct folding *folding_free(struct folding *folding);  /* takes NULL; returns NULL */

/* at_ns: wall clock, when it happened; now_ns: monotonic. Never fails: without memory it is counted among the others. */
enum folding_verdict folding_take(struct folding *folding, const struct folding_key *key, uint64_t at_ns, uint64_t now_ns);

/* After FOLDING_COUNT: true if the group has no sample yet. */
bool folding_wants_sample(const struct folding *folding);
/* Gives the group of the last FOLDING_COUNT a sample: copied, unless it has one or there is no room. */
void folding_sample(struct folding *folding, struct bytes sample);

/* 1: there is something to flush now, 0: there is not. *ret_next_ns: when there will be; UINT64_MAX: never, as far as known. */
int folding_due(const struct folding *folding, uint64_t now_ns, uint64_t *ret_next_ns);

/* Tells each group whose window has ended with something counted, in the order of their ends. all: every group that has
 * counted anything, without regard to the budget. 0, or what tell answered if that is negative: that group and those after it
 * are as before. The group is borrowed for the call; tell must not call the folding. */
int folding_flush(struct folding *folding, uint64_t now_ns, bool all,
                  int (*tell)(void *context, const struct folding_group *group), void *context);
/* What became of those that the last folding_flush() told: kept, or to be told once more, FOLDING_ALIGN_NS from now. To be said
 * before the next call that takes or flushes; otherwise they count as kept. */
void folding_flushed(struct folding *folding, uint64_t now_ns, bool kept);

static inline void folding_free_place(struct folding **place) {
        (void)folding_free(*place);
}

#define _cleanup_folding_ __attribute__((cleanup(folding_free_place)))
