#include "engine-state.h"

#include <errno.h>
#include <stdlib.h>

#include "proof.h"
#include "timestamp.h"
#include "uuid.h"

const struct action engine_baseline_created = { "baseline-created", "configuration", "creation", SEVERITY_INFO, true, NULL };
const struct action engine_watch_failed = { "watch-failed", "host", "error", SEVERITY_MEDIUM, true, NULL };
const struct action engine_watch_recovered = { "watch-recovered", "host", "info", SEVERITY_LOW, true, NULL };
const struct action engine_events_lost = { "events-lost", "host", "info", SEVERITY_HIGH, true, NULL };
const struct action engine_condition_changed = { "coverage-changed", "host", "info", SEVERITY_LOW, true, NULL };


int engine_new(const struct engine_options *options, struct engine **ret) {
        struct engine *engine = calloc(1, sizeof(*engine));
        int r = -ENOMEM;

        if (!engine)
                return -ENOMEM;
        engine->options = *options;
        engine->sequence = options->next_sequence;
        engine->n_slots = options->n_watches;
        engine->settle_ns = UINT64_MAX;
        engine->notes = options->unsettled;
        engine->settle_delay_ns = options->interval_ns;
        engine->slots = calloc(options->n_watches + 1, sizeof(*engine->slots));
        if (!engine->slots)
                goto fail;
        for (size_t i = 0; i < options->n_watches; i++) {
                engine->slots[i].watch = options->watches[i];
                schedule_init(&engine->slots[i].schedule, options->interval_ns, options->reconcile_ns);
        }
        r = process_table_new(options->lookup, options->seed, &engine->processes);
        if (r == 0)
                r = folding_new(options->fold_window_ns, &engine->folding);
        if (r == 0 && options->provenance)
                r = proof_new(options->provenance, &engine->proof);
        if (r == 0)
                r = proof_restore(engine);
        if (r < 0)
                goto fail;
        *ret = engine;
        return 0;
fail:
        (void)engine_free(engine);
        return r;
}

struct engine *engine_free(struct engine *engine) {
        if (!engine)
                return NULL;
        for (size_t i = 0; engine->slots && i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                if (slot->opened)
                        slot->watch.kind->close(slot->state);
                buffer_done(&slot->conditions);
                buffer_done(&slot->new_conditions);
                key_list_done(&slot->keys);
                key_list_done(&slot->ranges);
                key_list_done(&slot->early);
                key_list_done(&slot->waiting);
                buffer_done(&slot->last_key);
                free(slot->suspects);
                buffer_done(&slot->mechanisms);
                sweep_end(slot);
                slot_covers_done(slot);
        }
        notices_clear(&engine->notices);
        rescan_done(engine);
        engine->proof = proof_free(engine->proof);
        (void)process_table_free(engine->processes);
        (void)folding_free(engine->folding);
        buffer_done(&engine->departed);
        free(engine->slots);
        free(engine);
        return NULL;
}

bool slot_matches(const struct slot *slot, const char *watch, const char *kind) {
        return (watch && strcmp(watch, slot->watch.settings->name) == 0) || (kind && strcmp(kind, slot->watch.kind->kind) == 0);
}

int engine_notice(struct engine *engine, const struct event *event) {
        return notices_add(&engine->notices, event);
}

/* ---- the transaction of a round ---- */

int engine_fatal(struct engine *engine, int error) {
        if (!engine->fatal)
                engine->fatal = error;
        return error;
}

static int ensure_transaction(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);
        int r;

        if (engine->transaction)
                return 0;
        r = baseline->ops->begin(baseline);
        if (r < 0)
                return engine_fatal(engine, r);
        engine->transaction = true;
        return 0;
}

int engine_ensure_part(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);
        int r;

        if (engine->part)
                return 0;
        r = ensure_transaction(engine);
        if (r < 0)
                return r;
        r = baseline->ops->begin_part(baseline);
        if (r < 0)
                return engine_fatal(engine, r);
        engine->part = true;
        return 0;
}

int engine_end_part(struct engine *engine, bool keep) {
        struct baseline *baseline = baseline_of(engine);
        int r;

        if (!engine->part)
                return 0;
        engine->part = false;
        r = baseline->ops->end_part(baseline, keep);
        return r < 0 ? engine_fatal(engine, r) : 0;
}

/* ---- the round ---- */

void engine_begin_round(struct engine *engine) {
        struct engine_clock *clock = engine->options.clock;
        const struct round before = engine->round;

        engine->round = (struct round){ .at = clock->realtime(clock) };
        if (engine->notes && engine->began) { /* a notice has named it: the text that settles the notes is found by it */
                memcpy(engine->round.id, before.id, UUID_SIZE);
        } else {
                clock->random(clock, engine->round.id, UUID_SIZE);
                uuid_make_v4(engine->round.id);
                engine->began = true;
        }
        engine->notices_told = false;
        engine->fatal = 0;
        for (size_t i = 0; i < engine->n_slots; i++) {
                engine->slots[i].changed = engine->slots[i].looked = false;
                engine->slots[i].found = 0;
        }
}

static int tell_notices(struct engine *engine) {
        for (size_t i = 0; i < engine->notices.count; i++) {
                struct event event = engine->notices.items[i].event;
                int r = ensure_transaction(engine);

                if (r == 0)
                        r = tell_event(engine, &event);
                if (r < 0)
                        return r;
        }
        engine->notices_told = true;
        return 0;
}

static int give_up(struct engine *engine, int error, uint64_t sequence) {
        struct baseline *baseline = baseline_of(engine);

        if (engine->part)
                (void)baseline->ops->end_part(baseline, false);
        if (engine->transaction)
                baseline->ops->abort(baseline);
        engine->part = engine->transaction = false;
        proof_settled(engine, false);
        engine->sequence = sequence;
        /* What was found is not kept: it must be found again, whatever the stamps say. */
        for (size_t i = 0; i < engine->n_slots; i++) {
                engine->slots[i].has_stamp = false;
                engine->slots[i].changed = false;
                sweep_round_stands(&engine->slots[i], false);
                if (engine->slots[i].looked)
                        schedule_again(&engine->slots[i].schedule, engine_now_ns(engine), engine->options.interval_ns);
                buffer_clear(&engine->slots[i].last_key);
                if (engine->slots[i].ranges.count)
                        schedule_hint(&engine->slots[i].schedule);
        }
        engine->options.out->given_up(engine->options.out, &engine->round, error);
        return error;
}

int engine_close_round(struct engine *engine, int r, uint64_t sequence) {
        struct baseline *baseline = baseline_of(engine);

        if (r >= 0 && engine->transaction)
                r = proof_stage(engine);
        if (r >= 0 && engine->transaction)
                r = sweep_keep_facts(engine);
        if (r >= 0 && engine->transaction) {
                r = engine->options.out->finish(engine->options.out, &engine->round);
                if (r >= 0) {
                        engine->transaction = false;
                        r = baseline->ops->commit(baseline);
                        for (size_t i = 0; r >= 0 && i < engine->n_slots; i++)
                                engine->slots[i].rehashed_kept_ns = engine->slots[i].rehashed_ns;
                }
        }
        if (r < 0)
                return give_up(engine, r, sequence);
        proof_settled(engine, true);
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                sweep_round_stands(slot, true);
                if (slot->looked && !slot->caught_up) {
                        slot->caught_up = true;
                        slot_set_interval(engine, slot);
                }
                slot->changes += slot->found;
                if (slot->found)
                        slot->last_change_ns = timestamp_to_ns(&engine->round.at);
        }
        /* Before what follows may add one that the next round has to tell. */
        if (engine->notices_told)
                notices_clear(&engine->notices);
        engine->options.out->committed(engine->options.out, &engine->round);
        return 0;
}

static bool is_due(const struct slot *slot, uint64_t now_ns) {
        if (slot->sweep.active)
                return now_ns >= slot->sweep.next_ns;
        return schedule_due(&slot->schedule, now_ns) || (slot->ranges.count > 0 && schedule_rested(&slot->schedule, now_ns)) || rescan_due(slot, now_ns);
}

/* Full comparisons of what sources cover. What they find is either missed or on its way: which of both is clear when the sources
 * have handed over what they have. */
static int sift(struct engine *engine) {
        uint64_t now_ns = engine_now_ns(engine);
        bool any = false;

        engine_begin_round(engine);
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];
                int r;

                if (!look_needs_sifting(slot, now_ns))
                        continue;
                r = look_for_suspects(engine, slot);
                if (r < 0)
                        return r;
                slot->sifting = r > 0;
                slot->clean = r == 0;
                slot->clean_whole = slot->looked;
                any |= slot->sifting;
        }
        if (!any)
                return 0;
        if (engine->options.drain)
                engine->options.drain(engine->options.drain_context);
        return engine_flush(engine);
}

/* Whether something is due that compares with what is in the baseline, and not with what is noted on top of it. */
static bool must_settle(struct engine *engine, uint64_t now_ns) {
        if (now_ns >= engine->settle_ns || engine->notices.count > 0 || now_ns >= proof_next_ns(engine))
                return true;
        for (size_t i = 0; i < engine->n_slots; i++) {
                const struct slot *slot = &engine->slots[i];

                if (is_due(slot, now_ns) && !(slot->sweep.active && slot->sweep.sifts))
                        return true;
        }
        return false;
}

static bool any_sifting(const struct engine *engine) {
        for (size_t i = 0; i < engine->n_slots; i++)
                if (engine->slots[i].sifting)
                        return true;
        return false;
}

static int run_round(struct engine *engine, bool thorough) {
        uint64_t now_ns, sequence;
        int r = engine_flush(engine);

        /* A look compares with what is in the baseline: what was only noted comes first. */
        if (engine->notes && (thorough || must_settle(engine, engine_now_ns(engine))))
                r = settle(engine);
        if (r >= 0 && !thorough) {
                r = sift(engine);
                if (r >= 0 && engine->notes && (any_sifting(engine) || must_settle(engine, engine_now_ns(engine))))
                        r = settle(engine);
        }
        if (r < 0)
                return r;
        now_ns = engine_now_ns(engine);
        sequence = engine->sequence;
        engine_begin_round(engine);
        for (size_t i = 0; i < engine->n_slots; i++)
                engine->slots[i].looked = engine->slots[i].clean && engine->slots[i].clean_whole;
        /* With notes that are not settled there was a slice that found nothing, and nothing else was due. Packages first: they
         * explain files. */
        for (int provable = 0; provable < 2; provable++)
                for (size_t i = 0; i < engine->n_slots && r >= 0 && !engine->notes; i++)
                        if (engine->slots[i].watch.kind->provable == provable && !engine->slots[i].clean &&
                            (thorough || is_due(&engine->slots[i], now_ns)))
                                r = look_at(engine, &engine->slots[i], thorough);
        if (r >= 0 && !engine->notes)
                r = proof_serve_round(engine);
        if (r >= 0) {
                rescan_report(engine);
                cover_state(engine);
                r = engine->notes ? 0 : tell_notices(engine);
        }
        r = engine_close_round(engine, r, sequence);
        return r;
}

static int run_one(struct engine *engine, bool thorough) {
        int r = run_round(engine, thorough);

        for (size_t i = 0; i < engine->n_slots; i++)
                engine->slots[i].sifting = engine->slots[i].clean = false;
        engine->retry_ns = r < 0 ? engine_now_ns(engine) + engine->options.interval_ns : 0;
        return r;
}

static bool is_sweeping(const struct engine *engine) {
        for (size_t i = 0; i < engine->n_slots; i++)
                if (engine->slots[i].sweep.active)
                        return true;
        return false;
}

int engine_round(struct engine *engine, bool thorough) {
        int r;

        engine->unhurried = thorough;
        r = run_one(engine, thorough);
        while (r >= 0 && thorough && is_sweeping(engine) &&
               (!engine->options.go_on || engine->options.go_on(engine->options.go_on_context)))
                r = run_one(engine, false);
        engine->unhurried = false;
        return r;
}

uint64_t engine_next_ns(struct engine *engine) {
        uint64_t next_ns = engine->settle_ns, folding_ns = UINT64_MAX;

        if (engine->notices.count > 0 || rescan_unsaid(engine))
                next_ns = 0;
        folding_due(engine->folding, engine_now_ns(engine), &folding_ns);
        if (folding_ns < next_ns)
                next_ns = folding_ns;
        if (proof_next_ns(engine) < next_ns)
                next_ns = proof_next_ns(engine);
        for (size_t i = 0; i < engine->n_slots; i++) {
                const struct slot *slot = &engine->slots[i];
                uint64_t due_ns = slot->sweep.active ? slot->sweep.next_ns : schedule_next(&slot->schedule);

                if (slot->ranges.count > 0 && slot->schedule.rested_ns < due_ns)
                        due_ns = slot->schedule.rested_ns;
                if (slot->rescan && slot->rescan_after_ns < due_ns)
                        due_ns = slot->rescan_after_ns;
                if (due_ns < next_ns)
                        next_ns = due_ns;
        }
        return next_ns > engine->retry_ns ? next_ns : engine->retry_ns;
}

size_t engine_count(const struct engine *engine) {
        return engine->n_slots;
}

void engine_report(const struct engine *engine, size_t index, struct engine_report *ret) {
        struct slot *slot = &engine->slots[index];

        *ret = (struct engine_report){
                .name = slot->watch.settings->name,
                .kind = slot->watch.kind,
                .settings = slot->watch.settings,
                .state = slot->what,
                .error = slot->error,
                .records = slot->records,
                .looks = slot->looks,
                .changes = slot->changes,
                .losses = slot->losses,
                .last_look_ns = slot->last_look_ns,
                .last_change_ns = slot->last_change_ns,
                .failing_since_ns = slot->what == ENGINE_FAILING ? slot->failing_since_ns : 0,
                .last_cost_ns = slot->last_cost_ns,
                .total_cost_ns = slot->total_cost_ns,
                .cadence_ns = schedule_cadence(slot->schedule.interval_ns, slot->last_cost_ns),
                .events = slot->events,
                .lost = slot->losses,
                .last_reconcile_ns = slot->last_reconcile_ns,
                .reconcile_found = slot->reconcile_found,
                .conditions = buffer_string(&slot->conditions),
                .changed = slot->changed,
                .looked = slot->looked,
                .sweeping = slot->sweep.active,
                .learning = slot->sweep.active && slot->sweep.learning,
                .sweep_records = slot->sweep.records,
                .sweep_bytes = slot->sweep.bytes,
                .sweep_since_ns = slot->sweep.began_ns,
        };
        cover_describe(slot, ret);
}

uint64_t engine_next_sequence(const struct engine *engine) {
        return engine->sequence;
}

uint64_t engine_watched_until(const struct engine *engine) {
        uint64_t until_ns = 0;

        for (size_t i = 0; i < engine->n_slots; i++) {
                const struct slot *slot = &engine->slots[i];

                if (slot->what == ENGINE_IDLE && slot->last_look_ns && (!until_ns || slot->last_look_ns < until_ns))
                        until_ns = slot->last_look_ns;
        }
        return until_ns;
}
