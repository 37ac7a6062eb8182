#include "engine-state.h"

#include <errno.h>
#include <stdlib.h>

#include "incidents.h"
#include "proof.h"
#include "record-codec.h"
#include "timestamp.h"

enum {
        BATCH_EVENTS_MOST = 256,        /* told in one go */
        BATCH_BYTES_MOST = 1 << 20,     /* a journal holds 8 MiB, a batch that does not fit is lost */
        NOTE_BYTES = 128,               /* of a note, without its bytes */
        WHOLE_MOST = 2000,              /* records: of a watch that can be looked at in slices, looked at in one go */
};

/* ---- lists of keys ---- */

void key_list_clear(struct key_list *list) {
        for (size_t i = 0; i < list->count; i++) {
                buffer_done(&list->items[i].key);
                buffer_done(&list->items[i].seen);
        }
        if (list->count)
                memset(list->places, 0, list->capacity * 2 * sizeof(*list->places));
        list->count = 0;
}

void key_list_done(struct key_list *list) {
        key_list_clear(list);
        free(list->items);
        free(list->places);
        *list = (struct key_list){ .limit = list->limit };
}

/* Who does not know the seed, an address of ours, cannot choose names that collide. */
static uint64_t hash_of(struct bytes key, const void *seed) {
        uint64_t hash = bytes_hash(BYTES_HASH ^ (uintptr_t)seed, key);

        return hash ^ hash >> 32;
}

/* Where its index is, or belongs. */
static uint16_t *place_of(const struct key_list *list, struct bytes key) {
        size_t mask = list->capacity * 2 - 1, at = hash_of(key, list->places) & mask;

        while (list->places[at] && !bytes_equal(buffer_bytes(&list->items[list->places[at] - 1].key), key))
                at = (at + 1) & mask;
        return &list->places[at];
}

struct key_hint *key_list_find(const struct key_list *list, struct bytes key) {
        uint16_t index = list->count ? *place_of(list, key) : 0;

        return index ? &list->items[index - 1] : NULL;
}

static int key_list_grow(struct key_list *list) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        struct key_hint *items = reallocarray(list->items, capacity, sizeof(*items));
        uint16_t *places;

        if (!items)
                return -ENOMEM;
        list->items = items;
        places = calloc(capacity * 2, sizeof(*places));
        if (!places)
                return -ENOMEM;
        free(list->places);
        list->places = places;
        list->capacity = capacity;
        for (size_t i = 0; i < list->count; i++)
                *place_of(list, buffer_bytes(&items[i].key)) = (uint16_t)(i + 1);
        return 0;
}

static bool same_process(const struct origin *a, const struct origin *b) {
        return a->pid == b->pid && (!a->start_ticks || !b->start_ticks || a->start_ticks == b->start_ticks);
}

/* Who says nothing takes nothing back; of two, either may have done it. */
static void mix_origin(struct key_hint *hint, const struct origin *origin) {
        if (!origin->known)
                return;
        if (hint->mixed) {
                hint->crowd |= !same_process(&hint->one, origin) && !same_process(&hint->other, origin);
                return;
        }
        hint->mixed = hint->origin.known && !same_process(&hint->origin, origin);
        if (hint->mixed) {
                hint->one = hint->origin;
                hint->other = *origin;
                hint->origin = (struct origin){ 0 };
        } else if (!hint->origin.known || origin->start_ticks) {
                hint->origin = *origin;
        }
}

static void note_origin(struct key_hint *hint, unsigned flags, const struct origin *origin) {
        if (flags & HINT_APPEARED)
                hint->made = *origin;
        if (flags & HINT_VANISHED)
                hint->removed = *origin;
}

int key_list_add(struct key_list *list, struct bytes key, unsigned flags, const struct origin *origin, const char *source) {
        struct key_hint *hint = key_list_find(list, key);
        int r;

        if (hint) {
                hint->flags = hint_flags_add(hint->flags, flags);
                mix_origin(hint, origin);
                note_origin(hint, flags, origin);
                if (hint->mixed)
                        hint->flags &= ~(unsigned)HINT_GONE; /* who of them was the last? */
                return 0;
        }
        if (list->count == (list->limit ? list->limit : KEYS_MAX))
                return -ENOBUFS;
        if (list->count == list->capacity) {
                r = key_list_grow(list);
                if (r < 0)
                        return r;
        }
        hint = &list->items[list->count];
        *hint = (struct key_hint){ .flags = flags, .origin = *origin, .source = source };
        note_origin(hint, flags, origin);
        buffer_append_bytes(&hint->key, key);
        if (buffer_error(&hint->key) < 0) {
                buffer_done(&hint->key);
                return -ENOMEM;
        }
        list->count++;
        *place_of(list, key) = (uint16_t)list->count;
        return 0;
}

void key_list_sweep(struct key_list *list) {
        size_t kept = 0;

        if (list->count)
                memset(list->places, 0, list->capacity * 2 * sizeof(*list->places));
        for (size_t i = 0; i < list->count; i++) {
                struct key_hint *hint = &list->items[i];

                if (hint->done) {
                        buffer_done(&hint->key);
                        buffer_done(&hint->seen);
                        continue;
                }
                list->items[kept++] = *hint;
        }
        list->count = 0;
        for (size_t i = 0; i < kept; i++) {
                list->count = i + 1;
                *place_of(list, buffer_bytes(&list->items[i].key)) = (uint16_t)(i + 1);
        }
}

/* ---- what a batch has staged ---- */

void slot_stage(struct engine *engine, struct slot *slot, const struct change *change) {
        const struct record *record = change_record(change);
        const struct field *fields = slot->watch.kind->fields;
        uint64_t bit = hash_of(record->key, slot) % (STAGED_WORDS * 64);

        engine->staged = slot->noted = true;
        slot->staged[bit / 64] |= UINT64_C(1) << bit % 64;
        engine->staged_bytes += NOTE_BYTES + record->key.size;
        for (size_t i = 0; change->after && fields[i].name; i++)
                if (record->values[i].present && field_is_bytes(&fields[i]))
                        engine->staged_bytes += record->values[i].bytes.size;
}

/* What was staged of this key, or of one that looks like it, is kept: only then is it known. */
static int keep_staged(struct engine *engine, const struct slot *slot, struct bytes key) {
        uint64_t bit = hash_of(key, slot) % (STAGED_WORDS * 64);

        return engine->fast && engine->staged && slot->staged[bit / 64] >> bit % 64 & 1 ? keep_batch(engine) : 0;
}

/* ---- hints ---- */

#define EARLY_NS (2 * NS_PER_S)        /* how long we wait to hear that what had gone when we looked has gone */

static int add_key(struct engine *engine, struct slot *slot, struct bytes key, unsigned flags, const struct origin *origin,
                   const char *source) {
        struct key_hint *early, *hint;
        int r = key_list_add(&slot->keys, key, flags, origin, source);

        if (r < 0 || !(flags & HINT_VANISHED) || !slot->early.count)
                return r;
        if (engine_now_ns(engine) - slot->early_ns > EARLY_NS) {
                key_list_clear(&slot->early);
                return 0;
        }
        early = key_list_find(&slot->early, key);
        hint = key_list_find(&slot->keys, key);
        if (!early || !hint)
                return 0;
        hint->flags |= early->flags;
        mix_origin(hint, &early->origin);
        hint->made = early->made;
        early->flags = 0; /* told once */
        if (hint->seen.size == 0) {
                struct buffer none = hint->seen;

                hint->seen = early->seen;
                early->seen = none;
        }
        return 0;
}

/* It was gone when we looked, and nobody has said so yet: the batch that does so tells both. */
static void remember_early(struct engine *engine, struct slot *slot, struct key_hint *hint) {
        struct key_hint *early;

        if (slot->early.count == EARLY_MAX)
                key_list_clear(&slot->early);
        if (key_list_add(&slot->early, buffer_bytes(&hint->key), hint->flags, &hint->origin, hint->source) < 0)
                return;
        slot->early_ns = engine_now_ns(engine);
        early = key_list_find(&slot->early, buffer_bytes(&hint->key));
        if (early)
                early->made = hint->made;
        if (early && early->seen.size == 0 && hint->seen.size) {
                buffer_append_bytes(&early->seen, buffer_bytes(&hint->seen));
                if (buffer_error(&early->seen) < 0)
                        buffer_done(&early->seen);
        }
}

static void hint_whole(struct slot *slot, const struct hint *hint) {
        schedule_hint(&slot->schedule);
        slot->sweep.spoilt |= slot->sweep.active;
        if (!hint->source)
                return; /* an answer of the guard: what made it due is known already */
        if (slot->hinted && (!hint->origin.known || !slot->origin.known || hint->origin.pid != slot->origin.pid))
                slot->mixed = true;
        slot->hinted = true;
        slot->origin = hint->origin;
        slot->hint_source = hint->source;
}

void engine_hint(struct engine *engine, const struct hint *hint) {
        /* A hint for no watch in particular is the clock's: each watch's own schedule says whether it is due. */
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];
                bool single = hint->key.size > 0 && slot->watch.kind->can_look_within && slot->caught_up;
                int r = 0;

                if (!slot_matches(slot, hint->watch, hint->kind))
                        continue;
                if (hint->source)
                        slot->events++;
                if (!single) {
                        hint_whole(slot, hint);
                        continue;
                }
                /* A flood is worked off as it comes: its source waits, and what it cannot hold it counts as lost. */
                if (slot->keys.count == KEYS_MAX && !engine->flushing && !engine->transaction)
                        (void)engine_flush(engine);
                /* What came and went at the key itself is told as of any other. */
                if (hint->flags != HINT_BELOW)
                        r = add_key(engine, slot, hint->key, hint->flags & ~(unsigned)HINT_BELOW, &hint->origin, hint->source);
                if (r >= 0 && hint->flags & HINT_BELOW)
                        r = key_list_add(&slot->ranges, hint->key, hint->flags, &hint->origin, hint->source);
                if (r < 0)
                        hint_whole(slot, hint);
        }
}

/* ---- a batch ---- */

void batch_open(struct engine *engine) {
        if (engine->fast)
                return;
        engine_begin_round(engine);
        engine->fast = true;
        engine->staged = engine->high = false;
        engine->staged_bytes = 0;
        engine->fast_sequence = engine->sequence;
        for (size_t i = 0; i < engine->n_slots; i++)
                memset(engine->slots[i].staged, 0, sizeof(engine->slots[i].staged));
}

/* What was seen to pass between two looks, and what leaves no record, is found by no look. */
static void state_not_kept(struct engine *engine) {
        for (size_t i = 0; i < engine->n_slots; i++) {
                rescan_not_kept(engine, &engine->slots[i], engine->slots[i].passed);
                engine->slots[i].passed = 0;
        }
        rescan_not_kept(engine, NULL, engine->passed);
        engine->passed = 0;
}

static bool is_known(struct engine *engine, struct slot *slot, struct bytes key);

/* Keys that wait to be looked at: of those that came and went a look of the whole watch will see nothing. */
static size_t count_passed(struct engine *engine, struct slot *slot) {
        const unsigned passed = HINT_APPEARED | HINT_VANISHED;
        size_t count = 0;

        for (size_t i = 0; i < slot->keys.count; i++) {
                const struct key_hint *hint = &slot->keys.items[i];

                if ((hint->flags & passed) == passed && !is_known(engine, slot, buffer_bytes(&hint->key)))
                        count += 2;
        }
        return count;
}

/* What cannot be noted is left to a look; what no look will find is said to be lost. */
static int drop_batch(struct engine *engine, int error) {
        struct baseline *baseline = baseline_of(engine);

        baseline->ops->note_abort(baseline);
        proof_settled(engine, false);
        engine->fast = false;
        engine->sequence = engine->fast_sequence;
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                buffer_clear(&slot->last_key); /* of a record that is not even noted, perhaps */
                if (slot->noted || slot->keys.count) {
                        slot->passed += count_passed(engine, slot);
                        schedule_hint(&slot->schedule);
                        key_list_clear(&slot->keys);
                }
        }
        state_not_kept(engine);
        engine->options.out->given_up(engine->options.out, &engine->round, error);
        return error;
}

int keep_batch(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);
        struct engine_out *out = engine->options.out;
        int r = 0;

        if (!engine->staged)
                return 0;
        if (engine->round.events > 0)
                r = out->noting(out, &engine->round);
        if (r == 0)
                r = proof_stage(engine);
        if (r == 0)
                r = baseline->ops->note_commit(baseline, engine->round.events > 0 || proof_keeps(engine));
        if (r < 0)
                return drop_batch(engine, r);
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                slot->changes += slot->found;
                if (slot->found)
                        slot->last_change_ns = timestamp_to_ns(&engine->round.at);
                slot->found = slot->passed = 0;
                memset(slot->staged, 0, sizeof(slot->staged));
        }
        engine->passed = 0;
        proof_settled(engine, true);
        settle_after(engine, engine->high);
        if (engine->round.events > 0)
                out->noted(out, &engine->round);
        engine->staged = engine->high = false;
        engine->staged_bytes = 0;
        engine->round.events = 0;
        engine->fast_sequence = engine->sequence;
        return 0;
}

/* ---- deltas ---- */

/* A batch of thousands must not outgrow the journal. */
int batch_make_room(struct engine *engine) {
        uint64_t now_ns = engine_now_ns(engine);
        int r = 0;

        if (engine->round.events >= BATCH_EVENTS_MOST || engine->staged_bytes >= BATCH_BYTES_MOST)
                r = keep_batch(engine);
        if (r == 0 && engine->settle_ns <= now_ns && engine->retry_ns <= now_ns && engine->fast && !engine->staged) {
                engine->fast = false;
                r = settle(engine);
        }
        return r;
}

static int tell_incident(struct engine *engine, const struct delta *delta) {
        _cleanup_buffer_ struct buffer room = BUFFER_NULL, names = BUFFER_NULL;
        struct event event = { .sensor = delta->source };
        struct actor actor;
        int r;

        r = incident_describe(&delta->incident, &event, &room);
        if (r < 0)
                return r;
        batch_open(engine);
        if (delta->at_ns)
                event.at = timestamp_of_ns(delta->at_ns);
        if (tell_actor(engine, &delta->origin, &names, &actor))
                event.actor = &actor;
        return tell_event(engine, &event);
}

/* What the delta does not tell, or was not asked, stays as it is known. */
static void complete_from(const struct field *fields, struct record *record, const struct record *known) {
        for (size_t i = 0; fields[i].name; i++)
                if (!record->values[i].present)
                        record->values[i] = known->values[i];
}

/* The delta is the record: told at once; the look that settles the notes completes it. */
static int take_record(struct engine *engine, struct slot *slot, const struct delta *delta, struct record *record) {
        struct baseline *baseline = baseline_of(engine);
        const struct watch *kind = slot->watch.kind;
        const char *name = slot->watch.settings->name;
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        struct record known;
        struct change change = { .kind = CHANGE_APPEARED, .fields = kind->fields, .after = record };
        const struct telling telling = {
                .seen_by = "event", .sensor = delta->source, .origin = delta->origin, .delta = delta, .at_ns = delta->at_ns,
                .may_fold = true,
        };
        int r = keep_staged(engine, slot, record->key);

        if (r == 0)
                r = baseline->ops->get(baseline, name, kind->fields, record->key, &room, &known);
        if (r < 0)
                return r;
        if (r == 0 && delta->kind != DELTA_APPEARED)
                return 0; /* it never was a record: a child that ran nothing of its own */
        if (r > 0 && delta->kind != DELTA_VANISHED) {
                /* A look that came after it knows better. */
                if (delta->at_ns && delta->at_ns <= slot->last_look_ns)
                        return 0;
                complete_from(kind->fields, record, &known);
                if (record_equal(kind->fields, record, &known))
                        return 0;
                change = (struct change){ .kind = CHANGE_CHANGED, .fields = kind->fields, .before = &known, .after = record };
        } else if (delta->kind == DELTA_VANISHED) {
                change = (struct change){ .kind = CHANGE_VANISHED, .fields = kind->fields, .before = &known };
        }
        batch_open(engine);
        slot_stage(engine, slot, &change);
        r = change.after ? baseline->ops->note_put(baseline, name, kind->fields, record)
                         : baseline->ops->note_remove(baseline, name, known.key);
        if (r < 0)
                return r;
        slot->found++;
        slot->records += change.kind == CHANGE_APPEARED;
        slot->records -= change.kind == CHANGE_VANISHED && slot->records > 0;
        return tell_change(engine, slot, &change, &telling);
}

/* It is looked for when the batch is served; what its source saw of it is kept for the case that it is gone by then. */
static int take_key(struct engine *engine, struct slot *slot, const struct delta *delta, const struct record *record) {
        unsigned flags = delta->kind == DELTA_VANISHED ? HINT_VANISHED : delta->kind == DELTA_APPEARED ? HINT_APPEARED : 0;
        struct key_hint *hint;
        int r = add_key(engine, slot, record->key, flags, &delta->origin, delta->source);

        if (r < 0)
                return r;
        hint = key_list_find(&slot->keys, record->key);
        if (hint && hint->seen.size == 0)
                record_encode(&hint->seen, slot->watch.kind->fields, record);
        if (hint)
                hint->at_ns = delta->at_ns;
        return 0;
}

/* What goes wrong with one goes wrong with its batch, if one is open. */
static void give_back(struct engine *engine, int error) {
        if (engine->fast)
                (void)drop_batch(engine, error);
        else
                state_not_kept(engine);
}

/* A copy of the facts whose bytes live in 'room': who tells of a process may make the table forget another. */
static int keep_facts(const struct process_facts *facts, struct buffer *room, struct process_facts *ret) {
        struct process_facts copy = *facts;
        struct bytes *const texts[] = {
                &copy.name, &copy.executable, &copy.command_line, &copy.working_directory, &copy.cgroup, &copy.tty_name,
        };
        size_t at = 0;

        buffer_clear(room);
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                buffer_append_bytes(room, *texts[i]);
        if (buffer_error(room) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(texts); at += texts[i]->size, i++)
                if (texts[i]->size)
                        texts[i]->data = room->data + at;
        *ret = copy;
        return 0;
}

void engine_delta(struct engine *engine, const struct delta *delta) {
        struct delta whole = *delta;
        int r = 0;

        (void)batch_make_room(engine); /* before the first byte is borrowed */
        if (delta->subject == DELTA_PROCESS) {
                const struct process_facts *facts;

                process_table_delta(engine->processes, delta, engine_now_ns(engine));
                /* An exit says little; what was known of the process goes with it. */
                facts = process_table_find(engine->processes, delta->process.pid, delta->process.start_ticks);
                if (facts && delta->kind == DELTA_VANISHED)
                        (void)keep_facts(facts, &engine->departed, &whole.process);
        }
        if (delta->subject == DELTA_INCIDENT) {
                r = tell_incident(engine, delta);
                engine->passed++;
                if (r < 0)
                        give_back(engine, r);
                return;
        }
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];
                const struct watch *kind = slot->watch.kind;
                struct record record = { .key = BYTES_NULL };

                if (!(kind->subjects & 1u << delta->subject))
                        continue;
                slot->events++;
                if (!slot->caught_up || !slot->opened || !kind->recognize)
                        continue; /* the first look is still to come */
                r = kind->recognize(slot->state, &whole, &record);
                if (r > 0 && kind->delta_is_record) {
                        uint64_t sequence = engine->sequence;

                        r = take_record(engine, slot, &whole, &record);
                        /* What was folded is told with its group, whatever becomes of the batch. */
                        slot->passed += r < 0 || engine->sequence > sequence;
                } else if (r > 0) {
                        r = take_key(engine, slot, &whole, &record);
                }
                if (r < 0) {
                        schedule_hint(&slot->schedule);
                        give_back(engine, r);
                }
        }
}

/* ---- single keys ---- */

static int tell_half(struct engine *engine, struct slot *slot, const struct change *change, const struct telling *telling) {
        uint64_t sequence = engine->sequence;
        int r = tell_change(engine, slot, change, telling);

        slot->passed += r < 0 || engine->sequence > sequence;
        return r;
}

static int tell_passed(struct engine *engine, struct slot *slot, struct key_hint *hint, struct telling *telling) {
        const struct field *fields = slot->watch.kind->fields;
        _cleanup_buffer_ struct buffer scratch = BUFFER_NULL;
        struct record record = { .key = buffer_bytes(&hint->key) };
        struct change change = { .kind = CHANGE_APPEARED, .fields = fields, .after = &record };
        int r;

        if (proof_takes_passed(engine, slot, hint))
                return 0;
        /* Through the codec also without a word of its source: the key alone tells the path. */
        if (hint->seen.size == 0)
                record_encode(&hint->seen, fields, &record);
        if (buffer_error(&hint->seen) < 0)
                return -ENOMEM;
        r = record_decode(buffer_bytes(&hint->seen), buffer_bytes(&hint->key), fields, &scratch, &record);
        if (r < 0)
                return r;
        hint->flags = 0; /* from here on it is counted as what it is */
        telling->origin = hint->made;
        r = tell_half(engine, slot, &change, telling);
        telling->origin = hint->removed;
        change = (struct change){ .kind = CHANGE_VANISHED, .fields = fields, .before = &record };
        slot->found += 2;
        slot->noted = true;
        if (r == 0)
                return tell_half(engine, slot, &change, telling);
        slot->passed++;
        return r;
}

static bool is_known(struct engine *engine, struct slot *slot, struct bytes key) {
        const struct watch *kind = slot->watch.kind;
        struct baseline *baseline = baseline_of(engine);
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        struct record record;

        return baseline->ops->get(baseline, slot->watch.settings->name, kind->fields, key, &room, &record) != 0;
}

int look_at_key(struct engine *engine, struct slot *slot, struct key_hint *hint) {
        struct look look = { .engine = engine, .slot = slot, .within = buffer_bytes(&hint->key) };
        const unsigned passed = HINT_APPEARED | HINT_VANISHED;
        bool gone = (hint->flags & (passed | HINT_GONE | HINT_BELOW)) == (passed | HINT_GONE);
        int r;

        if (!gone && proof_takes_key(engine, slot, hint))
                return 0;
        look.telling = (struct telling){
                .seen_by = hint->deed && !hint->source ? "reconcile" : "event",
                .sensor = hint->source ? hint->source : slot->watch.kind->sensor, .origin = hint->origin, .at_ns = hint->at_ns,
                .gap = hint->gap, .mixed = hint->mixed,
        };
        r = keep_staged(engine, slot, look.within);
        if (r < 0)
                return r;
        batch_open(engine);
        /* Made and removed since, by one process: if nothing was known there is nothing to look at. */
        if (gone && !is_known(engine, slot, look.within)) {
                look.telling.may_fold = true;
                return tell_passed(engine, slot, hint, &look.telling);
        }
        if (gone && proof_takes_key(engine, slot, hint))
                return 0;
        look.thorough = hint->flags & HINT_WRITTEN;
        r = look_collect(&look);
        if (engine->fatal)
                return engine->fatal;
        if (r != WATCH_OK) {
                /* Why, and whether it lasts, the whole look will say. */
                schedule_hint(&slot->schedule);
                return r < 0 && r != -ENOENT ? r : 0;
        }
        slot->found += look.changes;
        slot->records += look.appeared;
        if (look.found_below && key_list_add(&slot->ranges, look.within, HINT_BELOW, &hint->origin, hint->source) < 0)
                schedule_hint(&slot->schedule);
        if (look.changes > 0 || diff_records(&look.diff) > 0)
                return 0;
        look.telling.may_fold = true;
        if ((hint->flags & passed) == passed)
                return tell_passed(engine, slot, hint, &look.telling);
        if (hint->flags & HINT_APPEARED)
                remember_early(engine, slot, hint);
        return 0;
}

/* A hint for the whole watch, or for a key with all below it: looked at the short way too, unless there is more to it. */
static bool may_look_fast(const struct engine *engine, const struct slot *slot) {
        struct engine_clock *clock = engine->options.clock;

        /* A look at all of a large tree is the round's, which makes it in slices. */
        bool whole = slot->schedule.hinted && slot->hinted &&
                     !(slot->watch.kind->can_resume && (slot->sweep.active || slot->records > WHOLE_MOST));

        return slot->opened && slot->caught_up && slot->what == ENGINE_IDLE && !slot->rescan && (whole || slot->ranges.count) &&
               schedule_rested(&slot->schedule, clock->monotonic_ns(clock));
}

bool engine_wants_looks(const struct engine *engine) {
        for (size_t i = 0; i < engine->n_slots; i++)
                if (engine->slots[i].keys.count || may_look_fast(engine, &engine->slots[i]))
                        return true;
        return false;
}

static int look_hinted(struct engine *engine, struct slot *slot) {
        int r = engine->fast ? keep_batch(engine) : 0;

        if (r < 0)
                return r;
        batch_open(engine);
        engine->fatal = 0;
        r = look_at(engine, slot, false);
        return engine->fatal ? engine->fatal : r;
}

static int flush(struct engine *engine, bool all) {
        int r = 0;

        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                for (size_t k = 0; k < slot->keys.count && r >= 0; k++) {
                        r = slot->what == ENGINE_IDLE ? look_at_key(engine, slot, &slot->keys.items[k]) : 0;
                        if (r >= 0) {
                                slot->keys.items[k].flags = 0; /* done */
                                r = batch_make_room(engine);
                        }
                }
                if (slot->keys.count && slot->what != ENGINE_IDLE)
                        schedule_hint(&slot->schedule);
                if (r < 0) {
                        schedule_hint(&slot->schedule);
                        if (engine->fast)
                                (void)drop_batch(engine, r);
                        r = 0;
                }
                key_list_clear(&slot->keys);
                if (!may_look_fast(engine, slot))
                        continue;
                r = look_hinted(engine, slot);
                if (r < 0) {
                        schedule_hint(&slot->schedule);
                        slot->hinted = false; /* the round looks; not every batch until then */
                        if (engine->fast)
                                (void)drop_batch(engine, r);
                        r = 0;
                }
        }
        r = proof_serve(engine);
        if (r < 0 && engine->fast)
                (void)drop_batch(engine, r);
        if (all || engine->fast || folding_due(engine->folding, engine_now_ns(engine), &(uint64_t){ 0 })) {
                batch_open(engine);
                r = tell_folded(engine, all);
                r = r < 0 ? drop_batch(engine, r) : keep_batch(engine);
                folding_flushed(engine->folding, engine_now_ns(engine), r >= 0);
                engine->fast = false;
        }
        return r;
}

static int flush_once(struct engine *engine, bool all) {
        int r;

        engine->flushing = true;
        r = flush(engine, all);
        engine->flushing = false;
        return r;
}

int engine_flush(struct engine *engine) {
        return flush_once(engine, false);
}

int engine_flush_all(struct engine *engine) {
        return flush_once(engine, true);
}
