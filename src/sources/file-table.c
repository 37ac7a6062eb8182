#include "file-table.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_BUCKETS = 64 };

/* Good enough for handles (inode and generation numbers), and a multiplication per eight bytes: it is computed for every event
 * of a whole filesystem. Who can choose inode numbers can make them collide; that costs time, and no event. */
static uint32_t hash_id(uint32_t space, const uint8_t *data, size_t size) {
        const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
        uint64_t hash = (space + 1) * factor;

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

static void free_entry(struct file_entry *entry) {
        free(entry->name);
        free(entry);
}

static void unhash(struct file_table *table, struct file_entry *entry) {
        struct file_entry **place;

        if (entry->id_size == 0)
                return;
        place = &table->buckets[entry->hash & (table->n_buckets - 1)];
        while (*place != entry)
                place = &(*place)->same_bucket;
        *place = entry->same_bucket;
        table->count--;
}

static void link_below(struct file_entry *entry, struct file_entry *parent) {
        entry->parent = parent;
        entry->previous = NULL;
        entry->next = NULL;
        if (!parent)
                return;
        entry->next = parent->children;
        if (entry->next)
                entry->next->previous = entry;
        parent->children = entry;
}

/* Out of the list of its siblings; it keeps its parent, for its path. */
static void unlink_from_siblings(struct file_entry *entry) {
        if (entry->previous)
                entry->previous->next = entry->next;
        else if (entry->parent && entry->parent->children == entry)
                entry->parent->children = entry->next;
        if (entry->next)
                entry->next->previous = entry->previous;
        entry->next = entry->previous = NULL;
}

void file_table_bury(struct file_table *table) {
        while (table->dead) {
                struct file_entry *entry = table->dead;

                table->dead = entry->next;
                unhash(table, entry);
                free_entry(entry);
        }
}

void file_table_done(struct file_table *table) {
        file_table_bury(table);
        free(table->buckets);
        *table = (struct file_table){ 0 };
}

static int grow(struct file_table *table) {
        size_t n = table->n_buckets ? table->n_buckets * 2 : FIRST_BUCKETS;
        struct file_entry **buckets = calloc(n, sizeof(*buckets));

        if (!buckets)
                return -ENOMEM;
        for (size_t i = 0; i < table->n_buckets; i++)
                while (table->buckets[i]) {
                        struct file_entry *entry = table->buckets[i];

                        table->buckets[i] = entry->same_bucket;
                        entry->same_bucket = buckets[entry->hash & (n - 1)];
                        buckets[entry->hash & (n - 1)] = entry;
                }
        free(table->buckets);
        table->buckets = buckets;
        table->n_buckets = n;
        return 0;
}

struct file_entry *file_table_add(struct file_table *table, struct file_tree *tree, struct file_entry *parent,
                                  enum file_entry_kind kind, struct bytes name, const struct file_id *id) {
        struct file_entry *entry;

        if (table->count >= table->n_buckets && grow(table) < 0)
                return NULL;
        entry = calloc(1, sizeof(*entry) + id->size);
        if (!entry)
                return NULL;
        entry->name = malloc(name.size + 1);
        if (!entry->name) {
                free(entry);
                return NULL;
        }
        if (name.size)
                memcpy(entry->name, name.data, name.size);
        entry->name[name.size] = '\0';
        entry->name_size = (uint32_t)name.size;
        entry->tree = tree;
        entry->kind = kind;
        entry->space = id->space;
        entry->id_size = (uint16_t)id->size;
        memcpy(entry->id, id->data, id->size);
        if (id->size) {
                struct file_entry **bucket;

                entry->hash = hash_id(id->space, id->data, id->size);
                bucket = &table->buckets[entry->hash & (table->n_buckets - 1)];
                entry->same_bucket = *bucket;
                *bucket = entry;
                table->count++;
        }
        link_below(entry, parent);
        return entry;
}

static struct file_entry *same(struct file_entry *entry, uint32_t hash, uint32_t space, const uint8_t *data, size_t size) {
        for (; entry; entry = entry->same_bucket)
                if (entry->hash == hash && entry->space == space && entry->id_size == size && memcmp(entry->id, data, size) == 0)
                        return entry;
        return NULL;
}

struct file_entry *file_table_first(const struct file_table *table, const struct file_id *id) {
        uint32_t hash;

        if (table->count == 0 || id->size == 0)
                return NULL;
        hash = hash_id(id->space, id->data, id->size);
        return same(table->buckets[hash & (table->n_buckets - 1)], hash, id->space, id->data, id->size);
}

struct file_entry *file_table_more(const struct file_entry *entry) {
        return same(entry->same_bucket, entry->hash, entry->space, entry->id, entry->id_size);
}

struct file_entry *file_table_child(const struct file_table *table, const struct file_entry *parent, const struct file_id *id,
                                    const char *name) {
        if (id && id->size) {
                for (struct file_entry *entry = file_table_first(table, id); entry; entry = file_table_more(entry))
                        if (entry->parent == parent && !entry->dead &&
                            (entry->kind == FILE_ENTRY_DIRECTORY || strcmp(entry->name, name) == 0))
                                return entry;
                return NULL;
        }
        for (struct file_entry *entry = parent->children; entry; entry = entry->next)
                if (strcmp(entry->name, name) == 0)
                        return entry;
        return NULL;
}

int file_table_move(struct file_table *table, struct file_entry *entry, struct file_entry *parent, const char *name) {
        char *copy = strdup(name);

        if (!copy)
                return -ENOMEM;
        free(entry->name);
        entry->name = copy;
        entry->name_size = (uint32_t)strlen(copy);
        unlink_from_siblings(entry);
        link_below(entry, parent);
        table->moves++;
        return 0;
}

void file_table_kill(struct file_table *table, struct file_entry *top,
                     void (*gone)(void *context, struct file_entry *entry), void *context) {
        struct file_entry *entry = top;

        if (top->dead)
                return;
        table->moves++;
        for (;;) { /* children before their parents */
                struct file_entry *parent;

                while (entry->children)
                        entry = entry->children;
                parent = entry == top ? NULL : entry->parent;
                unlink_from_siblings(entry);
                entry->dead = true;
                if (gone)
                        gone(context, entry);
                entry->next = table->dead;
                table->dead = entry;
                if (!parent)
                        return;
                entry = parent;
        }
}

void file_entry_key(const struct file_entry *entry, struct buffer *buffer) {
        size_t size = 0, at = buffer->size;

        for (const struct file_entry *up = entry; up; up = up->parent)
                size += up->name_size + (up->parent && (up->parent->parent || up->parent->name_size) ? 1 : 0);
        buffer_append_fill(buffer, '\0', size);
        if (buffer_error(buffer) < 0)
                return;
        at += size;
        for (const struct file_entry *up = entry; up; up = up->parent) {
                at -= up->name_size;
                memcpy(buffer->data + at, up->name, up->name_size);
                if (up->parent && (up->parent->parent || up->parent->name_size))
                        at--;
        }
}
