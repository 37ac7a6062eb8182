#include "mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "clock.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "mount-list.h"

enum { MOUNTINFO_MAX = 64 * 1024 * 1024 };

static const char source_name[] = "mounts";

/* A service may have a mount namespace of its own, in which nothing of this happens: the host's table is that of its first process. */
static const char *const tables[] = { "1/mountinfo", "self/mountinfo" };

struct mounts_state {
        struct loop_file file;
        const struct settings *settings;        /* borrowed, as the next */
        struct source_listener *listener;
        struct mount_list list;
        struct buffer text, key;
        uint64_t events;
};

static void mounts_close(void *data) {
        struct mounts_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        state->file.fd = fd_close(state->file.fd);
        mount_list_done(&state->list);
        buffer_done(&state->text);
        buffer_done(&state->key);
        free(state);
}

static void end(struct mounts_state *state, const char *reason) {
        if (!state->file.loop)
                return;
        loop_remove(&state->file);
        state->listener->ended(state->listener, source_name, reason);
}

/* What of a tree is another thing now: what lies below the mount point, or all of it. */
static void hint_path(struct mounts_state *state, const char *watch, const char *path, struct bytes where) {
        struct hint hint = { .watch = watch, .flags = HINT_BELOW, .source = source_name };
        size_t size = strlen(path);

        buffer_clear(&state->key);
        if (where.size > size)
                buffer_append_bytes(&state->key, where);
        else
                buffer_append_string(&state->key, path);
        for (size_t i = 0; i < state->key.size; i++)
                if (state->key.data[i] == '/')
                        state->key.data[i] = '\0';
        hint.key = buffer_bytes(&state->key);
        if (hint.key.size) /* the first '/' */
                hint.key = bytes_of(hint.key.data + 1, hint.key.size - 1);
        state->listener->hint(state->listener, &hint);
}

static void tell(struct mounts_state *state, enum incident_kind kind, const struct mount_list *list, const struct mount *mount) {
        struct delta delta = {
                .kind = DELTA_APPEARED,
                .subject = DELTA_INCIDENT,
                .source = source_name,
                .at_ns = clock_ns(CLOCK_REALTIME),
                .incident = { .kind = kind, .what = mount_what(list, mount), .where = mount_where(list, mount) },
        };

        state->events++;
        state->listener->delta(state->listener, &delta);
        for (size_t i = 0; i < state->settings->n_watches; i++) {
                const struct watch_settings *watch = &state->settings->watches[i];

                if (!watch->enabled)
                        continue;
                for (size_t k = 0; k < watch->paths.count; k++)
                        if (mount_touches(delta.incident.where, watch->paths.items[k]))
                                hint_path(state, watch->name, watch->paths.items[k], delta.incident.where);
        }
}

static void on_gone(void *context, const struct mount_list *list, const struct mount *mount) {
        tell(context, INCIDENT_UNMOUNTED, list, mount);
}

static void on_come(void *context, const struct mount_list *list, const struct mount *mount) {
        tell(context, INCIDENT_MOUNTED, list, mount);
}

static int read_table(struct mounts_state *state, struct mount_list *ret) {
        uint8_t room[16 * 1024];
        ssize_t n;

        /* The descriptor that is polled must be the one that is read, from its beginning. */
        if (lseek(state->file.fd, 0, SEEK_SET) < 0)
                return -errno;
        buffer_clear(&state->text);
        while ((n = read(state->file.fd, room, sizeof(room))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (state->text.size > MOUNTINFO_MAX)
                        return -EFBIG;
                buffer_append(&state->text, room, (size_t)n);
        }
        if (buffer_error(&state->text) < 0)
                return -ENOMEM;
        return mount_list_parse(ret, buffer_bytes(&state->text));
}

static void compare(struct mounts_state *state) {
        struct mount_list now = MOUNT_LIST_NULL;
        int r = read_table(state, &now);

        if (r == 0)
                r = mount_list_compare(&state->list, &now, state, on_gone, on_come);
        if (r < 0) {
                mount_list_done(&now);
                end(state, "the mount table cannot be read");
                return;
        }
        mount_list_done(&state->list);
        state->list = now;
}

static int changed(struct loop_file *file, uint32_t events) {
        struct mounts_state *state = container_of(file, struct mounts_state, file);

        (void)events; /* EPOLLERR comes with every change (proc(5)) */
        compare(state);
        return 0;
}

static int mounts_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason) {
        struct mounts_state *state;
        int r = -ENOENT;

        if (!request->host->live || request->host->proc_fd < 0) {
                *ret_reason = "a fixture tree has no mount table";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->settings = request->settings;
        state->listener = request->listener;
        state->file.fd = -1;
        state->file.ready = changed;
        for (size_t i = 0; i < ELEMENTS(tables) && r < 0; i++) {
                state->file.fd = fd_close(state->file.fd);
                state->file.fd = openat(request->host->proc_fd, tables[i], O_RDONLY | O_CLOEXEC);
                r = state->file.fd < 0 ? -errno : read_table(state, &state->list);
        }
        if (r == 0)
                r = loop_add(request->loop, &state->file, EPOLLPRI);
        if (r < 0) {
                *ret_reason = "the mount table cannot be read";
                mounts_close(state);
                return r;
        }
        *ret_state = state;
        *ret_subjects = 1U << DELTA_INCIDENT;
        return 0;
}

static void mounts_check(void *data) {
        struct mounts_state *state = data;

        if (state->file.loop)
                compare(state);
}

/* Asked before each look: only what the kernel marks is worth reading. */
static void mounts_drain(void *data) {
        struct mounts_state *state = data;
        struct pollfd mark = { .fd = state->file.fd, .events = POLLPRI };

        if (state->file.loop && poll(&mark, 1, 0) > 0)
                compare(state);
}

static void mounts_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct mounts_state *state = data;

        *ret_events = state->events;
        *ret_lost = 0;
}

const struct source source_mounts = {
        .name = source_name,
        .subjects = 1U << DELTA_INCIDENT,
        .open = mounts_open,
        .close = mounts_close,
        .drain = mounts_drain,
        .check = mounts_check,
        .count = mounts_count,
};
