#include "engine-state.h"

#include <errno.h>
#include <stdio.h>

#include "escape.h"
#include "proof.h"
#include "range.h"
#include "timestamp.h"

enum {
        LAST_KEY_MAX = 4096,
        SUSPECTS_MAX = 4096,
        BACKOFF_MAX = 6,                /* doublings of the interval between two tries of what fails */
};

static int keep_change(struct look *look, const struct change *change) {
        struct baseline *baseline = baseline_of(look->engine);
        const struct watch *kind = look->slot->watch.kind;
        const char *name = look->slot->watch.settings->name;
        int r;

        look->kept++;
        if (!look->sliced)
                sweep_touch(look->slot, change_record(change)->key);

        if (look->engine->fast) {
                slot_stage(look->engine, look->slot, change);
                r = change->after ? baseline->ops->note_put(baseline, name, kind->fields, change->after)
                                  : baseline->ops->note_remove(baseline, name, change->before->key);
                return r < 0 ? engine_fatal(look->engine, r) : 0;
        }
        r = engine_ensure_part(look->engine);
        if (r < 0)
                return r;
        if (change->after)
                r = baseline->ops->put(baseline, name, kind->fields, change->after);
        else
                r = baseline->ops->remove(baseline, name, change->before->key);
        return r < 0 ? engine_fatal(look->engine, r) : 0;
}

static uint64_t hash_of(const struct change *change) {
        return bytes_hash(bytes_hash_word(BYTES_HASH, (uint64_t)change->kind), change_record(change)->key);
}

/* Too many to remember: whoever is found is told. */
static void note_suspect(struct slot *slot, uint64_t hash) {
        uint64_t *items;

        if (slot->n_suspects == SUSPECTS_MAX)
                return;
        if (slot->n_suspects == slot->suspects_capacity) {
                size_t capacity = slot->suspects_capacity ? slot->suspects_capacity * 2 : 64;

                items = reallocarray(slot->suspects, capacity, sizeof(*items));
                if (!items)
                        return;
                slot->suspects = items;
                slot->suspects_capacity = capacity;
        }
        slot->suspects[slot->n_suspects++] = hash;
}

/* Two changes with one hash are both told: nothing is hidden by that. */
static bool is_suspect(const struct slot *slot, uint64_t hash) {
        if (slot->n_suspects == SUSPECTS_MAX)
                return true;
        for (size_t i = 0; i < slot->n_suspects; i++)
                if (slot->suspects[i] == hash)
                        return true;
        return false;
}

static int on_change(struct diff_events *events, const struct change *found) {
        struct look *look = container_of(events, struct look, events);
        const struct watch *kind = look->slot->watch.kind;
        struct change detailed = *found;
        const struct change *change = &detailed;
        struct record record;
        bool whole = look->within.size == 0 || look->below;
        _cleanup_proof_words_ struct proof_words words = { .verdict = NULL };
        enum proof_way way = PROOF_TELL;
        bool late = false;
        int r;

        if (look->sliced && sweep_touched(look->slot, change_record(change)->key))
                return 0; /* its event came since this sweep began, and told of it */
        if (!look->dry && look->slot->sifting && look->within.size == 0)
                late = !is_suspect(look->slot, hash_of(change));
        if (!look->learning && !late)
                way = proof_judge(look->engine, look->slot, change, &look->telling, whole, look->dry, &words);
        if (way == PROOF_WAIT)
                return 0;
        if (look->dry) {
                note_suspect(look->slot, hash_of(change));
                look->changes++;
                return 0;
        }
        if (late)
                return 0; /* it came after we looked first: its event will tell it */
        if (kind->detail && change->after && !look->learning) {
                record = *change->after;
                r = kind->detail(look->slot->state, change, &record);
                if (r == WATCH_E_NO_NEWS)
                        return keep_change(look, change);
                if (r < 0)
                        return r;
                detailed.after = &record;
        }
        r = keep_change(look, change);
        if (r < 0)
                return r;
        look->changes++;
        if (change->kind == CHANGE_APPEARED)
                look->appeared++;
        if (kind->append_only) {
                buffer_clear(&look->slot->last_key);
                buffer_append_bytes(&look->slot->last_key, change->after->key);
        }
        if (look->learning || way == PROOF_QUIET)
                return 0;
        look->telling.proof = &words;
        r = tell_change(look->engine, look->slot, change, &look->telling);
        look->telling.proof = NULL;
        return r;
}

static int on_complete(struct diff_events *events, struct record *now) {
        struct look *look = container_of(events, struct look, events);
        const struct watch *kind = look->slot->watch.kind;

        return kind->complete ? kind->complete(look->slot->state, now) : 0;
}

static bool on_due(struct diff_events *events, const struct record *known) {
        struct look *look = container_of(events, struct look, events);

        return sweep_reads_again(look->engine, look->slot, known->key);
}

static int on_defer(struct diff_events *events, const struct record *now, uint64_t *ret_bytes) {
        struct look *look = container_of(events, struct look, events);
        int r = look->slot->watch.kind->defer(look->slot->state, now, ret_bytes);

        if (r > 0 && *ret_bytes != UINT64_MAX) {
                look->bytes += *ret_bytes;
                look->window_bytes += *ret_bytes;
        }
        look->window_records += r > 0;
        return r;
}

static int on_read_deferred(struct diff_events *events) {
        struct look *look = container_of(events, struct look, events);
        uint64_t began_ns = engine_now_ns(look->engine);
        int r = look->slot->watch.kind->read_deferred(look->slot->state);

        if (look->sliced)
                sweep_fit_window(look->engine, look, engine_now_ns(look->engine) - began_ns);
        return r;
}

static int on_complete_deferred(struct diff_events *events, struct record *now) {
        struct look *look = container_of(events, struct look, events);

        return look->slot->watch.kind->complete_deferred(look->slot->state, now);
}

static int on_refresh(struct diff_events *events, const struct record *now) {
        struct look *look = container_of(events, struct look, events);
        const struct change change = { .kind = CHANGE_CHANGED, .fields = look->slot->watch.kind->fields, .after = now };

        look->refreshed++;
        return look->dry ? 0 : keep_change(look, &change);
}

/* In a look at one key, whatever lies elsewhere is none of its business. */
static bool is_within(struct bytes key, struct bytes within) {
        return within.size == 0 || range_holds(within, key);
}

static int feed_slice(struct look *look, const struct record *record) {
        struct buffer *end = &look->slot->sweep.end;
        int order = look->until.size ? bytes_compare(record->key, look->until) : -1, r;

        if (order > 0) {
                look->stopped = true;
                return -ECANCELED;
        }
        r = diff_feed(&look->diff, record);
        /* The empty key is that of no place to go on behind. */
        if (r < 0 || record->key.size == 0 || (order < 0 && !sweep_slice_over(look->engine, look)))
                return r;
        look->stopped = true;
        if (order == 0)
                return -ECANCELED;
        buffer_clear(end);
        buffer_append_bytes(end, record->key);
        return buffer_error(end) < 0 ? -ENOMEM : -ECANCELED;
}

static int on_record(struct collector *collector, const struct record *record) {
        struct look *look = container_of(collector, struct look, collector);

        if (!is_within(record->key, look->within))
                return 0;
        if (look->engine->fast && look->within.size && !look->below && record->key.size != look->within.size) {
                look->found_below = true;
                return 0;
        }
        return look->sliced ? feed_slice(look, record) : diff_feed(&look->diff, record);
}

static int on_passed(struct collector *collector, struct bytes key) {
        struct look *look = container_of(collector, struct look, collector);
        struct buffer *end = &look->slot->sweep.end;

        if (!look->sliced || key.size == 0)
                return 0;
        if (look->until.size) {
                look->stopped = bytes_compare(key, look->until) >= 0;
        } else if (sweep_slice_over(look->engine, look)) {
                look->stopped = true;
                buffer_clear(end);
                buffer_append_bytes(end, key);
                if (buffer_error(end) < 0)
                        return -ENOMEM;
        }
        return look->stopped ? -ECANCELED : 0;
}

static int on_unseen(struct collector *collector, struct bytes key) {
        struct look *look = container_of(collector, struct look, collector);

        return is_within(key, look->within) ? diff_unseen(&look->diff, key) : 0;
}

static void on_loss(struct collector *collector, const struct loss *loss) {
        struct look *look = container_of(collector, struct look, collector);

        if (!look->dry)
                rescan_seen(look->engine, look->slot, loss);
}

/* One line each, whatever names from outside are in it. */
static void on_condition(struct collector *collector, const char *text) {
        struct look *look = container_of(collector, struct look, collector);
        struct buffer *conditions = &look->slot->new_conditions;

        if (look->within.size)
                return; /* the next look at everything says so, too */
        if (escape_is_clean(bytes_of_string(text)))
                buffer_append_string(conditions, text);
        else
                escape_append(conditions, bytes_of_string(text));
        buffer_append_byte(conditions, '\n');
}

int look_collect(struct look *look) {
        struct engine *engine = look->engine;
        struct slot *slot = look->slot;
        const struct watch *kind = slot->watch.kind;
        const char *name = slot->watch.settings->name;
        struct baseline *baseline = baseline_of(engine);
        _cleanup_stream_ struct stream *known = NULL;
        struct collect_request request = { .after = BYTES_NULL, .within = look->within };
        uint8_t last_key[LAST_KEY_MAX];
        size_t last_key_size = 0;
        int r;

        if (look->within.size == 0) {
                r = baseline->ops->known(baseline, name);
                if (r < 0)
                        return engine_fatal(engine, r);
                look->learning = r == 0;
                if (kind->append_only && slot->last_key.size) {
                        request.after = buffer_bytes(&slot->last_key); /* noted, perhaps, and not in the baseline yet */
                } else if (kind->append_only) {
                        r = baseline->ops->last_key(baseline, name, last_key, sizeof(last_key), &last_key_size);
                        if (r < 0)
                                return engine_fatal(engine, r);
                        request.after = bytes_of(last_key, last_key_size);
                } else if (look->sliced) {
                        request.after = buffer_bytes(&slot->sweep.place);
                        request.fresh = slot->sweep.stale;
                        slot->sweep.stale = false;
                        request.threads = look->learning ? engine->options.learn_threads : engine->options.scan_threads;
                        request.rate = engine->unhurried ? engine->options.scan_rate : 0;
                }
        }
        r = range_open(baseline, name, kind->fields, look->within, request.after, engine->fast && look->within.size && !look->below,
                       engine->fast || (look->dry && engine->notes), &known);
        if (r < 0)
                return engine_fatal(engine, r);

        look->collector = (struct collector){
                .record = on_record, .loss = on_loss, .condition = on_condition, .unseen = on_unseen,
                .passed = on_passed,
        };
        look->events = (struct diff_events){
                .change = on_change, .complete = on_complete, .refresh = on_refresh,
                .due = on_due, .defer = on_defer, .read_deferred = on_read_deferred, .complete_deferred = on_complete_deferred,
        };
        diff_init(&look->diff, kind->fields, known, &look->events);
        look->diff.thorough = look->thorough;
        look->diff.keep_known = kind->append_only;
        look->diff.window_bytes = kind->defer && (look->within.size == 0 || look->below) ? DIFF_WINDOW_BYTES : 0;
        look->diff.now_ns = timestamp_to_ns(&engine->round.at);
        look->diff.tick_ns = TICKS_UNSAFE * engine->options.clock->tick_ns;

        look->diff.asks_due = look->sliced && !look->learning;
        if (look->sliced && look->diff.window_bytes)
                sweep_open_window(engine, slot, &look->diff);

        r = kind->collect(slot->state, &request, &look->collector);
        if (look->stopped && r == -ECANCELED)
                r = diff_end_at(&look->diff, look->until.size ? look->until : buffer_bytes(&slot->sweep.end));
        else if (r == WATCH_OK)
                r = diff_end(&look->diff);
        diff_done(&look->diff);
        if (kind->rest)
                kind->rest(slot->state);
        return r;
}

/* True if the place the records come from did not move since it was collected, and long enough before that look; or since
 * collecting it failed, a short time ago. */
static bool stamp_holds(struct engine *engine, struct slot *slot, uint64_t now_ns) {
        struct stamp stamp = { 0 };
        bool same;

        if (!slot->watch.kind->stamp || slot->watch.kind->stamp(slot->state, &stamp) < 0) {
                slot->has_stamp = false;
                return false;
        }
        same = slot->has_stamp && stamp.size == slot->stamp.size && memcmp(stamp.data, slot->stamp.data, stamp.size) == 0;
        if (!same) {
                slot->stamp = stamp;
                slot->stamp_since_ns = now_ns;
                slot->has_stamp = true;
                slot->collected_ns = 0;
        }
        if (slot->what == ENGINE_FAILING)
                return same && now_ns < slot->retry_ns;
        return same && slot->what == ENGINE_IDLE &&
               slot->collected_ns > slot->stamp_since_ns + TICKS_UNSAFE * engine->options.clock->tick_ns;
}

static int close_look(struct look *look) {
        struct engine *engine = look->engine;
        struct slot *slot = look->slot;
        struct baseline *baseline = baseline_of(engine);
        const char *name = slot->watch.settings->name;
        int r;

        if (look->stopped)
                return engine_end_part(engine, true);
        if (look->learning) {
                uint64_t count = look->sliced ? slot->sweep.records + diff_records(&look->diff) : look->appeared;
                struct event event = {
                        .watch = name,
                        .kind = NULL,
                        .action = &engine_baseline_created,
                        .severity = SEVERITY_INFO,
                        .sensor = slot->watch.kind->sensor,
                        .quiet = true,
                };
                _cleanup_free_ char *message = NULL;

                r = engine_ensure_part(engine);
                if (r < 0)
                        return r;
                r = baseline->ops->set_known(baseline, name, slot->watch.kind->fields);
                if (r < 0)
                        return engine_fatal(engine, r);
                if (asprintf(&message, "%s: nothing was known of it; what is there now is what later rounds compare with (%llu record%s)",
                             name, (unsigned long long)count, count == 1 ? "" : "s") < 0)
                        message = NULL;
                event.message = message;
                event_add(&event, "nephronix.count", FIELD_NUMBER, value_number(count));
                r = tell_event(engine, &event);
                if (r < 0)
                        return r;
        }
        if (slot->watch.kind->append_only && look->appeared && !engine->fast) {
                r = baseline->ops->prune(baseline, name, slot->watch.kind->retain);
                if (r < 0)
                        return engine_fatal(engine, r);
        }
        return engine_end_part(engine, true);
}

/* Lines on one line. */
static void join_lines(struct buffer *buffer, const char *before, struct buffer *lines) {
        for (const char *at = buffer_string(lines), *end; (end = strchr(at, '\n')); at = end + 1, before = "; ")
                buffer_printf(buffer, "%s%.*s", before, (int)(end - at), at);
}

/* 'blinded': what could be seen until now cannot be seen at all any more, which is worth a page where changes are. */
static void note_conditions(struct engine *engine, struct slot *slot, bool blinded) {
        enum severity severity =
                blinded && slot->watch.settings->priority == PRIORITY_HIGH ? SEVERITY_HIGH : SEVERITY_LOW;
        struct buffer old = slot->conditions;

        if (bytes_equal(buffer_bytes(&slot->conditions), buffer_bytes(&slot->new_conditions)))
                return;
        slot->conditions = slot->new_conditions;
        slot->new_conditions = old;
        if (slot->conditions.size == 0) {
                tell_notice(engine, slot, &engine_condition_changed, SEVERITY_LOW, "%s: all of it can be seen again",
                     slot->watch.settings->name);
        } else {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                join_lines(&text, "", &slot->conditions);
                tell_notice(engine, slot, &engine_condition_changed, severity, "%s: not seen: %s",
                     slot->watch.settings->name, buffer_string(&text));
        }
}

static void note_failure(struct engine *engine, struct slot *slot, int error, uint64_t began_ns) {
        const char *name = strerrorname_np(-error);

        if (slot->what != ENGINE_FAILING || slot->error != error) {
                enum severity severity =
                        slot->watch.settings->priority == PRIORITY_HIGH ? SEVERITY_HIGH : SEVERITY_MEDIUM;
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                join_lines(&text, ": ", &slot->new_conditions);
                tell_notice(engine, slot, &engine_watch_failed, severity, "%s: cannot be watched: %s%s (%s)%s",
                     slot->watch.settings->name,
                     error == -EBADMSG ? "its records or what was known of them make no sense: " : "",
                     strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error", name ? name : "?",
                     buffer_string(&text));
        }
        if (!slot->failing_since_ns)
                slot->failing_since_ns = timestamp_to_ns(&engine->round.at);
        if (slot->failures < BACKOFF_MAX)
                slot->failures++;
        slot->retry_ns = began_ns + (engine->options.interval_ns << slot->failures);
        slot->what = ENGINE_FAILING;
        slot->error = error;
        slot->asked_ns = 0;
}

static void note_success(struct engine *engine, struct slot *slot) {
        /* Also if in between it was not there at all. */
        if (slot->failing_since_ns) {
                uint64_t now = timestamp_to_ns(&engine->round.at);

                tell_notice(engine, slot, &engine_watch_recovered, SEVERITY_LOW, "%s: is watched again, after %llu s",
                     slot->watch.settings->name, (unsigned long long)((now - slot->failing_since_ns) / NS_PER_S));
        }
        slot->what = ENGINE_IDLE;
        slot->error = 0;
        slot->failures = 0;
        slot->failing_since_ns = 0;
}

int slot_open(struct slot *slot) {
        int r;

        if (slot->opened)
                return 0;
        r = slot->watch.kind->open(slot->watch.settings, slot->watch.host, &slot->state);
        if (r == 0)
                slot->opened = true;
        return r;
}

/* A hint for the whole watch says who did one thing. What else the look finds is that process's only if whatever happens is
 * hinted: then it is one deed (a run of dpkg changes many packages). Where hints tell of a part alone nobody knows. */
static struct telling telling_of(const struct slot *slot) {
        struct telling telling = { .sensor = slot->watch.kind->sensor, .gap = !slot->caught_up };

        if (slot->caught_up && slot->hinted) {
                telling.seen_by = "event";
                if (!slot->mixed && slot_covered(slot))
                        telling.origin = slot->origin;
        } else {
                telling.seen_by = slot->caught_up && !slot_covered(slot) ? "poll" : "reconcile";
        }
        return telling;
}

static void forget_hints(struct slot *slot) {
        slot->hinted = slot->mixed = false;
        slot->origin = (struct origin){ 0 };
        slot->hint_source = NULL;
}

static void note_looked(struct engine *engine, struct slot *slot, const struct look *look, uint64_t began_ns, bool full) {
        const struct sweep *sweep = &slot->sweep;
        bool several = look->sliced && sweep->slices > 0;

        note_success(engine, slot);
        note_conditions(engine, slot, false);
        /* An answer is as old as its question. */
        slot->collected_ns = slot->asked_ns ? slot->asked_ns : began_ns;
        slot->asked_ns = 0;
        slot->records = slot->watch.kind->append_only ? slot->records + look->appeared : sweep->records + diff_records(&look->diff);
        slot->last_look_ns = timestamp_to_ns(&engine->round.at);
        slot->looked = true;
        slot->changed = slot->changed || look->changes > 0 || (look->learning && several);
        slot->found += look->learning ? 0 : look->changes;
        if (full && slot->caught_up) {
                slot->last_reconcile_ns = slot->last_look_ns;
                slot->reconcile_found = sweep->changes + look->changes;
        }
        if (look->sliced)
                sweep_read(slot, sweep->thorough || look->learning);
        /* What came while it was under way may be about what it had passed by then. */
        if (sweep->spoilt)
                slot->mixed = true;
        else
                forget_hints(slot);
        slot->rescan = sweep->lost_again;
        if (!several)
                key_list_clear(&slot->ranges);
}

static int note_not_looked(struct engine *engine, struct slot *slot, int r, uint64_t began_ns) {
        /* What was lost is made good by the look that succeeds, which compares everything; until then none is due for it. */
        slot->rescan = slot->rescan && r == WATCH_E_BUSY;
        if (r == WATCH_E_BUSY) {
                slot->rescan_after_ns = began_ns + engine->options.interval_ns;
                if (!slot->asked_ns)
                        slot->asked_ns = began_ns;
                if (slot->what != ENGINE_FAILING) /* it still does until the answer says otherwise */
                        slot->what = ENGINE_WAITING;
        } else if (r == WATCH_E_UNAVAILABLE) {
                note_conditions(engine, slot, slot->what == ENGINE_IDLE && slot->last_look_ns > 0);
                slot->what = ENGINE_UNAVAILABLE;
                slot->error = 0;
                slot->failures = 0;
        } else {
                note_failure(engine, slot, r, began_ns);
        }
        return 0;
}

/* A slice stands, or will when its round does; the next one goes on from there. */
static void note_slice(struct engine *engine, struct slot *slot, const struct look *look) {
        if (!look->learning && look->changes > 0) {
                slot->changed = true;
                slot->found += look->changes;
        }
        slot->sweep.learning = look->learning;
        sweep_advance(engine, slot, look);
}

/* 1: 'dry', and something differs. */
static int look_whole(struct engine *engine, struct slot *slot, bool thorough, bool dry) {
        struct engine_clock *clock = engine->options.clock;
        uint64_t began_ns = clock->monotonic_ns(clock), cpu_ns = clock->cpu_ns(clock), cost_ns;
        bool sliced = slot->watch.kind->can_resume && !engine->fast;
        bool by_clock = schedule_reconcile_due(&slot->schedule, began_ns);
        bool reconcile = thorough || slot->rescan || slot->schedule.hinted || by_clock;
        struct look look = {
                .engine = engine, .slot = slot, .telling = telling_of(slot), .thorough = thorough, .dry = dry,
        };
        struct sweep *sweep = &slot->sweep;
        uint64_t sequence = engine->sequence;
        size_t events = engine->round.events;
        bool again;
        int r = slot_open(slot);

        if (r == 0 && !sweep->active) {
                if (stamp_holds(engine, slot, began_ns) && !reconcile) {
                        if (slot->what == ENGINE_IDLE) {
                                slot->looked = true;
                                slot->last_look_ns = timestamp_to_ns(&engine->round.at);
                        }
                        schedule_looked(&slot->schedule, began_ns, clock->cpu_ns(clock) - cpu_ns, false);
                        return 0;
                }
                buffer_clear(&slot->new_conditions);
                if (sliced)
                        r = sweep_begin(engine, slot, thorough, dry, &look.telling);
                sweep->by_clock = !slot->hinted && by_clock;
                sweep->reconcile = reconcile;
        }
        if (r == 0) {
                proof_look_begins(engine);
                if (sliced)
                        sweep_slice(engine, slot, &look);
                r = look_collect(&look);
                if (r == WATCH_OK)
                        r = close_look(&look);
        }
        if (engine->fatal)
                return engine->fatal;
        sweep->cost_ns += clock->cpu_ns(clock) - cpu_ns;

        if (dry && r == WATCH_OK && (look.changes > 0 || look.refreshed > 0)) {
                sweep->to_end = !look.stopped;
                return 1;
        }
        if (r == WATCH_OK && look.stopped) {
                note_slice(engine, slot, &look);
                return 0;
        }
        slot->looks++;
        if (sweep->began_ns)
                began_ns = sweep->began_ns;
        if (r == WATCH_OK) {
                note_looked(engine, slot, &look, began_ns, sweep->by_clock);
        } else {
                /* In a batch each change stands for itself; in a round they are given back together. */
                if (!engine->fast) {
                        r = engine_end_part(engine, false) < 0 ? engine->fatal : r;
                        engine->sequence = sequence;
                        engine->round.events = events;
                        proof_look_failed(engine);
                }
                if (engine->fatal)
                        return engine->fatal;
                buffer_clear(&slot->last_key);
                (void)note_not_looked(engine, slot, r, began_ns);
        }

        cost_ns = sweep->cost_ns;
        slot->last_cost_ns = cost_ns;
        slot->total_cost_ns += cost_ns;
        slot_set_interval(engine, slot);
        again = sweep->spoilt;
        /* What this host never had is asked for rarely; what it had a moment ago may be back the next. */
        if (slot->what == ENGINE_UNAVAILABLE && slot->last_look_ns == 0)
                schedule_rest(&slot->schedule, began_ns);
        else
                schedule_looked(&slot->schedule, began_ns, cost_ns, sweep->reconcile || reconcile);
        if (again)
                schedule_hint(&slot->schedule);
        sweep_end(slot);
        return 0;
}

/* Only what hints named, with all that lies below. What goes wrong is the next whole look's to say. */
static int look_ranges(struct engine *engine, struct slot *slot) {
        struct engine_clock *clock = engine->options.clock;
        uint64_t began_ns = clock->monotonic_ns(clock), cpu_ns = clock->cpu_ns(clock);

        for (size_t i = 0; i < slot->ranges.count; i++) {
                const struct key_hint *range = &slot->ranges.items[i];
                struct look look = { .engine = engine, .slot = slot, .within = buffer_bytes(&range->key), .below = true };
                uint64_t sequence = engine->sequence;
                size_t events = engine->round.events;
                int r = engine->fast ? keep_batch(engine) : 0; /* ranges may overlap */

                if (r < 0)
                        return r;
                look.telling = (struct telling){
                        .seen_by = "event", .sensor = slot->watch.kind->sensor, .origin = range->origin, .at_ns = range->at_ns,
                };
                proof_look_begins(engine);
                r = look_collect(&look);
                if (r == WATCH_OK)
                        r = close_look(&look);
                if (engine->fatal)
                        return engine->fatal;
                if (r != WATCH_OK) {
                        if (!engine->fast) {
                                proof_look_failed(engine);
                                r = engine_end_part(engine, false);
                                if (r < 0)
                                        return r;
                                engine->sequence = sequence;
                                engine->round.events = events;
                        }
                        schedule_hint(&slot->schedule);
                        continue;
                }
                slot->changed = slot->changed || look.changes > 0;
                slot->found += look.changes;
                slot->records = slot->records + look.appeared; /* about: the next whole look counts */
        }
        key_list_clear(&slot->ranges);
        schedule_pay(&slot->schedule, began_ns, clock->cpu_ns(clock) - cpu_ns);
        return 0;
}

bool look_needs_sifting(const struct slot *slot, uint64_t now_ns) {
        if (slot->sweep.active)
                return slot->sweep.sifts && now_ns >= slot->sweep.next_ns;
        return slot->opened && slot->caught_up && slot->what == ENGINE_IDLE && slot_covered(slot) && !slot->hinted && !slot->rescan &&
               !slot->schedule.hinted && !slot->watch.kind->append_only && schedule_due(&slot->schedule, now_ns);
}

int look_for_suspects(struct engine *engine, struct slot *slot) {
        slot->n_suspects = 0;
        return look_whole(engine, slot, false, true);
}

/* One look of one watch. Negative only if the whole round must be given up. */
int look_at(struct engine *engine, struct slot *slot, bool thorough) {
        uint64_t now_ns = engine_now_ns(engine);

        /* In a batch only what was hinted: what is due by the clock as well has a round, which sifts. */
        if (engine->fast && slot->ranges.count && (!slot->schedule.hinted || slot->sweep.active))
                return look_ranges(engine, slot);
        if (thorough || slot->sweep.active || schedule_due(&slot->schedule, now_ns) || rescan_due(slot, now_ns) || !slot->opened)
                return look_whole(engine, slot, thorough, false);
        return look_ranges(engine, slot);
}
