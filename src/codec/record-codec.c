#include "record-codec.h"

#include <errno.h>

enum {
        RECORD_FORMAT = 1,
        FIELDS_FORMAT = 1,
        PRESENCE_SIZE = (RECORD_FIELDS_MAX + 7) / 8,
        NAME_SIZE_MAX = 64,
        ECS_SIZE_MAX = 128,
        FLAGS_ALL = FIELD_QUIET | FIELD_EVIDENCE | FIELD_COSTLY | FIELD_KEY_PATH | FIELD_LOOKED | FIELD_CHANGED |
                    FIELD_STEADY | FIELD_FAINT | FIELD_USER | FIELD_TOLD | FIELD_HIDDEN,
};

static bool is_stored(const struct field *field) {
        return !(field->flags & (FIELD_KEY_PATH | FIELD_TOLD));
}

/* A record has no room for more values than that, whatever the table says. */
static size_t count_fields(const struct field *fields) {
        size_t count = fields_count(fields);

        return count < RECORD_FIELDS_MAX ? count : RECORD_FIELDS_MAX;
}

static void append_varint(struct buffer *buffer, uint64_t number) {
        uint8_t room[10];
        size_t size = 0;

        while (number >= 0x80) {
                room[size++] = (uint8_t)(number | 0x80);
                number >>= 7;
        }
        room[size++] = (uint8_t)number;
        buffer_append(buffer, room, size);
}

static void append_sized(struct buffer *buffer, struct bytes bytes) {
        append_varint(buffer, bytes.size);
        buffer_append_bytes(buffer, bytes);
}

/* The takers shorten 'rest' and answer false at anything the appenders above do not write. */
static bool take_byte(struct bytes *rest, uint8_t *ret) {
        if (rest->size == 0)
                return false;
        *ret = rest->data[0];
        *rest = bytes_of(rest->data + 1, rest->size - 1);
        return true;
}

static bool take_varint(struct bytes *rest, uint64_t *ret) {
        const uint8_t *data = rest->data;
        uint64_t number = 0;

        for (unsigned i = 0, shift = 0; i < rest->size && shift < 64; i++, shift += 7) {
                uint8_t byte = data[i];

                /* One number has one form: no bits beyond 64, no empty last byte. */
                if ((shift == 63 && byte > 1) || (shift > 0 && byte == 0))
                        return false;
                number |= (uint64_t)(byte & 0x7f) << shift;
                if (!(byte & 0x80)) {
                        *ret = number;
                        *rest = bytes_of(data + i + 1, rest->size - i - 1);
                        return true;
                }
        }
        return false;
}

static bool take_run(struct bytes *rest, size_t size, struct bytes *ret) {
        if (size > rest->size)
                return false;
        *ret = bytes_of(rest->data, size);
        *rest = bytes_of(rest->data + size, rest->size - size);
        return true;
}

static bool take_sized(struct bytes *rest, struct bytes *ret) {
        uint64_t size;

        return take_varint(rest, &size) && size <= rest->size && take_run(rest, (size_t)size, ret);
}

void record_encode(struct buffer *buffer, const struct field *fields, const struct record *record) {
        uint8_t presence[PRESENCE_SIZE] = { 0 };
        size_t count = count_fields(fields), stored = 0;

        for (size_t i = 0; i < count; i++) {
                if (!is_stored(&fields[i]))
                        continue;
                if (record->values[i].present)
                        presence[stored / 8] |= (uint8_t)(1U << (stored % 8));
                stored++;
        }

        buffer_append_byte(buffer, RECORD_FORMAT);
        buffer_append(buffer, presence, (stored + 7) / 8);
        for (size_t i = 0; i < count; i++) {
                if (!is_stored(&fields[i]) || !record->values[i].present)
                        continue;
                if (field_is_bytes(&fields[i]))
                        append_sized(buffer, record->values[i].bytes);
                else
                        append_varint(buffer, record->values[i].number);
        }
}

/* FIELD_KEY_PATH: the path that the key stands for. */
static int build_path(struct bytes key, struct buffer *scratch, struct value *ret) {
        uint8_t *path;

        buffer_clear(scratch);
        path = buffer_room(scratch, key.size + 1);
        if (!path)
                return -ENOMEM;
        path[0] = '/';
        for (size_t i = 0; i < key.size; i++)
                path[i + 1] = key.data[i] ? key.data[i] : '/';
        scratch->size = key.size + 1;
        *ret = value_bytes(buffer_bytes(scratch));
        return 0;
}

int record_decode(struct bytes data, struct bytes key, const struct field *fields, struct buffer *scratch,
                  struct record *ret) {
        size_t count = 0, stored = 0;
        uint64_t present = 0;
        struct value path = { .present = false };
        struct bytes presence;
        uint8_t format;
        int r;

        for (; count < RECORD_FIELDS_MAX && fields[count].name; count++)
                stored += is_stored(&fields[count]);
        if (!take_byte(&data, &format) || format != RECORD_FORMAT || !take_run(&data, (stored + 7) / 8, &presence))
                return -EBADMSG;
        if (stored % 8 && presence.data[stored / 8] >> (stored % 8))
                return -EBADMSG;

        for (size_t i = 0; i < presence.size; i++)
                present |= (uint64_t)presence.data[i] << 8 * i;
        memset(ret->values, 0, sizeof(ret->values));
        ret->key = key;
        for (size_t i = 0; i < count; i++) {
                struct value *value = &ret->values[i];

                if (fields[i].flags & FIELD_TOLD)
                        continue;
                if (!is_stored(&fields[i])) {
                        if (!path.present) {
                                r = build_path(key, scratch, &path);
                                if (r < 0)
                                        return r;
                        }
                        if (field_is_bytes(&fields[i]))
                                *value = path;
                        continue;
                }
                value->present = present & 1;
                present >>= 1;
                if (!value->present)
                        continue;
                if (field_is_bytes(&fields[i])) {
                        if (!take_sized(&data, &value->bytes))
                                return -EBADMSG;
                } else if (!take_varint(&data, &value->number)) {
                        return -EBADMSG;
                }
        }
        return data.size == 0 ? 0 : -EBADMSG;
}

int record_decode_as(struct bytes data, struct bytes key, const struct field *noted, const struct field *fields,
                     struct buffer *scratch, struct record *ret) {
        struct value path = { .present = false };
        size_t count = count_fields(fields);
        bool unknown = false;
        struct record old;
        int r;

        r = record_decode(data, key, noted, scratch, &old);
        if (r < 0)
                return r;

        memset(ret->values, 0, sizeof(ret->values));
        ret->key = key;
        for (size_t i = 0; i < count; i++) {
                int found = fields_find(noted, fields[i].name);

                if (fields[i].flags & FIELD_TOLD)
                        continue;
                if (!is_stored(&fields[i])) {
                        /* Also right for 'old' if it has the path in scratch: it is the same path. */
                        if (!path.present) {
                                r = build_path(key, scratch, &path);
                                if (r < 0)
                                        return r;
                        }
                        if (field_is_bytes(&fields[i]))
                                ret->values[i] = path;
                } else if (found >= 0 && found < RECORD_FIELDS_MAX &&
                           field_is_bytes(&noted[found]) == field_is_bytes(&fields[i])) {
                        ret->values[i] = old.values[found];
                } else if (found < 0) {
                        unknown = true;
                }
        }
        for (size_t i = 0; unknown && i < count; i++)
                if (fields[i].flags & FIELD_LOOKED)
                        ret->values[i].present = false;
        return 0;
}

void fields_encode(struct buffer *buffer, const struct field *fields) {
        size_t count = count_fields(fields);

        buffer_append_byte(buffer, FIELDS_FORMAT);
        append_varint(buffer, count);
        for (size_t i = 0; i < count; i++) {
                append_sized(buffer, bytes_of_string(fields[i].name));
                append_sized(buffer, bytes_of_string(fields[i].ecs)); /* empty: there is none */
                append_varint(buffer, fields[i].kind);
                append_varint(buffer, fields[i].flags);
        }
}

/* What stands in a table of ours; it goes into JSON as it is. */
static bool is_plain(struct bytes text) {
        for (size_t i = 0; i < text.size; i++)
                if (text.data[i] <= ' ' || text.data[i] > '~' || text.data[i] == '"' || text.data[i] == '\\')
                        return false;
        return true;
}

static char *copy_text(char **room, struct bytes text) {
        char *copy = *room;

        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        *room += text.size + 1;
        return copy;
}

int fields_decode(struct bytes data, struct field **ret) {
        _cleanup_free_ struct field *fields = NULL;
        uint64_t count;
        uint8_t format;
        char *room;

        if (!take_byte(&data, &format) || format != FIELDS_FORMAT || !take_varint(&data, &count) ||
            count > RECORD_FIELDS_MAX)
                return -EBADMSG;

        /* Every text is shorter than the data, and each of the two per field gets a NUL. */
        fields = calloc(1, (count + 1) * sizeof(*fields) + data.size + 2 * count);
        if (!fields)
                return -ENOMEM;
        room = (char *)(fields + count + 1);

        for (size_t i = 0; i < count; i++) {
                struct bytes name, ecs;
                uint64_t kind, flags;

                if (!take_sized(&data, &name) || !take_sized(&data, &ecs) || !take_varint(&data, &kind) ||
                    !take_varint(&data, &flags))
                        return -EBADMSG;
                if (name.size == 0 || name.size > NAME_SIZE_MAX || ecs.size > ECS_SIZE_MAX || !is_plain(name) ||
                    !is_plain(ecs) || kind > FIELD_SET || flags & ~(uint64_t)FLAGS_ALL)
                        return -EBADMSG;
                fields[i].name = copy_text(&room, name);
                fields[i].ecs = ecs.size ? copy_text(&room, ecs) : NULL;
                fields[i].kind = (enum field_kind)kind;
                fields[i].flags = (unsigned)flags;
                if (fields_find(fields, fields[i].name) != (int)i)
                        return -EBADMSG;
        }
        if (data.size)
                return -EBADMSG;
        *ret = TAKE_PTR(fields);
        return 0;
}

bool fields_compatible(const struct field *a, const struct field *b) {
        size_t count = count_fields(a);

        if (count != count_fields(b))
                return false;
        for (size_t i = 0; i < count; i++)
                if (strcmp(a[i].name, b[i].name) != 0 || a[i].kind != b[i].kind || is_stored(&a[i]) != is_stored(&b[i]))
                        return false;
        return true;
}
