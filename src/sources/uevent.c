/* uevent.c - NETLINK_KOBJECT_UEVENT, the kernel's own group. Any process may send into it: what does not come from the kernel
 * is not looked at. */
#include "uevent.h"

#include <linux/netlink.h>
#include <sys/epoll.h>

#include "clock.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "netlink.h"
#include "uevent-message.h"

enum {
        GROUP_KERNEL = 1,
        ROOM = 1024 * 1024,             /* some 2,000 messages: all devices of a host that is switched on */
        MESSAGE_MAX = 8192,             /* UEVENT_BUFFER_SIZE is 2048, and the first line beside */
        BATCH = 256,
};

static const char source_name[] = "uevent";

struct uevent_state {
        struct loop_file file;
        struct source_listener *listener;       /* borrowed */
        uint64_t events, lost;
        uint64_t drained_ns;                    /* wall clock: all before it was read */
};

static void uevent_close(void *data) {
        struct uevent_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        state->file.fd = fd_close(state->file.fd);
        free(state);
}

static void end(struct uevent_state *state, const char *reason) {
        if (!state->file.loop)
                return;
        loop_remove(&state->file);
        state->listener->ended(state->listener, source_name, reason);
}

static void take_message(struct uevent_state *state, const struct netlink_datagram *datagram) {
        struct delta delta = { .subject = DELTA_MODULE, .source = source_name };
        struct uevent event;

        if (datagram->sender != 0 || !datagram->has_credentials || datagram->credentials.pid != 0 ||
            datagram->credentials.uid != 0 || datagram->cut || uevent_parse(datagram->bytes, &event) < 0)
                return;
        delta.module.name = uevent_module(&event);
        if (delta.module.name.size == 0)
                return;
        if (event.on_request) { /* udevadm trigger, at every start of a host; or somebody who wants to be heard */
                struct hint hint = { .kind = "modules", .key = delta.module.name, .source = source_name };

                state->events++;
                state->listener->hint(state->listener, &hint);
                return;
        }
        if (bytes_equal(event.action, bytes_of_string("add")))
                delta.kind = DELTA_APPEARED;
        else if (bytes_equal(event.action, bytes_of_string("remove")))
                delta.kind = DELTA_VANISHED;
        else
                return;
        delta.at_ns = clock_ns(CLOCK_REALTIME);
        state->events++;
        state->listener->delta(state->listener, &delta);
}

static void uevent_drain(void *data) {
        struct uevent_state *state = data;
        uint64_t now = clock_ns(CLOCK_REALTIME);

        if (!state->file.loop)
                return;
        for (int i = 0; i < BATCH; i++) {
                uint8_t place[MESSAGE_MAX];
                struct netlink_datagram datagram;
                int r = netlink_receive(state->file.fd, place, sizeof(place), &datagram);

                if (r == 1)
                        take_message(state, &datagram);
                else if (r == 0) {
                        state->drained_ns = now;
                        return;
                } else if (r == -ENOBUFS) {
                        struct loss loss = { .source = source_name, .reason = "overrun", .kind = "modules",
                                             .since_ns = state->drained_ns };

                        state->lost++;
                        state->listener->loss(state->listener, &loss);
                } else {
                        end(state, "its socket does not work any more");
                        return;
                }
        }
}

static int ready(struct loop_file *file, uint32_t events) {
        struct uevent_state *state = container_of(file, struct uevent_state, file);

        uevent_drain(state);
        if (events & EPOLLHUP)
                end(state, "its socket was closed");
        return 0;
}

static int uevent_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects,
                       const char **ret_reason) {
        struct coverage coverage = { .kind = "modules", .mechanism = "uevents", .level = COVERAGE_FULL,
                                     .limits = "who loaded or removed a module, and loads that the kernel refused" };
        struct uevent_state *state;
        int r, yes = 1;

        if (!request->host->live) {
                *ret_reason = "a tree of files has no kernel that tells of its modules";
                return -EOPNOTSUPP;
        }
        if (!(request->wanted & 1U << DELTA_MODULE)) {
                *ret_reason = "another source tells of modules";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->listener = request->listener;
        state->file.ready = ready;
        state->file.fd = netlink_open(NETLINK_KOBJECT_UEVENT, GROUP_KERNEL, ROOM);
        r = state->file.fd;
        if (r < 0)
                state->file.fd = -1;
        else if (setsockopt(state->file.fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) < 0)
                r = -errno;
        else
                r = loop_add(request->loop, &state->file, EPOLLIN);
        if (r < 0) {
                uevent_close(state);
                if (r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT || r == -EPERM || r == -EACCES) {
                        *ret_reason = "the kernel's messages about its objects cannot be had here";
                        return -EOPNOTSUPP;
                }
                *ret_reason = "its socket could not be opened";
                return r;
        }
        state->drained_ns = clock_ns(CLOCK_REALTIME);
        *ret_state = state;
        *ret_subjects = 1U << DELTA_MODULE;
        request->listener->covers(request->listener, &coverage);
        return 0;
}

static void uevent_check(void *data) {
        struct uevent_state *state = data;

        if (netlink_check(state->file.fd, NETLINK_KOBJECT_UEVENT, GROUP_KERNEL) < 0)
                end(state, "its socket was closed");
}

static void uevent_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct uevent_state *state = data;

        *ret_events = state->events;
        *ret_lost = state->lost;
}

const struct source source_uevent = {
        .name = source_name,
        .subjects = 1U << DELTA_MODULE,
        .open = uevent_open,
        .close = uevent_close,
        .drain = uevent_drain,
        .check = uevent_check,
        .count = uevent_count,
};
