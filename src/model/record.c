#include "record.h"

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

bool value_equal(const struct field *field, const struct value *a, const struct value *b) {
        if (a->present != b->present)
                return false;
        if (!a->present)
                return true;
        return field_is_bytes(field) ? bytes_equal(a->bytes, b->bytes) : a->number == b->number;
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
