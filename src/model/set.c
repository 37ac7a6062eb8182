#include "set.h"

#include <errno.h>
#include <stdlib.h>

#include "ownership.h"
#include "watch.h"

enum { ARENA_BLOCK = 32 * 1024 };

struct block {
        struct block *next;
        size_t used, size;
        uint8_t data[];
};

/* A record kept small: only as many values as the table has. */
struct entry {
        struct bytes key;
        size_t order;           /* of adding: the first of equal keys wins */
        struct value *values;   /* in the arena */
};

struct set {
        const struct field *fields;
        size_t n_fields;
        struct block *blocks;
        struct entry *entries;
        size_t count, capacity;
        bool sorted;
        struct record found;
};

struct set *set_new(const struct field *fields) {
        struct set *set = calloc(1, sizeof(*set));

        if (!set)
                return NULL;
        set->fields = fields;
        set->n_fields = fields_count(fields);
        return set;
}

static void free_blocks(struct block *block) {
        while (block) {
                struct block *next = block->next;
                free(block);
                block = next;
        }
}

struct set *set_free(struct set *set) {
        if (!set)
                return NULL;
        free_blocks(set->blocks);
        free(set->entries);
        free(set);
        return NULL;
}

void set_clear(struct set *set) {
        /* One ordinary block stays: a round of the usual size then asks the allocator for nothing. */
        if (set->blocks) {
                struct block *keep = set->blocks->size == ARENA_BLOCK ? set->blocks : NULL;
                free_blocks(keep ? keep->next : set->blocks);
                if (keep) {
                        keep->next = NULL;
                        keep->used = 0;
                }
                set->blocks = keep;
        }
        set->count = 0;
        set->sorted = false;
}

static void *arena(struct set *set, size_t size) {
        struct block *block = set->blocks;
        void *place;

        if (__builtin_add_overflow(size, (size_t)15, &size))
                return NULL;
        size &= ~(size_t)15;
        if (!block || block->size - block->used < size) {
                size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK, whole;

                if (__builtin_add_overflow(room, sizeof(*block), &whole))
                        return NULL;
                block = malloc(whole);
                if (!block)
                        return NULL;
                block->size = room;
                block->used = 0;
                block->next = set->blocks;
                set->blocks = block;
        }
        place = block->data + block->used;
        block->used += size;
        return place;
}

static int copy_bytes(struct set *set, struct bytes from, struct bytes *ret) {
        uint8_t *place = arena(set, from.size ? from.size : 1);

        if (!place)
                return -ENOMEM;
        if (from.size)
                memcpy(place, from.data, from.size);
        *ret = bytes_of(place, from.size);
        return 0;
}

int set_add(struct set *set, const struct record *record) {
        struct entry entry = { .order = set->count };

        if (set->count == set->capacity) {
                size_t capacity = set->capacity ? set->capacity * 2 : 64;
                struct entry *entries = reallocarray(set->entries, capacity, sizeof(*entries));
                if (!entries)
                        return -ENOMEM;
                set->entries = entries;
                set->capacity = capacity;
        }
        entry.values = arena(set, set->n_fields * sizeof(struct value));
        if (!entry.values || copy_bytes(set, record->key, &entry.key) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < set->n_fields; i++) {
                entry.values[i] = record->values[i];
                if (field_is_bytes(&set->fields[i]) && record->values[i].present &&
                    copy_bytes(set, record->values[i].bytes, &entry.values[i].bytes) < 0)
                        return -ENOMEM;
        }
        set->entries[set->count++] = entry;
        set->sorted = false;
        return 0;
}

size_t set_count(const struct set *set) {
        return set->count;
}

static int compare_entries(const void *a, const void *b) {
        const struct entry *left = a, *right = b;
        int order = bytes_compare(left->key, right->key);

        if (order)
                return order;
        return left->order < right->order ? -1 : left->order > right->order;
}

void set_sort(struct set *set) {
        if (set->sorted || set->count == 0)
                return;
        qsort(set->entries, set->count, sizeof(*set->entries), compare_entries);
        set->sorted = true;
}

static void unpack(const struct set *set, const struct entry *entry, struct record *record) {
        record->key = entry->key;
        memcpy(record->values, entry->values, set->n_fields * sizeof(struct value));
}

int set_emit(struct set *set, struct collector *collector) {
        struct record record = { 0 };

        set_sort(set);
        for (size_t i = 0; i < set->count; i++) {
                int r;

                if (i > 0 && bytes_equal(set->entries[i].key, set->entries[i - 1].key))
                        continue;
                unpack(set, &set->entries[i], &record);
                r = collector->record(collector, &record);
                if (r < 0)
                        return r;
        }
        return 0;
}

const struct record *set_find(struct set *set, struct bytes key) {
        size_t low = 0, high = set->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (bytes_compare(set->entries[middle].key, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == set->count || !bytes_equal(set->entries[low].key, key))
                return NULL;
        unpack(set, &set->entries[low], &set->found);
        return &set->found;
}
