#include "schedule.h"

/* Looks that hints ask for may take one part in this many of a core, and none waits for longer than this. */
enum { HINTED_DUTY = 10 };
#define PAUSE_MAX_NS UINT64_C(10000000000)

void schedule_init(struct schedule *schedule, uint64_t interval_ns, uint64_t reconcile_ns) {
        *schedule = (struct schedule){ .interval_ns = interval_ns, .reconcile_ns = reconcile_ns, .slack_ns = interval_ns / 8 };
}

void schedule_hint(struct schedule *schedule) {
        schedule->hinted = true;
}

bool schedule_rested(const struct schedule *schedule, uint64_t now_ns) {
        return now_ns >= schedule->rested_ns;
}

void schedule_pay(struct schedule *schedule, uint64_t began_ns, uint64_t cost_ns) {
        schedule->rested_ns = began_ns + (cost_ns < PAUSE_MAX_NS / HINTED_DUTY ? cost_ns * HINTED_DUTY : PAUSE_MAX_NS);
}

bool schedule_due(const struct schedule *schedule, uint64_t now_ns) {
        return (schedule->hinted && schedule_rested(schedule, now_ns)) || now_ns >= schedule->next_ns;
}

bool schedule_reconcile_due(const struct schedule *schedule, uint64_t now_ns) {
        return now_ns >= schedule->next_reconcile_ns;
}

uint64_t schedule_cadence(uint64_t interval_ns, uint64_t cost_ns) {
        uint64_t spread;

        if (__builtin_mul_overflow(cost_ns, (uint64_t)SCHEDULE_DUTY, &spread))
                return UINT64_MAX / 2;
        return spread > interval_ns ? spread : interval_ns;
}

void schedule_looked(struct schedule *schedule, uint64_t began_ns, uint64_t cost_ns, bool reconciled) {
        uint64_t cadence = schedule_cadence(schedule->interval_ns, cost_ns);

        if (schedule->hinted)
                schedule_pay(schedule, began_ns, cost_ns);
        schedule->hinted = schedule->owed = false;
        /* The timer that drives the rounds is not exact: a look a moment early belongs to this round, not to the next. */
        schedule->next_ns = began_ns + cadence - schedule->slack_ns;
        if (reconciled)
                schedule->next_reconcile_ns = began_ns + schedule->reconcile_ns;
}

void schedule_rest(struct schedule *schedule, uint64_t now_ns) {
        schedule->hinted = schedule->owed = false;
        schedule->next_ns = now_ns + schedule->reconcile_ns - schedule->slack_ns;
}

void schedule_again(struct schedule *schedule, uint64_t now_ns, uint64_t interval_ns) {
        uint64_t next_ns = now_ns + interval_ns - schedule->slack_ns;

        schedule->interval_ns = interval_ns;
        schedule->owed = true;
        if (schedule->next_ns > next_ns)
                schedule->next_ns = next_ns;
}

void schedule_set_interval(struct schedule *schedule, uint64_t interval_ns) {
        if (schedule->next_ns && !schedule->owed)
                schedule->next_ns = schedule->next_ns - schedule->interval_ns + interval_ns;
        schedule->interval_ns = interval_ns;
}

uint64_t schedule_next(const struct schedule *schedule) {
        uint64_t next_ns = schedule->next_ns ? schedule->next_ns + schedule->slack_ns : 0;

        return schedule->hinted && schedule->rested_ns < next_ns ? schedule->rested_ns : next_ns;
}
