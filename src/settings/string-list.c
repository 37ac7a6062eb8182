#include "string-list.h"

#include <errno.h>
#include <string.h>

int string_list_add(struct strings *strings, const char *text) {
        char *copy = strdup(text), **items;

        items = copy ? reallocarray(strings->items, strings->count + 1, sizeof(*items)) : NULL;
        if (!items) {
                free(copy);
                return -ENOMEM;
        }
        items[strings->count++] = copy;
        strings->items = items;
        return 0;
}

void string_list_done(struct strings *strings) {
        for (size_t i = 0; i < strings->count; i++)
                free(strings->items[i]);
        free(strings->items);
        *strings = (struct strings){ .items = NULL };
}
