#include "user-table.h"

#include "ownership.h"

enum { CAPACITY_MIN = 256 };

struct user_entry {
        uint32_t pid, user;
};

void user_table_done(struct user_table *table) {
        free(table->entries);
        *table = (struct user_table){ .entries = NULL };
}

void user_table_clear(struct user_table *table) {
        for (size_t i = 0; i < table->capacity; i++)
                table->entries[i].pid = 0;
        table->count = 0;
}

static size_t home(const struct user_table *table, uint32_t pid) {
        return (size_t)(pid * UINT32_C(2654435769)) & (table->capacity - 1);
}

/* Where it is, or the free place where it belongs. There always is one. */
static size_t place_of(const struct user_table *table, uint32_t pid) {
        size_t at = home(table, pid);

        while (table->entries[at].pid != 0 && table->entries[at].pid != pid)
                at = (at + 1) & (table->capacity - 1);
        return at;
}

static bool grow(struct user_table *table) {
        size_t capacity = table->capacity ? table->capacity * 2 : CAPACITY_MIN;
        struct user_table larger = { .entries = calloc(capacity, sizeof(*larger.entries)), .capacity = capacity };

        if (!larger.entries)
                return false;
        for (size_t i = 0; i < table->capacity; i++)
                if (table->entries[i].pid != 0)
                        larger.entries[place_of(&larger, table->entries[i].pid)] = table->entries[i];
        larger.count = table->count;
        free(table->entries);
        *table = larger;
        return true;
}

bool user_table_put(struct user_table *table, uint32_t pid, uint32_t user) {
        size_t at;

        if (pid == 0)
                return false;
        if (table->count * 2 >= table->capacity && !grow(table)) {
                user_table_remove(table, pid);
                return false;
        }
        at = place_of(table, pid);
        table->count += table->entries[at].pid == 0;
        table->entries[at] = (struct user_entry){ .pid = pid, .user = user };
        return true;
}

bool user_table_find(const struct user_table *table, uint32_t pid, uint32_t *ret_user) {
        size_t at;

        if (table->capacity == 0 || pid == 0)
                return false;
        at = place_of(table, pid);
        if (table->entries[at].pid == 0)
                return false;
        *ret_user = table->entries[at].user;
        return true;
}

void user_table_remove(struct user_table *table, uint32_t pid) {
        size_t mask = table->capacity - 1, at, next;

        if (table->capacity == 0 || pid == 0)
                return;
        at = place_of(table, pid);
        if (table->entries[at].pid == 0)
                return;
        table->count--;
        /* What was put behind it because this place was taken moves up. */
        for (next = (at + 1) & mask; table->entries[next].pid != 0; next = (next + 1) & mask) {
                size_t wanted = home(table, table->entries[next].pid);

                if (((next - wanted) & mask) >= ((next - at) & mask)) {
                        table->entries[at] = table->entries[next];
                        at = next;
                }
        }
        table->entries[at].pid = 0;
}
