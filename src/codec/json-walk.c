#include "json-walk.h"

#include <errno.h>

static void skip_blanks(struct json_walk *walk) {
        while (walk->at < walk->end && (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\n' || *walk->at == '\r'))
                walk->at++;
}

static bool take(struct json_walk *walk, uint8_t byte) {
        if (walk->at >= walk->end || *walk->at != byte)
                return false;
        walk->at++;
        return true;
}

static bool is_hexadecimal(uint8_t byte) {
        return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool skip_escape(struct json_walk *walk) {
        if (walk->at >= walk->end || !memchr("\"\\/bfnrtu", *walk->at, 9))
                return false;
        if (*walk->at++ != 'u')
                return true;
        for (int i = 0; i < 4; i++)
                if (walk->at >= walk->end || !is_hexadecimal(*walk->at++))
                        return false;
        return true;
}

/* Behind the first quote; goes behind the last. */
static bool skip_string(struct json_walk *walk) {
        while (walk->at < walk->end) {
                uint8_t byte = *walk->at++;

                if (byte == '"')
                        return true;
                if (byte < 0x20 || (byte == '\\' && !skip_escape(walk)))
                        return false;
        }
        return false;
}

static size_t skip_digits(struct json_walk *walk) {
        const uint8_t *from = walk->at;

        while (walk->at < walk->end && *walk->at >= '0' && *walk->at <= '9')
                walk->at++;
        return (size_t)(walk->at - from);
}

static bool skip_number(struct json_walk *walk) {
        const uint8_t *first;
        size_t digits;

        (void)take(walk, '-');
        first = walk->at;
        digits = skip_digits(walk);
        if (digits == 0 || (digits > 1 && *first == '0'))
                return false;
        if (take(walk, '.') && skip_digits(walk) == 0)
                return false;
        if (take(walk, 'e') || take(walk, 'E')) {
                if (!take(walk, '+'))
                        (void)take(walk, '-');
                return skip_digits(walk) > 0;
        }
        return true;
}

static bool skip_word(struct json_walk *walk, const char *word) {
        size_t size = strlen(word);

        if ((size_t)(walk->end - walk->at) < size || memcmp(walk->at, word, size) != 0)
                return false;
        walk->at += size;
        return true;
}

static bool skip_value(struct json_walk *walk, unsigned depth);

static bool skip_members(struct json_walk *walk, unsigned depth, uint8_t last) {
        skip_blanks(walk);
        if (take(walk, last))
                return true;
        do {
                skip_blanks(walk);
                if (last == '}') {
                        if (!take(walk, '"') || !skip_string(walk))
                                return false;
                        skip_blanks(walk);
                        if (!take(walk, ':'))
                                return false;
                        skip_blanks(walk);
                }
                if (!skip_value(walk, depth))
                        return false;
                skip_blanks(walk);
        } while (take(walk, ','));
        return take(walk, last);
}

static bool skip_value(struct json_walk *walk, unsigned depth) {
        if (walk->at >= walk->end || depth == 0)
                return false;
        switch (*walk->at) {
        case '{':
                walk->at++;
                return skip_members(walk, depth - 1, '}');
        case '[':
                walk->at++;
                return skip_members(walk, depth - 1, ']');
        case '"':
                walk->at++;
                return skip_string(walk);
        case 't':
                return skip_word(walk, "true");
        case 'f':
                return skip_word(walk, "false");
        case 'n':
                return skip_word(walk, "null");
        default:
                return skip_number(walk);
        }
}

int json_walk_open(struct json_walk *walk, struct bytes text) {
        *walk = (struct json_walk){ .at = text.data, .end = text.data + text.size };
        skip_blanks(walk);
        return take(walk, '{') ? 0 : -EBADMSG;
}

int json_walk_next(struct json_walk *walk, struct bytes *ret_key, struct bytes *ret_value) {
        const uint8_t *key, *value;
        size_t key_size;

        skip_blanks(walk);
        if (take(walk, '}')) {
                skip_blanks(walk);
                return walk->at == walk->end ? 0 : -EBADMSG;
        }
        if (walk->begun) {
                if (!take(walk, ','))
                        return -EBADMSG;
                skip_blanks(walk);
        }
        walk->begun = true;
        if (!take(walk, '"'))
                return -EBADMSG;
        key = walk->at;
        if (!skip_string(walk))
                return -EBADMSG;
        key_size = (size_t)(walk->at - key) - 1;
        skip_blanks(walk);
        if (!take(walk, ':'))
                return -EBADMSG;
        skip_blanks(walk);
        value = walk->at;
        if (!skip_value(walk, JSON_DEPTH_MAX - 1))
                return -EBADMSG;
        *ret_key = bytes_of(key, key_size);
        *ret_value = bytes_of(value, (size_t)(walk->at - value));
        return 1;
}

bool json_walk_find(struct bytes text, const char *path, struct bytes *ret_value) {
        for (;;) {
                size_t size = strcspn(path, ".");
                struct json_walk walk;
                struct bytes key, value;

                if (json_walk_open(&walk, text) < 0)
                        return false;
                do
                        if (json_walk_next(&walk, &key, &value) <= 0)
                                return false;
                while (!bytes_equal(key, bytes_of(path, size)));
                if (path[size] == '\0') {
                        *ret_value = value;
                        return true;
                }
                path += size + 1;
                text = value;
        }
}

bool json_walk_text(struct bytes value, struct bytes *ret) {
        if (value.size < 2 || value.data[0] != '"' || memchr(value.data, '\\', value.size))
                return false;
        *ret = bytes_of(value.data + 1, value.size - 2);
        return true;
}

bool json_walk_number(struct bytes value, uint64_t *ret) {
        uint64_t number = 0;

        if (value.size == 0 || value.size > 19) /* 19 digits always fit */
                return false;
        for (size_t i = 0; i < value.size; i++) {
                if (value.data[i] < '0' || value.data[i] > '9')
                        return false;
                number = number * 10 + (value.data[i] - '0');
        }
        *ret = number;
        return true;
}
