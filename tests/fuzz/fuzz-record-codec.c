/* fuzz-record-codec.c - the first byte says what follows: a table of fields; a record of a fixed table; or a table, its
 * length before it, and a record of it. What decodes must come out the same when it is written again. */
#include <stdlib.h>

#include "record-codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct field fixed[] = {
        { .name = "path", .ecs = "file.path", .kind = FIELD_TEXT, .flags = FIELD_KEY_PATH },
        { .name = "size", .kind = FIELD_NUMBER },
        { .name = "owner", .kind = FIELD_IDENTIFIER, .flags = FIELD_EVIDENCE },
        { .name = "digest", .kind = FIELD_DIGEST, .flags = FIELD_COSTLY },
        { .name = "target", .kind = FIELD_TEXT },
        { .name = "gone", .kind = FIELD_FLAG },
        { .name = "mode", .kind = FIELD_MODE },
        { .name = "changed", .kind = FIELD_TIME },
        { .name = "looked", .kind = FIELD_TIME, .flags = FIELD_LOOKED },
        { .name = "last", .kind = FIELD_NUMBER, .flags = FIELD_QUIET },
        { 0 },
};

static void check(bool holds) {
        if (!holds)
                abort();
}

static void try_record(struct bytes data, const struct field *fields) {
        _cleanup_buffer_ struct buffer again = BUFFER_NULL, scratch = BUFFER_NULL, other_scratch = BUFFER_NULL;
        struct bytes key = bytes_of("boot\0x", 6);
        struct record record, other;

        if (record_decode(data, key, fields, &scratch, &record) == 0) {
                record_encode(&again, fields, &record);
                check(bytes_equal(buffer_bytes(&again), data));
                check(record_decode_as(data, key, fields, fields, &other_scratch, &other) == 0);
                for (size_t i = 0; fields[i].name; i++)
                        check(value_equal(&fields[i], &record.values[i], &other.values[i]));
        }
        (void)record_decode_as(data, key, fields, fixed, &other_scratch, &other);
        (void)record_decode_as(data, key, fixed, fields, &other_scratch, &other);
}

static void try_fields(struct bytes data, struct bytes record) {
        _cleanup_buffer_ struct buffer again = BUFFER_NULL;
        _cleanup_free_ struct field *fields = NULL;

        if (fields_decode(data, &fields) < 0)
                return;
        fields_encode(&again, fields);
        check(bytes_equal(buffer_bytes(&again), data));
        check(fields_compatible(fields, fields));
        try_record(record, fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t table;

        if (size < 2)
                return 0;
        switch (data[0]) {
        case 0:
                try_fields(bytes_of(data + 1, size - 1), BYTES_NULL);
                break;
        case 1:
                try_record(bytes_of(data + 1, size - 1), fixed);
                break;
        default:
                table = data[1] < size - 2 ? data[1] : size - 2;
                try_fields(bytes_of(data + 2, table), bytes_of(data + 2 + table, size - 2 - table));
                break;
        }
        return 0;
}
