#include "bpf-places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "fd.h"

enum {
        MOUNTINFO_MAX = 64 * 1024 * 1024,
        DEPTH_MAX = 32,
        PINS_MAX = 65536,
        FDINFO_MAX = 64 * 1024,
};

void bpf_pins_done(struct bpf_pins *pins) {
        free(pins->items);
        free(pins->by_object);
        free(pins->known);
        buffer_done(&pins->text);
        buffer_done(&pins->mounts);
        (void)fd_close(pins->mounts_fd);
        *pins = BPF_PINS_NULL;
}

static struct bytes next_word(struct bytes *line) {
        const uint8_t *blank = line->size ? memchr(line->data, ' ', line->size) : NULL;
        struct bytes word = bytes_of(line->data, blank ? (size_t)(blank - line->data) : line->size);
        size_t step = word.size + (blank ? 1 : 0);

        *line = bytes_of(line->data ? line->data + step : NULL, line->size - step);
        return word;
}

static bool is_octal(uint8_t byte) {
        return byte >= '0' && byte <= '7';
}

void bpf_parse_mount(struct bytes line, struct buffer *mounts) {
        struct bytes point = BYTES_NULL, word;

        for (int i = 0; i < 5; i++) /* id, parent, device, root, mount point */
                point = next_word(&line);
        do
                word = next_word(&line);
        while (word.size && !bytes_equal(word, bytes_of_string("-")));
        if (point.size == 0 || point.data[0] != '/' || !bytes_equal(next_word(&line), bytes_of_string("bpf")))
                return;
        for (size_t i = 0; i < point.size; i++) {
                const uint8_t *at = point.data + i;

                if (*at == '\\' && point.size - i >= 4 && at[1] <= '3' && is_octal(at[1]) && is_octal(at[2]) &&
                    is_octal(at[3])) {
                        uint8_t byte = (uint8_t)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));

                        buffer_append_byte(mounts, byte ? byte : '?');
                        i += 3;
                } else
                        buffer_append_byte(mounts, *at ? *at : '?');
        }
        buffer_append_byte(mounts, '\0');
}

static int read_mounts(struct bpf_pins *pins, const struct host *host) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct bytes rest;
        int r;

        r = file_read_at(host->proc_fd, "self/mountinfo", MOUNTINFO_MAX, &text);
        if (r < 0)
                return r;
        buffer_clear(&pins->mounts);
        rest = buffer_bytes(&text);
        while (rest.size) {
                const uint8_t *end = memchr(rest.data, '\n', rest.size);
                size_t size = end ? (size_t)(end - rest.data) : rest.size, step = size + (end ? 1 : 0);

                bpf_parse_mount(bytes_of(rest.data, size), &pins->mounts);
                rest = bytes_of(rest.data + step, rest.size - step);
        }
        return buffer_error(&pins->mounts);
}

/* The kernel marks a descriptor of mountinfo when the mounts change after its last poll. */
static int update_mounts(struct bpf_pins *pins, const struct host *host) {
        struct pollfd poll_fd = { .fd = pins->mounts_fd, .events = POLLPRI };
        int r;

        if (pins->mounts_fd < 0) {
                _cleanup_close_ int fd = openat(host->proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);

                if (fd < 0)
                        return -errno;
                r = read_mounts(pins, host);
                if (r >= 0)
                        pins->mounts_fd = TAKE_FD(fd);
                return r;
        }
        r = poll(&poll_fd, 1, 0);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        if (r == 0)
                return 0;
        r = read_mounts(pins, host);
        if (r < 0) /* the mark is used up: begin anew the next time */
                pins->mounts_fd = fd_close(pins->mounts_fd);
        return r;
}

static int compare_files(const void *a, const void *b) {
        const struct bpf_pin *left = a, *right = b;

        if (left->device != right->device)
                return left->device < right->device ? -1 : 1;
        return left->inode < right->inode ? -1 : left->inode > right->inode;
}

static int compare_pins(const void *a, const void *b, void *text) {
        const struct bpf_pin *left = *(struct bpf_pin *const *)a, *right = *(struct bpf_pin *const *)b;
        const uint8_t *base = text;

        if (left->kind != right->kind)
                return left->kind < right->kind ? -1 : 1;
        if (left->id != right->id)
                return left->id < right->id ? -1 : 1;
        return bytes_compare(bytes_of(base + left->path, left->path_size),
                             bytes_of(base + right->path, right->path_size));
}

static int add_pin(struct bpf_pins *pins, const struct bpf_pin *pin) {
        if (pins->count >= PINS_MAX)
                return 0;
        if (pins->count == pins->capacity) {
                size_t capacity = pins->capacity ? pins->capacity * 2 : 16;
                struct bpf_pin *items = reallocarray(pins->items, capacity, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                pins->items = items;
                pins->capacity = capacity;
        }
        pins->items[pins->count++] = *pin;
        return 0;
}

/* Ours to wait out, not a statement about the host: taken for one, everything would look unpinned. */
static bool is_shortage(int r) {
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

/* What the name holds: from the round before, or by opening it. The kernel's own names (progs.debug) hold nothing that
 * can be opened. 0, or -ENOMEM, -EMFILE, -ENFILE. */
static int resolve(struct bpf_pins *pins, const struct host *host, int directory, const char *name,
                   struct bpf_pin *pin) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        _cleanup_close_ int fd = -1;
        const struct bpf_pin *known;
        int r;

        known = pins->n_known ? bsearch(pin, pins->known, pins->n_known, sizeof(*pin), compare_files) : NULL;
        if (known) {
                pin->kind = known->kind;
                pin->id = known->id;
                pin->refused = known->refused;
                return 0;
        }
        buffer_printf(&path, "/proc/self/fd/%d/%s", directory, name);
        if (buffer_error(&path) < 0)
                return -ENOMEM;
        fd = bpf_open_pinned(buffer_string(&path));
        r = fd < 0 ? fd : bpf_identify(host->proc_fd, fd, &pin->kind, &pin->id);
        pin->refused = r < 0 && r != -ENOENT;
        return is_shortage(r) ? r : 0;
}

static void close_directory(DIR **place) {
        if (*place)
                (void)closedir(*place);
}

#define _cleanup_directory_ __attribute__((cleanup(close_directory)))

/* Takes the descriptor over. 'path' holds the directory's path, and again when this returns. */
static int walk(struct bpf_pins *pins, const struct host *host, int directory_fd, uint64_t device, struct buffer *path,
                unsigned depth) {
        _cleanup_close_ int fd = directory_fd;
        _cleanup_directory_ DIR *directory = fdopendir(fd);
        const struct dirent *entry;
        size_t path_size = path->size;

        if (!directory)
                return -errno;
        (void)TAKE_FD(fd);
        while ((entry = readdir(directory))) {
                struct bpf_pin pin = { .device = device, .inode = entry->d_ino };
                int r = 0;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                buffer_append_byte(path, '/');
                buffer_append_string(path, entry->d_name);
                if (entry->d_type == DT_REG) {
                        r = resolve(pins, host, dirfd(directory), entry->d_name, &pin);
                        if (r >= 0) {
                                pins->refused += pin.refused;
                                pin.path = pins->text.size;
                                pin.path_size = path->size;
                                buffer_append_bytes(&pins->text, buffer_bytes(path));
                                r = add_pin(pins, &pin);
                        }
                } else if (entry->d_type == DT_DIR && depth < DEPTH_MAX) {
                        int child = openat(dirfd(directory), entry->d_name,
                                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                        struct stat stat;

                        if (child < 0)
                                r = is_shortage(-errno) ? -errno : 0;
                        else if (fstat(child, &stat) == 0 && stat.st_dev == device) /* else: mounted over */
                                r = walk(pins, host, child, device, path, depth + 1);
                        else
                                child = fd_close(child);
                }
                if (r < 0)
                        return r;
                buffer_truncate(path, path_size);
        }
        return buffer_error(path);
}

static int walk_mount(struct bpf_pins *pins, const struct host *host, const char *point) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        _cleanup_close_ int fd = host_openat(host, point, O_RDONLY | O_DIRECTORY);
        struct statfs fs;
        struct stat stat;

        if (is_shortage(fd))
                return fd;
        if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != (__typeof__(fs.f_type))BPF_FS_MAGIC || fstat(fd, &stat) < 0)
                return 0; /* gone, or something else lies over it */
        if (strcmp(point, "/") != 0)
                buffer_append_string(&path, point);
        return walk(pins, host, TAKE_FD(fd), stat.st_dev, &path, 0);
}

static int sort_pins(struct bpf_pins *pins) {
        struct bpf_pin **by_object;

        if (buffer_error(&pins->text) < 0)
                return -ENOMEM;
        if (pins->count == 0)
                return 0;
        by_object = reallocarray(pins->by_object, pins->count, sizeof(struct bpf_pin *));
        if (!by_object)
                return -ENOMEM;
        pins->by_object = by_object;
        qsort(pins->items, pins->count, sizeof(*pins->items), compare_files);
        for (size_t i = 0; i < pins->count; i++)
                by_object[i] = &pins->items[i];
        qsort_r(by_object, pins->count, sizeof(struct bpf_pin *), compare_pins, pins->text.data);
        return 0;
}

int bpf_pins_read(struct bpf_pins *pins, const struct host *host) {
        struct bpf_pin *items = pins->known;
        size_t capacity = pins->known_capacity;
        int r;

        pins->known = pins->items;
        pins->n_known = pins->count;
        pins->known_capacity = pins->capacity;
        pins->items = items;
        pins->capacity = capacity;
        pins->count = pins->refused = 0;
        buffer_clear(&pins->text);

        r = update_mounts(pins, host);
        for (size_t at = 0; r >= 0 && at < pins->mounts.size;) {
                const char *point = (const char *)pins->mounts.data + at;

                at += strlen(point) + 1;
                r = walk_mount(pins, host, point);
        }
        if (r >= 0)
                r = sort_pins(pins);
        if (r < 0)
                pins->count = 0; /* unsorted: nothing to search */
        return r;
}

void bpf_pins_of(const struct bpf_pins *pins, enum bpf_kind kind, uint32_t id, struct buffer *text) {
        size_t low = 0, high = pins->count;
        bool first = true;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const struct bpf_pin *pin = pins->by_object[middle];

                if (pin->kind < kind || (pin->kind == kind && pin->id < id))
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < pins->count && pins->by_object[low]->kind == kind && pins->by_object[low]->id == id; low++) {
                if (!first)
                        buffer_append_byte(text, ' ');
                first = false;
                buffer_append(text, pins->text.data + pins->by_object[low]->path, pins->by_object[low]->path_size);
        }
}

int bpf_object_compare(const void *a, const void *b) {
        const struct bpf_object *left = a, *right = b;

        if (left->kind != right->kind)
                return left->kind < right->kind ? -1 : 1;
        return left->id < right->id ? -1 : left->id > right->id;
}

struct bpf_object *bpf_object_find(struct bpf_object *objects, size_t count, enum bpf_kind kind, uint32_t id) {
        struct bpf_object wanted = { .kind = kind, .id = id };

        return count ? bsearch(&wanted, objects, count, sizeof(wanted), bpf_object_compare) : NULL;
}

/* The number after "prog_id:" and the like, at the start of a line. */
static bool find_id(struct buffer *text, const char *name, uint32_t *ret) {
        const char *line = buffer_string(text);
        size_t size = strlen(name);

        for (; line; line = strchr(line, '\n')) {
                unsigned long id;

                line += *line == '\n';
                if (strncmp(line, name, size) != 0)
                        continue;
                id = strtoul(line + size, NULL, 10);
                if (id == 0 || id > UINT32_MAX)
                        return false;
                *ret = (uint32_t)id;
                return true;
        }
        return false;
}

static int add_holder(struct bpf_object *object, const char *holder) {
        size_t size = object->holders ? strlen(object->holders) : 0, length = strlen(holder);
        char *longer;

        /* one process, many descriptors: they come in a row */
        if (size >= length && strcmp(object->holders + size - length, holder) == 0)
                return 0;
        longer = realloc(object->holders, size + length + 2);
        if (!longer)
                return -ENOMEM;
        object->holders = longer;
        if (size)
                longer[size++] = ' ';
        memcpy(longer + size, holder, length + 1);
        return 0;
}

static int name_holder(int process, const char *pid, struct buffer *holder) {
        buffer_clear(holder);
        if (file_read_at(process, "comm", FDINFO_MAX, holder) < 0)
                buffer_clear(holder);
        if (holder->size && holder->data[holder->size - 1] == '\n')
                buffer_truncate(holder, holder->size - 1);
        buffer_printf(holder, "[%s]", pid);
        return buffer_error(holder);
}

/* What its fdinfo calls the id; a link's has its program's too. */
static const char *id_name(enum bpf_kind kind) {
        return kind == BPF_PROGRAM ? "prog_id:" : kind == BPF_MAP ? "map_id:" : "link_id:";
}

static int look_into_process(int proc_fd, const char *pid, struct bpf_object *objects, size_t count) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, holder = BUFFER_NULL, path = BUFFER_NULL;
        _cleanup_directory_ DIR *directory = NULL;
        _cleanup_close_ int process = openat(proc_fd, pid, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
        const struct dirent *entry;

        if (process < 0)
                return 0;
        fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        directory = fd < 0 ? NULL : fdopendir(fd);
        if (!directory) /* ended, or not ours to look into */
                return 0;
        (void)TAKE_FD(fd);
        while ((entry = readdir(directory))) {
                struct bpf_object *object;
                enum bpf_kind kind;
                char target[32];
                ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
                uint32_t id;

                if (n <= 0)
                        continue;
                target[n] = '\0';
                if (!bpf_kind_of_descriptor(target, &kind))
                        continue;
                buffer_clear(&text);
                buffer_clear(&path);
                buffer_printf(&path, "fdinfo/%s", entry->d_name);
                if (buffer_error(&path) < 0)
                        return -ENOMEM;
                if (file_read_at(process, buffer_string(&path), FDINFO_MAX, &text) < 0 ||
                    !find_id(&text, id_name(kind), &id))
                        continue;
                object = bpf_object_find(objects, count, kind, id);
                if (!object || !object->wants_holders)
                        continue;
                if (holder.size == 0 && name_holder(process, pid, &holder) < 0)
                        return -ENOMEM;
                if (add_holder(object, buffer_string(&holder)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int bpf_find_holders_in(const struct host *host, uint32_t pid, struct bpf_object *objects, size_t count) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%u", pid);
        return look_into_process(host->proc_fd, name, objects, count);
}

int bpf_find_holders(const struct host *host, struct bpf_object *objects, size_t count) {
        _cleanup_directory_ DIR *directory = NULL;
        _cleanup_close_ int fd = openat(host->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const struct dirent *entry;
        int r = 0;

        if (fd < 0)
                return -errno;
        directory = fdopendir(fd);
        if (!directory)
                return -errno;
        (void)TAKE_FD(fd);
        while (r >= 0 && (entry = readdir(directory)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                        r = look_into_process(host->proc_fd, entry->d_name, objects, count);
        return r;
}
