#include "inotify-rung.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "fd.h"
#include "host.h"

enum {
        ROOM_SIZE = 64 * 1024,
        DRAIN_READS = 64,
        SPACE = UINT16_MAX,             /* no filesystem of fanotify's has this number */
        FDINFO_MAX = 64 * 1024 * 1024,
        COUNTED_MAX = 4096,             /* of more marks only some are looked for, once a minute */
};

static int mark(struct file_rung *rung, int directory, const char *name, enum file_mark kind, bool whole, struct file_id *ret_id,
                enum file_mechanism *ret_mechanism) {
        const uint32_t doors = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
        struct inotify_rung *inotify = container_of(rung, struct inotify_rung, rung);
        char path[64];
        int descriptor;

        (void)name;
        (void)whole;
        if (inotify->file.fd < 0) {
                int r;

                if (!inotify->room)
                        inotify->room = malloc(ROOM_SIZE);
                if (!inotify->room)
                        return -ENOMEM;
                inotify->file.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
                if (inotify->file.fd < 0)
                        return -errno;
                r = loop_add(inotify->loop, &inotify->file, EPOLLIN);
                if (r < 0) {
                        inotify->file.fd = fd_close(inotify->file.fd);
                        return r;
                }
        }
        /* By number: the place was found inside the host's root, it must not be looked up again. */
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", directory);
        descriptor = inotify_add_watch(inotify->file.fd, path,
                                       IN_ONLYDIR | IN_MASK_ADD | doors |
                                       (kind == FILE_MARK_TREE ? IN_ATTRIB | IN_MODIFY | IN_CLOSE_WRITE : kind == FILE_MARK_NAMES ? IN_ATTRIB : 0));
        if (descriptor < 0)
                return -errno;
        ret_id->space = SPACE;
        ret_id->size = sizeof(descriptor);
        memcpy(ret_id->data, &descriptor, sizeof(descriptor));
        *ret_mechanism = FILE_BY_INOTIFY;
        return 0;
}

static void unmark(struct file_rung *rung, const struct file_id *id) {
        struct inotify_rung *inotify = container_of(rung, struct inotify_rung, rung);
        int descriptor;

        if (id->space != SPACE || inotify->file.fd < 0)
                return;
        memcpy(&descriptor, id->data, sizeof(descriptor));
        (void)inotify_rm_watch(inotify->file.fd, descriptor); /* EINVAL: it went with its directory */
}

static void hand_over(struct inotify_rung *inotify, const struct inotify_event *event) {
        static const struct {
                uint32_t mask;
                unsigned bits;
        } table[] = {
                { IN_CREATE, FILE_EVENT_MADE },          { IN_MOVED_TO, FILE_EVENT_ARRIVED },
                { IN_DELETE, FILE_EVENT_GONE },          { IN_MOVED_FROM, FILE_EVENT_GONE | FILE_EVENT_LEFT },
                { IN_ATTRIB, FILE_EVENT_ATTRIBUTES },
                { IN_MODIFY, FILE_EVENT_WRITTEN },       { IN_CLOSE_WRITE, FILE_EVENT_CLOSED },
                { IN_ISDIR, FILE_EVENT_DIRECTORY },
        };
        struct file_event told;

        if (event->mask & IN_Q_OVERFLOW) {
                inotify->overflowed = true;
                return;
        }
        told.bits = 0;
        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (event->mask & table[i].mask)
                        told.bits |= table[i].bits;
        if ((told.bits & ~(unsigned)FILE_EVENT_DIRECTORY) == 0) /* IN_IGNORED, IN_UNMOUNT */
                return;
        told.pid = 0;
        told.object.size = told.old_directory.size = 0;
        told.old_name = NULL;
        told.directory.space = SPACE;
        told.directory.size = sizeof(event->wd);
        memcpy(told.directory.data, &event->wd, sizeof(event->wd));
        told.name = event->len ? event->name : NULL;
        file_trees_event(inotify->trees, &told);
}

/* One read. 1: there may be more; 0; or negative errno. */
static int read_some(struct inotify_rung *inotify) {
        ssize_t n = read(inotify->file.fd, inotify->room, ROOM_SIZE);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
                const struct inotify_event *event = (const void *)(inotify->room + at);

                if (event->len > (size_t)(n - at) - sizeof(*event))
                        break;
                at += (ssize_t)(sizeof(*event) + event->len);
                hand_over(inotify, event);
        }
        if (inotify->overflowed) {
                inotify->overflowed = false;
                file_trees_lost(inotify->trees, "overflow", false, 0);
        }
        file_trees_batch(inotify->trees, n < ROOM_SIZE - 512);
        return n >= ROOM_SIZE - 512;
}

static int ready(struct loop_file *file, uint32_t events) {
        struct inotify_rung *inotify = container_of(file, struct inotify_rung, file);
        int r;

        (void)events;
        r = read_some(inotify);
        if (r < 0) {
                loop_remove(&inotify->file);
                inotify->trees->listener->ended(inotify->trees->listener, inotify->trees->source, "inotify cannot be read");
        }
        return 0;
}

void inotify_rung_init(struct inotify_rung *inotify, struct file_trees *trees, struct loop *loop) {
        *inotify = (struct inotify_rung){
                .rung = { .name = "inotify", .mark = mark, .unmark = unmark },
                .file = { .fd = -1, .ready = ready },
                .trees = trees,
                .loop = loop,
        };
}

void inotify_rung_done(struct inotify_rung *inotify) {
        loop_remove(&inotify->file);
        inotify->file.fd = fd_close(inotify->file.fd);
        free(inotify->room);
        inotify->room = NULL;
}

void inotify_rung_drain(struct inotify_rung *inotify) {
        if (inotify->file.loop)
                for (int i = 0; i < DRAIN_READS && read_some(inotify) > 0; i++)
                        ;
}

const char *inotify_rung_check(struct inotify_rung *inotify) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        size_t expected = file_trees_marked(inotify->trees, FILE_BY_INOTIFY), found = 0;
        char path[64];

        if (inotify->file.fd < 0 || !inotify->file.loop || expected == 0 || expected > COUNTED_MAX)
                return NULL;
        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", inotify->file.fd);
        if (file_read_at(AT_FDCWD, path, FDINFO_MAX, &text) < 0)
                return NULL;
        for (const char *at = buffer_string(&text); (at = strstr(at, "inotify wd:")); at++)
                found++;
        return found < expected ? "inotify watches are gone" : NULL;
}
