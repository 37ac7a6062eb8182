#include "json.h"

#include <errno.h>

#include "escape.h"

enum { TEXT_KEPT_MAX = 64 * 1024 };

enum kind { KIND_STRING, KIND_ELEMENT, KIND_UNSIGNED, KIND_SIGNED, KIND_BOOL, KIND_RAW };

struct entry {
        size_t path, path_size;         /* in json->text, with NUL for '.' */
        size_t value, value_size;       /* in json->text: KIND_STRING, KIND_ELEMENT */
        uint64_t number;
        size_t place;                   /* of an element in its array, once chosen */
        enum kind kind;
        bool clean;
        bool plain;                     /* its path needs no escaping */
        bool written;                   /* an element that is JSON already */
};

struct json {
        /* Paths are kept with NUL for '.': plain byte order then puts what lies under a path right behind it, before
         * every sibling, so that one pass over the sorted entries writes the nested objects. */
        struct buffer text;
        struct entry *entries;          /* owned, in order of adding */
        size_t *order, *spare;          /* owned; places in entries, sorted by write */
        size_t count, capacity;
        bool has_raw;                   /* an entry marks the place of nephronix.raw */
        bool failed;
};

struct json *json_new(void) {
        return calloc(1, sizeof(struct json));
}

struct json *json_free(struct json *json) {
        if (!json)
                return NULL;
        buffer_done(&json->text);
        free(json->entries);
        free(json->order);
        free(json->spare);
        free(json);
        return NULL;
}

void json_clear(struct json *json) {
        /* One event with a huge command line should not cost its size for good. */
        if (json->text.capacity > TEXT_KEPT_MAX)
                buffer_done(&json->text);
        buffer_clear(&json->text);
        json->count = 0;
        json->has_raw = json->failed = false;
}

static struct bytes path_of(const struct json *json, const struct entry *entry) {
        return bytes_of(json->text.data + entry->path, entry->path_size);
}

static struct bytes value_of(const struct json *json, const struct entry *entry) {
        return bytes_of(json->text.data + entry->value, entry->value_size);
}

static bool grow(struct json *json) {
        size_t capacity = json->capacity ? json->capacity * 2 : 64;
        struct entry *entries;
        size_t *order, *spare;

        entries = reallocarray(json->entries, capacity, sizeof(*entries));
        if (!entries)
                return false;
        json->entries = entries;
        order = reallocarray(json->order, capacity, sizeof(*order));
        if (!order)
                return false;
        json->order = order;
        spare = reallocarray(json->spare, capacity, sizeof(*spare));
        if (!spare)
                return false;
        json->spare = spare;
        json->capacity = capacity;
        return true;
}

static bool is_taken(const char *path) {
        static const char raw[] = "nephronix.raw";

        if (strncmp(path, raw, 9) != 0)
                return false;
        if (path[9] == '\0')
                return true;
        /* Ends there or goes on with '.': strchr() finds the NUL too. */
        return strncmp(path, raw, sizeof(raw) - 1) == 0 && strchr(".", path[sizeof(raw) - 1]);
}

/* NUL for '.'. True if no byte needs escaping in a key: almost all paths are our own words. */
static bool split_path(uint8_t *path, size_t size) {
        bool plain = true;

        for (size_t i = 0; i < size; i++) {
                if (path[i] == '.')
                        path[i] = '\0';
                else
                        plain &= path[i] >= '0' && path[i] <= 'z' && path[i] != '\\';
        }
        return plain;
}

static void add(struct json *json, const char *path, struct entry entry, struct bytes value) {
        if (json->failed || (json->count == json->capacity && !grow(json))) {
                json->failed = true;
                return;
        }
        entry.path = json->text.size;
        entry.path_size = strlen(path);
        buffer_append(&json->text, path, entry.path_size + 1);
        entry.value = json->text.size;
        entry.value_size = value.size;
        buffer_append_bytes(&json->text, value);
        if (buffer_error(&json->text) < 0) {
                json->failed = true;
                return;
        }
        entry.plain = split_path(json->text.data + entry.path, entry.path_size);
        json->entries[json->count++] = entry;
}

static void add_bytes(struct json *json, const char *path, enum kind kind, struct bytes value) {
        struct entry entry = { .kind = kind, .clean = escape_is_clean(value) };

        if (is_taken(path))
                return;
        if (!entry.clean && !json->has_raw) {
                json->has_raw = true;
                add(json, "nephronix.raw", (struct entry){ .kind = KIND_RAW, .clean = true }, BYTES_NULL);
        }
        add(json, path, entry, value);
}

static void add_number(struct json *json, const char *path, enum kind kind, uint64_t number) {
        if (!is_taken(path))
                add(json, path, (struct entry){ .kind = kind, .number = number, .clean = true }, BYTES_NULL);
}

void json_add_string(struct json *json, const char *path, struct bytes value) {
        add_bytes(json, path, KIND_STRING, value);
}

void json_add_text(struct json *json, const char *path, const char *value) {
        if (value)
                add_bytes(json, path, KIND_STRING, bytes_of_string(value));
}

void json_add_number(struct json *json, const char *path, uint64_t value) {
        add_number(json, path, KIND_UNSIGNED, value);
}

void json_add_signed(struct json *json, const char *path, int64_t value) {
        add_number(json, path, KIND_SIGNED, (uint64_t)value);
}

void json_add_bool(struct json *json, const char *path, bool value) {
        add_number(json, path, KIND_BOOL, value);
}

void json_append(struct json *json, const char *path, struct bytes value) {
        add_bytes(json, path, KIND_ELEMENT, value);
}

void json_append_written(struct json *json, const char *path, struct bytes value) {
        if (!is_taken(path))
                add(json, path, (struct entry){ .kind = KIND_ELEMENT, .clean = true, .written = true }, value);
}

static int compare_paths(const struct json *json, size_t a, size_t b) {
        return bytes_compare(path_of(json, &json->entries[a]), path_of(json, &json->entries[b]));
}

static int compare_values(const struct json *json, size_t a, size_t b) {
        return bytes_compare(value_of(json, &json->entries[a]), value_of(json, &json->entries[b]));
}

static int compare_adding(const struct json *json, size_t a, size_t b) {
        (void)json;
        return a < b ? -1 : a > b;
}

/* A stable merge sort of order[0..count): qsort() is not stable and knows no context. Runs in order are not merged, so
 * that a caller who adds paths in groups pays for little. */
static void sort(const struct json *json, size_t *order, size_t count,
                 int (*compare)(const struct json *json, size_t a, size_t b)) {
        for (size_t width = 1; width < count; width *= 2)
                for (size_t start = 0; start + width < count; start += 2 * width) {
                        size_t *left = json->spare, *right = order + start + width, *to = order + start;
                        size_t n_left = width, n_right = count - start - width;

                        if (n_right > width)
                                n_right = width;
                        if (compare(json, right[-1], right[0]) <= 0)
                                continue;
                        memcpy(left, to, n_left * sizeof(*left));
                        while (n_left > 0 && n_right > 0) {
                                if (compare(json, *left, *right) <= 0) {
                                        *to++ = *left++;
                                        n_left--;
                                } else {
                                        *to++ = *right++;
                                        n_right--;
                                }
                        }
                        /* What is left on the right already stands where it belongs. */
                        memcpy(to, left, n_left * sizeof(*left));
                }
}

/* The elements of one array: the first of each value, in order of adding, put in front. Returns how many they are. */
static size_t choose_elements(const struct json *json, size_t *order, size_t count) {
        size_t elements = 0, kept = 0;

        for (size_t i = 0; i < count; i++)
                if (json->entries[order[i]].kind == KIND_ELEMENT)
                        order[elements++] = order[i];
        sort(json, order, elements, compare_values);
        for (size_t i = 0; i < elements; i++)
                if (i == 0 || compare_values(json, order[i], order[kept - 1]) != 0)
                        order[kept++] = order[i];
        sort(json, order, kept, compare_adding);
        for (size_t i = 0; i < kept; i++)
                json->entries[order[i]].place = i;
        return kept;
}

static bool lies_under(struct bytes path, struct bytes parent) {
        return path.size > parent.size && path.data[parent.size] == '\0' && bytes_starts_with(path, parent);
}

/* Sorts and drops what doubles or lies under a value. Returns how many entries of order are left; *ret_raw: some of
 * their strings go to nephronix.raw. */
static size_t choose(const struct json *json, bool *ret_raw) {
        size_t *order = json->order, kept = 0, next;
        const struct entry *last = NULL;

        for (size_t i = 0; i < json->count; i++)
                order[i] = i;
        sort(json, order, json->count, compare_paths);

        *ret_raw = false;
        for (size_t i = 0; i < json->count; i = next) {
                const struct entry *entry = &json->entries[order[i]];
                size_t chosen = 1;

                for (next = i + 1; next < json->count && compare_paths(json, order[next], order[i]) == 0;)
                        next++;
                if (last && lies_under(path_of(json, entry), path_of(json, last)))
                        continue;
                last = entry;
                if (entry->kind == KIND_ELEMENT)
                        chosen = choose_elements(json, order + i, next - i);
                for (size_t j = 0; j < chosen; j++) {
                        if (!json->entries[order[i + j]].clean)
                                *ret_raw = true;
                        order[kept++] = order[i + j];
                }
        }
        return kept;
}

/* Puts a backslash before each quote and backslash from start on, in place from behind. */
static void protect(struct buffer *buffer, size_t start) {
        size_t more = 0, from = buffer->size, to;

        /* Shorter than its start is a buffer that failed. */
        if (from <= start ||
            (!memchr(buffer->data + start, '"', from - start) && !memchr(buffer->data + start, '\\', from - start)))
                return;
        for (size_t i = start; i < from; i++)
                more += buffer->data[i] == '"' || buffer->data[i] == '\\';
        buffer_append_fill(buffer, 0, more);
        for (to = buffer->size; to > from && from > start;) {
                uint8_t byte = buffer->data[--from];

                buffer->data[--to] = byte;
                if (byte == '"' || byte == '\\')
                        buffer->data[--to] = '\\';
        }
}

static void quote(struct buffer *buffer, struct bytes bytes, bool clean) {
        size_t start;

        buffer_append_byte(buffer, '"');
        start = buffer->size;
        if (clean)
                buffer_append_bytes(buffer, bytes);
        else
                escape_append(buffer, bytes);
        protect(buffer, start);
        buffer_append_byte(buffer, '"');
}

void json_quote(struct buffer *buffer, struct bytes bytes) {
        quote(buffer, bytes, escape_is_clean(bytes));
}

/* Unlike in a value, a backslash is doubled even where nothing else needs escaping: different paths stay different. */
static void write_key(struct buffer *buffer, struct bytes key, bool plain) {
        size_t start;

        buffer_append_byte(buffer, '"');
        if (plain) {
                buffer_append_bytes(buffer, key);
                buffer_append(buffer, "\":", 2);
                return;
        }
        start = buffer->size;
        escape_append(buffer, key);
        protect(buffer, start);
        buffer_append(buffer, "\":", 2);
}

void base64_append(struct buffer *buffer, struct bytes bytes) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t at = 0; at < bytes.size; at += 3) {
                size_t size = bytes.size - at < 3 ? bytes.size - at : 3;
                uint32_t three = (uint32_t)bytes.data[at] << 16;
                uint8_t four[4] = "====";

                if (size > 1)
                        three |= (uint32_t)bytes.data[at + 1] << 8;
                if (size > 2)
                        three |= bytes.data[at + 2];
                for (size_t i = 0; i <= size; i++)
                        four[i] = (uint8_t)digits[three >> (18 - 6 * i) & 0x3f];
                buffer_append(buffer, four, sizeof(four));
        }
}

void decimal_append(struct buffer *buffer, uint64_t number) {
        uint8_t digits[20];     /* 2^64 has 20 */
        size_t at = sizeof(digits);

        do {
                digits[--at] = (uint8_t)('0' + number % 10);
                number /= 10;
        } while (number > 0);
        buffer_append(buffer, digits + at, sizeof(digits) - at);
}

static void write_raw(const struct json *json, size_t count, struct buffer *buffer) {
        const char *separator = "";

        buffer_append_byte(buffer, '{');
        for (size_t i = 0; i < count; i++) {
                const struct entry *entry = &json->entries[json->order[i]];
                struct bytes path = path_of(json, entry);
                size_t start, size;

                if (entry->clean)
                        continue;
                buffer_append_string(buffer, separator);
                buffer_append_byte(buffer, '"');
                start = buffer->size;
                for (size_t at = 0; at <= path.size; at += size + 1) {
                        const uint8_t *end = memchr(path.data + at, '\0', path.size - at);

                        size = end ? (size_t)(end - path.data) - at : path.size - at;
                        if (at > 0)
                                buffer_append_byte(buffer, '.');
                        escape_append(buffer, bytes_of(path.data + at, size));
                }
                if (entry->kind == KIND_ELEMENT) {
                        buffer_append_byte(buffer, '.');
                        decimal_append(buffer, entry->place);
                }
                protect(buffer, start);
                buffer_append(buffer, "\":\"", 3);
                base64_append(buffer, value_of(json, entry));
                buffer_append_byte(buffer, '"');
                separator = ",";
        }
        buffer_append_byte(buffer, '}');
}

/* Closes the objects that the path before was in and this one is not, opens the others, writes the key. */
static void write_path(struct buffer *buffer, struct bytes before, struct bytes path, bool plain) {
        size_t shared = 0, at;
        const uint8_t *end;

        for (at = 0; at < before.size && at < path.size && before.data[at] == path.data[at]; at++)
                if (path.data[at] == '\0')
                        shared = at + 1;
        for (at = shared; at < before.size; at++)
                if (before.data[at] == '\0')
                        buffer_append_byte(buffer, '}');
        if (before.data)
                buffer_append_byte(buffer, ',');
        for (at = shared; (end = memchr(path.data + at, '\0', path.size - at)); at = (size_t)(end - path.data) + 1) {
                write_key(buffer, bytes_of(path.data + at, (size_t)(end - path.data) - at), plain);
                buffer_append_byte(buffer, '{');
        }
        write_key(buffer, bytes_of(path.data + at, path.size - at), plain);
}

static void write_value(const struct json *json, const struct entry *entry, struct buffer *buffer) {
        switch (entry->kind) {
        case KIND_STRING:
        case KIND_ELEMENT:
                if (entry->written)
                        buffer_append_bytes(buffer, value_of(json, entry));
                else
                        quote(buffer, value_of(json, entry), entry->clean);
                break;
        case KIND_SIGNED:
                if ((int64_t)entry->number < 0) {
                        buffer_append_byte(buffer, '-');
                        decimal_append(buffer, 0 - entry->number);
                        break;
                }
                /* fall through */
        case KIND_UNSIGNED:
                decimal_append(buffer, entry->number);
                break;
        case KIND_BOOL:
                buffer_append_string(buffer, entry->number ? "true" : "false");
                break;
        case KIND_RAW:
                break;
        }
}

int json_write(struct json *json, struct buffer *buffer) {
        struct bytes before = BYTES_NULL;
        size_t count;
        bool raw;

        if (json->failed)
                return -ENOMEM;
        count = choose(json, &raw);

        buffer_append_byte(buffer, '{');
        for (size_t i = 0; i < count; i++) {
                const struct entry *entry = &json->entries[json->order[i]];

                if (entry->kind == KIND_RAW && !raw)
                        continue;
                if (entry->kind == KIND_ELEMENT && entry->place > 0) {
                        buffer_append_byte(buffer, ',');
                } else {
                        write_path(buffer, before, path_of(json, entry), entry->plain);
                        before = path_of(json, entry);
                        if (entry->kind == KIND_ELEMENT)
                                buffer_append_byte(buffer, '[');
                }
                if (entry->kind == KIND_RAW)
                        write_raw(json, count, buffer);
                else
                        write_value(json, entry, buffer);
                /* The last element: the next entry starts something new. */
                if (entry->kind == KIND_ELEMENT && (i + 1 == count || json->entries[json->order[i + 1]].place == 0))
                        buffer_append_byte(buffer, ']');
        }
        for (size_t at = 0; at < before.size; at++)
                if (before.data[at] == '\0')
                        buffer_append_byte(buffer, '}');
        buffer_append_byte(buffer, '}');
        return buffer_error(buffer);
}
