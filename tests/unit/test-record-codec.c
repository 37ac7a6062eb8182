#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "record-codec.h"

#define DATA(text) text, sizeof(text) - 1

static const struct field fields[] = {
        { .name = "path", .ecs = "file.path", .kind = FIELD_TEXT, .flags = FIELD_KEY_PATH },
        { .name = "size", .ecs = "file.size", .kind = FIELD_NUMBER, .flags = FIELD_EVIDENCE },
        { .name = "mode", .kind = FIELD_MODE },
        { .name = "owner", .kind = FIELD_IDENTIFIER },
        { .name = "changed", .kind = FIELD_TIME, .flags = FIELD_EVIDENCE | FIELD_CHANGED },
        { .name = "digest", .kind = FIELD_DIGEST, .flags = FIELD_COSTLY },
        { .name = "target", .kind = FIELD_TEXT, .flags = FIELD_QUIET },
        { .name = "gone", .kind = FIELD_FLAG },
        { .name = "looked", .kind = FIELD_TIME, .flags = FIELD_LOOKED },
        { 0 },
};

enum { PATH, SIZE, MODE, OWNER, CHANGED, DIGEST, TARGET, GONE, LOOKED };

static struct record full_record(void) {
        return (struct record){
                .key = bytes_of("boot\0grub\0x", 11),
                .values = {
                        [PATH] = value_string("/boot/grub/x"),
                        [SIZE] = value_number(UINT64_MAX),
                        [MODE] = value_number(0644),
                        [OWNER] = value_number(0),
                        [CHANGED] = value_number(127),
                        [DIGEST] = value_bytes(bytes_of("\0\xff\x80 ", 4)),
                        [TARGET] = value_bytes(bytes_of("", 0)),
                        [GONE] = value_number(1),
                        [LOOKED] = value_number(128),
                },
        };
}

static void assert_same(const struct field *table, const struct record *a, const struct record *b) {
        assert_true(bytes_equal(a->key, b->key));
        for (size_t i = 0; table[i].name; i++)
                if (!value_equal(&table[i], &a->values[i], &b->values[i]))
                        fail_msg("field %s differs", table[i].name);
}

static void round_trip(const struct field *table, const struct record *record) {
        _cleanup_buffer_ struct buffer data = BUFFER_NULL, scratch = BUFFER_NULL;
        struct record back;

        record_encode(&data, table, record);
        assert_int_equal(buffer_error(&data), 0);
        assert_int_equal(record_decode(buffer_bytes(&data), record->key, table, &scratch, &back), 0);
        assert_same(table, record, &back);
}

static void test_round_trip(void **state) {
        struct record record = full_record();

        (void)state;
        round_trip(fields, &record);
        for (size_t i = SIZE; i <= LOOKED; i++) {
                record = full_record();
                record.values[i].present = false;
                round_trip(fields, &record);
        }
        record = full_record();
        for (size_t i = SIZE; i <= LOOKED; i++)
                record.values[i].present = false;
        round_trip(fields, &record);
        for (unsigned shift = 0; shift < 64; shift++) {
                record.values[SIZE] = value_number((uint64_t)1 << shift);
                round_trip(fields, &record);
                record.values[SIZE] = value_number(((uint64_t)1 << shift) - 1);
                round_trip(fields, &record);
        }
}

static void test_tables_of_every_length(void **state) {
        struct field table[RECORD_FIELDS_MAX + 1] = { 0 };
        char names[RECORD_FIELDS_MAX][8];

        (void)state;
        for (size_t count = 0; count <= RECORD_FIELDS_MAX; count++) {
                struct record record = { .key = bytes_of_string("k") };

                memset(table, 0, sizeof(table));
                for (size_t i = 0; i < count; i++) {
                        snprintf(names[i], sizeof(names[i]), "f%zu", i);
                        table[i] = (struct field){ .name = names[i], .kind = FIELD_NUMBER };
                        record.values[i] = value_number(i * 1000);
                }
                round_trip(table, &record);
        }
}

static void test_key_path(void **state) {
        static const struct {
                const char *key;
                size_t size;
                const char *path;
        } cases[] = {
                { "", 0, "/" },
                { "boot", 4, "/boot" },
                { "boot\0grub", 9, "/boot/grub" },
                { "a\nb\0\xff\x1b[31m", 10, "/a\nb/\xff\x1b[31m" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct record record = { .key = bytes_of(cases[i].key, cases[i].size) }, back;
                _cleanup_buffer_ struct buffer data = BUFFER_NULL, scratch = BUFFER_NULL;

                record_encode(&data, fields, &record);
                assert_int_equal(record_decode(buffer_bytes(&data), record.key, fields, &scratch, &back), 0);
                assert_true(back.values[PATH].present);
                assert_true(bytes_equal(back.values[PATH].bytes, bytes_of_string(cases[i].path)));
        }
}

/* One record has one form, so what decodes is what the same values are written as. */
static void test_damage(void **state) {
        _cleanup_buffer_ struct buffer data = BUFFER_NULL, again = BUFFER_NULL, scratch = BUFFER_NULL;
        struct record record = full_record(), back;
        int r;

        (void)state;
        record_encode(&data, fields, &record);
        for (size_t size = 0; size < data.size; size++) {
                /* A copy of that very size: an address sanitizer sees a step beyond. */
                uint8_t *exact = malloc(size ? size : 1);

                memcpy(exact, data.data, size);
                assert_int_equal(record_decode(bytes_of(exact, size), record.key, fields, &scratch, &back), -EBADMSG);
                free(exact);
        }
        for (size_t bit = 0; bit < data.size * 8; bit++) {
                data.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
                r = record_decode(buffer_bytes(&data), record.key, fields, &scratch, &back);
                if (r == 0) {
                        buffer_clear(&again);
                        record_encode(&again, fields, &back);
                        assert_true(bytes_equal(buffer_bytes(&data), buffer_bytes(&again)));
                } else {
                        assert_int_equal(r, -EBADMSG);
                }
                data.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buffer_append_byte(&data, 0);
        assert_int_equal(record_decode(buffer_bytes(&data), record.key, fields, &scratch, &back), -EBADMSG);
}

static void test_hostile_records(void **state) {
        static const struct field table[] = {
                { .name = "n", .kind = FIELD_NUMBER },
                { .name = "t", .kind = FIELD_TEXT },
                { 0 },
        };
        static const struct {
                const char *what, *data;
                size_t size;
                int result;
        } cases[] = {
                { "nothing", DATA(""), -EBADMSG },
                { "unknown format", DATA("\x02\x00"), -EBADMSG },
                { "all absent", DATA("\x01\x00"), 0 },
                { "a third field", DATA("\x01\x04"), -EBADMSG },
                { "no number", DATA("\x01\x01"), -EBADMSG },
                { "number", DATA("\x01\x01\x00"), 0 },
                { "number with an empty last byte", DATA("\x01\x01\x80\x00"), -EBADMSG },
                { "greatest number", DATA("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0 },
                { "number of 65 bits", DATA("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), -EBADMSG },
                { "number of eleven bytes", DATA("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01"), -EBADMSG },
                { "text", DATA("\x01\x02\x02" "ab"), 0 },
                { "text too short", DATA("\x01\x02\x03" "ab"), -EBADMSG },
                { "text as long as memory", DATA("\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" "ab"), -EBADMSG },
                { "something behind", DATA("\x01\x01\x00\x00"), -EBADMSG },
        };
        _cleanup_buffer_ struct buffer scratch = BUFFER_NULL;
        struct record back;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int r = record_decode(bytes_of(cases[i].data, cases[i].size), BYTES_NULL, table, &scratch, &back);

                if (r != cases[i].result)
                        fail_msg("%s: %d", cases[i].what, r);
        }
}

static void test_fields(void **state) {
        _cleanup_buffer_ struct buffer data = BUFFER_NULL;
        struct field *back = NULL;

        (void)state;
        fields_encode(&data, fields);
        assert_int_equal(fields_decode(buffer_bytes(&data), &back), 0);
        assert_int_equal(fields_count(back), fields_count(fields));
        for (size_t i = 0; fields[i].name; i++) {
                assert_string_equal(back[i].name, fields[i].name);
                assert_int_equal(back[i].kind, fields[i].kind);
                assert_int_equal(back[i].flags, fields[i].flags);
                if (fields[i].ecs)
                        assert_string_equal(back[i].ecs, fields[i].ecs);
                else
                        assert_null(back[i].ecs);
        }
        assert_true(fields_compatible(back, fields));
        free(back);

        for (size_t size = 0; size < data.size; size++)
                assert_int_equal(fields_decode(bytes_of(data.data, size), &back), -EBADMSG);
        buffer_append_byte(&data, 0);
        assert_int_equal(fields_decode(buffer_bytes(&data), &back), -EBADMSG);
}

static void test_hostile_fields(void **state) {
        static const struct {
                const char *what, *data;
                size_t size;
                int result;
        } cases[] = {
                { "none", DATA("\x01\x00"), 0 },
                { "unknown format", DATA("\x02\x00"), -EBADMSG },
                { "more than there may be", DATA("\x01\x29"), -EBADMSG },
                { "one", DATA("\x01\x01\x01" "a" "\x00\x00\x00"), 0 },
                { "no name", DATA("\x01\x01\x00\x00\x00\x00"), -EBADMSG },
                { "name with a blank", DATA("\x01\x01\x03" "a b" "\x00\x00\x00"), -EBADMSG },
                { "name with NUL", DATA("\x01\x01\x03" "a\0b" "\x00\x00\x00"), -EBADMSG },
                { "ecs that ends a JSON string", DATA("\x01\x01\x01" "a" "\x01" "\"" "\x00\x00"), -EBADMSG },
                { "unknown kind", DATA("\x01\x01\x01" "a" "\x00\x08\x00"), -EBADMSG },
                { "unknown flag", DATA("\x01\x01\x01" "a" "\x00\x00\x80\x40"), -EBADMSG },
                { "a name twice", DATA("\x01\x02\x01" "a" "\x00\x00\x00\x01" "a" "\x00\x00\x00"), -EBADMSG },
        };
        struct field *back;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                int r = fields_decode(bytes_of(cases[i].data, cases[i].size), &back);

                if (r != cases[i].result)
                        fail_msg("%s: %d", cases[i].what, r);
                if (r == 0)
                        free(back);
        }
}

static void test_compatible(void **state) {
#define A .name = "a", .kind = FIELD_NUMBER
#define B .name = "b", .kind = FIELD_TEXT
        static const struct field base[] = { { A }, { B }, { 0 } };
        static const struct {
                struct field fields[4];
                bool compatible;
        } cases[] = {
                { { { A }, { B } }, true },
                { { { A, .flags = FIELD_QUIET }, { B, .ecs = "x" } }, true },
                { { { A } }, false },
                { { { B }, { A } }, false },
                { { { .name = "a", .kind = FIELD_MODE }, { B } }, false },
                { { { A }, { B, .flags = FIELD_KEY_PATH } }, false },
                { { { A }, { .name = "c", .kind = FIELD_TEXT } }, false },
                { { { A }, { B }, { .name = "c" } }, false },
        };
#undef A
#undef B

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(fields_compatible(base, cases[i].fields), cases[i].compatible);
                assert_int_equal(fields_compatible(cases[i].fields, base), cases[i].compatible);
        }
}

static void test_other_table(void **state) {
        static const struct field newer[] = {
                { .name = "looked", .kind = FIELD_TIME },
                { .name = "added", .kind = FIELD_TEXT },
                { .name = "size", .kind = FIELD_TEXT },         /* was a number */
                { .name = "owner", .kind = FIELD_NUMBER },      /* was an identifier: the same bytes */
                { .name = "digest", .kind = FIELD_DIGEST },
                { .name = "path", .kind = FIELD_TEXT },         /* was given by the key */
                { .name = "place", .kind = FIELD_TEXT, .flags = FIELD_KEY_PATH },
                { 0 },
        };
        _cleanup_buffer_ struct buffer data = BUFFER_NULL, scratch = BUFFER_NULL;
        struct field more[sizeof(fields) / sizeof(*fields) + 1] = { 0 };
        struct record record = full_record(), back;

        (void)state;
        record_encode(&data, fields, &record);
        assert_int_equal(record_decode_as(buffer_bytes(&data), record.key, fields, newer, &scratch, &back), 0);
        assert_true(back.values[0].present);
        assert_int_equal(back.values[0].number, 128);
        assert_false(back.values[1].present);
        assert_false(back.values[2].present);
        assert_true(back.values[3].present);
        assert_int_equal(back.values[3].number, 0);
        assert_true(bytes_equal(back.values[4].bytes, record.values[DIGEST].bytes));
        assert_true(bytes_equal(back.values[5].bytes, bytes_of_string("/boot/grub/x")));
        assert_true(bytes_equal(back.values[6].bytes, bytes_of_string("/boot/grub/x")));

        /* a field that the other table did not have makes the record one that was never looked at */
        assert_int_equal(record_decode_as(buffer_bytes(&data), record.key, fields, fields, &scratch, &back), 0);
        assert_true(back.values[LOOKED].present);
        memcpy(more, fields, sizeof(fields));
        more[sizeof(fields) / sizeof(*fields) - 1] = (struct field){ .name = "added", .kind = FIELD_SET };
        assert_int_equal(record_decode_as(buffer_bytes(&data), record.key, fields, more, &scratch, &back), 0);
        assert_false(back.values[LOOKED].present);
        assert_true(back.values[DIGEST].present);

        buffer_truncate(&data, data.size - 1);
        assert_int_equal(record_decode_as(buffer_bytes(&data), record.key, fields, newer, &scratch, &back), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_tables_of_every_length),
                cmocka_unit_test(test_key_path),
                cmocka_unit_test(test_damage),
                cmocka_unit_test(test_hostile_records),
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_hostile_fields),
                cmocka_unit_test(test_compatible),
                cmocka_unit_test(test_other_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
