/* socket-destroy.c - sock_diag tells of every TCP and UDP socket that goes, with the cookie that its dump had. There is no such
 * group for those that come. */
#include "socket-destroy.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/epoll.h>

#include "clock.h"
#include "destroy-message.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "netlink.h"

enum {
        ROOM = 4 * 1024 * 1024,
        DATAGRAM_MAX = 8192,
        BATCH = 512, DRAIN_MAX = 8192,
        GROUPS = 1 << (SKNLGRP_INET_TCP_DESTROY - 1) | 1 << (SKNLGRP_INET_UDP_DESTROY - 1) |
                 1 << (SKNLGRP_INET6_TCP_DESTROY - 1) | 1 << (SKNLGRP_INET6_UDP_DESTROY - 1),
};

static const char source_name[] = "socket-destroy";

struct destroy_state {
        struct loop_file file;
        struct source_listener *listener;       /* borrowed */
        uint64_t events, lost;
        uint64_t drained_ns;                    /* wall clock: all before it was read */
};

static void destroy_close(void *data) {
        struct destroy_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        state->file.fd = fd_close(state->file.fd);
        free(state);
}

static void end(struct destroy_state *state, const char *reason) {
        if (!state->file.loop)
                return;
        loop_remove(&state->file);
        state->listener->ended(state->listener, source_name, reason);
}

static void take_datagram(struct destroy_state *state, struct bytes bytes) {
        struct netlink_message message;

        while (netlink_next(&bytes, &message)) {
                struct delta delta = { .kind = DELTA_VANISHED, .subject = DELTA_CONNECTION, .source = source_name };

                if (message.type != SOCK_DIAG_BY_FAMILY || destroy_message_parse(message.payload, &delta.connection) != 1)
                        continue;
                delta.at_ns = clock_ns(CLOCK_REALTIME);
                state->events++;
                state->listener->delta(state->listener, &delta);
        }
}

static void receive(struct destroy_state *state, int most) {
        uint64_t now = clock_ns(CLOCK_REALTIME);

        if (!state->file.loop)
                return;
        for (int i = 0; i < most; i++) {
                struct netlink_datagram datagram;
                uint8_t place[DATAGRAM_MAX];
                int r = netlink_receive(state->file.fd, place, sizeof(place), &datagram);

                if (r == 0) {
                        state->drained_ns = now;
                        return;
                }
                if (r == -ENOBUFS) {
                        struct loss loss = { .source = source_name, .reason = "overrun", .kind = "connections",
                                             .since_ns = state->drained_ns };

                        state->lost++;
                        state->listener->loss(state->listener, &loss);
                } else if (r < 0) {
                        end(state, "its socket does not work any more");
                        return;
                } else if (datagram.sender == 0 && !datagram.cut)
                        take_datagram(state, datagram.bytes);
        }
}

static void destroy_drain(void *data) {
        receive(data, DRAIN_MAX);
}

static int ready(struct loop_file *file, uint32_t events) {
        struct destroy_state *state = container_of(file, struct destroy_state, file);

        receive(state, BATCH);
        if (events & EPOLLHUP)
                end(state, "its socket was closed");
        return 0;
}

static int destroy_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects,
                        const char **ret_reason) {
        struct coverage coverage = { .kind = "connections", .mechanism = "sock_diag destroy groups", .level = COVERAGE_WAKES,
                                     .limits = "connections that are made, and those of other network namespaces" };
        struct destroy_state *state;
        int r;

        if (!request->host->live) {
                *ret_reason = "a tree of files has no connections";
                return -EOPNOTSUPP;
        }
        if (!(request->wanted & 1U << DELTA_CONNECTION)) {
                *ret_reason = "another source tells of connections";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->listener = request->listener;
        state->file.ready = ready;
        state->file.fd = netlink_open(NETLINK_SOCK_DIAG, GROUPS, ROOM);
        r = state->file.fd;
        if (r < 0)
                state->file.fd = -1;
        else
                r = loop_add(request->loop, &state->file, EPOLLIN);
        if (r < 0) {
                destroy_close(state);
                if (r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT || r == -EPERM || r == -EACCES || r == -ENOENT ||
                    r == -EINVAL) {
                        *ret_reason = "this kernel does not tell of sockets that go (Linux 4.3)";
                        return -EOPNOTSUPP;
                }
                *ret_reason = "its socket could not be opened";
                return r;
        }
        state->drained_ns = clock_ns(CLOCK_REALTIME);
        *ret_state = state;
        *ret_subjects = 1U << DELTA_CONNECTION;
        request->listener->covers(request->listener, &coverage);
        return 0;
}

static void destroy_check(void *data) {
        struct destroy_state *state = data;

        if (netlink_check(state->file.fd, NETLINK_SOCK_DIAG, GROUPS) < 0)
                end(state, "its socket was closed");
}

static void destroy_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct destroy_state *state = data;

        *ret_events = state->events;
        *ret_lost = state->lost;
}

const struct source source_socket_destroy = {
        .name = source_name,
        .subjects = 1U << DELTA_CONNECTION,
        .open = destroy_open,
        .close = destroy_close,
        .drain = destroy_drain,
        .check = destroy_check,
        .count = destroy_count,
};
