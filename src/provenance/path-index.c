#include "path-index.h"

#include <errno.h>

#include "ownership.h"

#define PACKAGE_MASK ((UINT64_C(1) << PATH_INDEX_PACKAGE_BITS) - 1)

enum {
        /* Digits of the sort: the 44 bits of a hash in four passes. Packages come in ascending order and stay so. */
        DIGIT_BITS = 11,
        DIGITS = 4,
        BUCKETS = 1 << DIGIT_BITS,
};

void path_index_done(struct path_index *index) {
        free(index->entries);
        *index = PATH_INDEX_NULL;
}

int path_index_add(struct path_index *index, uint64_t hash, size_t package) {
        if (package >= PATH_INDEX_PACKAGES_MAX || index->count >= PATH_INDEX_PATHS_MAX)
                return -EFBIG;
        if (index->count == index->capacity) {
                size_t capacity = index->capacity ? index->capacity + index->capacity / 2 : 16 * 1024;
                uint64_t *entries = reallocarray(index->entries, capacity, sizeof(*entries));

                if (!entries)
                        return -ENOMEM;
                index->entries = entries;
                index->capacity = capacity;
        }
        index->entries[index->count++] = (hash & ~PACKAGE_MASK) | package;
        return 0;
}

/* By digits, because the time this takes does not depend on what is in the lists. */
int path_index_sort(struct path_index *index) {
        _cleanup_free_ uint64_t *other = NULL;
        uint64_t *from = index->entries, *to, *fitting;

        if (index->count == 0)
                return 0;
        other = calloc(index->count, sizeof(*other));
        if (!other)
                return -ENOMEM;
        to = other;
        for (unsigned digit = 0; digit < DIGITS; digit++) {
                const unsigned shift = PATH_INDEX_PACKAGE_BITS + digit * DIGIT_BITS;
                size_t places[BUCKETS] = { 0 }, sum = 0;
                uint64_t *swap;

                for (size_t i = 0; i < index->count; i++)
                        places[from[i] >> shift & (BUCKETS - 1)]++;
                for (size_t i = 0; i < BUCKETS; i++) {
                        size_t here = places[i];

                        places[i] = sum;
                        sum += here;
                }
                for (size_t i = 0; i < index->count; i++)
                        to[places[from[i] >> shift & (BUCKETS - 1)]++] = from[i];
                swap = from;
                from = to;
                to = swap;
        }
        _Static_assert(DIGITS % 2 == 0, "the last pass must end in index->entries");
        fitting = reallocarray(index->entries, index->count, sizeof(*fitting));
        if (fitting) {
                index->entries = fitting;
                index->capacity = index->count;
        }
        return 0;
}

size_t path_index_find(const struct path_index *index, uint64_t hash) {
        const uint64_t wanted = hash & ~PACKAGE_MASK;
        size_t low = 0, high = index->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (index->entries[middle] < wanted)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool path_index_next(const struct path_index *index, uint64_t hash, size_t *place, size_t *ret_package) {
        uint64_t entry;

        if (*place >= index->count)
                return false;
        entry = index->entries[*place];
        if ((entry & ~PACKAGE_MASK) != (hash & ~PACKAGE_MASK))
                return false;
        while (*place < index->count && index->entries[*place] == entry)
                (*place)++;
        *ret_package = (size_t)(entry & PACKAGE_MASK);
        return true;
}
