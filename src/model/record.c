#include "record.h"

#include <errno.h>

#include "buffer.h"

size_t fields_count(const struct field *fields) {
        size_t count = 0;

        while (fields[count].name)
                count++;
        return count;
}

int fields_find(const struct field *fields, const char *name) {
        for (int i = 0; fields[i].name; i++)
                if (strcmp(fields[i].name, name) == 0)
                        return i;
        return -1;
}

bool record_equal(const struct field *fields, const struct record *a, const struct record *b) {
        for (size_t i = 0; fields[i].name; i++) {
                if (fields[i].flags & (FIELD_QUIET | FIELD_LOOKED))
                        continue;
                if (!value_equal(&fields[i], &a->values[i], &b->values[i]))
                        return false;
        }
        return true;
}

int record_keep(struct buffer *room, const struct field *fields, struct record *record) {
        size_t count = fields_count(fields), offset = record->key.size;

        buffer_clear(room);
        buffer_append_bytes(room, record->key);
        for (size_t i = 0; i < count; i++)
                if (field_is_bytes(&fields[i]) && record->values[i].present)
                        buffer_append_bytes(room, record->values[i].bytes);
        if (buffer_error(room) < 0)
                return -ENOMEM;

        /* Only now does the room no longer move. */
        record->key = bytes_of(room->data, offset);
        for (size_t i = 0; i < count; i++) {
                struct value *value = &record->values[i];

                if (!field_is_bytes(&fields[i]) || !value->present)
                        continue;
                value->bytes = value->bytes.size ? bytes_of(room->data + offset, value->bytes.size) : BYTES_NULL;
                offset += value->bytes.size;
        }
        return 0;
}
