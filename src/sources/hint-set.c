#include "hint-set.h"

#include <errno.h>
#include <stdlib.h>

enum {
        FIRST_INDEX = 64,
        KEPT_ITEMS = 4096,      /* memory beyond that goes back after a storm */
};

void hint_set_done(struct hint_set *set) {
        free(set->items);
        free(set->index);
        buffer_done(&set->bytes);
        *set = (struct hint_set){ 0 };
}

static uint32_t hash_key(struct bytes key) {
        const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
        const uint8_t *data = key.data;
        uint64_t hash = key.size * factor;
        size_t size = key.size;

        for (; size >= 8; data += 8, size -= 8) {
                uint64_t word;

                memcpy(&word, data, sizeof(word));
                hash = (hash ^ word) * factor;
                hash ^= hash >> 29;
        }
        for (; size > 0; data++, size--)
                hash = (hash ^ *data) * factor;
        return (uint32_t)(hash >> 32);
}

static bool is_of(const struct hint_set *set, const struct hint_item *item, const char *watch, const char *kind,
                  struct bytes key, uint32_t hash) {
        return item->hash == hash && item->watch == watch && item->kind == kind &&
               bytes_equal(bytes_of(set->bytes.data + item->key, item->key_size), key);
}

static int grow_index(struct hint_set *set) {
        size_t n = set->n_index ? set->n_index * 2 : FIRST_INDEX;
        uint32_t *index = calloc(n, sizeof(*index));

        if (!index)
                return -ENOMEM;
        for (size_t i = 0; i < set->count; i++) {
                size_t at = set->items[i].hash & (n - 1);

                while (index[at])
                        at = (at + 1) & (n - 1);
                index[at] = (uint32_t)i + 1;
        }
        free(set->index);
        set->index = index;
        set->n_index = n;
        return 0;
}

int hint_set_add(struct hint_set *set, const char *watch, const char *kind, struct bytes key, uint32_t pid, unsigned flags) {
        uint32_t hash = hash_key(key);
        struct hint_item *item;
        size_t at;

        if (set->count * 2 >= set->n_index && grow_index(set) < 0)
                return -ENOMEM;
        for (at = hash & (set->n_index - 1); set->index[at]; at = (at + 1) & (set->n_index - 1)) {
                item = &set->items[set->index[at] - 1];
                if (item->pid == pid && is_of(set, item, watch, kind, key, hash)) {
                        item->flags = hint_flags_add(item->flags, flags);
                        set->kept += item->dropped;
                        item->dropped = false;
                        return 0;
                }
        }
        if (set->count == set->capacity) {
                size_t capacity = set->capacity ? set->capacity * 2 : FIRST_INDEX / 2;
                struct hint_item *items = reallocarray(set->items, capacity, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                set->items = items;
                set->capacity = capacity;
        }
        item = &set->items[set->count];
        *item = (struct hint_item){
                .watch = watch, .kind = kind, .key = set->bytes.size, .key_size = key.size, .hash = hash, .pid = pid, .flags = flags,
        };
        buffer_append_bytes(&set->bytes, key);
        if (buffer_error(&set->bytes) < 0) {
                hint_set_done(set);
                return -ENOMEM;
        }
        set->index[at] = (uint32_t)++set->count;
        set->kept++;
        return 0;
}

void hint_set_drop(struct hint_set *set, const char *watch, const char *kind, struct bytes key) {
        uint32_t hash;

        if (set->kept == 0)
                return;
        hash = hash_key(key);
        for (size_t at = hash & (set->n_index - 1); set->index[at]; at = (at + 1) & (set->n_index - 1)) {
                struct hint_item *item = &set->items[set->index[at] - 1];

                if (!item->dropped && is_of(set, item, watch, kind, key, hash)) {
                        item->dropped = true;
                        set->kept--;
                }
        }
}

void hint_set_tell(struct hint_set *set, struct source_listener *listener, const char *source) {
        if (set->count == 0)
                return;
        for (size_t i = 0; i < set->count; i++) {
                const struct hint_item *item = &set->items[i];
                struct hint hint = {
                        .watch = item->watch,
                        .kind = item->kind,
                        .key = bytes_of(set->bytes.data + item->key, item->key_size),
                        .flags = item->flags,
                        .origin = { .known = item->pid != 0, .pid = item->pid },
                        .source = source,
                };

                if (!item->dropped)
                        listener->hint(listener, &hint);
        }
        if (set->capacity > KEPT_ITEMS) {
                hint_set_done(set);
                return;
        }
        set->count = set->kept = 0;
        buffer_clear(&set->bytes);
        memset(set->index, 0, set->n_index * sizeof(*set->index));
}
