/* rounds.h - an engine for tests: fake watches whose truth the test sets, a baseline in memory, a clock made by hand; and what
 * its rounds tell, as text: "sequence action/severity watch key:before>after seen_by fact=value \"message\"". */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "baseline-text.h"
#include "buffer.h"
#include "engine.h"
#include "memory-baseline.h"
#include "provenance.h"
#include "timestamp.h"
#include "uuid.h"

enum { WATCHES_MAX = 3, TRUTHS_MAX = 16 };

#define SECOND UINT64_C(1000000000)
#define TICK UINT64_C(4000000)
#define INTERVAL (2 * SECOND)
#define RECONCILE (600 * SECOND)

/* ---- what is true of the host, and the watch that tells it ---- */

struct truth {
        const char *key, *value;
        uint64_t inode, ctime, content; /* of a costly watch; content is what only reading tells */
};

struct fixture;

struct fake {
        struct watch kind;
        struct watch_settings settings;
        struct fixture *fixture;
        struct truth truths[TRUTHS_MAX];
        char text[128];                 /* what they point into */
        size_t n_truths;
        const char *condition, *loss;
        uint64_t lost;
        uint64_t place, cost_ns, record_ns; /* what the stamp tells; what a look costs; how long each record takes */
        int answer, open_answer, stamp_answer;
        size_t fail_after;              /* records handed over before 'answer' */
        unsigned collected, completed, opened, closed, batches, rested, detailed;
        char deferred[TRUTHS_MAX][16];  /* keys */
        size_t n_deferred;
};

static const struct field plain_fields[] = {
        { "value", NULL, FIELD_TEXT, 0 },
        { 0 },
};

static const struct field costly_fields[] = {
        { "value", NULL, FIELD_TEXT, 0 },
        { "inode", NULL, FIELD_IDENTIFIER, FIELD_EVIDENCE },
        { "ctime", NULL, FIELD_TIME, FIELD_EVIDENCE | FIELD_CHANGED },
        { "content", NULL, FIELD_NUMBER, FIELD_COSTLY },
        { "looked", NULL, FIELD_TIME, FIELD_LOOKED },
        { 0 },
};

static inline int fake_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        const char *place = (const char *)settings - offsetof(struct fake, settings);
        struct fake *fake = (struct fake *)(uintptr_t)place;

        assert_null(host);
        if (fake->open_answer < 0)
                return fake->open_answer;
        fake->opened++;
        *ret_state = fake;
        return 0;
}

static inline void fake_close(void *state) {
        struct fake *fake = state;

        fake->closed++;
}

static inline int fake_stamp(void *state, struct stamp *ret) {
        struct fake *fake = state;

        if (fake->stamp_answer < 0)
                return fake->stamp_answer;
        ret->size = sizeof(fake->place);
        memcpy(ret->data, &fake->place, sizeof(fake->place));
        return 0;
}

static inline void spend(struct fixture *fixture, uint64_t ns);
static inline void take(struct fixture *fixture, uint64_t ns);

static inline int fake_collect(void *state, const struct collect_request *request, struct collector *collector) {
        struct fake *fake = state;
        size_t handed = 0;

        fake->collected++;
        spend(fake->fixture, fake->cost_ns);
        if (fake->loss) {
                struct loss loss = { .source = "fake", .reason = fake->loss, .counted = fake->lost > 0, .count = fake->lost };

                collector->loss(collector, &loss);
        }
        if (fake->condition)
                collector->condition(collector, fake->condition);
        for (size_t i = 0; i < fake->n_truths; i++) {
                const struct truth *truth = &fake->truths[i];
                struct record record = { .key = bytes_of_string(truth->key) };
                int r;

                if (fake->answer && handed == fake->fail_after)
                        return fake->answer;
                if (request->after.size && bytes_compare(record.key, request->after) <= 0)
                        continue;
                if (request->within.size && !bytes_starts_with(record.key, request->within))
                        continue;
                if (request->within.size == 0)
                        take(fake->fixture, fake->record_ns);
                if (strcmp(truth->value, "none") == 0) { /* looked at, and none of its records */
                        r = request->within.size || !collector->passed ? 0 : collector->passed(collector, record.key);
                        if (r < 0)
                                return r;
                        continue;
                }
                record.values[0] = value_string(truth->value);
                if (fake->kind.fields == costly_fields) {
                        record.values[1] = value_number(truth->inode);
                        record.values[2] = value_number(truth->ctime);
                }
                r = collector->record(collector, &record);
                if (r < 0)
                        return r;
                handed++;
        }
        return fake->answer;
}

static inline int fake_complete(void *state, struct record *record) {
        struct fake *fake = state;

        fake->completed++;
        for (size_t i = 0; i < fake->n_truths; i++)
                if (bytes_equal(record->key, bytes_of_string(fake->truths[i].key)))
                        record->values[3] = value_number(fake->truths[i].content);
        return 0;
}

/* Many at once: what was deferred is completed in that order, and nothing else. */
static inline int fake_defer(void *state, const struct record *record, uint64_t *ret_bytes) {
        struct fake *fake = state;

        assert_true(fake->n_deferred < TRUTHS_MAX);
        (void)snprintf(fake->deferred[fake->n_deferred++], sizeof(fake->deferred[0]), "%.*s", (int)record->key.size, record->key.data);
        *ret_bytes = 1;
        return 1;
}

static inline int fake_read_deferred(void *state) {
        struct fake *fake = state;

        fake->batches++;
        return 0;
}

static inline int fake_complete_deferred(void *state, struct record *record) {
        struct fake *fake = state;

        assert_true(fake->n_deferred > 0);
        assert_true(bytes_equal(record->key, bytes_of_string(fake->deferred[0])));
        memmove(fake->deferred[0], fake->deferred[1], sizeof(fake->deferred) - sizeof(fake->deferred[0]));
        fake->n_deferred--;
        return fake_complete(state, record);
}

static inline void fake_rest(void *state) {
        struct fake *fake = state;

        fake->n_deferred = 0;
        fake->rested++;
}

static inline void defer_all(struct fake *fake) {
        fake->kind.defer = fake_defer;
        fake->kind.read_deferred = fake_read_deferred;
        fake->kind.complete_deferred = fake_complete_deferred;
        fake->kind.rest = fake_rest;
}

/* What it would have said of a module of that name. */
static inline int fake_recognize(void *state, const struct delta *delta, struct record *ret) {
        *ret = (struct record){ .key = delta->module.name };
        if (state && delta->module.path.size)
                ret->values[0] = value_bytes(delta->module.path);
        return 1;
}

/* "a=1 b=2" */
static inline void set(struct fake *fake, const char *text) {
        char *rest = NULL;

        assert_true((size_t)snprintf(fake->text, sizeof(fake->text), "%s", text) < sizeof(fake->text));
        fake->n_truths = 0;
        for (char *word = strtok_r(fake->text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
                char *value = strchr(word, '=');

                assert_non_null(value);
                assert_true(fake->n_truths < TRUTHS_MAX);
                *value++ = '\0';
                fake->truths[fake->n_truths++] = (struct truth){ .key = word, .value = value };
        }
}

/* ---- the fixture ---- */

struct fixture {
        struct memory_baseline *memory;
        struct baseline *baseline;
        struct baseline_ops ops;        /* in force; a test may replace some */
        const struct baseline_ops *real;
        struct fake fakes[WATCHES_MAX];
        size_t count;
        struct engine_clock clock;
        uint64_t realtime_ns, monotonic_ns, cpu_ns;
        unsigned random;
        struct engine_out out;
        struct engine *engine;
        struct buffer told;             /* of the last round, without what was taken back */
        size_t starts[128];             /* where in it each event begins */
        uint64_t first_sequence;
        uint8_t round_id[UUID_SIZE];
        int event_answer, finish_answer;
        struct provenance *provenance;  /* what packages say; NULL: nobody is asked */
        uint64_t rehash_ns, scan_rate;
        bool starts_gently;
        bool (*go_on)(void *context);
        void (*drain)(void *context);   /* what sources hand over when they are asked */
        uint64_t fail_at;               /* sequence of the event that cannot be filed */
        size_t finished, committed, given_up, noted, events;
        int give_up_error;
};

static inline void spend(struct fixture *fixture, uint64_t ns) {
        fixture->cpu_ns += ns;
}

/* Wall time passes, and the clock on the wall stands, so that events are easily compared. */
static inline void take(struct fixture *fixture, uint64_t ns) {
        fixture->monotonic_ns += ns;
}

static struct fixture *the_fixture;     /* for what a test puts in place of the baseline's operations */

static inline struct fixture *of_clock(struct engine_clock *clock) {
        return container_of(clock, struct fixture, clock);
}

static inline struct timespec clock_realtime(struct engine_clock *clock) {
        return timestamp_of_ns(of_clock(clock)->realtime_ns);
}

static uint64_t clock_monotonic(struct engine_clock *clock) {
        return of_clock(clock)->monotonic_ns;
}

static uint64_t clock_cpu(struct engine_clock *clock) {
        return of_clock(clock)->cpu_ns;
}

static inline void clock_random_bytes(struct engine_clock *clock, void *ret, size_t size) {
        memset(ret, (int)(++of_clock(clock)->random & 0xff), size);
}

static inline void append_side(struct fixture *fixture, const struct field *fields, const struct record *record) {
        if (!record) {
                buffer_append_byte(&fixture->told, '-');
                return;
        }
        buffer_append_bytes(&fixture->told, record->values[0].bytes);
        if (fields == costly_fields)
                buffer_printf(&fixture->told, "(%llu)", (unsigned long long)record->values[3].number);
}

/* A number that comes again: what had it, and all behind it, was taken back. */
static inline void take_back(struct fixture *fixture, uint64_t sequence) {
        size_t place = (size_t)(sequence - fixture->first_sequence);

        assert_true(place < ELEMENTS(fixture->starts));
        if (fixture->starts[place] < fixture->told.size)
                buffer_truncate(&fixture->told, fixture->starts[place]);
        fixture->starts[place] = fixture->told.size;
        for (size_t i = place + 1; i < ELEMENTS(fixture->starts); i++)
                fixture->starts[i] = SIZE_MAX;
}

static inline int out_tell(struct fixture *fixture, const struct event *event,
                           int (*file)(struct baseline *baseline, enum outbox_destination destination, struct bytes data)) {
        struct buffer *told = &fixture->told;
        char line[24];

        if (fixture->event_answer < 0 && fixture->fail_at == event->sequence)
                return fixture->event_answer;
        if (fixture->events++ == 0)
                memcpy(fixture->round_id, event->round, UUID_SIZE);
        take_back(fixture, event->sequence);
        assert_memory_equal(fixture->round_id, event->round, UUID_SIZE);
        assert_int_equal(event->round[6] >> 4, 4);
        assert_int_equal(event->id[6] >> 4, 7);
        assert_true(event->count > 1 || timestamp_to_ns(&event->at) == fixture->realtime_ns);
        assert_int_equal(event->kind != NULL, event->change != NULL || event->packages != NULL);
        buffer_printf(told, "%llu %s/%d %s%s", (unsigned long long)event->sequence, event->action->action, (int)event->severity,
                      event->watch ? event->watch : "-", event->quiet ? " quiet" : "");
        if (event->change) {
                assert_string_equal(event->sensor, "fake");
                buffer_append_byte(told, ' ');
                buffer_append_bytes(told, change_record(event->change)->key);
                buffer_append_byte(told, ':');
                append_side(fixture, event->change->fields, event->change->before);
                buffer_append_byte(told, '>');
                append_side(fixture, event->change->fields, event->change->after);
                buffer_printf(told, " %s", event->seen_by);
                if (event->count > 1)
                        buffer_printf(told, " *%llu", (unsigned long long)event->count);
        }
        for (size_t i = 0; event->packages && i < event->packages->count; i++) {
                const struct event_package *package = &event->packages->items[i];

                buffer_printf(told, "%s%.*s=%llu", i ? " " : " *", (int)package->name.size, (const char *)package->name.data,
                              (unsigned long long)package->files);
        }
        for (size_t i = 0; i < event->n_facts; i++) {
                const struct fact *fact = &event->facts[i];

                buffer_printf(told, " %s=", strrchr(fact->path, '.') + 1);
                if (fact->kind == FIELD_TEXT)
                        buffer_append_bytes(told, fact->value.bytes);
                else
                        buffer_printf(told, "%llu",
                                      (unsigned long long)(fact->kind == FIELD_TIME ? fact->value.number / SECOND : fact->value.number));
        }
        if (event->message && event->action != &engine_baseline_created)
                buffer_printf(told, " \"%s\"", event->message);
        buffer_append_byte(told, '\n');
        (void)snprintf(line, sizeof(line), "%llu ", (unsigned long long)event->sequence);
        return file(fixture->baseline, OUTBOX_LEDGER, bytes_of_string(line));
}

static inline int out_event(struct engine_out *out, const struct event *event) {
        struct fixture *fixture = container_of(out, struct fixture, out);

        return out_tell(fixture, event, fixture->baseline->ops->file);
}

static inline int out_note(struct engine_out *out, const struct event *event) {
        struct fixture *fixture = container_of(out, struct fixture, out);

        return out_tell(fixture, event, fixture->baseline->ops->note_file);
}

static inline int out_noting(struct engine_out *out, const struct round *batch) {
        (void)out;
        (void)batch;
        return 0;
}

static inline void out_noted(struct engine_out *out, const struct round *batch) {
        struct fixture *fixture = container_of(out, struct fixture, out);

        (void)batch;
        fixture->noted++;
        fixture->events = 0; /* what follows may be a round of its own */
}

static inline int out_finish(struct engine_out *out, const struct round *round) {
        struct fixture *fixture = container_of(out, struct fixture, out);

        (void)round;
        fixture->finished++;
        return fixture->finish_answer;
}

static inline void out_committed(struct engine_out *out, const struct round *round) {
        struct fixture *fixture = container_of(out, struct fixture, out);

        (void)round;
        fixture->committed++;
}

static inline void out_given_up(struct engine_out *out, const struct round *round, int error) {
        struct fixture *fixture = container_of(out, struct fixture, out);

        (void)round;
        fixture->given_up++;
        fixture->events = 0;
        fixture->give_up_error = error;
}

static inline struct fake *add_fake(struct fixture *fixture, const char *name, const struct field *fields) {
        struct fake *fake = &fixture->fakes[fixture->count++];

        *fake = (struct fake){
                .fixture = fixture,
                .settings = { .name = (char *)(uintptr_t)name, .enabled = true, .priority = PRIORITY_LOW },
                .kind = {
                        .kind = "fake", .sensor = "fake", .fields = fields,
                        .appeared = { .action = "appeared", .severity = SEVERITY_HIGH },
                        .vanished = { .action = "vanished", .severity = SEVERITY_HIGH },
                        .changed = { .action = "changed", .severity = SEVERITY_HIGH },
                        .open = fake_open, .collect = fake_collect, .close = fake_close,
                        .complete = fields == costly_fields ? fake_complete : NULL,
                },
        };
        return fake;
}

static inline void start_engine(struct fixture *fixture, uint64_t next_sequence, uint64_t unwatched_since_ns) {
        struct engine_watch watches[WATCHES_MAX];
        struct engine_options options = {
                .baseline = fixture->baseline, .clock = &fixture->clock, .out = &fixture->out,
                .watches = watches, .n_watches = fixture->count,
                .interval_ns = INTERVAL, .reconcile_ns = RECONCILE,
                .provenance = fixture->provenance,
                .next_sequence = next_sequence, .unwatched_since_ns = unwatched_since_ns,
                .drain = fixture->drain, .drain_context = fixture,
                .rehash_ns = fixture->rehash_ns, .starts_gently = fixture->starts_gently, .scan_rate = fixture->scan_rate,
                .go_on = fixture->go_on, .go_on_context = fixture,
        };

        for (size_t i = 0; i < fixture->count; i++)
                watches[i] = (struct engine_watch){ .kind = &fixture->fakes[i].kind, .settings = &fixture->fakes[i].settings };
        assert_int_equal(engine_new(&options, &fixture->engine), 0);
}

/* Two plain watches, "alpha" and "beta"; the test sets them up before it starts the engine. */
static inline int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        the_fixture = fixture;
        fixture->memory = memory_baseline_new();
        fixture->baseline = memory_baseline_interface(fixture->memory);
        fixture->real = fixture->baseline->ops;
        fixture->ops = *fixture->real;
        fixture->baseline->ops = &fixture->ops;
        fixture->realtime_ns = 1800000000 * SECOND;
        fixture->monotonic_ns = 50 * SECOND;
        fixture->clock = (struct engine_clock){
                .realtime = clock_realtime, .monotonic_ns = clock_monotonic, .cpu_ns = clock_cpu,
                .random = clock_random_bytes, .tick_ns = TICK,
        };
        fixture->out = (struct engine_out){
                .event = out_event, .finish = out_finish, .committed = out_committed, .given_up = out_given_up,
                .note = out_note, .noting = out_noting, .noted = out_noted,
        };
        (void)add_fake(fixture, "alpha", plain_fields);
        (void)add_fake(fixture, "beta", plain_fields);
        *state = fixture;
        return 0;
}

static inline int tear_down(void **state) {
        struct fixture *fixture = *state;

        fixture->engine = engine_free(fixture->engine);
        for (size_t i = 0; i < fixture->count; i++)
                assert_int_equal(fixture->fakes[i].opened, fixture->fakes[i].closed);
        (void)memory_baseline_free(fixture->memory);
        buffer_done(&fixture->told);
        free(fixture);
        return 0;
}

static inline void pass(struct fixture *fixture, uint64_t ns) {
        fixture->realtime_ns += ns;
        fixture->monotonic_ns += ns;
}

static inline void begin_telling(struct fixture *fixture) {
        buffer_clear(&fixture->told);
        fixture->events = 0;
        fixture->first_sequence = engine_next_sequence(fixture->engine);
        for (size_t i = 0; i < ELEMENTS(fixture->starts); i++)
                fixture->starts[i] = SIZE_MAX;
}

static inline int run_round(struct fixture *fixture, bool thorough) {
        int r;

        begin_telling(fixture);
        r = engine_round(fixture->engine, thorough);
        take_back(fixture, engine_next_sequence(fixture->engine));
        return r;
}

/* A round that stands and tells just this; then an interval passes. */
static inline void assert_round(struct fixture *fixture, const char *expected) {
        size_t committed = fixture->committed, given_up = fixture->given_up;

        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), expected);
        assert_int_equal(fixture->committed, committed + 1);
        assert_int_equal(fixture->given_up, given_up);
        pass(fixture, INTERVAL);
}

static inline void assert_known(struct fixture *fixture, const struct fake *fake, const char *expected) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        baseline_text_records(fixture->baseline, BASELINE_BEFORE, fake->settings.name, fake->kind.fields, BYTES_NULL, &text);
        assert_string_equal(buffer_string(&text), expected);
}

static inline int append_entry(void *context, const struct outbox_entry *entry) {
        buffer_append_bytes(context, entry->data);
        return 0;
}

/* The sequences of the lines that wait in the outbox. */
static inline void assert_waiting(struct fixture *fixture, const char *expected) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        assert_int_equal(fixture->baseline->ops->outbox(fixture->baseline, append_entry, &text), 0);
        assert_string_equal(buffer_string(&text), expected);
}

static inline struct engine_report report_of(const struct fixture *fixture, const struct fake *fake) {
        struct engine_report report;

        engine_report(fixture->engine, (size_t)(fake - fixture->fakes), &report);
        assert_ptr_equal(report.settings, &fake->settings);
        return report;
}

static inline void hint(struct fixture *fixture, const char *watch) {
        struct hint hint = { .watch = watch };

        engine_hint(fixture->engine, &hint);
}

#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
