/* user-table.h - the effective user of every process, by pid. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct user_table {
        struct user_entry *entries;     /* owned; pid 0: free */
        size_t count, capacity;         /* capacity: a power of two, or 0 */
};

void user_table_done(struct user_table *table);
void user_table_clear(struct user_table *table);

/* False: no memory, and nothing is known of it. */
bool user_table_put(struct user_table *table, uint32_t pid, uint32_t user);
bool user_table_find(const struct user_table *table, uint32_t pid, uint32_t *ret_user);
void user_table_remove(struct user_table *table, uint32_t pid);
