#include "engine-state.h"

#include <errno.h>

/* Text log and .dat files follow an event of high priority within Interval=; what is only logged may wait longer the more of
 * it comes: each settling writes a few pages to disk. */
enum {
        DELAY_MOST = 15,
        SINGLE_MOST = 64,               /* keys looked at one by one; a look at all is cheaper than more */
        TOLD_MOST = 1500,
        NOTED_BYTES_MOST = 4 << 20,     /* a journal holds 8 MiB */
        KEPT_MOST = 20000,
};

void settle_after(struct engine *engine, bool high) {
        uint64_t now_ns = engine_now_ns(engine), interval_ns = engine->options.interval_ns, at_ns;

        engine->notes = true;
        if (high || now_ns - engine->settled_ns > engine->settle_delay_ns * 4)
                engine->settle_delay_ns = interval_ns;
        at_ns = now_ns + (high ? interval_ns : engine->settle_delay_ns);
        engine->notes_told += engine->round.events;
        engine->notes_kept++;
        engine->noted_bytes += engine->staged_bytes;
        if (engine->noted_bytes >= NOTED_BYTES_MOST || engine->notes_told >= TOLD_MOST || engine->notes_kept >= KEPT_MOST)
                at_ns = now_ns;
        if (at_ns < engine->settle_ns)
                engine->settle_ns = at_ns;
}

struct noted {
        struct engine *engine;
        struct buffer keys;             /* slot index, size, bytes; one after the other */
};

static int on_noted(void *context, const char *name, struct bytes key, bool gone) {
        struct noted *noted = context;
        uint32_t index, size = (uint32_t)key.size;

        for (index = 0; index < noted->engine->n_slots; index++) {
                struct slot *slot = &noted->engine->slots[index];

                if (strcmp(slot->watch.settings->name, name) != 0)
                        continue;
                slot->noted = true;
                if (gone || !slot->watch.kind->delta_is_record)
                        break;
                buffer_append(&noted->keys, &index, sizeof(index));
                buffer_append(&noted->keys, &size, sizeof(size));
                buffer_append_bytes(&noted->keys, key);
                break;
        }
        return buffer_error(&noted->keys);
}

struct completion {
        struct collector collector;
        struct engine *engine;
        struct slot *slot;
        struct bytes keys;              /* the noted ones that are still to come: each its index, size and bytes; in order */
};

/* The first of them; false: there is none. */
static bool next_key(struct bytes keys, uint32_t *ret_index, struct bytes *ret) {
        uint32_t size;

        if (keys.size < sizeof(*ret_index) + sizeof(size))
                return false;
        memcpy(ret_index, keys.data, sizeof(*ret_index));
        memcpy(&size, keys.data + sizeof(*ret_index), sizeof(size));
        *ret = bytes_of(keys.data + sizeof(*ret_index) + sizeof(size), size);
        return true;
}

static struct bytes after_key(struct bytes keys, struct bytes key) {
        const uint8_t *end = key.data + key.size;

        return bytes_of(end, keys.size - (size_t)(end - keys.data));
}

/* Records come in the order of the keys, too. */
static bool is_noted(struct completion *completion, struct bytes key) {
        struct bytes noted;
        uint32_t index;

        while (next_key(completion->keys, &index, &noted)) {
                int order = bytes_compare(noted, key);

                if (order > 0)
                        return false;
                completion->keys = after_key(completion->keys, noted);
                if (order == 0)
                        return true;
        }
        return false;
}

/* What the delta told in the same words and is another now has changed since: a process that wrote over its arguments. */
static int tell_unsteady(struct completion *completion, const struct record *now) {
        struct engine *engine = completion->engine;
        const struct watch *kind = completion->slot->watch.kind;
        const char *name = completion->slot->watch.settings->name;
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        const struct telling telling = { .seen_by = "event", .sensor = kind->sensor };
        struct record told;
        struct change change = { .kind = CHANGE_CHANGED, .fields = kind->fields, .before = &told, .after = now };
        int r = baseline_of(engine)->ops->get(baseline_of(engine), name, kind->fields, now->key, &room, &told);

        if (r <= 0)
                return r;
        for (size_t i = 0; kind->fields[i].name; i++)
                /* A delta may carry the beginning alone of what is long. */
                if (kind->fields[i].flags & FIELD_STEADY && told.values[i].present && now->values[i].present &&
                    !(field_is_bytes(&kind->fields[i]) ? bytes_starts_with(now->values[i].bytes, told.values[i].bytes)
                                                       : value_equal(&kind->fields[i], &told.values[i], &now->values[i])))
                        r = 2;
                else if (!(kind->fields[i].flags & FIELD_STEADY))
                        told.values[i] = now->values[i]; /* a difference in words only */
        if (r < 2)
                return 0;
        completion->slot->found++;
        return tell_change(engine, completion->slot, &change, &telling);
}

/* The record as a look has it takes the place of what the delta told: the next comparison must not find a difference in words. */
static int on_record(struct collector *collector, const struct record *record) {
        struct completion *completion = container_of(collector, struct completion, collector);
        struct slot *slot = completion->slot;
        const struct watch *kind = slot->watch.kind;
        struct baseline *baseline = baseline_of(completion->engine);
        struct record whole = *record;
        int r = 0;

        if (!is_noted(completion, record->key))
                return 0;
        if (kind->complete)
                r = kind->complete(slot->state, &whole);
        if (r > 0)
                return 0; /* it went, which is told with the next look */
        if (r == 0)
                r = tell_unsteady(completion, &whole);
        if (r == 0)
                r = engine_ensure_part(completion->engine);
        if (r < 0)
                return r;
        r = baseline->ops->put(baseline, slot->watch.settings->name, kind->fields, &whole);
        return r < 0 ? engine_fatal(completion->engine, r) : 0;
}

static void on_loss(struct collector *collector, const struct loss *loss) {
        (void)collector;
        (void)loss;
}

static void on_condition(struct collector *collector, const char *text) {
        (void)collector;
        (void)text;
}

static void collect(struct completion *completion, struct bytes within) {
        const struct collect_request request = { .after = BYTES_NULL, .within = within };
        struct slot *slot = completion->slot;

        /* What cannot be completed stays as the delta told it. */
        if (slot->opened && slot->what == ENGINE_IDLE)
                (void)slot->watch.kind->collect(slot->state, &request, &completion->collector);
}

/* One after the other where a look at one costs little, else with one look at all. */
static int complete_noted(struct engine *engine, struct bytes keys) {
        struct bytes key;
        uint32_t index;

        while (next_key(keys, &index, &key)) {
                struct completion completion = {
                        .collector = { .record = on_record, .loss = on_loss, .condition = on_condition },
                        .engine = engine, .slot = &engine->slots[index], .keys = keys,
                };
                struct bytes own = keys;
                uint32_t next;
                size_t count = 0;

                while (next_key(keys, &next, &key) && next == index) {
                        keys = after_key(keys, key);
                        count++;
                }
                own.size -= keys.size;
                completion.keys = own;
                if (completion.slot->watch.kind->can_look_within && count <= SINGLE_MOST)
                        for (struct bytes rest = own; next_key(rest, &next, &key); rest = after_key(rest, key))
                                collect(&completion, key);
                else
                        collect(&completion, BYTES_NULL);
                if (engine->fatal)
                        return engine->fatal;
        }
        return engine_end_part(engine, true);
}

/* What was noted becomes part of the baseline, and of the text log. */
int settle(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);
        _cleanup_buffer_ struct buffer keys = BUFFER_NULL;
        struct noted noted = { .engine = engine, .keys = BUFFER_NULL };
        uint64_t sequence = engine->sequence, now_ns = engine_now_ns(engine);
        int r = baseline->ops->noted(baseline, NULL, BYTES_NULL, on_noted, &noted);

        keys = noted.keys;
        engine_begin_round(engine);
        for (size_t i = 0; i < engine->n_slots; i++)
                engine->slots[i].changed = engine->slots[i].noted;
        if (r >= 0)
                r = engine_ensure_part(engine);
        if (r >= 0)
                r = complete_noted(engine, buffer_bytes(&keys));
        for (size_t i = 0; i < engine->n_slots && r >= 0; i++) {
                const struct watch *kind = engine->slots[i].watch.kind;

                if (kind->append_only && engine->slots[i].noted)
                        r = baseline->ops->prune(baseline, engine->slots[i].watch.settings->name, kind->retain);
        }
        r = engine_close_round(engine, r, sequence);
        if (r < 0) {
                engine->settle_ns = engine->retry_ns = now_ns + engine->options.interval_ns;
                return r;
        }
        for (size_t i = 0; i < engine->n_slots; i++)
                engine->slots[i].noted = engine->slots[i].changed = false;
        if (now_ns - engine->settled_ns < engine->settle_delay_ns * 2 &&
            engine->settle_delay_ns < engine->options.interval_ns * DELAY_MOST)
                engine->settle_delay_ns *= 2;
        engine->settled_ns = now_ns;
        engine->settle_ns = UINT64_MAX;
        engine->notes_told = engine->notes_kept = engine->noted_bytes = 0;
        engine->notes = false;
        return 0;
}
