/* collect.h - a collector for tests: what a watch hands over, as text that a test compares.
 * Records: one line each, the present fields in table order: "name=ext4 size=983040\n"; bytes as they are, digests in
 * hexadecimal. It also checks that the keys come in order. */
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

#include "buffer.h"
#include "hint.h"
#include "watch.h"

struct test_collector {
        struct collector collector;
        const struct watch *watch;
        struct buffer records, losses, conditions;
        struct buffer key;      /* of the last record */
        size_t count;
};

static inline int test_record(struct collector *collector, const struct record *record) {
        struct test_collector *test = container_of(collector, struct test_collector, collector);
        const char *blank = "";

        if (test->count)
                assert_true(bytes_compare(buffer_bytes(&test->key), record->key) < 0);
        test->count++;
        buffer_clear(&test->key);
        buffer_append_bytes(&test->key, record->key);
        for (size_t i = 0; test->watch->fields[i].name; i++) {
                const struct field *field = &test->watch->fields[i];
                const struct value *value = &record->values[i];

                if (!value->present)
                        continue;
                buffer_printf(&test->records, "%s%s=", blank, field->name);
                blank = " ";
                if (field->kind == FIELD_DIGEST)
                        for (size_t j = 0; j < value->bytes.size; j++)
                                buffer_printf(&test->records, "%02x", value->bytes.data[j]);
                else if (field->kind == FIELD_TEXT)
                        buffer_append_bytes(&test->records, value->bytes);
                else
                        buffer_printf(&test->records, field->kind == FIELD_MODE ? "%04llo" : "%llu",
                                      (unsigned long long)value->number);
        }
        buffer_append_byte(&test->records, '\n');
        return 0;
}

static inline void test_loss(struct collector *collector, const struct loss *loss) {
        struct test_collector *test = container_of(collector, struct test_collector, collector);

        buffer_printf(&test->losses, "%s: %s", loss->source, loss->reason);
        if (loss->counted)
                buffer_printf(&test->losses, " %llu", (unsigned long long)loss->count);
        buffer_append_byte(&test->losses, '\n');
}

static inline void test_condition(struct collector *collector, const char *text) {
        struct test_collector *test = container_of(collector, struct test_collector, collector);

        buffer_printf(&test->conditions, "%s\n", text);
}

static inline void test_collector_init(struct test_collector *test, const struct watch *watch) {
        *test = (struct test_collector){
                .collector = { .record = test_record, .loss = test_loss, .condition = test_condition },
                .watch = watch,
        };
}

static inline void test_collector_done(struct test_collector *test) {
        buffer_done(&test->records);
        buffer_done(&test->losses);
        buffer_done(&test->conditions);
        buffer_done(&test->key);
}

/* Forgets what came and collects again, with everything after 'after' (BYTES_NULL: all). What collect() answers. */
static inline int test_collect_after(struct test_collector *test, void *state, struct bytes after) {
        struct collect_request request = { .after = after };

        buffer_clear(&test->records);
        buffer_clear(&test->losses);
        buffer_clear(&test->conditions);
        test->count = 0;
        return test->watch->collect(state, &request, &test->collector);
}

/* The same for one key and what lies below it. */
static inline int test_collect_within(struct test_collector *test, void *state, struct bytes within) {
        struct collect_request request = { .within = within };

        buffer_clear(&test->records);
        buffer_clear(&test->losses);
        buffer_clear(&test->conditions);
        test->count = 0;
        return test->watch->collect(state, &request, &test->collector);
}

/* What the watch makes of a delta: 1, and the record as text; else what recognize() answers. */
static inline int test_recognize(struct test_collector *test, void *state, const struct delta *delta) {
        struct record record;
        int r = test->watch->recognize(state, delta, &record);

        buffer_clear(&test->records);
        test->count = 0;
        if (r == 1)
                (void)test_record(&test->collector, &record);
        return r;
}

static inline int test_collect(struct test_collector *test, void *state) {
        return test_collect_after(test, state, BYTES_NULL);
}
