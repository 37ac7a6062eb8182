/* bytes.h - a run of bytes somebody else owns.
 * Everything from outside (names, argv, kernel text) is bytes, not a string: it may hold NUL and need not be UTF-8. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
        const uint8_t *data;    /* borrowed; NULL only when size is 0 */
        size_t size;
};

#define BYTES_NULL ((struct bytes){ .data = NULL, .size = 0 })

static inline struct bytes bytes_of(const void *data, size_t size) {
        return (struct bytes){ .data = data, .size = size };
}

static inline struct bytes bytes_of_string(const char *text) {
        return bytes_of(text, text ? strlen(text) : 0);
}

/* Order of memcmp, a prefix before what it begins: the order of every record stream and of the baseline. */
static inline int bytes_compare(struct bytes a, struct bytes b) {
        size_t shorter = a.size < b.size ? a.size : b.size;
        int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
        if (order)
                return order;
        return a.size < b.size ? -1 : a.size > b.size;
}

/* FNV-1a, for tables and marks: begin with BYTES_HASH, mixed with a seed of ours where somebody else chooses the bytes. */
#define BYTES_HASH UINT64_C(14695981039346656037)

static inline uint64_t bytes_hash_word(uint64_t hash, uint64_t word) {
        return (hash ^ word) * UINT64_C(1099511628211);
}

static inline uint64_t bytes_hash(uint64_t hash, struct bytes bytes) {
        for (size_t i = 0; i < bytes.size; i++)
                hash = bytes_hash_word(hash, bytes.data[i]);
        return hash;
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
        return a.size == b.size && bytes_compare(a, b) == 0;
}

static inline bool bytes_starts_with(struct bytes whole, struct bytes prefix) {
        return whole.size >= prefix.size && bytes_equal(bytes_of(whole.data, prefix.size), prefix);
}
