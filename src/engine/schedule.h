/* schedule.h - when to look next. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A look may take this share of one core: a tree that takes long to walk is walked less often, whatever Interval= says. */
enum { SCHEDULE_DUTY = 50 };

struct schedule {
        uint64_t interval_ns, reconcile_ns;
        uint64_t slack_ns;              /* an eighth of Interval=: a look that much too early belongs to this round */
        bool owed;                      /* what the last look found was not kept: other intervals do not put it off */
        uint64_t next_ns;               /* monotonic: not before this, unless hinted */
        uint64_t next_reconcile_ns;
        uint64_t rested_ns;             /* monotonic: no hint is due before this */
        bool hinted;
};

void schedule_init(struct schedule *schedule, uint64_t interval_ns, uint64_t reconcile_ns);
/* A source said that there is something to see: look at the next round. */
void schedule_hint(struct schedule *schedule);
bool schedule_due(const struct schedule *schedule, uint64_t now_ns);
/* True if the look should not trust stamps: the full comparison every Reconcile=. */
bool schedule_reconcile_due(const struct schedule *schedule, uint64_t now_ns);
/* A look ended that began at began_ns and took cost_ns of CPU. */
void schedule_looked(struct schedule *schedule, uint64_t began_ns, uint64_t cost_ns, bool reconciled);
/* Nothing to see on this host: ask again at the next reconcile. */
void schedule_rest(struct schedule *schedule, uint64_t now_ns);
/* Whoever hints without pause must not make us look without pause: after a look that a hint asked for, the next one waits for
 * ten times what it cost, 10 s at most. */
bool schedule_rested(const struct schedule *schedule, uint64_t now_ns);
void schedule_pay(struct schedule *schedule, uint64_t began_ns, uint64_t cost_ns);
/* What a look found could not be kept: due again an interval from now, however well it is covered. */
void schedule_again(struct schedule *schedule, uint64_t now_ns, uint64_t interval_ns);
/* The time between two looks that is in force. */
uint64_t schedule_cadence(uint64_t interval_ns, uint64_t cost_ns);
/* From now on this often, counted from the last look; one that is owed stays due. */
void schedule_set_interval(struct schedule *schedule, uint64_t interval_ns);
/* When the next look is due on its own; 0: at once. */
uint64_t schedule_next(const struct schedule *schedule);
