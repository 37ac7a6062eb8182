#include "engine-state.h"

#include <stdlib.h>

#include "coverage-text.h"

/* What a source cannot see of a watch is looked for this much more rarely than by polling. */
enum { MOST_EVERY = 15 };

#define STATE_EVERY_NS (24 * 3600 * NS_PER_S)

static const struct action coverage = { "coverage", "host", "info", SEVERITY_INFO, true, NULL };

static const struct cover *best_cover(const struct slot *slot) {
        const struct cover *best = NULL;

        for (size_t i = 0; i < slot->n_covers; i++)
                if (!best || slot->covers[i].level > best->level)
                        best = &slot->covers[i];
        return best;
}

enum coverage_level slot_level(const struct slot *slot) {
        const struct cover *best = best_cover(slot);

        return best ? best->level : COVERAGE_WAKES;
}

bool slot_covered(const struct slot *slot) {
        return slot_level(slot) >= COVERAGE_MOST;
}

void slot_set_interval(struct engine *engine, struct slot *slot) {
        const struct engine_options *options = &engine->options;
        uint64_t interval_ns = options->interval_ns;

        /* What fails, or is not there, is asked for as if nobody told of it. */
        if (slot->what == ENGINE_IDLE && slot->caught_up) {
                if (slot_level(slot) == COVERAGE_FULL)
                        interval_ns = options->reconcile_ns;
                else if (slot_level(slot) == COVERAGE_MOST)
                        interval_ns = options->interval_ns * MOST_EVERY;
                if (interval_ns > options->reconcile_ns && options->reconcile_ns > options->interval_ns)
                        interval_ns = options->reconcile_ns;
        }
        schedule_set_interval(&slot->schedule, interval_ns);
}

static void cover_drop(struct slot *slot, size_t index) {
        free(slot->covers[index].limits);
        slot->n_covers--;
        memmove(&slot->covers[index], &slot->covers[index + 1], (slot->n_covers - index) * sizeof(slot->covers[0]));
}

void slot_covers_done(struct slot *slot) {
        while (slot->n_covers > 0)
                cover_drop(slot, slot->n_covers - 1);
}

static void set_cover(struct engine *engine, struct slot *slot, const char *source, const struct coverage *what) {
        struct timespec now = engine->options.clock->realtime(engine->options.clock);
        struct cover cover = {
                .source = source, .mechanism = what->mechanism, .level = what->level,
                .limits = what->limits ? strdup(what->limits) : NULL,
                .since_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec,
        };
        size_t i = 0;

        while (i < slot->n_covers && (strcmp(slot->covers[i].source, source) != 0))
                i++;
        if (i < slot->n_covers) {
                struct cover *old = &slot->covers[i];

                if (old->level == cover.level && strcmp(old->mechanism, cover.mechanism) == 0 &&
                    strcmp(old->limits ? old->limits : "", cover.limits ? cover.limits : "") == 0) {
                        free(cover.limits);
                        return;
                }
                cover_drop(slot, i);
        }
        if (slot->n_covers == COVERS_MAX) {
                free(cover.limits);
                return;
        }
        slot->covers[slot->n_covers++] = cover;
        slot_set_interval(engine, slot);
        engine->covers_changed = true;
}

void engine_covers(struct engine *engine, const char *source, const struct coverage *what) {
        for (size_t i = 0; i < engine->n_slots; i++)
                if (slot_matches(&engine->slots[i], what->watch, what->kind))
                        set_cover(engine, &engine->slots[i], source, what);
}

void engine_uncovers(struct engine *engine, const char *source) {
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                for (size_t k = slot->n_covers; k-- > 0;)
                        if (strcmp(slot->covers[k].source, source) == 0) {
                                cover_drop(slot, k);
                                slot_set_interval(engine, slot);
                                engine->covers_changed = true;
                        }
        }
}

void engine_follow_processes(struct engine *engine, bool followed) {
        process_table_follow(engine->processes, followed);
}

static void state_slot(struct engine *engine, const struct slot *slot, struct buffer *text) {
        const struct cover *best = best_cover(slot);
        const struct watch_coverage words = {
                .watch = slot->watch.settings->name,
                .unavailable = slot->what == ENGINE_UNAVAILABLE,
                .level = best ? best->level : COVERAGE_WAKES,
                .mechanism = best ? best->mechanism : NULL,
                .limits = best ? best->limits : NULL,
                .interval_ns = engine->options.interval_ns,
        };

        if (text->size)
                buffer_append_string(text, ". ");
        coverage_sentence(text, &words);
}

/* For status: the mechanisms that see all or most of it, and what the best of them cannot. */
void cover_describe(struct slot *slot, struct engine_report *ret) {
        const struct cover *best = best_cover(slot);

        buffer_clear(&slot->mechanisms);
        for (size_t i = 0; i < slot->n_covers; i++)
                if (slot->covers[i].level == slot_level(slot))
                        buffer_printf(&slot->mechanisms, "%s%s", slot->mechanisms.size ? ", " : "", slot->covers[i].mechanism);
        ret->mechanism = buffer_string(&slot->mechanisms);
        ret->covered_since_ns = best ? best->since_ns : 0;
        ret->limits = best ? best->limits : NULL;
}

/* What is watched by which mechanism and what is not: at start, on each change, and each day. */
void cover_state(struct engine *engine) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint64_t now_ns = engine_now_ns(engine);

        if (!engine->options.states_coverage ||
            (!engine->covers_changed && engine->stated_ns && now_ns - engine->stated_ns < STATE_EVERY_NS))
                return;
        for (size_t i = 0; i < engine->n_slots; i++)
                state_slot(engine, &engine->slots[i], &text);
        engine->covers_changed = false;
        engine->stated_ns = now_ns;
        if (buffer_error(&text) == 0)
                tell_notice(engine, NULL, &coverage, coverage.severity, "coverage: %s", buffer_string(&text));
}
