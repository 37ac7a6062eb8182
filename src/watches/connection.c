#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void connection_list_done(struct connection_list *list) {
        free(list->items);
        *list = CONNECTION_LIST_NULL;
}

int connection_list_add(struct connection_list *list, const struct connection *connection) {
        if (list->count == list->capacity) {
                size_t capacity = list->capacity ? list->capacity * 2 : FIRST_CAPACITY;
                struct connection *items = reallocarray(list->items, capacity, sizeof(*items));
                if (!items)
                        return -ENOMEM;
                list->items = items;
                list->capacity = capacity;
        }
        list->items[list->count++] = *connection;
        return 0;
}

static int compare_connections(const void *a, const void *b) {
        const struct connection *left = a, *right = b;

        return memcmp(left->key, right->key, CONNECTION_KEY_SIZE);
}

void connection_list_sort(struct connection_list *list) {
        size_t kept = 0;

        if (list->count == 0)
                return;
        qsort(list->items, list->count, sizeof(*list->items), compare_connections);
        for (size_t i = 0; i < list->count; i++)
                if (kept == 0 || compare_connections(&list->items[kept - 1], &list->items[i]) != 0)
                        list->items[kept++] = list->items[i];
        list->count = kept;
}

void connection_list_clear(struct connection_list *list) {
        if (list->capacity > FIRST_CAPACITY && list->count < list->capacity / 8)
                connection_list_done(list);
        list->count = 0;
}

void connection_put(uint8_t *key, size_t place, size_t width, uint64_t number) {
        for (size_t i = 0; i < width; i++)
                key[place + i] = (uint8_t)(number >> (8 * (width - 1 - i)));
}

uint64_t connection_get(const uint8_t *key, size_t place, size_t width) {
        uint64_t number = 0;

        for (size_t i = 0; i < width; i++)
                number = number << 8 | key[place + i];
        return number;
}
