#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "buffer.h"
#include "diff.h"
#include "escape.h"
#include "notices.h"
#include "rules.h"
#include "schedule.h"
#include "timestamp.h"
#include "uuid.h"

enum {
        LAST_KEY_MAX = 4096,
        TICKS_UNSAFE = 2,               /* evidence younger than this many ticks proves nothing */
        BACKOFF_MAX = 6,                /* doublings of the interval between two tries of what fails */
};

#define NS_PER_S UINT64_C(1000000000)

const struct action engine_baseline_created = { "baseline-created", "configuration", "creation", SEVERITY_INFO, true, NULL };
const struct action engine_watch_failed = { "watch-failed", "host", "error", SEVERITY_MEDIUM, true, NULL };
const struct action engine_watch_recovered = { "watch-recovered", "host", "info", SEVERITY_LOW, true, NULL };
const struct action engine_events_lost = { "events-lost", "host", "info", SEVERITY_HIGH, true, NULL };
const struct action engine_condition_changed = { "coverage-changed", "host", "info", SEVERITY_LOW, true, NULL };

struct slot {
        struct engine_watch watch;
        struct schedule schedule;
        void *state;                    /* the watch's own */
        bool opened;
        enum engine_watch_state what;
        int error;
        uint64_t records, looks, changes, losses;
        uint64_t last_look_ns, last_change_ns, failing_since_ns, last_cost_ns, total_cost_ns;
        struct stamp stamp;
        bool has_stamp;
        uint64_t stamp_since_ns;        /* monotonic: when this stamp was first seen */
        uint64_t collected_ns;          /* monotonic: when the last collection began */
        uint64_t asked_ns;              /* monotonic: when it asked what is not answered yet; 0: no question is open */
        unsigned failures;              /* in a row */
        uint64_t retry_ns;              /* monotonic: until then a failing watch whose place did not move is left alone */
        struct buffer conditions, new_conditions;
        bool changed, looked;
        uint64_t found;                 /* changes of this round */
        bool caught_up;                 /* a look of this run stands: what comes next happened while we watched */
};

struct engine {
        struct engine_options options;
        struct slot *slots;
        size_t n_slots;
        uint64_t sequence;
        struct notices notices;

        /* the round that runs */
        struct round round;
        bool transaction, part;
        int fatal;                      /* the round cannot be kept, whatever the watches do */
};

/* What a watch hands its records to, and the diff its findings. */
struct look {
        struct collector collector;
        struct diff_events events;
        struct diff diff;
        struct engine *engine;
        struct slot *slot;
        bool learning;                  /* nothing was known: everything is kept, and told as one event */
        uint64_t appeared, changes;
};

int engine_new(const struct engine_options *options, struct engine **ret) {
        struct engine *engine = calloc(1, sizeof(*engine));

        if (!engine)
                return -ENOMEM;
        engine->options = *options;
        engine->sequence = options->next_sequence;
        engine->n_slots = options->n_watches;
        engine->slots = calloc(options->n_watches + 1, sizeof(*engine->slots));
        if (!engine->slots) {
                free(engine);
                return -ENOMEM;
        }
        for (size_t i = 0; i < options->n_watches; i++) {
                engine->slots[i].watch = options->watches[i];
                schedule_init(&engine->slots[i].schedule, options->interval_ns, options->reconcile_ns);
        }
        *ret = engine;
        return 0;
}

struct engine *engine_free(struct engine *engine) {
        if (!engine)
                return NULL;
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                if (slot->opened)
                        slot->watch.kind->close(slot->state);
                buffer_done(&slot->conditions);
                buffer_done(&slot->new_conditions);
        }
        notices_clear(&engine->notices);
        free(engine->slots);
        free(engine);
        return NULL;
}

void engine_hint(struct engine *engine, const struct hint *hint) {
        /* A hint for no watch in particular is the clock's: each watch's own schedule says whether it is due. */
        for (size_t i = 0; i < engine->n_slots; i++)
                if ((hint->watch && strcmp(hint->watch, engine->slots[i].watch.settings->name) == 0) ||
                    (hint->kind && strcmp(hint->kind, engine->slots[i].watch.kind->kind) == 0))
                        schedule_hint(&engine->slots[i].schedule);
}

int engine_notice(struct engine *engine, const struct event *event) {
        return notices_add(&engine->notices, event);
}

__attribute__((format(printf, 5, 6)))
static void tell(struct engine *engine, struct slot *slot, const struct action *action, enum severity severity,
                 const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list arguments;
        struct event event = {
                .watch = slot ? slot->watch.settings->name : NULL,
                .action = action,
                .severity = severity,
        };

        va_start(arguments, format);
        if (vasprintf(&message, format, arguments) < 0)
                message = NULL;
        va_end(arguments);
        event.message = message;
        /* A full queue means that no round could be kept for long: what is told then is that one fact. */
        (void)engine_notice(engine, &event);
}

void engine_loss(struct engine *engine, const struct loss *loss) {
        (void)notices_add_loss(&engine->notices, &engine_events_lost, loss);
        /* It does not say whose: everybody looks again, whatever the stamps say. */
        for (size_t i = 0; i < engine->n_slots; i++)
                schedule_hint(&engine->slots[i].schedule);
}

/* ---- the transaction of a round ---- */

static struct baseline *baseline_of(struct engine *engine) {
        return engine->options.baseline;
}

static int fatal(struct engine *engine, int error) {
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
                return fatal(engine, r);
        engine->transaction = true;
        return 0;
}

static int ensure_part(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);
        int r;

        if (engine->part)
                return 0;
        r = ensure_transaction(engine);
        if (r < 0)
                return r;
        r = baseline->ops->begin_part(baseline);
        if (r < 0)
                return fatal(engine, r);
        engine->part = true;
        return 0;
}

static int end_part(struct engine *engine, bool keep) {
        struct baseline *baseline = baseline_of(engine);
        int r;

        if (!engine->part)
                return 0;
        engine->part = false;
        r = baseline->ops->end_part(baseline, keep);
        return r < 0 ? fatal(engine, r) : 0;
}

static int emit(struct engine *engine, struct event *event) {
        struct engine_clock *clock = engine->options.clock;
        int r;

        event->sequence = engine->sequence;
        event->at = clock->realtime(clock);
        memcpy(event->round, engine->round.id, UUID_SIZE);
        clock->random(clock, event->id, UUID_SIZE);
        uuid_make_v7(event->id, &event->at);
        r = engine->options.out->event(engine->options.out, event);
        if (r < 0)
                return fatal(engine, r);
        engine->sequence++;
        engine->round.events++;
        return 0;
}

/* ---- one watch ---- */

static void add_gap(struct engine *engine, struct event *event) {
        if (!engine->options.unwatched_since_ns)
                return;
        event_add(event, "nephronix.unwatched.since", FIELD_TIME, value_number(engine->options.unwatched_since_ns));
        event_add(event, "nephronix.unwatched.until", FIELD_TIME, value_number(timestamp_to_ns(&engine->round.at)));
}

static int keep_change(struct look *look, const struct change *change) {
        struct baseline *baseline = baseline_of(look->engine);
        const struct watch *kind = look->slot->watch.kind;
        const char *name = look->slot->watch.settings->name;
        int r;

        if (change->after)
                r = baseline->ops->put(baseline, name, kind->fields, change->after);
        else
                r = baseline->ops->remove(baseline, name, change->before->key);
        return r < 0 ? fatal(look->engine, r) : 0;
}

static int on_change(struct diff_events *events, const struct change *change) {
        struct look *look = container_of(events, struct look, events);
        struct engine *engine = look->engine;
        const struct watch *kind = look->slot->watch.kind;
        struct event event = { 0 };
        int r;

        r = ensure_part(engine);
        if (r < 0)
                return r;
        r = keep_change(look, change);
        if (r < 0)
                return r;
        look->changes++;
        if (change->kind == CHANGE_APPEARED)
                look->appeared++;
        if (look->learning)
                return 0;

        event.watch = look->slot->watch.settings->name;
        event.kind = kind;
        event.action = rules_action(kind, change);
        event.severity = rules_severity(event.action, look->slot->watch.settings->priority);
        event.seen_by = look->slot->caught_up ? "poll" : "reconcile";
        event.sensor = kind->sensor;
        event.change = change;
        if (!look->slot->caught_up)
                add_gap(engine, &event);
        return emit(engine, &event);
}

static int on_complete(struct diff_events *events, struct record *now) {
        struct look *look = container_of(events, struct look, events);
        const struct watch *kind = look->slot->watch.kind;

        return kind->complete ? kind->complete(look->slot->state, now) : 0;
}

static int on_refresh(struct diff_events *events, const struct record *now) {
        struct look *look = container_of(events, struct look, events);
        struct baseline *baseline = baseline_of(look->engine);
        int r;

        r = ensure_part(look->engine);
        if (r < 0)
                return r;
        r = baseline->ops->put(baseline, look->slot->watch.settings->name, look->slot->watch.kind->fields, now);
        return r < 0 ? fatal(look->engine, r) : 0;
}

static int on_record(struct collector *collector, const struct record *record) {
        struct look *look = container_of(collector, struct look, collector);

        return diff_feed(&look->diff, record);
}

static int on_unseen(struct collector *collector, struct bytes key) {
        return diff_unseen(&container_of(collector, struct look, collector)->diff, key);
}

static void on_loss(struct collector *collector, const struct loss *loss) {
        struct look *look = container_of(collector, struct look, collector);

        look->slot->losses += loss->counted ? loss->count : 1;
        (void)notices_add_loss(&look->engine->notices, &engine_events_lost, loss);
}

/* One line each, whatever names from outside are in it. */
static void on_condition(struct collector *collector, const char *text) {
        struct look *look = container_of(collector, struct look, collector);
        struct buffer *conditions = &look->slot->new_conditions;

        if (escape_is_clean(bytes_of_string(text)))
                buffer_append_string(conditions, text);
        else
                escape_append(conditions, bytes_of_string(text));
        buffer_append_byte(conditions, '\n');
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

static int collect(struct look *look, bool thorough) {
        struct engine *engine = look->engine;
        struct slot *slot = look->slot;
        const struct watch *kind = slot->watch.kind;
        const char *name = slot->watch.settings->name;
        struct baseline *baseline = baseline_of(engine);
        _cleanup_stream_ struct stream *known = NULL;
        struct collect_request request = { .after = BYTES_NULL };
        uint8_t last_key[LAST_KEY_MAX];
        size_t last_key_size = 0;
        int r;

        r = baseline->ops->known(baseline, name);
        if (r < 0)
                return fatal(engine, r);
        look->learning = r == 0;
        if (kind->append_only) {
                r = baseline->ops->last_key(baseline, name, last_key, sizeof(last_key), &last_key_size);
                if (r < 0)
                        return fatal(engine, r);
                request.after = bytes_of(last_key, last_key_size);
        }
        r = baseline->ops->read(baseline, BASELINE_BEFORE, name, kind->fields, request.after, &known);
        if (r < 0)
                return fatal(engine, r);

        look->collector = (struct collector){ .record = on_record, .loss = on_loss, .condition = on_condition };
        look->collector.unseen = on_unseen;
        look->events = (struct diff_events){ .change = on_change, .complete = on_complete, .refresh = on_refresh };
        diff_init(&look->diff, kind->fields, known, &look->events);
        look->diff.thorough = thorough;
        look->diff.keep_known = kind->append_only;
        look->diff.now_ns = timestamp_to_ns(&engine->round.at);
        look->diff.tick_ns = TICKS_UNSAFE * engine->options.clock->tick_ns;

        r = kind->collect(slot->state, &request, &look->collector);
        if (r == WATCH_OK)
                r = diff_end(&look->diff);
        diff_done(&look->diff);
        return r;
}

static int close_look(struct look *look) {
        struct engine *engine = look->engine;
        struct slot *slot = look->slot;
        struct baseline *baseline = baseline_of(engine);
        const char *name = slot->watch.settings->name;
        int r;

        if (look->learning) {
                struct event event = {
                        .watch = name,
                        .kind = NULL,
                        .action = &engine_baseline_created,
                        .severity = SEVERITY_INFO,
                        .sensor = slot->watch.kind->sensor,
                        .quiet = true,
                };
                _cleanup_free_ char *message = NULL;

                r = ensure_part(engine);
                if (r < 0)
                        return r;
                r = baseline->ops->set_known(baseline, name, slot->watch.kind->fields);
                if (r < 0)
                        return fatal(engine, r);
                if (asprintf(&message, "%s: nothing was known of it; what is there now is what later rounds compare with (%llu record%s)",
                             name, (unsigned long long)look->appeared, look->appeared == 1 ? "" : "s") < 0)
                        message = NULL;
                event.message = message;
                event_add(&event, "nephronix.count", FIELD_NUMBER, value_number(look->appeared));
                r = emit(engine, &event);
                if (r < 0)
                        return r;
        }
        if (slot->watch.kind->append_only && look->appeared) {
                r = baseline->ops->prune(baseline, name, slot->watch.kind->retain);
                if (r < 0)
                        return fatal(engine, r);
        }
        return end_part(engine, true);
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
                tell(engine, slot, &engine_condition_changed, SEVERITY_LOW, "%s: all of it can be seen again",
                     slot->watch.settings->name);
        } else {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                join_lines(&text, "", &slot->conditions);
                tell(engine, slot, &engine_condition_changed, severity, "%s: not seen: %s",
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
                tell(engine, slot, &engine_watch_failed, severity, "%s: cannot be watched: %s%s (%s)%s",
                     slot->watch.settings->name,
                     error == -EBADMSG ? "its records or what was known of them make no sense: " : "",
                     strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error", name ? name : "?",
                     buffer_string(&text));
        }
        if (slot->what != ENGINE_FAILING)
                slot->failing_since_ns = timestamp_to_ns(&engine->round.at);
        if (slot->failures < BACKOFF_MAX)
                slot->failures++;
        slot->retry_ns = began_ns + (engine->options.interval_ns << slot->failures);
        slot->what = ENGINE_FAILING;
        slot->error = error;
        slot->asked_ns = 0;
}

static void note_success(struct engine *engine, struct slot *slot) {
        if (slot->what == ENGINE_FAILING) {
                uint64_t now = timestamp_to_ns(&engine->round.at);

                tell(engine, slot, &engine_watch_recovered, SEVERITY_LOW, "%s: is watched again, after %llu s",
                     slot->watch.settings->name, (unsigned long long)((now - slot->failing_since_ns) / NS_PER_S));
        }
        slot->what = ENGINE_IDLE;
        slot->error = 0;
        slot->failures = 0;
        slot->failing_since_ns = 0;
}

static int open_watch(struct slot *slot) {
        int r;

        if (slot->opened)
                return 0;
        r = slot->watch.kind->open(slot->watch.settings, slot->watch.host, &slot->state);
        if (r == 0)
                slot->opened = true;
        return r;
}

/* One look of one watch. Negative only if the whole round must be given up. */
static int look_at(struct engine *engine, struct slot *slot, bool thorough) {
        struct engine_clock *clock = engine->options.clock;
        uint64_t began_ns = clock->monotonic_ns(clock), cpu_ns = clock->cpu_ns(clock), cost_ns;
        bool reconcile = thorough || slot->schedule.hinted || schedule_reconcile_due(&slot->schedule, began_ns);
        struct look look = { .engine = engine, .slot = slot };
        uint64_t sequence = engine->sequence;
        size_t events = engine->round.events;
        bool unchanged;
        int r;

        r = open_watch(slot);
        if (r == 0) {
                unchanged = stamp_holds(engine, slot, began_ns);
                if (unchanged && !reconcile) {
                        if (slot->what == ENGINE_IDLE) {
                                slot->looked = true;
                                slot->last_look_ns = timestamp_to_ns(&engine->round.at);
                        }
                        schedule_looked(&slot->schedule, began_ns, clock->cpu_ns(clock) - cpu_ns, false);
                        return 0;
                }
                buffer_clear(&slot->new_conditions);
                r = collect(&look, thorough);
                if (r == WATCH_OK)
                        r = close_look(&look);
        }
        if (engine->fatal)
                return engine->fatal;

        slot->looks++;
        if (r == WATCH_OK) {
                note_success(engine, slot);
                note_conditions(engine, slot, false);
                /* An answer is as old as its question. */
                slot->collected_ns = slot->asked_ns ? slot->asked_ns : began_ns;
                slot->asked_ns = 0;
                slot->records = slot->watch.kind->append_only ? slot->records + look.appeared : diff_records(&look.diff);
                slot->last_look_ns = timestamp_to_ns(&engine->round.at);
                slot->looked = true;
                slot->changed = look.changes > 0;
                slot->found = look.learning ? 0 : look.changes;
        } else {
                r = end_part(engine, false) < 0 ? engine->fatal : r;
                engine->sequence = sequence;
                engine->round.events = events;
                if (engine->fatal)
                        return engine->fatal;
                if (r == WATCH_E_BUSY) {
                        if (!slot->asked_ns)
                                slot->asked_ns = began_ns;
                        if (slot->what != ENGINE_FAILING) /* it still does until the answer says otherwise */
                                slot->what = ENGINE_WAITING;
                } else if (r == WATCH_E_UNAVAILABLE) {
                        note_conditions(engine, slot, slot->what == ENGINE_IDLE && slot->last_look_ns > 0);
                        slot->what = ENGINE_UNAVAILABLE;
                        slot->error = 0;
                        slot->failures = 0;
                        slot->failing_since_ns = 0;
                } else {
                        note_failure(engine, slot, r, began_ns);
                }
        }

        cost_ns = clock->cpu_ns(clock) - cpu_ns;
        slot->last_cost_ns = cost_ns;
        slot->total_cost_ns += cost_ns;
        /* What this host never had is asked for rarely; what it had a moment ago may be back the next. */
        if (slot->what == ENGINE_UNAVAILABLE && slot->last_look_ns == 0)
                schedule_rest(&slot->schedule, began_ns);
        else
                schedule_looked(&slot->schedule, began_ns, cost_ns, reconcile);
        return 0;
}

/* ---- the round ---- */

static int tell_notices(struct engine *engine) {
        for (size_t i = 0; i < engine->notices.count; i++) {
                struct event event = engine->notices.items[i].event;
                int r = ensure_transaction(engine);

                if (r == 0)
                        r = emit(engine, &event);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int give_up(struct engine *engine, int error, uint64_t sequence) {
        struct baseline *baseline = baseline_of(engine);

        if (engine->part)
                (void)baseline->ops->end_part(baseline, false);
        if (engine->transaction)
                baseline->ops->abort(baseline);
        engine->part = engine->transaction = false;
        engine->sequence = sequence;
        /* What was found is not kept: it must be found again, whatever the stamps say. */
        for (size_t i = 0; i < engine->n_slots; i++) {
                engine->slots[i].has_stamp = false;
                engine->slots[i].changed = false;
        }
        engine->options.out->given_up(engine->options.out, &engine->round, error);
        return error;
}

int engine_round(struct engine *engine, bool thorough) {
        struct baseline *baseline = baseline_of(engine);
        struct engine_clock *clock = engine->options.clock;
        uint64_t now_ns = clock->monotonic_ns(clock), sequence = engine->sequence;
        int r = 0;

        engine->round = (struct round){ .at = clock->realtime(clock) };
        clock->random(clock, engine->round.id, UUID_SIZE);
        uuid_make_v4(engine->round.id);
        engine->fatal = 0;
        for (size_t i = 0; i < engine->n_slots; i++) {
                engine->slots[i].changed = engine->slots[i].looked = false;
                engine->slots[i].found = 0;
        }

        for (size_t i = 0; i < engine->n_slots && r >= 0; i++)
                if (thorough || schedule_due(&engine->slots[i].schedule, now_ns))
                        r = look_at(engine, &engine->slots[i], thorough);
        if (r >= 0)
                r = tell_notices(engine);
        if (r >= 0 && engine->transaction) {
                r = engine->options.out->finish(engine->options.out, &engine->round);
                if (r >= 0) {
                        engine->transaction = false;
                        r = baseline->ops->commit(baseline);
                }
        }
        if (r < 0)
                return give_up(engine, r, sequence);

        notices_clear(&engine->notices);
        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                slot->caught_up |= slot->looked;
                slot->changes += slot->found;
                if (slot->found)
                        slot->last_change_ns = timestamp_to_ns(&engine->round.at);
        }
        engine->options.out->committed(engine->options.out, &engine->round);
        return 0;
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
                .failing_since_ns = slot->failing_since_ns,
                .last_cost_ns = slot->last_cost_ns,
                .total_cost_ns = slot->total_cost_ns,
                .cadence_ns = schedule_cadence(engine->options.interval_ns, slot->last_cost_ns),
                .conditions = buffer_string(&slot->conditions),
                .changed = slot->changed,
                .looked = slot->looked,
        };
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
