/* test-diff.c - the difference of two streams against one worked out the slow way; and when costly fields are read anew. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <cmocka.h>

#include "buffer.h"
#include "diff.h"

enum { KEYS = 24 };

/* ---- one side: an array as a stream ---- */

struct side {
        struct stream stream;
        struct record *records;
        size_t count, at;
        int error;              /* answered at the end */
        bool closed;
};

static int side_next(struct stream *stream, struct record *ret) {
        struct side *side = container_of(stream, struct side, stream);

        if (side->at == side->count)
                return side->error;
        *ret = side->records[side->at++];
        return 1;
}

static void side_close(struct stream *stream) {
        container_of(stream, struct side, stream)->closed = true;
}

static struct side side_of(struct record *records, size_t count) {
        return (struct side){ .stream = { .next = side_next, .close = side_close }, .records = records, .count = count };
}

/* ---- what the diff says, as text ---- */

struct listener {
        struct diff_events events;
        const struct field *fields;
        struct buffer text;
        int answer;             /* to a change */
        int costly;             /* index of the costly field, -1 */
        uint64_t cost;          /* what the host holds there now */
        unsigned completed, refreshed;
};

static void append_value(struct buffer *buffer, const struct field *field, const struct value *value) {
        if (!value->present)
                buffer_append_byte(buffer, '-');
        else if (field_is_bytes(field))
                buffer_append_bytes(buffer, value->bytes);
        else
                buffer_printf(buffer, "%llu", (unsigned long long)value->number);
}

static void append_record(struct buffer *buffer, const struct field *fields, const struct record *record) {
        buffer_append_bytes(buffer, record->key);
        for (size_t i = 0; fields[i].name; i++) {
                buffer_append_byte(buffer, i ? ',' : ':');
                append_value(buffer, &fields[i], &record->values[i]);
        }
}

static int on_change(struct diff_events *events, const struct change *change) {
        struct listener *listener = container_of(events, struct listener, events);

        assert_ptr_equal(change->fields, listener->fields);
        assert_int_equal(!change->before, change->kind == CHANGE_APPEARED);
        assert_int_equal(!change->after, change->kind == CHANGE_VANISHED);
        buffer_append_byte(&listener->text, "+-*"[change->kind]);
        if (change->before)
                append_record(&listener->text, listener->fields, change->before);
        if (change->before && change->after)
                buffer_append_string(&listener->text, "->");
        if (change->after)
                append_record(&listener->text, listener->fields, change->after);
        buffer_append_byte(&listener->text, ' ');
        return listener->answer;
}

static int on_complete(struct diff_events *events, struct record *now) {
        struct listener *listener = container_of(events, struct listener, events);

        assert_true(listener->costly >= 0);
        listener->completed++;
        now->values[listener->costly] = value_number(listener->cost);
        return 0;
}

static int on_refresh(struct diff_events *events, const struct record *now) {
        struct listener *listener = container_of(events, struct listener, events);

        buffer_append_byte(&listener->text, '=');
        append_record(&listener->text, listener->fields, now);
        buffer_append_byte(&listener->text, ' ');
        listener->refreshed++;
        return 0;
}

static struct listener listener_of(const struct field *fields) {
        return (struct listener){
                .events = { .change = on_change, .complete = on_complete, .refresh = on_refresh },
                .fields = fields,
                .costly = -1,
        };
}

/* ---- random sets ---- */

static const struct field plain[] = {
        { "name", NULL, FIELD_TEXT, 0 },
        { "size", NULL, FIELD_NUMBER, 0 },
        { "load", NULL, FIELD_NUMBER, FIELD_QUIET },
        { 0 },
};

static unsigned seed;

static unsigned dice(unsigned sides) {
        return (unsigned)rand_r(&seed) % sides;
}

static const char *const keys[KEYS] = {
        "", "a", "a-b", "aa", "ab", "abc", "b", "b0", "b1", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
};

/* The records of one side, sorted; index by key: -1 not there. */
static size_t roll(struct record records[KEYS], int place[KEYS]) {
        static const char *const names[] = { "x", "y", "" };
        size_t count = 0;

        for (size_t i = 0; i < KEYS; i++) {
                struct record record = { .key = bytes_of_string(keys[i]) };

                place[i] = -1;
                if (dice(3) == 0)
                        continue;
                if (dice(4))
                        record.values[0] = value_string(names[dice(3)]);
                if (dice(4))
                        record.values[1] = value_number(dice(2));
                record.values[2] = value_number(dice(1000));
                place[i] = (int)count;
                records[count++] = record;
        }
        return count;
}

static void naive(struct buffer *text, const struct record *before, const int *place_before, const struct record *after,
                  const int *place_after, bool keep_known) {
        for (size_t i = 0; i < KEYS; i++) {
                const struct record *old = place_before[i] < 0 ? NULL : &before[place_before[i]];
                const struct record *new = place_after[i] < 0 ? NULL : &after[place_after[i]];
                char kind = 0;

                if (old && new) {
                        bool same = old->values[0].present == new->values[0].present &&
                                    old->values[1].present == new->values[1].present;

                        if (same && old->values[0].present)
                                same = bytes_equal(old->values[0].bytes, new->values[0].bytes);
                        if (same && old->values[1].present)
                                same = old->values[1].number == new->values[1].number;
                        kind = same ? 0 : '*';
                } else if (old) {
                        kind = keep_known ? 0 : '-';
                } else if (new) {
                        kind = '+';
                }
                if (!kind)
                        continue;
                buffer_append_byte(text, (uint8_t)kind);
                if (old)
                        append_record(text, plain, old);
                if (old && new)
                        buffer_append_string(text, "->");
                if (new)
                        append_record(text, plain, new);
                buffer_append_byte(text, ' ');
        }
}

static void test_random(void **unused) {
        (void)unused;
        for (int i = 0; i < 2000; i++) {
                struct record before[KEYS], after[KEYS];
                int place_before[KEYS], place_after[KEYS];
                size_t count_before = roll(before, place_before), count_after = roll(after, place_after);
                _cleanup_buffer_ struct buffer expected = BUFFER_NULL;
                struct side known = side_of(before, i % 17 ? count_before : 0);
                struct listener listener = listener_of(plain);
                struct diff diff;
                const bool keep_known = dice(2) == 0;

                for (size_t k = 0; known.count == 0 && k < KEYS; k++)
                        place_before[k] = -1;
                diff_init(&diff, plain, &known.stream, &listener.events);
                diff.keep_known = keep_known;
                for (size_t k = 0; k < count_after; k++)
                        assert_int_equal(diff_feed(&diff, &after[k]), 0);
                assert_int_equal(diff_end(&diff), 0);
                assert_int_equal(diff_records(&diff), count_after);
                diff_done(&diff);
                naive(&expected, before, place_before, after, place_after, keep_known);
                assert_string_equal(buffer_string(&listener.text), buffer_string(&expected));
                assert_false(known.closed); /* borrowed */
                buffer_done(&listener.text);
        }
}

/* ---- order and failures ---- */

static struct record record_of(const char *key, size_t size) {
        return (struct record){ .key = bytes_of(key, size), .values = { value_string("x") } };
}

#define RECORD(key) record_of(key, sizeof(key) - 1)

/* What cannot be seen stays, with all below it; its neighbours are compared as ever. */
static void test_unseen(void **unused) {
        struct record before[] = {
                RECORD("a"), RECORD("d"), RECORD("d\0f"), RECORD("d\0f\0g"), RECORD("d-e"), RECORD("de"), RECORD("e"), RECORD("z\0y"),
        };
        struct record d = RECORD("d"), new = RECORD("d-d");
        struct side known = side_of(before, ELEMENTS(before));
        struct listener listener = listener_of(plain);
        struct diff diff;

        (void)unused;
        diff_init(&diff, plain, &known.stream, &listener.events);
        assert_int_equal(diff_unseen(&diff, bytes_of_string("a")), 0);  /* before anything was fed */
        assert_int_equal(diff_feed(&diff, &d), 0);
        assert_int_equal(diff_unseen(&diff, bytes_of_string("d")), 0);  /* its record was seen, what is below was not */
        assert_int_equal(diff_feed(&diff, &new), 0);
        assert_int_equal(diff_unseen(&diff, bytes_of_string("dx")), 0); /* nothing is known of it */
        assert_int_equal(diff_unseen(&diff, bytes_of_string("z")), 0);
        assert_int_equal(diff_end(&diff), 0);
        assert_int_equal(diff_records(&diff), 6);                       /* two were fed, four stay */
        diff_done(&diff);
        assert_string_equal(buffer_string(&listener.text), "+d-d:x,-,- -d-e:x,-,- -de:x,-,- -e:x,-,- ");
        buffer_done(&listener.text);
}

static void test_order_of_keys(void **unused) {
        static const struct {
                const char *keys[3];
                int expected;   /* to the last */
        } cases[] = {
                { { "a", "b", "c" }, 0 },       { { "a", "b", "b" }, -EBADMSG }, { { "a", "c", "b" }, -EBADMSG },
                { { "b", "a", NULL }, -EBADMSG }, { { "", "", NULL }, -EBADMSG }, { { "", "a", "aa" }, 0 },
                { { "aa", "a", NULL }, -EBADMSG }, { { "\x7f", "\x80", "\xff" }, 0 },
        };
        struct record large = { 0 };
        struct side none = side_of(NULL, 0);
        struct listener listener = listener_of(plain);
        _cleanup_free_ char *long_key = malloc(5000);
        struct diff diff;

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct record record = { 0 };
                int r = 0;

                none.at = 0;
                diff_init(&diff, plain, &none.stream, &listener.events);
                for (size_t k = 0; k < 3 && cases[i].keys[k]; k++) {
                        _cleanup_free_ char *key = strdup(cases[i].keys[k]);

                        assert_int_equal(r, 0); /* only the last is out of order */
                        record.key = bytes_of_string(key);
                        r = diff_feed(&diff, &record);
                }
                assert_int_equal(r, cases[i].expected);
                diff_done(&diff);
                diff_done(&diff);
        }

        /* keys of any length; the record before may be gone when the next one comes */
        assert_non_null(long_key);
        diff_init(&diff, plain, &none.stream, &listener.events);
        for (size_t size = 1; size < 5000; size = size * 2 + 1) {
                memset(long_key, 'k', size);
                large.key = bytes_of(long_key, size);
                assert_int_equal(diff_feed(&diff, &large), 0);
                memset(long_key, '#', size);
        }
        memset(long_key, 'k', 4095);
        assert_int_equal(diff_feed(&diff, &large), -EBADMSG);
        diff_done(&diff);
        buffer_done(&listener.text);
}

static void test_failures(void **unused) {
        struct record known[] = { { .key = bytes_of_string("b") }, { .key = bytes_of_string("d") } };
        struct record a = { .key = bytes_of_string("a") }, c = { .key = bytes_of_string("c") };
        struct listener listener = listener_of(plain);
        struct diff diff;

        (void)unused;
        for (size_t limit = 0; limit <= 2; limit++) { /* what was known cannot be read from there on */
                struct side side = side_of(known, limit);
                int r;

                side.error = -EBADMSG;
                diff_init(&diff, plain, &side.stream, &listener.events);
                r = diff_feed(&diff, &a);
                if (r == 0)
                        r = diff_feed(&diff, &c);
                if (r == 0)
                        r = diff_end(&diff);
                assert_int_equal(r, -EBADMSG);
                diff_done(&diff);
        }
        for (int step = 0; step < 3; step++) { /* whoever is told says stop */
                struct side side = side_of(known, 2);

                diff_init(&diff, plain, &side.stream, &listener.events);
                listener.answer = step == 0 ? -ENOSPC : 0;
                assert_int_equal(diff_feed(&diff, &a), step == 0 ? -ENOSPC : 0);
                listener.answer = step == 1 ? -ENOSPC : 0;
                if (step > 0)
                        assert_int_equal(diff_feed(&diff, &c), step == 1 ? -ENOSPC : 0);
                listener.answer = -ENOSPC;
                if (step > 1)
                        assert_int_equal(diff_end(&diff), -ENOSPC);
                diff_done(&diff);
        }
        buffer_done(&listener.text);
}

/* ---- evidence ---- */

static const struct field costly[] = {
        { "inode", NULL, FIELD_IDENTIFIER, FIELD_EVIDENCE },
        { "ctime", NULL, FIELD_TIME, FIELD_EVIDENCE | FIELD_CHANGED },
        { "digest", NULL, FIELD_NUMBER, FIELD_COSTLY },
        { "looked", NULL, FIELD_TIME, FIELD_LOOKED },
        { "mode", NULL, FIELD_MODE, 0 },
        { 0 },
};

static void test_evidence(void **unused) {
        enum { TICK = 100, NOW = 5000, OLD = 7, NEW = 8, NONE = UINT16_MAX };
        static const struct {
                const char *what;
                unsigned inode, ctime, looked, mode;            /* as known; NONE: absent */
                unsigned inode_now, ctime_now, mode_now;
                unsigned host;                                  /* the digest that is really there */
                bool thorough;
                unsigned completed;
                const char *expected;
        } cases[] = {
                { "nothing moved", 1, 1000, 2000, 4, 1, 1000, 4, NEW, false, 0, "" },
                { "what is cheap moved", 1, 1000, 2000, 4, 1, 1000, 5, NEW, false, 0, "*k:1,1000,7,2000,4->k:1,1000,7,2000,5 " },
                { "evidence moved", 1, 1000, 2000, 4, 2, 1000, 4, OLD, false, 1, "*k:1,1000,7,2000,4->k:2,1000,7,5000,4 " },
                { "its time moved", 1, 1000, 2000, 4, 1, 1001, 4, NEW, false, 1, "*k:1,1000,7,2000,4->k:1,1001,8,5000,4 " },
                { "its time moved back", 1, 1000, 2000, 4, 1, 999, 4, OLD, false, 1, "*k:1,1000,7,2000,4->k:1,999,7,5000,4 " },
                { "thorough, nothing moved", 1, 1000, 2000, 4, 1, 1000, 4, OLD, true, 1, "" },
                { "thorough, content behind the stamps' back", 1, 1000, 2000, 4, 1, 1000, 4, NEW, true, 1,
                  "*k:1,1000,7,2000,4->k:1,1000,8,5000,4 " },
                /* looked at in the tick of the change: no proof; and looking again makes it one */
                { "young, same", 1, 1000, 1001, 4, 1, 1000, 4, OLD, false, 1, "=k:1,1000,7,5000,4 " },
                { "young, changed", 1, 1000, 1001, 4, 1, 1000, 4, NEW, false, 1, "*k:1,1000,7,1001,4->k:1,1000,8,5000,4 " },
                { "just young", 1, 1000, 1100, 4, 1, 1000, 4, OLD, false, 1, "=k:1,1000,7,5000,4 " },
                { "just old enough", 1, 1000, 1101, 4, 1, 1000, 4, NEW, false, 0, "" },
                { "changed later than we looked", 1, 3000, 2000, 4, 1, 3000, 4, OLD, false, 1, "=k:1,3000,7,5000,4 " },
                { "changed in the future", 1, 9000, 2000, 4, 1, 9000, 4, OLD, false, 1, "" },
                { "never looked", 1, 1000, NONE, 4, 1, 1000, 4, OLD, false, 1, "=k:1,1000,7,5000,4 " },
                /* what has no such time (a directory) stands by the rest of its evidence */
                { "undated", 1, NONE, 2000, 4, 1, NONE, 4, NEW, false, 0, "" },
                { "undated, moved", 1, NONE, 2000, 4, 2, NONE, 4, OLD, false, 1, "*k:1,-,7,2000,4->k:2,-,7,5000,4 " },
                /* known by a table that had less: what it lacked is learnt, what it had is compared */
                { "lacks evidence", NONE, NONE, NONE, 4, 1, 1000, 4, OLD, false, 1, "=k:1,1000,7,5000,4 " },
                { "lacks a mode", 1, NONE, NONE, NONE, 1, 1000, 4, OLD, false, 1, "=k:1,1000,7,5000,4 " },
                { "lacks a time, and moved", 1, NONE, NONE, 4, 1, 1000, 4, NEW, false, 1, "*k:1,1000,7,-,4->k:1,1000,8,5000,4 " },
                { "lacks, and is without it now", 1, NONE, NONE, 4, 1, NONE, 4, OLD, false, 1, "=k:1,-,7,5000,4 " },
                { "evidence went", 1, 1000, 2000, 4, NONE, 1000, 4, OLD, false, 1, "*k:1,1000,7,2000,4->k:-,1000,7,5000,4 " },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct record known = { .key = bytes_of_string("k") }, now = { .key = bytes_of_string("k") };
                struct side side = side_of(&known, 1);
                struct listener listener = listener_of(costly);
                struct diff diff;

                listener.costly = 2;
                listener.cost = cases[i].host;
                if (cases[i].inode != NONE)
                        known.values[0] = value_number(cases[i].inode);
                if (cases[i].ctime != NONE)
                        known.values[1] = value_number(cases[i].ctime);
                known.values[2] = value_number(OLD);
                if (cases[i].looked != NONE)
                        known.values[3] = value_number(cases[i].looked);
                if (cases[i].mode != NONE)
                        known.values[4] = value_number(cases[i].mode);
                if (cases[i].inode_now != NONE)
                        now.values[0] = value_number(cases[i].inode_now);
                if (cases[i].ctime_now != NONE)
                        now.values[1] = value_number(cases[i].ctime_now);
                now.values[4] = value_number(cases[i].mode_now);

                diff_init(&diff, costly, &side.stream, &listener.events);
                diff.thorough = cases[i].thorough;
                diff.now_ns = NOW;
                diff.tick_ns = TICK;
                assert_int_equal(diff_feed(&diff, &now), 0);
                assert_int_equal(diff_end(&diff), 0);
                diff_done(&diff);
                if (strcmp(buffer_string(&listener.text), cases[i].expected) != 0 || listener.completed != cases[i].completed)
                        fail_msg("%s: completed %u times: \"%s\"", cases[i].what, listener.completed,
                                 buffer_string(&listener.text));
                buffer_done(&listener.text);
        }
}

/* Nobody is told that it moved, and it is kept. */
static void test_hidden(void **unused) {
        static const struct field hidden[] = {
                { "inode", NULL, FIELD_IDENTIFIER, FIELD_EVIDENCE },
                { "text", NULL, FIELD_NUMBER, FIELD_COSTLY | FIELD_QUIET | FIELD_HIDDEN },
                { 0 },
        };

        (void)unused;
        for (unsigned cost = 7; cost <= 8; cost++) {
                struct record known = { .key = bytes_of_string("k") }, now = { .key = bytes_of_string("k") };
                struct side side = side_of(&known, 1);
                struct listener listener = listener_of(hidden);
                struct diff diff;

                known.values[0] = now.values[0] = value_number(1);
                known.values[1] = value_number(7);
                listener.costly = 1;
                listener.cost = cost;
                diff_init(&diff, hidden, &side.stream, &listener.events);
                diff.thorough = true;
                assert_int_equal(diff_feed(&diff, &now), 0);
                assert_int_equal(diff_end(&diff), 0);
                diff_done(&diff);
                assert_string_equal(buffer_string(&listener.text), cost == 7 ? "" : "=k:1,8 ");
                buffer_done(&listener.text);
        }
}

static void test_appeared_is_completed(void **unused) {
        struct record known = { .key = bytes_of_string("b") }, now = { .key = bytes_of_string("a") };
        struct side side = side_of(&known, 1);
        struct listener listener = listener_of(costly);
        struct diff diff;

        (void)unused;
        listener.costly = 2;
        listener.cost = 9;
        known.values[2] = value_number(1);
        now.values[1] = value_number(4999);
        diff_init(&diff, costly, &side.stream, &listener.events);
        diff.now_ns = 5000;
        diff.tick_ns = 100;
        assert_int_equal(diff_feed(&diff, &now), 0);
        assert_int_equal(diff_end(&diff), 0);
        assert_string_equal(buffer_string(&listener.text), "+a:-,4999,9,5000,- -b:-,-,1,-,- ");
        assert_int_equal(listener.completed, 1);
        diff_done(&diff);
        buffer_done(&listener.text);
}

static int on_gone(struct diff_events *events, struct record *now) {
        (void)events;
        now->values[2] = value_number(0); /* is of no use to anybody */
        return 1;
}

static int on_defer_all(struct diff_events *events, const struct record *now, uint64_t *ret_bytes) {
        (void)events;
        (void)now;
        *ret_bytes = 1;
        return 1;
}

static int on_read_nothing(struct diff_events *events) {
        (void)events;
        return 0;
}

/* One that is known and one that is not: both go while they are read. At once, and in a window. */
static void test_gone_is_passed_over(void **unused) {
        (void)unused;
        for (int window = 0; window < 2; window++) {
                struct record known = { .key = bytes_of_string("b") };
                struct record now[] = { { .key = bytes_of_string("a") }, { .key = bytes_of_string("b") } };
                struct side side = side_of(&known, 1);
                struct listener listener = listener_of(costly);
                struct diff diff;

                listener.events.complete = listener.events.complete_deferred = on_gone;
                listener.events.defer = on_defer_all;
                listener.events.read_deferred = on_read_nothing;
                known.values[2] = value_number(1);
                now[1].values[1] = value_number(4999);
                diff_init(&diff, costly, &side.stream, &listener.events);
                diff.window_bytes = window ? DIFF_WINDOW_BYTES : 0;
                for (size_t i = 0; i < 2; i++)
                        assert_int_equal(diff_feed(&diff, &now[i]), 0);
                assert_int_equal(diff_end(&diff), 0);
                assert_string_equal(buffer_string(&listener.text), "");
                diff_done(&diff);
                buffer_done(&listener.text);
        }
}

/* ---- the window ---- */

/* A host on which the content follows from the key, and what of it waits. */
struct batch {
        struct listener listener;
        struct bytes keys[DIFF_WINDOW_RECORDS + 1];
        size_t n_waiting, n_read, most;
        unsigned runs;
        int answer;             /* of the reading */
        bool sparing;           /* some need not wait */
};

static uint64_t content_of(struct bytes key) {
        return key.size ? key.data[0] * 2u + (unsigned)key.size : 1;
}

static int on_complete_keyed(struct diff_events *events, struct record *now) {
        struct batch *batch = container_of(events, struct batch, listener.events);

        batch->listener.completed++;
        now->values[2] = value_number(content_of(now->key));
        return 0;
}

static int on_defer(struct diff_events *events, const struct record *now, uint64_t *ret_bytes) {
        struct batch *batch = container_of(events, struct batch, listener.events);

        if (batch->sparing && now->key.size % 2)
                return 0;
        assert_int_equal(batch->n_read, 0); /* nothing is left of the batch before */
        assert_true(batch->n_waiting < DIFF_WINDOW_RECORDS);
        batch->keys[batch->n_waiting++] = now->key; /* the keys of these tests stay */
        *ret_bytes = 10;
        return 1;
}

static int on_read_deferred(struct diff_events *events) {
        struct batch *batch = container_of(events, struct batch, listener.events);

        batch->n_read = 0;
        batch->runs++;
        batch->most = batch->n_waiting > batch->most ? batch->n_waiting : batch->most;
        return batch->answer;
}

static int on_complete_deferred(struct diff_events *events, struct record *now) {
        struct batch *batch = container_of(events, struct batch, listener.events);

        assert_true(batch->n_read < batch->n_waiting);
        assert_true(bytes_equal(now->key, batch->keys[batch->n_read++]));
        if (batch->n_read == batch->n_waiting)
                batch->n_read = batch->n_waiting = 0;
        return on_complete_keyed(events, now);
}

static struct batch batch_of(void) {
        struct batch batch = { .listener = listener_of(costly) };

        batch.listener.costly = 2;
        batch.listener.events.complete = on_complete_keyed;
        batch.listener.events.defer = on_defer;
        batch.listener.events.read_deferred = on_read_deferred;
        batch.listener.events.complete_deferred = on_complete_deferred;
        return batch;
}

static size_t roll_costly(struct record records[KEYS], bool known) {
        size_t count = 0;

        for (size_t i = 0; i < KEYS; i++) {
                struct record record = { .key = bytes_of_string(keys[i]) };

                if (dice(4) == 0)
                        continue;
                record.values[0] = value_number(dice(2));
                record.values[1] = value_number(1000 + dice(2) * 500);
                record.values[4] = value_number(dice(8) == 0);
                if (known) {
                        record.values[2] = value_number(content_of(record.key) + (dice(4) == 0));
                        record.values[3] = value_number(1000 + dice(3) * 400);
                }
                records[count++] = record;
        }
        return count;
}

/* Whatever its size, it tells the same in the same order as without one. */
static void test_window(void **unused) {
        (void)unused;
        for (int i = 0; i < 1000; i++) {
                static const uint64_t sizes[] = { 0, 1, 25, 100, DIFF_WINDOW_BYTES };
                _cleanup_buffer_ struct buffer expected = BUFFER_NULL;
                struct record before[KEYS], after[KEYS];
                size_t count_before = roll_costly(before, true), count_after = roll_costly(after, false);
                const bool thorough = dice(4) == 0, sparing = dice(2) == 0;
                unsigned completed = 0;

                for (size_t k = 0; k < ELEMENTS(sizes); k++) {
                        struct side known = side_of(before, count_before);
                        struct batch batch = batch_of();
                        struct diff diff;

                        batch.sparing = sparing;
                        diff_init(&diff, costly, &known.stream, &batch.listener.events);
                        diff.window_bytes = sizes[k];
                        diff.thorough = thorough;
                        diff.now_ns = 5000;
                        diff.tick_ns = 100;
                        for (size_t m = 0; m < count_after; m++)
                                assert_int_equal(diff_feed(&diff, &after[m]), 0);
                        assert_int_equal(diff_end(&diff), 0);
                        diff_done(&diff);
                        assert_int_equal(batch.n_waiting, 0);
                        if (k == 0) {
                                buffer_append_bytes(&expected, buffer_bytes(&batch.listener.text));
                                completed = batch.listener.completed;
                                assert_int_equal(batch.runs, 0);
                        } else {
                                assert_string_equal(buffer_string(&batch.listener.text), buffer_string(&expected));
                                assert_int_equal(batch.listener.completed, completed);
                                assert_true(batch.most <= (sizes[k] + 9) / 10);
                        }
                        buffer_done(&batch.listener.text);
                }
        }
}

/* It is bounded in records, too; what cannot be read ends it, with nothing told of what waited. */
static void test_window_limits(void **unused) {
        enum { MANY = DIFF_WINDOW_RECORDS * 2 + 5 };
        _cleanup_free_ char *names = calloc(MANY, 8);
        struct side none = side_of(NULL, 0);
        struct batch batch = batch_of();
        struct record record = { 0 };
        struct diff diff;

        (void)unused;
        assert_non_null(names);
        diff_init(&diff, costly, &none.stream, &batch.listener.events);
        diff.window_bytes = DIFF_WINDOW_BYTES;
        for (size_t i = 0; i < MANY; i++) {
                (void)snprintf(names + i * 8, 8, "%07zu", i);
                record.key = bytes_of(names + i * 8, 7);
                assert_int_equal(diff_feed(&diff, &record), 0);
        }
        assert_int_equal(batch.runs, 2);
        assert_int_equal(diff_end(&diff), 0);
        assert_int_equal(batch.runs, 3);
        assert_int_equal(batch.most, DIFF_WINDOW_RECORDS);
        assert_int_equal(batch.listener.completed, MANY);
        diff_done(&diff);
        buffer_done(&batch.listener.text);

        batch = batch_of();
        batch.answer = -ENOMEM;
        diff_init(&diff, costly, &none.stream, &batch.listener.events);
        diff.window_bytes = DIFF_WINDOW_BYTES;
        assert_int_equal(diff_feed(&diff, &record), 0);
        assert_int_equal(diff_end(&diff), -ENOMEM);
        assert_string_equal(buffer_string(&batch.listener.text), "");
        diff_done(&diff);
        buffer_done(&batch.listener.text);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_random),
                cmocka_unit_test(test_unseen), cmocka_unit_test(test_order_of_keys),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_evidence),
                cmocka_unit_test(test_hidden),
                cmocka_unit_test(test_appeared_is_completed),
                cmocka_unit_test(test_gone_is_passed_over),
                cmocka_unit_test(test_window),
                cmocka_unit_test(test_window_limits),
        };

        if (argc > 1)
                seed = (unsigned)strtoul(argv[1], NULL, 10);
        else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return 1;
        (void)printf("seed %u\n", seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
