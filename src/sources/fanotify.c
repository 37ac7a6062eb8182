#include "fanotify.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "fanotify-record.h"
#include "fd.h"
#include "file-trees.h"
#include "host.h"
#include "inotify-rung.h"

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200     /* Linux 6.5: a handle that need not be good for opening */
#endif

enum {
        ROOM_SIZE = 128 * 1024,         /* about 1,200 events */
        EVENT_MAX = 1024,               /* two names, handles: the next event did not fit if less than this is free */
        BACKLOG_MAX = 64 * 1024 * 1024, /* of events nobody read: about 600,000; the kernel's memory is not ours to fill */
        DRAIN_READS = 64,
        FILESYSTEMS_MAX = 4096,
        FDINFO_MAX = 64 * 1024 * 1024,
};

enum whole { WHOLE_UNTRIED, WHOLE_MARKED, WHOLE_REFUSED };

struct filesystem {
        uint64_t id;
        enum whole whole;
        bool content;                   /* its mark tells of writes, too */
};

struct fanotify_state {
        struct file_trees trees;
        struct file_rung rung;
        struct inotify_rung inotify;    /* where we cannot */
        struct loop_file file;
        struct filesystem *filesystems; /* owned; the place is what file_id calls space */
        size_t n_filesystems, last_filesystem;
        uint8_t *room;                  /* owned */
        int32_t own_pid;
        bool renames;                   /* the kernel has FAN_RENAME (5.17) */
        bool overflowed, discarding, ended;
        uint64_t discarded;
};

static void fanotify_close(void *data) {
        struct fanotify_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        (void)fd_close(state->file.fd);
        inotify_rung_done(&state->inotify);
        file_trees_done(&state->trees);
        free(state->filesystems);
        free(state->room);
        free(state);
}

static void end(struct fanotify_state *state, const char *reason) {
        if (state->ended)
                return;
        state->ended = true;
        loop_remove(&state->file);
        state->trees.listener->ended(state->trees.listener, "fanotify", reason);
}

/* ---- marks ---- */

/* Its place in the table, or -1. Of a filesystem mark nearly all events are of one filesystem. */
static int find_filesystem(struct fanotify_state *state, uint64_t id) {
        if (state->last_filesystem < state->n_filesystems && state->filesystems[state->last_filesystem].id == id)
                return (int)state->last_filesystem;
        for (size_t i = 0; i < state->n_filesystems; i++)
                if (state->filesystems[i].id == id) {
                        state->last_filesystem = i;
                        return (int)i;
                }
        return -1;
}

static int add_filesystem(struct fanotify_state *state, int fd) {
        struct filesystem *grown;
        struct statfs status;
        uint64_t id;
        int r;

        if (fstatfs(fd, &status) < 0)
                return -errno;
        memcpy(&id, &status.f_fsid, sizeof(id));
        r = find_filesystem(state, id);
        if (r >= 0)
                return r;
        if (state->n_filesystems == FILESYSTEMS_MAX)
                return -ENOSPC;
        grown = reallocarray(state->filesystems, state->n_filesystems + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        state->filesystems = grown;
        grown[state->n_filesystems] = (struct filesystem){ .id = id };
        return (int)state->n_filesystems++;
}

static int read_handle(int fd, struct file_id *ret) {
        struct {
                struct file_handle handle;
                uint8_t bytes[MAX_HANDLE_SZ];
        } room;
        int mount_id, r;

        room.handle.handle_bytes = MAX_HANDLE_SZ;
        r = name_to_handle_at(fd, "", &room.handle, &mount_id, AT_EMPTY_PATH | AT_HANDLE_FID);
        if (r < 0 && errno == EINVAL) {
                room.handle.handle_bytes = MAX_HANDLE_SZ;
                r = name_to_handle_at(fd, "", &room.handle, &mount_id, AT_EMPTY_PATH);
        }
        if (r < 0)
                return -errno;
        memcpy(ret->data, &room.handle.handle_type, sizeof(room.handle.handle_type));
        memcpy(ret->data + sizeof(room.handle.handle_type), room.handle.f_handle, room.handle.handle_bytes);
        ret->size = (uint32_t)sizeof(room.handle.handle_type) + room.handle.handle_bytes;
        return 0;
}

static uint64_t mask_of(const struct fanotify_state *state, enum file_mark kind) {
        const uint64_t content = FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB;
        const uint64_t names = FAN_CREATE | FAN_DELETE | FAN_ONDIR | (state->renames ? FAN_RENAME : FAN_MOVED_FROM | FAN_MOVED_TO);

        switch (kind) {
        case FILE_MARK_FILE:
                return content;
        case FILE_MARK_DOOR:
                return names;
        case FILE_MARK_NAMES:
                return names | FAN_ATTRIB | FAN_EVENT_ON_CHILD;
        default:
                return names | content | FAN_EVENT_ON_CHILD;
        }
}

static int add_mark(struct fanotify_state *state, unsigned flags, enum file_mark kind, int directory, const char *name) {
        if (fanotify_mark(state->file.fd, FAN_MARK_ADD | flags, mask_of(state, kind), directory, name) == 0)
                return 0;
        if (errno == EINVAL && state->renames && kind != FILE_MARK_FILE) {
                state->renames = false;
                if (fanotify_mark(state->file.fd, FAN_MARK_ADD | flags, mask_of(state, kind), directory, name) == 0)
                        return 0;
                state->renames = true;
        }
        return -errno;
}

static int mark(struct file_rung *rung, int directory, const char *name, enum file_mark kind, bool whole, struct file_id *ret_id,
                enum file_mechanism *ret_mechanism) {
        struct fanotify_state *state = container_of(rung, struct fanotify_state, rung);
        _cleanup_close_ int file = -1;
        struct filesystem *filesystem;
        int fd = directory, space, r;

        if (kind == FILE_MARK_FILE) {
                file = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (file < 0)
                        return -errno;
                fd = file;
        }
        space = add_filesystem(state, fd);
        if (space < 0)
                return space;
        ret_id->space = (uint32_t)space;
        r = read_handle(fd, ret_id);
        if (r < 0)
                return r;
        filesystem = &state->filesystems[space];
        if (whole && kind != FILE_MARK_FILE &&
            (filesystem->whole == WHOLE_UNTRIED || (filesystem->whole == WHOLE_MARKED && kind == FILE_MARK_TREE && !filesystem->content))) {
                r = add_mark(state, FAN_MARK_FILESYSTEM, kind, directory, name);
                if (filesystem->whole == WHOLE_UNTRIED)
                        filesystem->whole = r < 0 ? WHOLE_REFUSED : WHOLE_MARKED;
                filesystem->content |= r == 0 && kind == FILE_MARK_TREE;
                if (r < 0)
                        whole = false;
        }
        if (whole && filesystem->whole == WHOLE_MARKED) {
                *ret_mechanism = FILE_BY_FILESYSTEM_MARK;
                return 0;
        }
        *ret_mechanism = FILE_BY_INODE_MARK;
        return add_mark(state, kind == FILE_MARK_FILE ? FAN_MARK_DONT_FOLLOW : FAN_MARK_ONLYDIR, kind, directory, name);
}

/* ---- events ---- */

static bool take_id(struct fanotify_state *state, const struct fanotify_handle *handle, struct file_id *ret) {
        int space;

        ret->size = 0;
        if (handle->id.size == 0 || handle->id.size > FILE_ID_MAX)
                return false;
        space = find_filesystem(state, handle->filesystem);
        if (space < 0)
                return false;
        ret->space = (uint32_t)space;
        ret->size = (uint32_t)handle->id.size;
        memcpy(ret->data, handle->id.data, handle->id.size);
        return true;
}

static void hand_over(struct fanotify_state *state, const struct fanotify_record *record) {
        const uint64_t structure = FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_MOVED_FROM | FAN_MOVED_TO;
        uint64_t mask = record->mask;
        struct file_event event;
        bool known;

        /* Our own writes would wake us for ever. The directories we make and remove are part of the picture all the same. */
        if (record->pid == state->own_pid && !(mask & FAN_ONDIR && mask & structure))
                return;
        known = take_id(state, &record->directory, &event.directory);
        known |= take_id(state, &record->object, &event.object);
        known |= take_id(state, &record->old_directory, &event.old_directory);
        if (!known)
                return;
        event.pid = record->pid > 0 ? (uint32_t)record->pid : 0;
        event.name = record->name;
        event.old_name = record->old_name;
        event.bits = (mask & FAN_CREATE ? FILE_EVENT_MADE : 0) | (mask & FAN_MOVED_TO ? FILE_EVENT_ARRIVED : 0) |
                     (mask & FAN_DELETE ? FILE_EVENT_GONE : 0) | (mask & FAN_MOVED_FROM ? FILE_EVENT_GONE | FILE_EVENT_LEFT : 0) |
                     (mask & FAN_ATTRIB ? FILE_EVENT_ATTRIBUTES : 0) |
                     (mask & FAN_MODIFY ? FILE_EVENT_WRITTEN : 0) | (mask & FAN_CLOSE_WRITE ? FILE_EVENT_CLOSED : 0) |
                     (mask & FAN_ONDIR ? FILE_EVENT_DIRECTORY : 0);
        if (mask & FAN_RENAME) {
                if (event.name && !event.old_name)
                        event.bits |= FILE_EVENT_ARRIVED;
                else if (event.old_name && !event.name) {
                        event.bits |= FILE_EVENT_GONE | FILE_EVENT_LEFT;
                        event.directory = event.old_directory;
                        event.name = event.old_name;
                        event.old_name = NULL;
                }
        }
        file_trees_event(&state->trees, &event);
}

static uint64_t count_events(struct bytes bytes) {
        struct fanotify_record record;
        uint64_t n = 0;

        while (fanotify_record_next(&bytes, &record) > 0)
                n++;
        return n;
}

/* One read. 1: there may be more; 0: drained; or negative errno. */
static int read_some(struct fanotify_state *state) {
        ssize_t n = read(state->file.fd, state->room, ROOM_SIZE);
        struct fanotify_record record;
        struct bytes rest;
        bool drained;
        int r = 0;

        if (n < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;
        drained = n < ROOM_SIZE - EVENT_MAX;
        rest = bytes_of(state->room, n > 0 ? (size_t)n : 0);
        if (state->discarding) {
                state->discarded += count_events(rest);
                if (drained) {
                        uint64_t count = state->discarded;

                        state->discarding = false;
                        state->discarded = 0;
                        file_trees_lost(&state->trees, "backlog", true, count);
                        file_trees_batch(&state->trees, true);
                }
                return !drained;
        }
        while ((r = fanotify_record_next(&rest, &record)) > 0) {
                if (record.mask & FAN_Q_OVERFLOW)
                        state->overflowed = true;
                else
                        hand_over(state, &record);
        }
        if (r < 0)
                return r;
        if (state->overflowed) {
                state->overflowed = false;
                file_trees_lost(&state->trees, "overflow", false, 0);
        }
        file_trees_batch(&state->trees, drained);
        if (!drained) {
                int waiting = 0;

                if (ioctl(state->file.fd, FIONREAD, &waiting) == 0 && waiting > BACKLOG_MAX)
                        state->discarding = true;
        }
        return !drained;
}

static void read_or_end(struct fanotify_state *state, int reads) {
        int r = 1;

        while (r > 0 && reads-- > 0 && !state->ended)
                r = read_some(state);
        if (r < 0)
                end(state, r == -EBADMSG ? "the kernel's events cannot be understood" : "the descriptor answers errors");
}

static int ready(struct loop_file *file, uint32_t events) {
        struct fanotify_state *state = container_of(file, struct fanotify_state, file);

        if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN))
                end(state, "the descriptor answers errors");
        else
                read_or_end(state, state->discarding ? DRAIN_READS : 1);
        return 0;
}

/* ---- life ---- */

static int open_group(void) {
        const unsigned least = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME | FAN_REPORT_FID;
        const unsigned unlimited = FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS;
        const unsigned wishes[] = { FAN_REPORT_TARGET_FID | unlimited, unlimited, FAN_REPORT_TARGET_FID, 0 };
        int fd = -1;

        for (size_t i = 0; i < ELEMENTS(wishes) && fd < 0; i++)
                fd = fanotify_init(least | wishes[i], O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static bool may_use_inotify(const struct settings *settings) {
        for (size_t i = 0; i < settings->sources.count; i++)
                if (strcmp(settings->sources.items[i], "inotify") == 0)
                        return true;
        return settings->sources.count == 0;
}

static int fanotify_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason) {
        struct fanotify_state *state = calloc(1, sizeof(*state));
        struct file_rung *rungs[2];
        int r;

        if (!state)
                return -ENOMEM;
        state->trees = FILE_TREES_NULL;
        state->file.ready = ready;
        state->rung = (struct file_rung){ .name = "fanotify", .mark = mark, .marks_files = true, .whole = true };
        state->own_pid = getpid();
        state->renames = true;
        inotify_rung_init(&state->inotify, &state->trees, request->loop);
        rungs[0] = &state->rung;
        rungs[1] = &state->inotify.rung;
        state->room = malloc(ROOM_SIZE);
        state->file.fd = state->room ? open_group() : -1;
        r = !state->room ? -ENOMEM : state->file.fd;
        if (r < 0 && r != -ENOMEM) {
                *ret_reason = r == -EMFILE ? "no more fanotify groups for this user" : "the kernel has no fanotify with names";
                r = r == -EMFILE ? r : -EOPNOTSUPP;
        }
        if (r >= 0)
                r = loop_add(request->loop, &state->file, EPOLLIN);
        if (r >= 0)
                r = file_trees_init(&state->trees, request, "fanotify", rungs, may_use_inotify(request->settings) ? 2 : 1);
        if (r >= 0) {
                r = file_trees_build(&state->trees);
                if (r < 0 && r != -ENOMEM) {
                        *ret_reason = "no directory can be marked";
                        r = -EOPNOTSUPP;
                }
        }
        if (r < 0) {
                fanotify_close(state);
                return r;
        }
        *ret_state = state;
        *ret_subjects = 1u << DELTA_FILE;
        return 0;
}

static void fanotify_drain(void *data) {
        struct fanotify_state *state = data;

        if (!state->ended)
                read_or_end(state, DRAIN_READS);
        inotify_rung_drain(&state->inotify);
}

/* Whether the kernel still has our group and our marks. A directory that just went takes its mark along before we have read of
 * it, so what is missing must be missing twice. */
static const char *examine(struct fanotify_state *state) {
        for (int tries = 0;; tries++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                size_t inodes = 0, filesystems = 0, expected = 0, whole = 0;
                const char *what = NULL;
                char path[64];

                (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", state->file.fd);
                if (file_read_at(AT_FDCWD, path, FDINFO_MAX, &text) < 0)
                        return NULL; /* no /proc here */
                if (!strstr(buffer_string(&text), "fanotify flags:"))
                        return "its group was closed";
                expected = file_trees_marked(&state->trees, FILE_BY_INODE_MARK);
                for (size_t i = 0; i < state->n_filesystems; i++)
                        whole += state->filesystems[i].whole == WHOLE_MARKED;
                for (const char *at = buffer_string(&text); (at = strstr(at, "fanotify ino:")); at++)
                        inodes++;
                for (const char *at = buffer_string(&text); (at = strstr(at, "fanotify sdev:")); at++)
                        filesystems++;
                if (inodes < expected)
                        what = "marks on directories are gone";
                else if (filesystems < whole)
                        what = "a mark on a filesystem is gone";
                if (!what || tries > 0)
                        return what;
                fanotify_drain(state);
        }
}

static void fanotify_check(void *data) {
        struct fanotify_state *state = data;
        const char *why;

        fanotify_drain(state);
        if (state->ended)
                return;
        file_trees_check(&state->trees);
        why = examine(state);
        if (!why)
                why = inotify_rung_check(&state->inotify);
        if (why)
                end(state, why);
}

static void fanotify_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct fanotify_state *state = data;

        *ret_events = state->trees.events;
        *ret_lost = state->trees.lost;
}

const struct source source_fanotify = {
        .name = "fanotify",
        .subjects = 1u << DELTA_FILE,
        .open = fanotify_open,
        .close = fanotify_close,
        .drain = fanotify_drain,
        .check = fanotify_check,
        .count = fanotify_count,
};
