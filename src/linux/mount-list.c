#include "mount-list.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_ITEMS = 64 };

void mount_list_done(struct mount_list *list) {
        free(list->items);
        buffer_done(&list->text);
        *list = MOUNT_LIST_NULL;
}

struct cursor {
        const uint8_t *at, *end;
};

/* The next field of a line. False: there is none. */
static bool next_field(struct cursor *line, struct bytes *ret) {
        const uint8_t *start;

        while (line->at < line->end && *line->at == ' ')
                line->at++;
        start = line->at;
        while (line->at < line->end && *line->at != ' ')
                line->at++;
        *ret = bytes_of(start, (size_t)(line->at - start));
        return ret->size > 0;
}

static bool parse_number(struct bytes text, uint64_t *ret) {
        uint64_t number = 0;

        if (text.size == 0 || text.size > 19)
                return false;
        for (size_t i = 0; i < text.size; i++) {
                if (text.data[i] < '0' || text.data[i] > '9')
                        return false;
                number = number * 10 + (uint64_t)(text.data[i] - '0');
        }
        *ret = number;
        return true;
}

/* The kernel writes blank, tab, newline and '\' as three octal digits. */
static void append_unescaped(struct buffer *buffer, struct bytes text, size_t *ret_at, size_t *ret_size) {
        *ret_at = buffer->size;
        for (size_t i = 0; i < text.size; i++) {
                uint8_t byte = text.data[i];

                if (byte == '\\' && text.size - i > 3) {
                        unsigned value = 0;
                        size_t digit;

                        for (digit = 1; digit <= 3; digit++) {
                                if (text.data[i + digit] < '0' || text.data[i + digit] > '7')
                                        break;
                                value = value * 8 + (unsigned)(text.data[i + digit] - '0');
                        }
                        if (digit > 3 && value <= 255) {
                                byte = (uint8_t)value;
                                i += 3;
                        }
                }
                buffer_append_byte(buffer, byte);
        }
        *ret_size = buffer->size - *ret_at;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse_line(struct mount_list *list, struct cursor line, struct mount *ret) {
        struct bytes id, parent, device, root, where, field, type, what;
        struct mount mount = { 0 };

        if (!next_field(&line, &id) || !parse_number(id, &mount.id) || !next_field(&line, &parent) ||
            !parse_number(parent, &mount.parent) || !next_field(&line, &device) || !next_field(&line, &root) ||
            !next_field(&line, &where) || !next_field(&line, &field) /* options */)
                return false;
        do
                if (!next_field(&line, &field))
                        return false;
        while (!(field.size == 1 && field.data[0] == '-'));
        if (!next_field(&line, &type))
                return false;
        /* a source may be empty: two blanks, and then the options */
        if ((line.end - line.at > 1 && line.at[1] == ' ') || !next_field(&line, &what))
                what = BYTES_NULL;
        append_unescaped(&list->text, device, &mount.device, &mount.device_size);
        append_unescaped(&list->text, root, &mount.root, &mount.root_size);
        append_unescaped(&list->text, where, &mount.where, &mount.where_size);
        append_unescaped(&list->text, type, &mount.type, &mount.type_size);
        append_unescaped(&list->text, what, &mount.what, &mount.what_size);
        *ret = mount;
        return true;
}

int mount_list_parse(struct mount_list *list, struct bytes text) {
        const uint8_t *at = text.data, *end = text.size ? text.data + text.size : text.data;

        list->count = list->skipped = 0;
        buffer_clear(&list->text);
        while (at < end) {
                const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
                struct cursor line = { at, newline ? newline : end };

                at = newline ? newline + 1 : end;
                if (list->count == list->capacity) {
                        size_t capacity = list->capacity ? list->capacity * 2 : FIRST_ITEMS;
                        struct mount *items = reallocarray(list->items, capacity, sizeof(*items));

                        if (!items)
                                return -ENOMEM;
                        list->items = items;
                        list->capacity = capacity;
                }
                if (parse_line(list, line, &list->items[list->count]))
                        list->count++;
                else
                        list->skipped++;
        }
        if (buffer_error(&list->text) < 0) {
                list->count = 0;
                return -ENOMEM;
        }
        return 0;
}

struct row {
        const struct mount_list *list;
        const struct mount *mount;
        bool matched;
};

static struct bytes part(const struct mount_list *list, size_t at, size_t size) {
        return bytes_of(list->text.data + at, size);
}

/* An id is given again soon after an unmount: it alone says nothing. */
static int compare_rows(const void *left, const void *right) {
        const struct row *a = left, *b = right;
        int order;

        if (a->mount->id != b->mount->id)
                return a->mount->id < b->mount->id ? -1 : 1;
        order = bytes_compare(mount_where(a->list, a->mount), mount_where(b->list, b->mount));
        if (order == 0)
                order = bytes_compare(mount_root(a->list, a->mount), mount_root(b->list, b->mount));
        if (order == 0)
                order = bytes_compare(part(a->list, a->mount->device, a->mount->device_size),
                                      part(b->list, b->mount->device, b->mount->device_size));
        if (order == 0)
                order = bytes_compare(part(a->list, a->mount->type, a->mount->type_size),
                                      part(b->list, b->mount->type, b->mount->type_size));
        if (order == 0)
                order = bytes_compare(mount_what(a->list, a->mount), mount_what(b->list, b->mount));
        return order;
}

static struct row *make_rows(const struct mount_list *list) {
        struct row *rows = calloc(list->count + 1, sizeof(*rows));

        for (size_t i = 0; rows && i < list->count; i++)
                rows[i] = (struct row){ .list = list, .mount = &list->items[i] };
        if (rows)
                qsort(rows, list->count, sizeof(*rows), compare_rows);
        return rows;
}

int mount_list_compare(const struct mount_list *before, const struct mount_list *after, void *context,
                       void (*gone)(void *context, const struct mount_list *list, const struct mount *mount),
                       void (*come)(void *context, const struct mount_list *list, const struct mount *mount)) {
        _cleanup_free_ struct row *old = make_rows(before), *new = make_rows(after);
        _cleanup_free_ bool *old_stays = calloc(before->count + 1, 1), *new_stood = calloc(after->count + 1, 1);
        size_t i = 0, k = 0;

        if (!old || !new || !old_stays || !new_stood)
                return -ENOMEM;
        while (i < before->count && k < after->count) {
                int order = compare_rows(&old[i], &new[k]);

                if (order == 0) {
                        old_stays[old[i].mount - before->items] = true;
                        new_stood[new[k].mount - after->items] = true;
                }
                i += order <= 0;
                k += order >= 0;
        }
        for (i = before->count; i-- > 0;)
                if (!old_stays[i])
                        gone(context, before, &before->items[i]);
        for (k = 0; k < after->count; k++)
                if (!new_stood[k])
                        come(context, after, &after->items[k]);
        return 0;
}

bool mount_is_local(const struct mount_list *list, const struct mount *mount) {
        static const char *const local[] = { "btrfs", "zfs", "bcachefs", "tmpfs", "ramfs", "rootfs", "devtmpfs" };
        struct bytes type = part(list, mount->type, mount->type_size), device = part(list, mount->device, mount->device_size);

        if (bytes_starts_with(type, bytes_of_string("fuse")))
                return false;
        for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
                if (bytes_equal(type, bytes_of_string(local[i])))
                        return true;
        if (bytes_equal(type, bytes_of_string("overlay")))
                return bytes_equal(mount_where(list, mount), bytes_of_string("/"));
        return device.size && !bytes_starts_with(device, bytes_of_string("0:"));
}

bool mount_list_is_foreign(const struct mount_list *list, const char *path, size_t size) {
        for (size_t i = list->count; i-- > 0;)
                if (list->items[i].where_size == size && memcmp(list->text.data + list->items[i].where, path, size) == 0)
                        return !mount_is_local(list, &list->items[i]);
        return false;
}

bool mount_touches(struct bytes where, const char *path) {
        size_t size = strlen(path), shorter;

        while (where.size && where.data[where.size - 1] == '/')
                where.size--;
        while (size && path[size - 1] == '/')
                size--;
        shorter = where.size < size ? where.size : size;
        if (shorter && memcmp(where.data, path, shorter) != 0)
                return false;
        if (where.size == size)
                return true;
        return where.size > size ? where.data[size] == '/' : path[where.size] == '/';
}
