/* files.c - walks the trees of a watch in key order.
 * Owns: one frame per directory on the way down (its descriptor and sorted names), and the places of files whose digests the diff
 * wants read as one batch. Must not own: what was there before; the digest of a file is read only when the diff asks for it. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "digest-pool.h"
#include "fd.h"
#include "file-attributes.h"
#include "file-record.h"
#include "host.h"
#include "mount-list.h"
#include "path-glob.h"
#include "tree-rules.h"

enum {
        DEPTH_MAX = 2100,               /* a 4,096-character path of one-letter names, and then some */
        LISTING_SIZE = 64 * 1024,
        CONDITIONS_MAX = 16,            /* of one look; the rest are counted */
        FOLDERS_MAX = 4096,             /* that a batch may hold open behind the walk, */
        FOLDERS_PART = 8,               /* and so many of the descriptors that we may have */
        KEPT_NAMES = 128,               /* of a directory that long the names are kept while the walk rests in it */
        KEPT_BYTES = 1 << 20,           /* more memory than that is given back when a walk is over */
        PASSED_EACH = 64,               /* of files that are none of ours so many between two words about it */
        MOUNTINFO_MAX = 64 << 20,
};

/* An open directory: of the walk, and of the files in it that wait to be read. */
struct folder {
        int fd;
        unsigned holders;
        bool asked, open;               /* whether everybody may get there: asked once */
};

/* A file whose digest is wanted. */
struct place {
        struct folder *folder;
        size_t name;                    /* in state->names */
        uint64_t size;
};

/* One directory: names lie NUL-terminated in 'text', their offsets sorted. */
struct frame {
        struct folder *folder;
        bool made_up_inodes;
        uint64_t device, inode;
        size_t path_size;               /* of this directory in state->path */
        struct buffer text, offsets;
        size_t count, next;
};

struct files_state {
        const struct watch_settings *settings;
        const struct host *host;
        struct strings tops;            /* what Path= stands for */
        bool has_globs;                 /* as of the last look at everything */
        struct buffer path, key, target, condition, resume;
        uint8_t *listing;
        struct frame *frames;
        size_t n_frames, frames_capacity;
        struct frame *other_frames;     /* of looks at one place, or of those at everything, whichever is not under way */
        size_t other_capacity;
        bool frames_within;             /* 'frames' are those of looks at one place */
        struct tree_mount mount;        /* on which the top of this tree lies, once it was entered */
        bool has_mount;
        size_t above;                   /* directories of the tree above the first frame */
        unsigned n_conditions;
        struct bytes within;            /* of the request; empty: everything */
        struct bytes after;             /* of the request; empty once the walk has come by there */
        /* where the walk stands, or the batch: what complete() and detail() read */
        struct folder *folder;          /* NULL: nowhere */
        const char *name;
        struct file_digests digests;
        bool has_sha256;                /* in digests, of the file that was completed last */
        /* the batch */
        struct digest_pool *pool;
        struct place *places;           /* owned */
        struct digest_job *jobs;        /* owned; of those that were read */
        size_t n_places, places_capacity, n_jobs, next_job;
        size_t n_folders, most_folders; /* that places hold, counted once in a row */
        struct buffer names;
        struct file_attributes attributes;
        struct buffer text;             /* of the file that was completed last */
        /* of privileged files alone */
        bool privileged;
        unsigned passed;
        int mountinfo;                  /* -1: a fixture has none */
        struct mount_list mounts;
};

static struct folder *folder_new(int fd) {
        struct folder *folder = malloc(sizeof(*folder));

        if (folder)
                *folder = (struct folder){ .fd = fd, .holders = 1 };
        else
                (void)fd_close(fd);
        return folder;
}

static struct folder *folder_drop(struct folder *folder) {
        if (folder && --folder->holders == 0) {
                (void)fd_close(folder->fd);
                free(folder);
        }
        return NULL;
}

static void folder_drop_place(struct folder **place) {
        *place = folder_drop(*place);
}

#define _cleanup_folder_ _cleanup_(folder_drop_place)

static void forget_batch(struct files_state *state) {
        for (size_t i = 0; i < state->n_places; i++)
                (void)folder_drop(state->places[i].folder);
        state->n_places = state->n_jobs = state->next_job = state->n_folders = 0;
        buffer_clear(&state->names);
        state->folder = NULL;
        state->name = NULL;
}

void files_rest(void *data) {
        struct files_state *state = data;

        forget_batch(state);
        free(state->places);
        free(state->jobs);
        state->places = NULL;
        state->jobs = NULL;
        state->places_capacity = 0;
        buffer_done(&state->names);
}

static void free_frames(struct frame *frames, size_t count) {
        for (size_t i = 0; i < count; i++) {
                buffer_done(&frames[i].text);
                buffer_done(&frames[i].offsets);
        }
        free(frames);
}

void files_close(void *data) {
        struct files_state *state = data;

        if (!state)
                return;
        files_rest(state);
        (void)digest_pool_free(state->pool);
        free_frames(state->frames, state->frames_capacity);
        free_frames(state->other_frames, state->other_capacity);
        path_glob_done(&state->tops);
        free(state->listing);
        buffer_done(&state->path);
        buffer_done(&state->key);
        buffer_done(&state->target);
        buffer_done(&state->condition);
        file_attributes_done(&state->attributes);
        buffer_done(&state->resume);
        buffer_done(&state->text);
        (void)fd_close(state->mountinfo);
        mount_list_done(&state->mounts);
        free(state);
}

static int read_mounts(struct files_state *state) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text);

        return r < 0 ? r : mount_list_parse(&state->mounts, buffer_bytes(&text));
}

int files_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        const struct digest_pool_settings pool = { .threads = 1 };
        struct files_state *state = calloc(1, sizeof(*state));
        long descriptors = sysconf(_SC_OPEN_MAX);

        if (!state)
                return -ENOMEM;
        state->settings = settings;
        state->host = host;
        state->most_folders = descriptors > 0 && descriptors / FOLDERS_PART < FOLDERS_MAX ? (size_t)descriptors / FOLDERS_PART
                                                                                      : FOLDERS_MAX;
        state->mountinfo = -1;
        state->listing = malloc(LISTING_SIZE);
        if (!state->listing || digest_pool_new(&pool, &state->pool) < 0) {
                files_close(state);
                return -ENOMEM;
        }
        *ret_state = state;
        return 0;
}

int files_open_privileged(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct files_state *state;
        void *opened;
        int r = files_open(settings, host, &opened);

        if (r < 0)
                return r;
        state = opened;
        state->privileged = true;
        if (host->live) {
                state->mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
                r = state->mountinfo < 0 ? -errno : read_mounts(state);
        }
        if (r < 0) {
                files_close(state);
                return r;
        }
        *ret_state = state;
        return 0;
}

/* The table says so when it has changed since it was read. Before anything is asked of a place: a server that is gone may answer for it,
 * and whoever asks him waits for ever. */
static int follow_mounts(struct files_state *state) {
        struct pollfd table = { .fd = state->mountinfo, .events = POLLPRI };

        if (state->mountinfo < 0 || poll(&table, 1, 0) == 0)
                return 0;
        return read_mounts(state);
}

static bool is_foreign(const struct files_state *state) {
        return state->mountinfo >= 0 && mount_list_is_foreign(&state->mounts, (const char *)state->path.data, state->path.size);
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

/* The key of an absolute path: no leading '/', NUL between components (record.h, FIELD_KEY_PATH). A directory then sorts
 * before what lies in it, and that before its next sibling: the order of the walk, which makes it name by name (walk()). */
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
        if (r < 0)
                return r;
        /* of a place above the part that was asked for, only that part is missed */
        return collector->unseen(collector, buffer_bytes(&state->key).size < state->within.size ? state->within
                                                                                               : buffer_bytes(&state->key));
}

/* What is mounted below the top, if that is not to be entered. The top itself may be anything. */
static bool is_beyond(struct files_state *state, const struct statx *stat) {
        struct tree_mount mount = tree_mount_of(stat);

        if (!state->has_mount) {
                state->mount = mount;
                state->has_mount = true;
        }
        return !state->settings->crosses_mounts && !tree_mount_is(mount, state->mount);
}

static uint64_t device_of(const struct statx *stat) {
        return (uint64_t)stat->stx_dev_major << 32 | stat->stx_dev_minor;
}

/* Whether the number of an entry of 'directory', the innermost frame's or one on the way to it, says nothing of the file. Where
 * something is mounted the top of that has a fixed number. */
static bool has_made_up_inode(const struct files_state *state, int directory, const struct statx *stat) {
        struct statx parent;

        if (state->n_frames) {
                const struct frame *frame = &state->frames[state->n_frames - 1];

                return frame->made_up_inodes && frame->device == device_of(stat);
        }
        return tree_makes_up_inodes(directory) &&
               statx(directory, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE, &parent) == 0 &&
               device_of(&parent) == device_of(stat);
}

/* Of what is only to exist the rest is not looked at, so that it cannot move. */
static void leave_existence(struct record *record) {
        for (size_t i = 0; i < FILE_FIELDS; i++)
                if (i != FILE_PATH && i != FILE_TYPE)
                        record->values[i].present = false;
}

/* 1, 0, or negative errno if it cannot be told. Without a right to execute it capabilities mean nothing. */
static int is_privileged(struct files_state *state, const struct folder *folder, const char *name, const struct statx *stat) {
        if (!S_ISREG(stat->stx_mode))
                return 0;
        if (stat->stx_mode & (S_ISUID | S_ISGID))
                return 1;
        if (!(stat->stx_mode & 0111))
                return 0;
        buffer_clear(&state->target);
        buffer_printf(&state->target, "/proc/self/fd/%d/", folder->fd);
        buffer_append_string(&state->target, name);
        if (buffer_error(&state->target) < 0)
                return -ENOMEM;
        if (lgetxattr(buffer_string(&state->target), "security.capability", NULL, 0) >= 0)
                return 1;
        return errno == ENODATA || errno == EOPNOTSUPP || errno == ENOENT ? 0 : -errno;
}

static int pass(struct files_state *state, struct collector *collector) {
        int r;

        if (!collector->passed || ++state->passed % PASSED_EACH != 0)
                return 0;
        r = make_key(state);
        return r < 0 ? r : collector->passed(collector, buffer_bytes(&state->key));
}

static int emit(struct files_state *state, struct collector *collector, struct folder *folder, const char *name,
                const struct statx *stat) {
        struct record record = { 0 };
        int r;

        file_record_fill(&record, stat);
        if (has_made_up_inode(state, folder->fd, stat))
                record.values[FILE_INODE].present = false;
        record.key = buffer_bytes(&state->key);
        record.values[FILE_PATH] = value_bytes(buffer_bytes(&state->path));
        if (S_ISLNK(stat->stx_mode)) {
                buffer_clear(&state->target);
                r = link_read_at(folder->fd, name, &state->target);
                if (r == -ENOENT || r == -EINVAL) /* replaced under our eyes: the next look sees what by */
                        return 0;
                if (r < 0)
                        record.values[FILE_ERROR] = value_string(file_error_name(r));
                else
                        record.values[FILE_TARGET] = value_bytes(buffer_bytes(&state->target));
        }
        if (state->settings->policy == POLICY_EXISTS)
                leave_existence(&record);
        state->folder = folder;
        state->name = name;
        state->has_sha256 = false;
        r = collector->record(collector, &record);
        state->folder = NULL;
        state->name = NULL;
        return r;
}

static bool has_content(const struct files_state *state, const struct record *record) {
        enum policy policy = state->settings->policy;

        return (policy == POLICY_FULL || policy == POLICY_APPEND) && bytes_equal(record->values[FILE_TYPE].bytes, bytes_of_string("file"));
}

/* Whether the folder and all above it, up to the host's root, let everybody through: what lies in /root is not for all to read,
 * whatever its own mode. */
static bool is_open_to_all(const struct files_state *state, const struct folder *folder) {
        _cleanup_close_ int here = -1;
        struct statx root, stat, above;

        if (statx(state->host->root_fd, "", AT_EMPTY_PATH, STATX_INO, &root) < 0)
                return false;
        for (size_t i = 0; i <= 2 * DEPTH_MAX; i++) {
                int from = here >= 0 ? here : folder->fd, next;

                if (statx(from, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &stat) < 0)
                        return false;
                if ((stat.stx_mode & 0111) != 0111)
                        return false;
                if (stat.stx_ino == root.stx_ino && device_of(&stat) == device_of(&root))
                        return true;
                next = openat(from, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (next < 0)
                        return false;
                (void)fd_close(here);
                here = next;
                if (statx(here, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_INO, &above) < 0 ||
                    (above.stx_ino == stat.stx_ino && device_of(&above) == device_of(&stat)))
                        return false;
        }
        return false;
}

/* What is read behind the content. 0, FILE_RECORD_GONE or negative errno. */
static int complete_rest(struct files_state *state, struct record *record, bool no_attributes) {
        struct folder *folder = state->folder;
        int r = file_record_attributes(folder->fd, state->name, no_attributes, record, &state->attributes);

        if (r != 0 || !state->settings->text || state->settings->policy != POLICY_FULL || !record->values[FILE_DIGEST].present)
                return r;
        if (!folder->asked) {
                folder->open = is_open_to_all(state, folder);
                folder->asked = true;
        }
        return folder->open ? file_record_text(folder->fd, state->name, record, &state->text) : 0;
}

int files_complete(void *data, struct record *record) {
        struct files_state *state = data;
        int r = 0;

        state->has_sha256 = false;
        if (!state->folder || state->settings->policy == POLICY_EXISTS)
                return 0;
        if (has_content(state, record))
                r = file_record_digest(state->folder->fd, state->name, record, &state->digests);
        state->has_sha256 = r == 1;
        if (r == 0 || r == 1)
                r = complete_rest(state, record, false);
        return r == FILE_RECORD_GONE ? WATCH_E_NO_NEWS : r;
}

int files_defer(void *data, const struct record *record, uint64_t *ret_bytes) {
        struct files_state *state = data;
        struct place *place;

        if (!state->folder || !has_content(state, record))
                return 0;
        if (state->n_jobs) { /* of the batch before */
                struct folder *folder = state->folder;
                const char *name = state->name;

                forget_batch(state);
                state->folder = folder;
                state->name = name;
        }
        if (state->n_places == state->places_capacity) {
                size_t capacity = state->places_capacity ? state->places_capacity * 2 : 16;
                struct place *places = reallocarray(state->places, capacity, sizeof(*places));

                if (!places)
                        return -ENOMEM;
                state->places = places;
                state->places_capacity = capacity;
        }
        place = &state->places[state->n_places];
        *place = (struct place){ .folder = state->folder, .name = state->names.size, .size = record->values[FILE_SIZE].number };
        buffer_append(&state->names, state->name, strlen(state->name) + 1);
        if (buffer_error(&state->names) < 0)
                return -ENOMEM;
        if (state->n_places == 0 || place[-1].folder != place->folder)
                state->n_folders++;
        place->folder->holders++;
        state->n_places++;
        *ret_bytes = state->n_folders >= state->most_folders ? UINT64_MAX : place->size;
        return 1;
}

int files_read_deferred(void *data) {
        struct files_state *state = data;

        free(state->jobs);
        state->jobs = calloc(state->n_places + 1, sizeof(*state->jobs));
        if (!state->jobs)
                return -ENOMEM;
        for (size_t i = 0; i < state->n_places; i++)
                state->jobs[i] = (struct digest_job){
                        .directory = state->places[i].folder->fd,
                        .name = (const char *)state->names.data + state->places[i].name,
                        .size = state->places[i].size,
                };
        state->n_jobs = state->n_places;
        state->next_job = 0;
        return digest_pool_run(state->pool, state->jobs, state->n_jobs);
}

int files_complete_deferred(void *data, struct record *record) {
        struct files_state *state = data;
        const struct digest_job *job;
        int r;

        if (state->next_job == state->n_jobs)
                return -EINVAL;
        state->folder = state->places[state->next_job].folder;
        job = &state->jobs[state->next_job++];
        state->has_sha256 = false;
        state->name = job->name;
        r = file_record_take_digest(record, job);
        if (r == 0)
                r = complete_rest(state, record, job->error == 0 && !job->attributes);
        return r == FILE_RECORD_GONE ? WATCH_E_NO_NEWS : r;
}

int files_detail(void *data, const struct change *change, struct record *record) {
        struct files_state *state = data;
        const struct record *before = change->before;

        if (!state->folder || !has_content(state, record) || !record->values[FILE_DIGEST].present)
                return WATCH_OK;
        if (before && state->settings->policy == POLICY_APPEND)
                return file_record_log(state->folder->fd, state->name, before, record);
        if (before && value_equal(&file_fields[FILE_DIGEST], &before->values[FILE_DIGEST], &record->values[FILE_DIGEST]))
                return WATCH_OK;
        if (state->has_sha256)
                record->values[FILE_SHA256] = value_bytes(bytes_of(state->digests.sha256, SHA256_SIZE));
        else
                file_record_sha256(state->folder->fd, state->name, record, &state->digests);
        return WATCH_OK;
}

static const struct action *classify(const struct change *change) {
        static const struct {
                const char *finding;
                struct action action;
        } findings[] = {
                { "truncated", { "file-truncated", "file", "change", SEVERITY_HIGH, false,
                                 "log {path} was truncated from {before.size} to {size} bytes" } },
                { "rewritten", { "file-rewritten", "file", "change", SEVERITY_HIGH, false,
                                 "log {path}: what it already held was rewritten ({before.size} bytes, now {size})" } },
                { "replaced", { "file-replaced", "file", "change", SEVERITY_HIGH, false,
                                "log {path} was replaced by another file ({before.size} bytes, now {size})" } },
        };
        const struct value *finding = change->after ? &change->after->values[FILE_FINDING] : NULL;

        for (size_t i = 0; finding && finding->present && i < ELEMENTS(findings); i++)
                if (bytes_equal(finding->bytes, bytes_of_string(findings[i].finding)))
                        return &findings[i].action;
        return NULL;
}

static int compare_names(const void *a, const void *b, void *text) {
        const char *base = text;

        return strcmp(base + *(const uint32_t *)a, base + *(const uint32_t *)b);
}

static int list(struct files_state *state, struct frame *frame, int fd) {
        buffer_clear(&frame->text);
        buffer_clear(&frame->offsets);
        frame->count = 0;
        for (;;) {
                long n = syscall(SYS_getdents64, fd, state->listing, LISTING_SIZE);

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

/* A walk that goes on behind state->after: past the names of this directory, on the way there, that lie before. */
static void skip_names(const struct files_state *state, struct frame *frame) {
        const uint32_t *offsets = (const void *)frame->offsets.data;
        size_t below = state->key.size ? state->key.size + 1 : 0, low = 0, high = frame->count;
        const char *part;

        if (state->after.size <= below)
                return;
        /* the request ends in a NUL that is not counted, or its next part does */
        part = (const char *)state->after.data + below;
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp((const char *)frame->text.data + offsets[middle], part) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        frame->next = low;
}

/* Opens the directory whose record was just handed over and makes it the innermost frame. 1, 0 if it is not entered. */
static int enter(struct files_state *state, struct collector *collector, const struct folder *parent, const char *name,
                 const struct statx *stat) {
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        uint64_t device = device_of(stat);
        _cleanup_close_ int fd = -1;
        const struct frame *outer;
        struct frame *frame;
        bool kept;
        int r;

        if (is_beyond(state, stat)) { /* not even opened: that would have an automounter mount it */
                say(state, collector, "%s: another filesystem, not entered", buffer_string(&state->path));
                return 0;
        }
        if (state->above + state->n_frames >= DEPTH_MAX) {
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
        fd = openat(parent->fd, name, flags | O_NOATIME);
        if (fd < 0 && errno == EPERM)
                fd = openat(parent->fd, name, flags);
        if (fd < 0) {
                r = -errno;
                if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                        return r;
                if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP) /* replaced since, the next look sees it */
                        return 0;
                return leave(state, collector, "cannot be entered: ", r);
        }
        kept = state->after.size && frame->count >= KEPT_NAMES && frame->device == device && frame->inode == stat->stx_ino;
        frame->device = device;
        frame->inode = stat->stx_ino;
        frame->path_size = state->path.size;
        frame->next = 0;

        outer = state->n_frames && frame[-1].device == device ? &frame[-1] : NULL;
        if (!outer && tree_is_kernel_filesystem(fd)) {
                if (!state->privileged)
                        say(state, collector, "%s: a kernel filesystem, not entered", buffer_string(&state->path));
                return 0;
        }
        frame->made_up_inodes = outer ? outer->made_up_inodes : tree_makes_up_inodes(fd);
        r = kept ? 0 : list(state, frame, fd);
        if (r < 0)
                frame->count = 0;
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return leave(state, collector, "cannot be listed: ", r);
        if (state->after.size)
                skip_names(state, frame);
        frame->folder = folder_new(TAKE_FD(fd));
        if (!frame->folder)
                return -ENOMEM;
        state->n_frames++;
        return 1;
}

/* What a walk that goes on behind state->after does with a place. */
enum passing { PASSING_OVER, PASSING_THROUGH, PASSING_BEHIND };

static enum passing passing_of(const struct files_state *state, struct bytes key) {
        if (bytes_compare(key, state->after) > 0)
                return PASSING_BEHIND;
        return key.size == 0 || (bytes_starts_with(state->after, key) &&
                                 (state->after.size == key.size || state->after.data[key.size] == '\0'))
                       ? PASSING_THROUGH : PASSING_OVER;
}

/* 'path' and 'key' are those of the place. */
static int visit(struct files_state *state, struct collector *collector, struct folder *folder, const char *name) {
        bool passed = false;
        struct statx stat;
        int r;

        if (tree_excludes(&state->settings->excludes, buffer_string(&state->path), name))
                return 0;
        if (state->after.size) {
                enum passing passing;

                passing = passing_of(state, buffer_bytes(&state->key));
                if (passing == PASSING_OVER)
                        return 0;
                passed = passing == PASSING_THROUGH;
                if (!passed)
                        state->after = BYTES_NULL;
        }
        if (is_foreign(state))
                return 0;
        if (statx(folder->fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | TREE_MOUNT_MASK, &stat) < 0) {
                if (errno == ENOENT)
                        return 0;
                return leave(state, collector, "", errno);
        }
        r = !passed && state->privileged ? is_privileged(state, folder, name, &stat) : !passed;
        if (r < 0 && r != -ENOMEM)
                return leave(state, collector, "", r);
        if (r > 0)
                r = emit(state, collector, folder, name, &stat);
        else if (r == 0 && !passed)
                r = pass(state, collector);
        if (r < 0 || !S_ISDIR(stat.stx_mode))
                return r;
        return enter(state, collector, folder, name, &stat);
}

static int walk(struct files_state *state, struct collector *collector) {
        while (state->n_frames > 0) {
                struct frame *frame = &state->frames[state->n_frames - 1];
                const uint32_t *offsets = (const void *)frame->offsets.data;
                const char *name;
                size_t size;
                int r;

                if (frame->next == frame->count) {
                        frame->folder = folder_drop(frame->folder);
                        state->n_frames--;
                        continue;
                }
                name = (const char *)frame->text.data + offsets[frame->next++];
                size = strlen(name);
                buffer_truncate(&state->path, frame->path_size);
                buffer_truncate(&state->key, frame->path_size - 1); /* which is that of the folder still */
                if (frame->path_size > 1) {
                        buffer_append_byte(&state->path, '/');
                        buffer_append_byte(&state->key, '\0');
                }
                buffer_append(&state->path, name, size);
                buffer_append(&state->key, name, size);
                r = buffer_error(&state->path) < 0 ? -ENOMEM : buffer_error(&state->key);
                if (r == 0)
                        r = visit(state, collector, frame->folder, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* How the keys of the top of a tree and of the part that was asked for lie to each other. */
enum relation { PLACE_ELSEWHERE, PLACE_INSIDE_PART, PLACE_AROUND_PART };

static enum relation relation_of(struct files_state *state, struct bytes within) {
        struct bytes top = buffer_bytes(&state->key);
        size_t shorter = top.size < within.size ? top.size : within.size;

        if (within.size == 0)
                return PLACE_INSIDE_PART;
        if (shorter && memcmp(top.data, within.data, shorter) != 0)
                return PLACE_ELSEWHERE;
        if (top.size == within.size)
                return PLACE_INSIDE_PART;
        if (top.size > within.size)
                return top.data[shorter] == '\0' ? PLACE_INSIDE_PART : PLACE_ELSEWHERE;
        return top.size == 0 || within.data[shorter] == '\0' ? PLACE_AROUND_PART : PLACE_ELSEWHERE;
}

/* One step of walk_part(): a directory on the way, by the rules of the walk. 1 and *directory moved on; 0: the walk would not
 * have come by here. */
static int step(struct files_state *state, struct collector *collector, int *directory, const char *name, uint64_t *device) {
        struct statx stat;
        uint64_t inner_device;
        int fd;

        if (tree_excludes(&state->settings->excludes, buffer_string(&state->path), name) || is_foreign(state))
                return 0;
        if (state->above == DEPTH_MAX)
                return 0;
        fd = openat(*directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                int error = errno;

                if (error == ENOMEM || error == EMFILE || error == ENFILE)
                        return -error;
                if (error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG)
                        return 0;
                return leave(state, collector, "cannot be entered: ", -error);
        }
        (void)fd_close(*directory);
        *directory = fd;
        if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, TREE_MOUNT_MASK, &stat) < 0)
                return leave(state, collector, "", errno);
        if (is_beyond(state, &stat))
                return 0;
        inner_device = device_of(&stat);
        if ((state->above == 0 || inner_device != *device) && tree_is_kernel_filesystem(fd))
                return 0;
        *device = inner_device;
        state->above++;
        return 1;
}

/* Goes from the top of a tree straight to the part below it that was asked for: what that costs grows with its depth alone.
 * 'directory' is that in which the top lies; it is the callee's. */
static int walk_part(struct files_state *state, struct collector *collector, int directory, const char *top_name) {
        _cleanup_close_ int here = directory;
        _cleanup_folder_ struct folder *folder = NULL;
        _cleanup_buffer_ struct buffer names = BUFFER_NULL;
        size_t at = state->key.size ? state->key.size + 1 : 0;
        uint64_t device = 0;
        const char *name;
        int r;

        if (memchr(state->within.data, '/', state->within.size))
                return 0;
        buffer_append_bytes(&names, state->within);
        buffer_append_byte(&names, '\0');
        if (buffer_error(&names) < 0)
                return -ENOMEM;
        r = step(state, collector, &here, top_name, &device);
        while (r > 0) {
                size_t length;

                name = (const char *)names.data + at;
                length = strlen(name);
                if (length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                        return 0;
                if (state->path.size > 1)
                        buffer_append_byte(&state->path, '/');
                buffer_append_string(&state->path, name);
                r = buffer_error(&state->path);
                if (r < 0)
                        return r;
                at += length + 1;
                if (at < names.size) {
                        r = step(state, collector, &here, name, &device);
                        continue;
                }
                folder = folder_new(TAKE_FD(here));
                if (!folder)
                        return -ENOMEM;
                r = make_key(state);
                if (r == 0)
                        r = visit(state, collector, folder, name);
                return r < 0 ? r : walk(state, collector);
        }
        return r;
}

/* The tree's top is looked at in its parent, so that a top which is no directory, or a link, is a record like any other. */
static int walk_tree(struct files_state *state, struct collector *collector, const char *top) {
        _cleanup_free_ char *parent = strdup(top);
        _cleanup_folder_ struct folder *folder = NULL;
        _cleanup_close_ int directory = -1;
        enum relation relation;
        struct statx stat;
        char *slash;
        int r;

        if (!parent)
                return -ENOMEM;
        slash = strrchr(parent, '/');
        if (!slash)
                return -EINVAL;
        *slash = '\0';
        state->above = 0;
        state->has_mount = false;
        buffer_clear(&state->path);
        buffer_append_string(&state->path, top);
        r = make_key(state);
        if (r < 0)
                return r;
        relation = relation_of(state, state->within);
        if (relation == PLACE_ELSEWHERE || (state->after.size && passing_of(state, buffer_bytes(&state->key)) == PASSING_OVER))
                return 0;
        directory = host_openat(state->host, parent, O_PATH | O_DIRECTORY);
        if (directory >= 0 && relation == PLACE_AROUND_PART)
                return walk_part(state, collector, TAKE_FD(directory), slash[1] ? slash + 1 : ".");
        if (directory < 0 || statx(directory, slash[1] ? slash + 1 : ".", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stat) < 0) {
                r = directory < 0 ? directory : -errno;
                if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                        return r;
                if (r == -ENOENT || r == -ENOTDIR) {
                        if (relation == PLACE_INSIDE_PART && !state->settings->optional)
                                say(state, collector, "no %s on this host", top);
                } else
                        return leave(state, collector, "", r);
                return 0;
        }
        if (S_ISLNK(stat.stx_mode) && !state->settings->optional &&
            (state->after.size == 0 || passing_of(state, buffer_bytes(&state->key)) == PASSING_BEHIND))
                say(state, collector, "%s is a symbolic link: what it points to is not watched", top);
        folder = folder_new(TAKE_FD(directory));
        if (!folder)
                return -ENOMEM;
        r = visit(state, collector, folder, slash[1] ? slash + 1 : ".");
        return r < 0 ? r : walk(state, collector);
}

/* A look at one place must not disturb what a walk that rests has kept of the directory it rests in. */
static void use_frames(struct files_state *state, bool within) {
        struct frame *frames = state->frames;
        size_t capacity = state->frames_capacity;

        if (state->frames_within == within)
                return;
        state->frames = state->other_frames;
        state->frames_capacity = state->other_capacity;
        state->other_frames = frames;
        state->other_capacity = capacity;
        state->frames_within = within;
}

/* 'rests': it was stopped, and may go on from there. */
static void give_back_frames(struct files_state *state, bool rests) {
        for (size_t i = 0; i < state->frames_capacity; i++) {
                struct frame *frame = &state->frames[i];

                if (i < state->n_frames)
                        frame->folder = folder_drop(frame->folder);
                if (rests && i < state->n_frames)
                        continue;
                frame->count = 0;
                if (frame->text.capacity + frame->offsets.capacity > KEPT_BYTES) {
                        buffer_done(&frame->text);
                        buffer_done(&frame->offsets);
                }
        }
        state->n_frames = 0;
}

/* A copy with a NUL at its end. */
static int name_after(struct files_state *state, struct bytes after) {
        buffer_clear(&state->resume);
        buffer_append_bytes(&state->resume, after);
        buffer_append_byte(&state->resume, '\0');
        if (buffer_error(&state->resume) < 0)
                return -ENOMEM;
        state->after = bytes_of(state->resume.data, after.size);
        return 0;
}

/* What patterns stand for is asked when a look at everything begins, not for each file and not within it. */
static int find_tops(struct files_state *state, const struct collect_request *request, struct collector *collector) {
        const struct strings *paths = &state->settings->paths;
        int r;

        if (state->has_globs && (request->within.size || request->after.size))
                return 0;
        state->has_globs = false;
        for (size_t i = 0; i < paths->count; i++)
                state->has_globs |= path_is_glob(paths->items[i]);
        path_glob_done(&state->tops);
        r = path_glob_expand(state->host, paths, &state->tops);
        if (r != -ENOSPC)
                return r;
        say(state, collector, "more than %d places match: not all are watched", PATH_GLOB_MOST);
        return 0;
}

int files_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct files_state *state = data;
        int r = 0;

        forget_batch(state);
        use_frames(state, request->within.size > 0);
        r = name_after(state, request->after);
        if (r == 0)
                r = follow_mounts(state);
        if (r < 0)
                return r;
        if (request->after.size == 0)
                state->n_conditions = 0;
        for (size_t i = 0; request->fresh && i < state->frames_capacity; i++)
                state->frames[i].count = 0;
        r = find_tops(state, request, collector);
        state->within = request->within;
        digest_pool_configure(state->pool, &(struct digest_pool_settings){
                .threads = request->threads, .rate = request->rate,
        });
        for (size_t i = 0; i < state->tops.count && r >= 0; i++)
                r = walk_tree(state, collector, state->tops.items[i]);
        give_back_frames(state, r < 0);
        state->within = state->after = BYTES_NULL;
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
        .can_resume = true,
        .can_look_within = true,
        .provable = true,
        .appeared = { "file-created", "file", "creation", SEVERITY_HIGH, false, "{type} {path} was created" },
        .vanished = { "file-deleted", "file", "deletion", SEVERITY_HIGH, false, "{type} {path} was deleted" },
        .changed = { "file-modified", "file", "change", SEVERITY_HIGH, false, NULL },
        .title_changed = "Changes to one or more files in {path} detected! Diff:",
        .title_quiet = "No changes to {path} detected.",
        .document = &bootchk,
        .open = files_open,
        .collect = files_collect,
        .complete = files_complete,
        .defer = files_defer,
        .read_deferred = files_read_deferred,
        .complete_deferred = files_complete_deferred,
        .rest = files_rest,
        .detail = files_detail,
        .classify = classify,
        .close = files_close,
};
