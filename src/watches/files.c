/* files.c - walks the trees of a watch in key order.
 * Owns: one frame per directory on the way down (its descriptor and sorted names). Must not own: what was there before; the
 * digest of a file is read only when the diff asks for it (complete()), while the walk still stands at that file. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "blake2b.h"
#include "fd.h"
#include "file-record.h"
#include "host.h"

enum {
        DEPTH_MAX = 2100,               /* a 4,096-character path of one-letter names, and then some */
        LISTING_SIZE = 64 * 1024,
        CONDITIONS_MAX = 16,            /* of one look; the rest are counted */
};

/* One directory: names lie NUL-terminated in 'text', their offsets sorted. */
struct frame {
        int fd;
        uint64_t device;
        size_t path_size;               /* of this directory in state->path */
        struct buffer text, offsets;
        size_t count, next;
};

struct files_state {
        const struct watch_settings *settings;
        const struct host *host;
        struct buffer path, key, target, condition;
        uint8_t *listing;
        struct frame *frames;
        size_t n_frames, frames_capacity;
        unsigned n_conditions;
        /* where the walk stands: what complete() reads */
        int directory;
        const char *name;
        uint8_t digest[BLAKE2B_SIZE];
};

void files_close(void *data) {
        struct files_state *state = data;

        if (!state)
                return;
        for (size_t i = 0; i < state->frames_capacity; i++) {
                buffer_done(&state->frames[i].text);
                buffer_done(&state->frames[i].offsets);
        }
        free(state->frames);
        free(state->listing);
        buffer_done(&state->path);
        buffer_done(&state->key);
        buffer_done(&state->target);
        buffer_done(&state->condition);
        free(state);
}

int files_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct files_state *state = calloc(1, sizeof(*state));

        if (!state)
                return -ENOMEM;
        state->settings = settings;
        state->host = host;
        state->directory = -1;
        state->listing = malloc(LISTING_SIZE);
        if (!state->listing) {
                files_close(state);
                return -ENOMEM;
        }
        *ret_state = state;
        return 0;
}

__attribute__((format(printf, 3, 4)))
static void say(struct files_state *state, struct collector *collector, const char *format, ...) {
        va_list arguments;
        char *text = NULL;

        if (state->n_conditions++ >= CONDITIONS_MAX)
                return;
        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        va_end(arguments);
        if (text)
                collector->condition(collector, text);
        free(text);
}

static bool excluded(const struct files_state *state, const char *path, const char *name) {
        for (size_t i = 0; i < state->settings->excludes.count; i++) {
                const char *pattern = state->settings->excludes.items[i];

                if (fnmatch(pattern, path, 0) == 0 || fnmatch(pattern, name, 0) == 0)
                        return true;
        }
        return false;
}

/* The key of an absolute path: no leading '/', NUL between components (record.h, FIELD_KEY_PATH). A directory then sorts
 * before what lies in it, and that before its next sibling: the order of the walk. */
static int make_key(struct files_state *state) {
        buffer_clear(&state->key);
        buffer_append(&state->key, state->path.data + 1, state->path.size - 1);
        for (size_t i = 0; i < state->key.size; i++)
                if (state->key.data[i] == '/')
                        state->key.data[i] = '\0';
        return buffer_error(&state->key);
}

/* What is at the path, and below it, is there or not: it cannot be seen now, which is not to say that it went. */
static int leave(struct files_state *state, struct collector *collector, const char *how, int error) {
        int r;

        say(state, collector, "%s: %s%s", buffer_string(&state->path), how, file_error_name(error));
        if (!collector->unseen)
                return 0;
        r = make_key(state);
        return r < 0 ? r : collector->unseen(collector, buffer_bytes(&state->key));
}

static int emit(struct files_state *state, struct collector *collector, int directory, const char *name,
                const struct statx *stat) {
        struct record record = { 0 };
        int r;

        r = make_key(state);
        if (r < 0)
                return r;
        file_record_fill(&record, stat);
        record.key = buffer_bytes(&state->key);
        record.values[FILE_PATH] = value_bytes(buffer_bytes(&state->path));
        if (S_ISLNK(stat->stx_mode)) {
                buffer_clear(&state->target);
                r = link_read_at(directory, name, &state->target);
                if (r == -ENOENT || r == -EINVAL) /* replaced under our eyes: the next look sees what by */
                        return 0;
                if (r < 0)
                        record.values[FILE_ERROR] = value_string(file_error_name(r));
                else
                        record.values[FILE_TARGET] = value_bytes(buffer_bytes(&state->target));
        }
        state->directory = directory;
        state->name = name;
        r = collector->record(collector, &record);
        state->directory = -1;
        state->name = NULL;
        return r;
}

int files_complete(void *data, struct record *record) {
        struct files_state *state = data;
        struct value type = record->values[FILE_TYPE];

        if (state->directory < 0 || !bytes_equal(type.bytes, bytes_of_string("file")))
                return 0;
        return file_record_digest(state->directory, state->name, record, state->digest);
}

/* Kernel interfaces shaped like files: what reading them does is not ours to find out, and their content moves by itself. */
static bool is_pseudo_filesystem(int fd) {
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return false;
        switch ((unsigned long)fs.f_type) {
        case PROC_SUPER_MAGIC:
        case SYSFS_MAGIC:
        case DEBUGFS_MAGIC:
        case TRACEFS_MAGIC:
        case SECURITYFS_MAGIC:
        case CGROUP_SUPER_MAGIC:
        case CGROUP2_SUPER_MAGIC:
        case DEVPTS_SUPER_MAGIC:
        case BPF_FS_MAGIC:
        case PSTOREFS_MAGIC:
        case EFIVARFS_MAGIC:
        case SELINUX_MAGIC:
        case 0x62656570: /* configfs, in no header */
                return true;
        default:
                return false;
        }
}

static int compare_names(const void *a, const void *b, void *text) {
        const char *base = text;

        return strcmp(base + *(const uint32_t *)a, base + *(const uint32_t *)b);
}

static int list(struct files_state *state, struct frame *frame) {
        for (;;) {
                long n = syscall(SYS_getdents64, frame->fd, state->listing, LISTING_SIZE);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                for (long at = 0; at < n;) {
                        const struct dirent64 *entry = (const void *)(state->listing + at);
                        uint32_t offset = (uint32_t)frame->text.size;

                        at += entry->d_reclen;
                        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                                continue;
                        if (frame->text.size > UINT32_MAX - 4096)
                                return -EFBIG;
                        buffer_append(&frame->text, entry->d_name, strlen(entry->d_name) + 1);
                        buffer_append(&frame->offsets, &offset, sizeof(offset));
                        frame->count++;
                }
        }
        if (buffer_error(&frame->text) < 0 || buffer_error(&frame->offsets) < 0)
                return -ENOMEM;
        if (frame->count)
                qsort_r(frame->offsets.data, frame->count, sizeof(uint32_t), compare_names, frame->text.data);
        return 0;
}

/* Opens the directory whose record was just handed over and makes it the innermost frame. 1, 0 if it is not entered. */
static int enter(struct files_state *state, struct collector *collector, int parent, const char *name,
                 const struct statx *stat) {
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        uint64_t device = (uint64_t)stat->stx_dev_major << 32 | stat->stx_dev_minor;
        struct frame *frame;
        int r;

        if (state->n_frames == DEPTH_MAX) {
                say(state, collector, "%s: deeper than %d levels, not entered", buffer_string(&state->path), DEPTH_MAX);
                return 0;
        }
        if (state->n_frames == state->frames_capacity) {
                size_t capacity = state->frames_capacity ? state->frames_capacity * 2 : 16;
                struct frame *frames = reallocarray(state->frames, capacity, sizeof(*frames));

                if (!frames)
                        return -ENOMEM;
                memset(frames + state->frames_capacity, 0, (capacity - state->frames_capacity) * sizeof(*frames));
                state->frames = frames;
                state->frames_capacity = capacity;
        }

        frame = &state->frames[state->n_frames];
        frame->fd = openat(parent, name, flags | O_NOATIME);
        if (frame->fd < 0 && errno == EPERM)
                frame->fd = openat(parent, name, flags);
        if (frame->fd < 0) {
                r = -errno;
                if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                        return r;
                if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP) /* replaced since, the next look sees it */
                        return 0;
                return leave(state, collector, "cannot be entered: ", r);
        }
        frame->device = device;
        frame->path_size = state->path.size;
        frame->count = frame->next = 0;
        buffer_clear(&frame->text);
        buffer_clear(&frame->offsets);

        if ((state->n_frames == 0 || state->frames[state->n_frames - 1].device != device) &&
            is_pseudo_filesystem(frame->fd)) {
                say(state, collector, "%s: a kernel filesystem, not entered", buffer_string(&state->path));
                frame->fd = fd_close(frame->fd);
                return 0;
        }
        r = list(state, frame);
        if (r < 0) {
                frame->fd = fd_close(frame->fd);
                if (r == -ENOMEM)
                        return r;
                return leave(state, collector, "cannot be listed: ", r);
        }
        state->n_frames++;
        return 1;
}

static int visit(struct files_state *state, struct collector *collector, int directory, const char *name) {
        struct statx stat;
        int r;

        if (excluded(state, buffer_string(&state->path), name))
                return 0;
        if (statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &stat) < 0) {
                if (errno == ENOENT)
                        return 0;
                return leave(state, collector, "", errno);
        }
        r = emit(state, collector, directory, name, &stat);
        if (r < 0 || !S_ISDIR(stat.stx_mode))
                return r;
        return enter(state, collector, directory, name, &stat);
}

static int walk(struct files_state *state, struct collector *collector) {
        while (state->n_frames > 0) {
                struct frame *frame = &state->frames[state->n_frames - 1];
                const uint32_t *offsets = (const void *)frame->offsets.data;
                const char *name;
                int r;

                if (frame->next == frame->count) {
                        frame->fd = fd_close(frame->fd);
                        state->n_frames--;
                        continue;
                }
                name = (const char *)frame->text.data + offsets[frame->next++];
                buffer_truncate(&state->path, frame->path_size);
                if (frame->path_size > 1)
                        buffer_append_byte(&state->path, '/');
                buffer_append_string(&state->path, name);
                r = buffer_error(&state->path);
                if (r == 0)
                        r = visit(state, collector, frame->fd, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The tree's top is looked at in its parent, so that a top which is no directory, or a link, is a record like any other. */
static int walk_tree(struct files_state *state, struct collector *collector, const char *top) {
        _cleanup_free_ char *parent = strdup(top);
        _cleanup_close_ int directory = -1;
        struct statx stat;
        char *slash;
        int r;

        if (!parent)
                return -ENOMEM;
        slash = strrchr(parent, '/');
        if (!slash)
                return -EINVAL;
        *slash = '\0';
        buffer_clear(&state->path);
        buffer_append_string(&state->path, top);
        directory = host_openat(state->host, parent, O_PATH | O_DIRECTORY);
        if (directory < 0 || statx(directory, slash[1] ? slash + 1 : ".", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stat) < 0) {
                r = directory < 0 ? directory : -errno;
                if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                        return r;
                if (r == -ENOENT || r == -ENOTDIR)
                        say(state, collector, "no %s on this host", top);
                else
                        return leave(state, collector, "", r);
                return 0;
        }
        if (S_ISLNK(stat.stx_mode))
                say(state, collector, "%s is a symbolic link: what it points to is not watched", top);
        r = visit(state, collector, directory, slash[1] ? slash + 1 : ".");
        return r < 0 ? r : walk(state, collector);
}

static int compare_paths(const void *a, const void *b) {
        const char *left = *(char *const *)a, *right = *(char *const *)b;

        /* as their keys compare: '/' before every other character */
        for (; *left && *left == *right; left++, right++)
                ;
        if (*left == *right)
                return 0;
        if (!*left || (*left == '/' && *right))
                return -1;
        if (!*right || *right == '/')
                return 1;
        return (unsigned char)*left < (unsigned char)*right ? -1 : 1;
}

int files_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct files_state *state = data;
        const struct strings *paths = &state->settings->paths;
        _cleanup_free_ char **sorted = NULL;
        int r = 0;

        (void)request;
        sorted = reallocarray(NULL, paths->count + 1, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        if (paths->count) {
                memcpy(sorted, paths->items, paths->count * sizeof(*sorted));
                qsort(sorted, paths->count, sizeof(*sorted), compare_paths);
        }

        state->n_conditions = 0;
        for (size_t i = 0; i < paths->count && r >= 0; i++)
                r = walk_tree(state, collector, sorted[i]);
        while (state->n_frames > 0) {
                struct frame *frame = &state->frames[--state->n_frames];
                frame->fd = fd_close(frame->fd);
        }
        if (r >= 0 && state->n_conditions > CONDITIONS_MAX) {
                unsigned more = state->n_conditions - CONDITIONS_MAX;
                state->n_conditions = 0;
                say(state, collector, "and %u more places that cannot be seen", more);
        }
        return r < 0 ? r : WATCH_OK;
}

static const struct column bootchk_columns[] = {
        { .field = "blake2b" },
        { .before = "  ", .field = "path", .b2sum_name = true },
        { 0 },
};

static const struct document bootchk = {
        .name = "bootchk",
        .columns = bootchk_columns,
        .line_if = "blake2b",
};

const struct watch watch_files = {
        .kind = "files",
        .noun = "file",
        .sensor = "walk",
        .dataset = "files",
        .fields = file_fields,
        .label = "{path}",
        .priority = PRIORITY_HIGH,
        .light = true,
        .appeared = { "file-created", "file", "creation", SEVERITY_HIGH, false, "{type} {path} was created" },
        .vanished = { "file-deleted", "file", "deletion", SEVERITY_HIGH, false, "{type} {path} was deleted" },
        .changed = { "file-modified", "file", "change", SEVERITY_HIGH, false, NULL },
        .title_changed = "Changes to one or more files in {path} detected! Diff:",
        .title_quiet = "No changes to {path} detected.",
        .document = &bootchk,
        .open = files_open,
        .collect = files_collect,
        .complete = files_complete,
        .close = files_close,
};
