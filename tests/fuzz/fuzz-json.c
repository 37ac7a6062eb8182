/* Whatever goes in, valid JSON comes out, holds exactly what the rules of json.h keep, and gives back the same bytes.
 * The input is a list of additions: operation, length of the path, path, length of the value (2), value. */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "escape.h"
#include "json.h"

enum { ADDITIONS_MAX = 100, OPERATIONS = 5 };

enum operation { ADD_STRING, APPEND, ADD_NUMBER, ADD_SIGNED, ADD_BOOL };

struct addition {
        enum operation operation;
        char *path;
        struct bytes value;
        uint64_t number;
        bool kept;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

static struct bytes take(struct bytes *data, size_t size) {
        struct bytes taken = bytes_of(data->data, size < data->size ? size : data->size);

        if (taken.size)
                *data = bytes_of(data->data + taken.size, data->size - taken.size);
        return taken;
}

static uint64_t take_number(struct bytes *data, size_t size) {
        struct bytes taken = take(data, size);
        uint64_t number = 0;

        for (size_t i = 0; i < taken.size; i++)
                number = number << 8 | taken.data[i];
        return number;
}

static size_t read_additions(struct bytes data, struct addition *ret) {
        size_t count = 0;

        while (data.size > 0 && count < ADDITIONS_MAX) {
                struct addition *addition = &ret[count++];
                struct bytes path;

                addition->operation = (enum operation)(take_number(&data, 1) % OPERATIONS);
                path = take(&data, take_number(&data, 1));
                addition->path = strndup(path.data ? (const char *)path.data : "", path.size);
                expect(addition->path);
                addition->value = take(&data, take_number(&data, 2));
                for (size_t i = 0; i < addition->value.size && i < 8; i++)
                        addition->number = addition->number << 8 | addition->value.data[i];
        }
        return count;
}

static void add(struct json *json, const struct addition *addition) {
        switch (addition->operation) {
        case ADD_STRING:
                json_add_string(json, addition->path, addition->value);
                break;
        case APPEND:
                json_append(json, addition->path, addition->value);
                break;
        case ADD_NUMBER:
                json_add_number(json, addition->path, addition->number);
                break;
        case ADD_SIGNED:
                json_add_signed(json, addition->path, (int64_t)addition->number);
                break;
        case ADD_BOOL:
                json_add_bool(json, addition->path, addition->number & 1);
                break;
        }
}

static bool lies_under(const char *path, const char *parent) {
        return strncmp(path, parent, strlen(parent)) == 0 && path[strlen(parent)] == '.';
}

static bool is_taken(const char *path) {
        return strcmp(path, "nephronix") == 0 || strcmp(path, "nephronix.raw") == 0 ||
               lies_under(path, "nephronix.raw");
}

/* The rules of json.h in their plainest form. */
static void mark_kept(struct addition *additions, size_t count) {
        for (size_t i = 0; i < count; i++) {
                struct addition *one = &additions[i];

                one->kept = !is_taken(one->path);
                for (size_t j = 0; j < count && one->kept; j++) {
                        const struct addition *other = &additions[j];

                        if (is_taken(other->path))
                                continue;
                        if (lies_under(one->path, other->path))
                                one->kept = false;
                        else if (j >= i || strcmp(one->path, other->path) != 0)
                                continue;
                        else if (!other->kept)
                                continue;
                        else if (one->operation != APPEND || other->operation != APPEND ||
                                 bytes_equal(one->value, other->value))
                                one->kept = false;
                }
        }
}

static json_t *member(json_t *object, const char *name, size_t size) {
        _cleanup_buffer_ struct buffer key = BUFFER_NULL;

        escape_append(&key, bytes_of(name, size));
        return json_object_get(object, buffer_string(&key));
}

static json_t *find(json_t *object, const char *path) {
        size_t length;

        for (;; path += length + 1) {
                length = strcspn(path, ".");
                object = member(object, path, length);
                expect(object);
                if (path[length] == '\0')
                        return object;
        }
}

/* The string, and its raw bytes if it needs them, are those of value. */
static void check_string(json_t *root, json_t *string, const char *raw_path, struct bytes value) {
        json_t *raw = json_object_get(json_object_get(json_object_get(root, "nephronix"), "raw"), raw_path);
        _cleanup_buffer_ struct buffer shown = BUFFER_NULL, coded = BUFFER_NULL;
        struct bytes text;

        expect(json_is_string(string));
        text = bytes_of(json_string_value(string), json_string_length(string));
        if (escape_is_clean(value)) {
                expect(!raw);
                expect(bytes_equal(text, value));
                return;
        }
        escape_append(&shown, value);
        expect(bytes_equal(text, buffer_bytes(&shown)));
        base64_append(&coded, value);
        expect(json_is_string(raw));
        expect(strcmp(json_string_value(raw), buffer_string(&coded)) == 0);
}

static size_t count_leaves(json_t *value) {
        size_t count = 0;
        const char *key;
        json_t *inner;

        if (!json_is_object(value))
                return json_is_array(value) ? json_array_size(value) : 1;
        json_object_foreach (value, key, inner)
                count += count_leaves(inner);
        return count;
}

static void check(json_t *root, const struct addition *additions, size_t count) {
        size_t leaves = 0, raws = 0;

        for (size_t i = 0; i < count; i++) {
                const struct addition *one = &additions[i];
                _cleanup_buffer_ struct buffer raw_path = BUFFER_NULL;
                char expected[32];
                size_t place = 0;
                json_t *value;

                if (!one->kept)
                        continue;
                leaves++;
                raws += one->operation <= APPEND && !escape_is_clean(one->value);
                value = find(root, one->path);
                escape_append(&raw_path, bytes_of_string(one->path));
                switch (one->operation) {
                case ADD_STRING:
                        check_string(root, value, buffer_string(&raw_path), one->value);
                        break;
                case APPEND:
                        for (size_t j = 0; j < i; j++)
                                place += additions[j].kept && strcmp(additions[j].path, one->path) == 0;
                        expect(json_is_array(value));
                        buffer_printf(&raw_path, ".%zu", place);
                        check_string(root, json_array_get(value, place), buffer_string(&raw_path), one->value);
                        break;
                case ADD_NUMBER:
                        expect(json_is_real(value) && json_real_value(value) == (double)one->number);
                        break;
                case ADD_SIGNED:
                        (void)snprintf(expected, sizeof(expected), "%lld", (long long)one->number);
                        expect(json_is_real(value) && json_real_value(value) == strtod(expected, NULL));
                        break;
                case ADD_BOOL:
                        expect(json_is_boolean(value) && json_boolean_value(value) == (one->number & 1));
                        break;
                }
        }
        expect(count_leaves(root) == leaves + raws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct addition additions[ADDITIONS_MAX] = { 0 };
        size_t count = read_additions(bytes_of(data, size), additions);
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct json *json = json_new();
        json_error_t error;
        json_t *root;

        expect(json);
        for (size_t i = 0; i < count; i++)
                add(json, &additions[i]);
        expect(json_write(json, &text) == 0);
        expect(!memchr(text.data, '\n', text.size));
        /* Integers as reals: jansson's own end at 2^63. */
        root = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
        expect(root);
        mark_kept(additions, count);
        check(root, additions, count);

        json_decref(root);
        json = json_free(json);
        for (size_t i = 0; i < count; i++)
                free(additions[i].path);
        return 0;
}
