/* test-record.c - when two values, and two records, are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "buffer.h"
#include "record.h"

static const struct field fields[] = {
        { "name", "package.name", FIELD_TEXT, 0 },
        { "size", NULL, FIELD_NUMBER, FIELD_EVIDENCE },
        { "digest", NULL, FIELD_DIGEST, FIELD_COSTLY },
        { "load", NULL, FIELD_NUMBER, FIELD_QUIET },
        { "looked", NULL, FIELD_TIME, FIELD_LOOKED },
        { 0 },
};

static void test_fields(void **unused) {
        static const struct field none[] = { { 0 } };

        (void)unused;
        assert_int_equal(fields_count(fields), 5);
        assert_int_equal(fields_count(none), 0);
        assert_int_equal(fields_find(fields, "name"), 0);
        assert_int_equal(fields_find(fields, "looked"), 4);
        assert_int_equal(fields_find(fields, "nam"), -1);
        assert_int_equal(fields_find(fields, "names"), -1);
        assert_int_equal(fields_find(fields, ""), -1);
        assert_int_equal(fields_find(none, "name"), -1);
}

static void test_values(void **unused) {
        const struct value absent = { .present = false }, empty = value_string("");
        const struct value a = value_string("a"), ab = value_string("ab"), nul = value_bytes(bytes_of("a\0", 2));

        (void)unused;
        assert_false(value_string(NULL).present);
        assert_true(value_equal(&fields[0], &absent, &absent));
        assert_false(value_equal(&fields[0], &absent, &empty)); /* absent is an answer of its own */
        assert_false(value_equal(&fields[0], &empty, &absent));
        assert_true(value_equal(&fields[0], &empty, &(struct value){ .present = true, .bytes = BYTES_NULL }));
        assert_true(value_equal(&fields[0], &a, &(struct value){ .present = true, .bytes = bytes_of("abc", 1) }));
        assert_false(value_equal(&fields[0], &a, &ab));
        assert_false(value_equal(&fields[0], &a, &nul));
        assert_true(value_equal(&fields[1], &(struct value){ .present = true, .number = UINT64_MAX },
                                &(struct value){ .present = true, .number = UINT64_MAX }));
        assert_false(value_equal(&fields[1], &(struct value){ .present = true, .number = 0 }, &absent));
        /* what an absent value held before is no part of it */
        assert_true(value_equal(&fields[1], &(struct value){ .present = false, .number = 1 }, &absent));
}

static void test_records(void **unused) {
        static const struct {
                size_t field;
                bool compared;
        } cases[] = { { 0, true }, { 1, true }, { 2, true }, { 3, false }, { 4, false } };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct record a = { .key = bytes_of_string("k") }, b = { .key = bytes_of_string("another") };
                const size_t moved = cases[i].field;

                assert_true(record_equal(fields, &a, &b));
                a.values[moved] = field_is_bytes(&fields[moved]) ? value_string("x") : value_number(1);
                assert_int_equal(record_equal(fields, &a, &b), !cases[i].compared);
                b.values[moved] = a.values[moved];
                assert_true(record_equal(fields, &a, &b));
                b.values[moved] = field_is_bytes(&fields[moved]) ? value_string("y") : value_number(2);
                assert_int_equal(record_equal(fields, &b, &a), !cases[i].compared);
        }
}

static void test_keep(void **unused) {
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        uint8_t key[] = "key", target[] = "target";
        struct record record = { .key = bytes_of(key, 3) };

        (void)unused;
        record.values[1] = value_number(5);
        record.values[0] = value_bytes(bytes_of(target, 6));
        record.values[2] = value_bytes(bytes_of(target, 0));
        buffer_append_string(&room, "what was there before");
        assert_int_equal(record_keep(&room, fields, &record), 0);
        memset(key, 'x', sizeof(key));
        memset(target, 'x', sizeof(target));
        assert_true(bytes_equal(record.key, bytes_of_string("key")));
        assert_true(bytes_equal(record.values[0].bytes, bytes_of_string("target")));
        assert_true(record.values[2].present);
        assert_int_equal(record.values[2].bytes.size, 0);
        assert_false(record.values[3].present);
        assert_int_equal(record.values[1].number, 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_records),
                cmocka_unit_test(test_keep),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
