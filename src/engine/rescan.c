#include "engine-state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "losses.h"
#include "timestamp.h"

enum { LOSSES_MAX = 16 };

/* Two looks because of losses are at least this far apart, and take at most this share of a core: who makes us lose events must
 * not also make us scan without pause. */
#define RESCAN_EVERY_NS NS_PER_S
enum { RESCAN_DUTY = 20 };

bool rescan_due(const struct slot *slot, uint64_t now_ns) {
        return slot->rescan && now_ns >= slot->rescan_after_ns;
}

static void free_loss(struct pending_loss *pending) {
        free(pending->affected);
}

void rescan_done(struct engine *engine) {
        for (size_t i = 0; i < engine->n_losses; i++)
                free_loss(&engine->losses[i]);
        free(engine->losses);
        engine->losses = NULL;
        engine->n_losses = 0;
}

static bool same_loss(const struct loss *a, const struct loss *b) {
        return strcmp(a->source, b->source) == 0 && strcmp(a->reason, b->reason) == 0;
}

static struct pending_loss *pending_of(struct engine *engine, const struct loss *loss) {
        struct pending_loss *pending, *items;

        for (size_t i = 0; i < engine->n_losses; i++)
                if (same_loss(&engine->losses[i].loss, loss)) {
                        pending = &engine->losses[i];
                        /* Two tell of one loss, and one of them knows the number. */
                        pending->loss.counted |= loss->counted;
                        pending->loss.count += loss->counted ? loss->count : 0;
                        return pending;
                }
        if (engine->n_losses == LOSSES_MAX)
                return NULL;
        items = reallocarray(engine->losses, engine->n_losses + 1, sizeof(*items));
        if (!items)
                return NULL;
        engine->losses = items;
        pending = &items[engine->n_losses];
        *pending = (struct pending_loss){ .loss = *loss, .affected = calloc(engine->n_slots + 1, sizeof(bool)) };
        if (!pending->affected)
                return NULL;
        pending->loss.watch = pending->loss.kind = NULL;
        engine->n_losses++;
        return pending;
}

static bool is_affected(const struct slot *slot, const struct loss *loss) {
        if (loss->watch || loss->kind)
                return slot_matches(slot, loss->watch, loss->kind);
        for (size_t i = 0; i < slot->n_covers; i++)
                if (strcmp(slot->covers[i].source, loss->source) == 0)
                        return true;
        return false;
}

void engine_loss(struct engine *engine, const struct loss *loss) {
        struct pending_loss *pending = pending_of(engine, loss);
        bool any = false;

        process_table_doubt(engine->processes);
        for (size_t i = 0; i < engine->n_slots; i++)
                any |= is_affected(&engine->slots[i], loss);
        if (!any && !loss->everybody)
                any = true; /* nobody asked for what it tells */
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                /* It does not say whose: everybody looks again. */
                if (any && !is_affected(slot, loss))
                        continue;
                slot->rescan = true;
                slot->sweep.lost_again |= slot->sweep.active;
                slot->losses += loss->counted ? loss->count : 1;
                if (pending)
                        pending->affected[i] = true;
        }
        /* No room to remember it: it is at least said. */
        if (!pending)
                (void)notices_add_loss(&engine->notices, &engine_events_lost, loss);
}

void rescan_seen(struct engine *engine, struct slot *slot, const struct loss *loss) {
        struct pending_loss *pending = pending_of(engine, loss);

        slot->losses += loss->counted ? loss->count : 1;
        if (!pending) {
                (void)notices_add_loss(&engine->notices, &engine_events_lost, loss);
                return;
        }
        pending->affected[slot - engine->slots] = true;
        slot->rescan |= engine->fast; /* else this look is it */
        slot->sweep.lost_again |= engine->fast && slot->sweep.active;
}

void rescan_not_kept(struct engine *engine, struct slot *slot, uint64_t count) {
        const struct loss loss = { .source = "engine", .reason = "not kept", .counted = true, .count = count };
        struct pending_loss *pending = count ? pending_of(engine, &loss) : NULL;

        if (!count)
                return;
        if (slot) {
                slot->rescan = true;
                slot->sweep.lost_again |= slot->sweep.active;
                slot->losses += count;
                if (pending)
                        pending->affected[slot - engine->slots] = true;
        }
        if (!pending)
                (void)notices_add_loss(&engine->notices, &engine_events_lost, &loss);
}

bool rescan_unsaid(const struct engine *engine) {
        for (size_t i = 0; i < engine->n_losses; i++) {
                bool any = false;

                for (size_t k = 0; k < engine->n_slots; k++)
                        any |= engine->losses[i].affected[k];
                if (!any)
                        return true;
        }
        return false;
}

static void report(struct engine *engine, struct pending_loss *pending) {
        const struct loss *loss = &pending->loss;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct event event = { .action = &engine_events_lost, .severity = engine_events_lost.severity };
        _cleanup_free_ const char **names = calloc(engine->n_slots + 1, sizeof(*names));
        struct loss_outcome outcome = { .watches = names, .until_ns = timestamp_to_ns(&engine->round.at) };

        for (size_t i = 0; i < engine->n_slots; i++) {
                const struct slot *slot = &engine->slots[i];

                if (!pending->affected[i] || !slot->looked)
                        continue;
                if (names)
                        names[outcome.n_watches++] = slot->watch.settings->name;
                outcome.cost_ns += slot->last_cost_ns;
                outcome.found += slot->found;
        }
        loss_sentence(&text, loss, &outcome);
        event.message = buffer_error(&text) == 0 ? buffer_string(&text) : NULL;
        event_add(&event, "nephronix.loss.source", FIELD_TEXT, value_string(loss->source));
        event_add(&event, "nephronix.loss.reason", FIELD_TEXT, value_string(loss->reason));
        if (loss->counted)
                event_add(&event, "nephronix.loss.count", FIELD_NUMBER, value_number(loss->count));
        if (loss->since_ns)
                event_add(&event, "nephronix.loss.since", FIELD_TIME, value_number(loss->since_ns));
        event_add(&event, "nephronix.loss.rescan_ns", FIELD_NUMBER, value_number(outcome.cost_ns));
        event_add(&event, "nephronix.loss.found", FIELD_NUMBER, value_number(outcome.found));
        (void)engine_notice(engine, &event);
}

void rescan_report(struct engine *engine) {
        uint64_t now_ns = engine_now_ns(engine);
        size_t kept = 0;

        for (size_t i = 0; i < engine->n_losses; i++) {
                struct pending_loss *pending = &engine->losses[i];
                bool open = false;

                /* Who makes us lose events without pause is not to fill the ledger with that: what comes within a second is added. */
                for (size_t k = 0; k < engine->n_slots; k++) {
                        struct slot *slot = &engine->slots[k];

                        if (!pending->affected[k] || slot->what != ENGINE_IDLE)
                                continue;
                        slot->rescan |= now_ns < slot->rescan_after_ns;
                        open |= slot->rescan;
                }
                if (open) {
                        engine->losses[kept++] = *pending;
                        continue;
                }
                report(engine, pending);
                for (size_t k = 0; k < engine->n_slots; k++) {
                        uint64_t pause_ns = engine->slots[k].last_cost_ns * RESCAN_DUTY;

                        if (pending->affected[k])
                                engine->slots[k].rescan_after_ns = now_ns + (pause_ns > RESCAN_EVERY_NS ? pause_ns : RESCAN_EVERY_NS);
                }
                free_loss(pending);
        }
        engine->n_losses = kept;
}
