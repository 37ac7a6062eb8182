/* listen.h - a listener for tests: what a source hands over, as text that a test searches, and a loop that runs until it is
 * there. One line each:
 *   hint KIND key=HEX appeared vanished pid=N
 *   appeared process pid=N parent=N user=N/N name=... executable=... command=...
 *   vanished connection 6 127.0.0.1:80 > 127.0.0.1:9000 cookie=N
 *   appeared module NAME          appeared bpf-program ID tag=HEX name=NAME
 *   appeared incident KIND what=... where=... N N
 *   loss SOURCE REASON N KIND     covers KIND by MECHANISM LEVEL without LIMITS     ended SOURCE REASON
 * and, after every delta and hint that has one, " by PID". */
#pragma once

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <cmocka.h>

#include "buffer.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "source.h"

struct listen {
        struct source_listener listener;
        struct source_request request;
        struct settings settings;       /* what the configuration gives by default */
        struct host host;
        struct loop *loop;
        struct loop_file ticks;
        struct buffer text;
        const struct source *source;
        void *state;
        unsigned subjects, passes;
        const char *reason, *wanted;
};

static inline struct listen *listen_of(struct source_listener *listener) {
        return container_of(listener, struct listen, listener);
}

static inline void listen_origin(struct listen *listen, const struct origin *origin) {
        if (origin->known)
                buffer_printf(&listen->text, " by %u", origin->pid);
        buffer_append_byte(&listen->text, '\n');
}

static inline void listen_hint(struct source_listener *listener, const struct hint *hint) {
        struct listen *listen = listen_of(listener);

        assert_non_null(hint->source);
        buffer_printf(&listen->text, "hint %s", hint->watch ? hint->watch : hint->kind);
        if (hint->key.size)
                buffer_append_string(&listen->text, " key=");
        for (size_t i = 0; i < hint->key.size; i++)
                buffer_printf(&listen->text, "%02x", hint->key.data[i]);
        buffer_printf(&listen->text, "%s%s", hint->flags & HINT_APPEARED ? " appeared" : "",
                      hint->flags & HINT_VANISHED ? " vanished" : "");
        listen_origin(listen, &hint->origin);
}

static inline void listen_bytes(struct listen *listen, const char *label, struct bytes bytes) {
        if (bytes.size == 0)
                return;
        buffer_printf(&listen->text, " %s=", label);
        buffer_append_bytes(&listen->text, bytes);
}

static inline void listen_address(struct listen *listen, uint8_t family, const uint8_t *address, uint16_t port) {
        char text[INET6_ADDRSTRLEN] = "";

        assert_non_null(inet_ntop(family == 6 ? AF_INET6 : AF_INET, address, text, sizeof(text)));
        buffer_printf(&listen->text, " %s:%u", text, port);
}

static inline void listen_delta(struct source_listener *listener, const struct delta *delta) {
        static const char *const kinds[] = { "appeared", "vanished", "changed" };
        static const char *const incidents[INCIDENT_KINDS] = {
                [INCIDENT_PRIVILEGES_RAISED] = "privileges-raised", [INCIDENT_RAW_SOCKET] = "raw-socket",
                [INCIDENT_MOUNTED] = "mounted", [INCIDENT_UNMOUNTED] = "unmounted",
                [INCIDENT_MODULE_REFUSED] = "module-refused", [INCIDENT_LOGIN] = "login",
                [INCIDENT_CLOCK_SET] = "clock-set", [INCIDENT_SUSPENDED] = "suspended",
        };
        struct listen *listen = listen_of(listener);
        struct buffer *text = &listen->text;

        assert_string_equal(delta->source, listen->source->name);
        assert_true(delta->at_ns > 0);
        buffer_printf(text, "%s ", kinds[delta->kind]);
        switch (delta->subject) {
        case DELTA_PROCESS:
                buffer_printf(text, "process pid=%u", delta->process.pid);
                if (delta->process.parent)
                        buffer_printf(text, " parent=%u", delta->process.parent);
                if (delta->process.flags & PROCESS_HAS_USERS)
                        buffer_printf(text, " user=%u/%u", delta->process.user, delta->process.effective_user);
                if (delta->process.flags & PROCESS_HAS_EXIT)
                        buffer_printf(text, " exit=%d", delta->process.exit_status);
                if (delta->process.flags & PROCESS_DELETED)
                        buffer_append_string(text, " deleted");
                if (delta->process.flags & PROCESS_FROM_MEMFD)
                        buffer_append_string(text, " memfd");
                listen_bytes(listen, "name", delta->process.name);
                listen_bytes(listen, "executable", delta->process.executable);
                listen_bytes(listen, "command", delta->process.command_line);
                break;
        case DELTA_CONNECTION:
                buffer_printf(text, "connection %u", delta->connection.protocol);
                listen_address(listen, delta->connection.family, delta->connection.local, delta->connection.local_port);
                buffer_append_string(text, " >");
                listen_address(listen, delta->connection.family, delta->connection.remote, delta->connection.remote_port);
                buffer_printf(text, " cookie=%llu", (unsigned long long)delta->connection.cookie);
                break;
        case DELTA_MODULE:
                buffer_append_string(text, "module ");
                buffer_append_bytes(text, delta->module.name);
                break;
        case DELTA_BPF_PROGRAM:
                buffer_printf(text, "bpf-program %u tag=%016llx", delta->bpf_program.id,
                              (unsigned long long)delta->bpf_program.tag);
                listen_bytes(listen, "name", delta->bpf_program.name);
                break;
        case DELTA_FILE:
        case DELTA_INCIDENT:
                buffer_printf(text, "incident %s", incidents[delta->incident.kind]);
                listen_bytes(listen, "what", delta->incident.what);
                listen_bytes(listen, "where", delta->incident.where);
                buffer_printf(text, " %llu %llu", (unsigned long long)delta->incident.numbers[0],
                              (unsigned long long)delta->incident.numbers[1]);
                break;
        case DELTA_SUBJECTS:
                fail();
        }
        listen_origin(listen, &delta->origin);
}

static inline void listen_loss(struct source_listener *listener, const struct loss *loss) {
        struct listen *listen = listen_of(listener);

        assert_string_equal(loss->source, listen->source->name);
        buffer_printf(&listen->text, "loss %s %s", loss->source, loss->reason);
        if (loss->counted)
                buffer_printf(&listen->text, " %llu", (unsigned long long)loss->count);
        if (loss->watch || loss->kind)
                buffer_printf(&listen->text, " %s", loss->watch ? loss->watch : loss->kind);
        buffer_append_byte(&listen->text, '\n');
}

static inline void listen_covers(struct source_listener *listener, const struct coverage *coverage) {
        static const char *const levels[] = { "wakes", "most", "full" };
        struct listen *listen = listen_of(listener);

        buffer_printf(&listen->text, "covers %s by %s %s", coverage->watch ? coverage->watch : coverage->kind,
                      coverage->mechanism, levels[coverage->level]);
        if (coverage->limits)
                buffer_printf(&listen->text, " without %s", coverage->limits);
        buffer_append_byte(&listen->text, '\n');
}

static inline void listen_ended(struct source_listener *listener, const char *source, const char *reason) {
        struct listen *listen = listen_of(listener);

        assert_string_equal(source, listen->source->name);
        buffer_printf(&listen->text, "ended %s %s\n", source, reason);
}

enum { LISTEN_TICK_NS = 20000000, LISTEN_TICKS_MAX = 1500 /* half a minute: only what hangs comes so far */ };

static inline int listen_tick(struct loop_file *file, uint32_t events) {
        struct listen *listen = container_of(file, struct listen, ticks);
        uint64_t times;

        (void)events;
        (void)!read(file->fd, &times, sizeof(times));
        if (++listen->passes > LISTEN_TICKS_MAX)
                loop_stop(listen->loop, -ETIME);
        return 0;
}

static inline int listen_after(void *context) {
        struct listen *listen = context;

        if (listen->wanted && strstr(buffer_string(&listen->text), listen->wanted))
                loop_stop(listen->loop, 0);
        return 0;
}

/* What open() answers. The host is the real one; root: another. */
static inline int listen_open_at(struct listen *listen, const struct source *source, unsigned wanted, const char *root) {
        struct itimerspec tick = { .it_value = { .tv_nsec = LISTEN_TICK_NS }, .it_interval = { .tv_nsec = LISTEN_TICK_NS } };

        *listen = (struct listen){
                .listener = { listen_hint, listen_delta, listen_loss, listen_covers, listen_ended },
                .source = source,
                .settings = { .event_buffer = 8 << 20 },
                .ticks = { .ready = listen_tick },
        };
        assert_int_equal(host_open(&listen->host, root), 0);
        listen->loop = loop_new();
        assert_non_null(listen->loop);
        loop_after(listen->loop, listen_after, listen);
        listen->ticks.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        assert_true(listen->ticks.fd >= 0);
        assert_int_equal(timerfd_settime(listen->ticks.fd, 0, &tick, NULL), 0);
        assert_int_equal(loop_add(listen->loop, &listen->ticks, EPOLLIN), 0);
        listen->request = (struct source_request){ &listen->settings, &listen->host, listen->loop, &listen->listener, wanted };
        return source->open(&listen->request, &listen->state, &listen->subjects, &listen->reason);
}

static inline int listen_open(struct listen *listen, const struct source *source, unsigned wanted) {
        return listen_open_at(listen, source, wanted, "/");
}

static inline void listen_close(struct listen *listen) {
        listen->source->close(listen->state);
        loop_remove(&listen->ticks);
        listen->ticks.fd = fd_close(listen->ticks.fd);
        listen->loop = loop_free(listen->loop);
        host_close(&listen->host);
        buffer_done(&listen->text);
}

/* Opens for a test that needs the real thing; where it is not to be had, says why and skips. */
static inline void listen_open_or_skip(struct listen *listen, const struct source *source, unsigned wanted) {
        int r = listen_open(listen, source, wanted);

        if (r >= 0)
                return;
        print_message("%s: %s (%s)\n", source->name, listen->reason ? listen->reason : "no reason given", strerror(-r));
        listen->state = NULL;
        listen_close(listen);
        assert_true(r == -EOPNOTSUPP || r == -EPERM || r == -EACCES);
        skip();
}

static inline bool listen_has(struct listen *listen, const char *text) {
        return strstr(buffer_string(&listen->text), text);
}

/* Runs the loop until the text was handed over; the test fails if it never is. */
static inline void listen_for(struct listen *listen, const char *text) {
        listen->wanted = text;
        listen->passes = 0;
        if (!listen_has(listen, text) && loop_run(listen->loop) < 0)
                fail_msg("'%s' was not handed over, but:\n%s", text, buffer_string(&listen->text));
        listen->wanted = NULL;
}

/* Runs the loop for a few ticks: for what must not come. */
static inline void listen_a_while(struct listen *listen) {
        listen->wanted = NULL;
        listen->passes = LISTEN_TICKS_MAX - 5;
        assert_int_equal(loop_run(listen->loop), -ETIME);
}
