#include "path-table.h"

#include <errno.h>

#include "text-line.h"

const char *const usr_merge_names[USR_MERGE_NAMES] = { "bin", "sbin", "lib", "lib64", "lib32", "libx32", "libo32" };

static const struct bytes usr = { .data = (const uint8_t *)"usr/", .size = 4 };

/* The first component is a merged folder. */
static bool begins_merged(unsigned merged, struct bytes path, bool alone) {
        size_t size = 0;

        if (path.size == 0 || (path.data[0] != 'b' && path.data[0] != 's' && path.data[0] != 'l'))
                return false;
        while (size < path.size && path.data[size] != '/')
                size++;
        if (alone != (size == path.size))
                return false;
        for (size_t i = 0; i < USR_MERGE_NAMES; i++)
                if ((merged & 1u << i) && bytes_equal(bytes_of(path.data, size), bytes_of_string(usr_merge_names[i])))
                        return true;
        return false;
}

struct bytes usr_merge_shorten(unsigned merged, struct bytes path) {
        struct bytes rest;

        if (!merged || !bytes_starts_with(path, usr))
                return path;
        rest = bytes_of(path.data + usr.size, path.size - usr.size);
        return begins_merged(merged, rest, false) ? rest : path;
}

bool usr_merge_is_link(unsigned merged, struct bytes path) {
        return begins_merged(merged, path, true);
}

static uint64_t mix(uint64_t a, uint64_t b) {
        __extension__ unsigned __int128 product = (unsigned __int128)a * b;

        return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes at a time, each folded by a wide multiplication: paths are short and there are a hundred thousand of them. The
 * seed is random, so that nobody can choose paths that fall together. */
uint64_t path_hash(uint64_t seed, struct bytes path) {
        const uint64_t odd = 0x9e3779b97f4a7c15;
        uint64_t hash = seed ^ path.size * odd, word = 0;

        while (path.size >= sizeof(word)) {
                memcpy(&word, path.data, sizeof(word));
                hash = mix(hash ^ word, odd ^ seed >> 1);
                path = bytes_of(path.data + sizeof(word), path.size - sizeof(word));
        }
        word = 0;
        if (path.size)
                memcpy(&word, path.data, path.size);
        return mix(hash ^ word, 0xd6e8feb86659fd93 ^ seed);
}

void path_table_done(struct path_table *table) {
        buffer_done(&table->text);
        free(table->slots);
        *table = PATH_TABLE_NULL;
}

static struct bytes line_at(const struct path_table *table, size_t place, struct bytes *ret_rest) {
        struct bytes line = BYTES_NULL;

        *ret_rest = bytes_of(table->text.data + place, table->text.size - place);
        (void)text_line_next(ret_rest, &line);
        return line;
}

/* The slot of a path, or the free one where it belongs. There is always a free one. */
static size_t find_slot(const struct path_table *table, struct bytes path) {
        size_t slot = (size_t)path_hash(table->seed, path) & table->mask;

        while (table->slots[slot]) {
                struct bytes rest, line = line_at(table, table->slots[slot] - 1, &rest);

                if (bytes_equal(usr_merge_shorten(table->merged, table->path_of(line)), path))
                        break;
                slot = (slot + 1) & table->mask;
        }
        return slot;
}

int path_table_make(struct path_table *table, struct buffer *text, struct bytes (*path_of)(struct bytes line), uint64_t seed,
                    unsigned merged) {
        struct path_table made = { .path_of = path_of, .seed = seed, .merged = merged };
        struct bytes rest = buffer_bytes(text), line;
        size_t lines = 1, size = 8;

        if (text->size > PATH_TABLE_TEXT_MAX)
                return -EFBIG;
        while (text_line_next(&rest, &line))
                lines += path_of(line).size > 0;
        while (size < lines * 2)
                size *= 2;
        made.slots = calloc(size, sizeof(*made.slots));
        if (!made.slots)
                return -ENOMEM;
        made.mask = size - 1;
        made.text = *text;
        rest = buffer_bytes(&made.text);
        while (text_line_next(&rest, &line)) {
                struct bytes path = usr_merge_shorten(merged, path_of(line));
                size_t slot;

                if (path.size == 0)
                        continue;
                slot = find_slot(&made, path);
                if (!made.slots[slot])
                        made.slots[slot] = (uint32_t)(line.data - made.text.data) + 1;
        }
        *text = BUFFER_NULL;
        path_table_done(table);
        *table = made;
        return 0;
}

bool path_table_find(const struct path_table *table, struct bytes path, struct bytes *ret_line, struct bytes *ret_rest) {
        struct bytes line, rest;
        size_t slot;

        if (!table->slots || path.size == 0)
                return false;
        slot = find_slot(table, path);
        if (!table->slots[slot])
                return false;
        line = line_at(table, table->slots[slot] - 1, &rest);
        *ret_line = line;
        *ret_rest = rest;
        return true;
}
