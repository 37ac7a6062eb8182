#include "courier.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "clock.h"
#include "control-request.h"
#include "diagnostics.h"
#include "fd.h"
#include "json.h"
#include "ledger-reader.h"
#include "loop.h"
#include "page.h"

enum {
        BACKLOG = 16,
        ANSWER_ROOM = 64 * 1024,        /* of an answer that is not taken yet; a line may be longer, then there is one */
        LINES_PER_TURN = 512,           /* read for one client before the others have their turn */
        GROUPS_MAX = 1024,
};

#define PATIENCE_NS (COURIER_PATIENCE_S * UINT64_C(1000000000))

struct courier;

struct client {
        struct courier *courier;
        struct loop_file file;          /* fd -1: free */
        struct buffer in, asked, out;
        size_t sent;                    /* of out */
        uint64_t moved_ns;              /* monotonic; when it last sent or took something, or we worked for it */
        struct ledger_reader *reader;   /* there is more to come; else NULL */
        struct control_request request; /* its watch points into asked */
        uint64_t lines;
};

struct courier {
        const struct courier_options *options;
        struct loop *loop;
        struct loop_file listener, channel, signals, timer;
        struct client clients[COURIER_CLIENTS_MAX];
        struct buffer line;
};

/* ---- answers ---- */

static void finish(struct client *client, const char *error) {
        if (error) {
                buffer_append_string(&client->out, "{\"error\":");
                json_quote(&client->out, bytes_of_string(error));
                buffer_append_string(&client->out, "}\n");
        } else {
                buffer_printf(&client->out, "{\"end\":true,\"lines\":%llu}\n", (unsigned long long)client->lines);
        }
        client->reader = ledger_reader_close(client->reader);
}

static void answer_status(struct client *client) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL, text = BUFFER_NULL;
        int r;

        buffer_printf(&path, "%s/status", client->courier->options->run_directory);
        r = buffer_error(&path) < 0 ? -ENOMEM : page_read(buffer_string(&path), &text);
        if (r < 0 || text.size == 0) {
                finish(client, r < 0 && r != -ENOENT ? strerrordesc_np(-r) : "nothing is watched yet");
                return;
        }
        buffer_append_bytes(&client->out, buffer_bytes(&text));
        buffer_append_byte(&client->out, '\n');
        client->lines++;
        finish(client, NULL);
}

/* As much as there is room and time for. */
static void go_on_with_events(struct client *client) {
        struct courier *courier = client->courier;

        client->moved_ns = clock_ns(CLOCK_MONOTONIC);
        for (int i = 0; i < LINES_PER_TURN && client->out.size < ANSWER_ROOM; i++) {
                int r = client->lines < client->request.limit ? ledger_reader_next(client->reader, &courier->line) : 0;

                if (r == 0) {
                        finish(client, NULL);
                        return;
                }
                if (r < 0) { /* to go on behind it would be an answer with a hole */
                        finish(client, "a part of the ledger cannot be read");
                        return;
                }
                if (!control_request_wants(&client->request, buffer_bytes(&courier->line)))
                        continue;
                buffer_append_bytes(&client->out, buffer_bytes(&courier->line));
                buffer_append_byte(&client->out, '\n');
                client->lines++;
        }
}

static void begin_events(struct client *client) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        int r;

        buffer_printf(&path, "%s/ledger", client->courier->options->state_directory);
        r = buffer_error(&path) < 0 ? -ENOMEM : ledger_reader_open(buffer_string(&path), &client->reader);
        if (r < 0)
                finish(client, strerrordesc_np(-r));
}

/* ---- clients ---- */

static bool has_line(const struct client *client) {
        return client->in.size && memchr(client->in.data, '\n', client->in.size);
}

static bool is_busy(const struct client *client) {
        return client->reader || client->out.size;
}

static void drop(struct client *client) {
        loop_remove(&client->file);
        client->file.fd = fd_close(client->file.fd);
        client->reader = ledger_reader_close(client->reader);
        buffer_done(&client->in);
        buffer_done(&client->asked);
        buffer_done(&client->out);
        client->sent = 0;
}

static void take_request(struct client *client) {
        const uint8_t *end = memchr(client->in.data, '\n', client->in.size);
        size_t size = (size_t)(end - client->in.data);
        const char *why;

        buffer_clear(&client->asked);
        buffer_append(&client->asked, client->in.data, size);
        memmove(client->in.data, end + 1, client->in.size - size - 1);
        buffer_truncate(&client->in, client->in.size - size - 1);
        client->lines = 0;
        if (control_request_parse(buffer_bytes(&client->asked), &client->request, &why) < 0)
                finish(client, why);
        else if (client->request.verb == CONTROL_STATUS)
                answer_status(client);
        else
                begin_events(client);
}

/* False: it is gone, or sends too much. */
static bool receive_some(struct client *client) {
        uint8_t room[CONTROL_REQUEST_MAX];
        ssize_t n;

        if (client->in.size == CONTROL_REQUEST_MAX)
                return has_line(client);
        n = recv(client->file.fd, room, sizeof(room) - client->in.size, 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        buffer_append(&client->in, room, (size_t)n);
        client->moved_ns = clock_ns(CLOCK_MONOTONIC);
        return n > 0;
}

/* False: it is gone. */
static bool send_some(struct client *client) {
        while (client->sent < client->out.size) {
                ssize_t n = send(client->file.fd, client->out.data + client->sent, client->out.size - client->sent, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN;
                client->sent += (size_t)n;
                client->moved_ns = clock_ns(CLOCK_MONOTONIC);
        }
        buffer_clear(&client->out);
        client->sent = 0;
        return true;
}

/* Level-triggered, and a bounded piece of work: what is not done in this turn comes again when the others have had theirs. */
static int on_client(struct loop_file *file, uint32_t events) {
        struct client *client = container_of(file, struct client, file);
        bool good = !(events & (EPOLLERR | EPOLLHUP));

        if (good && events & EPOLLIN && !is_busy(client))
                good = receive_some(client);
        if (good && !is_busy(client) && has_line(client))
                take_request(client);
        if (good && client->reader && client->out.size == 0)
                go_on_with_events(client);
        if (good)
                good = buffer_error(&client->out) == 0 && buffer_error(&client->in) == 0 && buffer_error(&client->asked) == 0 &&
                       send_some(client);
        if (!good) {
                drop(client);
                return 0;
        }
        return loop_change(client->courier->loop, file, is_busy(client) || has_line(client) ? EPOLLOUT : EPOLLIN);
}

/* Root, and whoever is in our group. The socket's mode says the same; this holds if somebody changes that. */
static bool may_read(const struct courier *courier, int fd) {
        gid_t groups[GROUPS_MAX], own = courier->options->user.group;
        socklen_t size = sizeof(struct ucred), groups_size = sizeof(groups);
        struct ucred peer;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return false;
        if (peer.uid == 0 || peer.gid == own)
                return true;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_size) < 0)
                return false;
        for (size_t i = 0; i < groups_size / sizeof(gid_t); i++)
                if (groups[i] == own)
                        return true;
        return false;
}

/* A free place; that of who has been silent for longest if there is none. */
static struct client *make_place(struct courier *courier) {
        struct client *oldest = &courier->clients[0];

        for (size_t i = 0; i < COURIER_CLIENTS_MAX; i++) {
                if (courier->clients[i].file.fd < 0)
                        return &courier->clients[i];
                if (courier->clients[i].moved_ns < oldest->moved_ns)
                        oldest = &courier->clients[i];
        }
        drop(oldest);
        return oldest;
}

/* Wakes us when a client may have been silent for too long; not at all without clients. */
static void set_timer(struct courier *courier) {
        uint64_t first_ns = courier->listener.loop ? UINT64_MAX : clock_ns(CLOCK_MONOTONIC);
        struct itimerspec when = { 0 };

        for (size_t i = 0; i < COURIER_CLIENTS_MAX; i++)
                if (courier->clients[i].file.fd >= 0 && courier->clients[i].moved_ns < first_ns)
                        first_ns = courier->clients[i].moved_ns;
        if (first_ns != UINT64_MAX) {
                first_ns += PATIENCE_NS;
                when.it_value = (struct timespec){ .tv_sec = (time_t)(first_ns / 1000000000), .tv_nsec = (long)(first_ns % 1000000000) };
        }
        (void)timerfd_settime(courier->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static int on_timer(struct loop_file *file, uint32_t events) {
        struct courier *courier = container_of(file, struct courier, timer);
        uint64_t times, now_ns = clock_ns(CLOCK_MONOTONIC);
        int r = 0;

        (void)events;
        (void)!read(file->fd, &times, sizeof(times));
        for (size_t i = 0; i < COURIER_CLIENTS_MAX; i++)
                if (courier->clients[i].file.fd >= 0 && now_ns - courier->clients[i].moved_ns >= PATIENCE_NS)
                        drop(&courier->clients[i]);
        if (!courier->listener.loop)
                r = loop_add(courier->loop, &courier->listener, EPOLLIN);
        set_timer(courier);
        return r;
}

static int on_listener(struct loop_file *file, uint32_t events) {
        struct courier *courier = container_of(file, struct courier, listener);
        _cleanup_close_ int fd = accept4(file->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct client *client;
        int r;

        (void)events;
        if (fd < 0) {
                /* Out of descriptors or memory: nobody is helped by trying at once. */
                if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        loop_remove(file);
                set_timer(courier);
                return 0;
        }
        if (!may_read(courier, fd))
                return 0;
        client = make_place(courier);
        client->moved_ns = clock_ns(CLOCK_MONOTONIC);
        client->file.fd = TAKE_FD(fd);
        r = loop_add(courier->loop, &client->file, EPOLLIN);
        if (r < 0)
                drop(client);
        set_timer(courier);
        return 0;
}

/* ---- the guard ---- */

/* It asks whether our loop advances. */
static int on_channel(struct loop_file *file, uint32_t events) {
        struct courier *courier = container_of(file, struct courier, channel);
        uint8_t byte;
        ssize_t n = recv(file->fd, &byte, 1, 0);

        (void)events;
        if (n == 1)
                (void)send(file->fd, &byte, 1, MSG_NOSIGNAL);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                loop_stop(courier->loop, 0);
        return 0;
}

static int on_signal(struct loop_file *file, uint32_t events) {
        struct courier *courier = container_of(file, struct courier, signals);
        struct signalfd_siginfo info;

        (void)events;
        while (read(file->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
                if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                        loop_stop(courier->loop, 0);
        return 0;
}

/* ---- start ---- */

static int open_files(struct courier *courier) {
        sigset_t set;
        int r;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGPIPE);
        if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
                return -errno;
        courier->loop = loop_new();
        if (!courier->loop)
                return -ENOMEM;
        courier->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        courier->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (courier->signals.fd < 0 || courier->timer.fd < 0)
                return -errno;
        r = loop_add(courier->loop, &courier->signals, EPOLLIN);
        if (r == 0)
                r = loop_add(courier->loop, &courier->timer, EPOLLIN);
        if (r == 0)
                r = loop_add(courier->loop, &courier->channel, EPOLLIN);
        return r < 0 ? r : loop_add(courier->loop, &courier->listener, EPOLLIN);
}

/* Always in this order: settings, descriptors, Landlock, ids, capabilities, system calls, ready, loop. */
int courier_run(const struct courier_options *options) {
        _cleanup_buffer_ struct buffer weaker = BUFFER_NULL; /* the observer tells of the same */
        struct courier courier = {
                .options = options,
                .listener = { .fd = options->listener, .ready = on_listener },
                .channel = { .fd = options->channel, .ready = on_channel },
                .signals = { .fd = -1, .ready = on_signal },
                .timer = { .fd = -1, .ready = on_timer },
        };
        int r;

        for (size_t i = 0; i < COURIER_CLIENTS_MAX; i++)
                courier.clients[i] = (struct client){ .courier = &courier, .file = { .fd = -1, .ready = on_client } };
        diagnostics_open("courier", options->foreground);
        (void)prctl(PR_SET_NAME, "nephronix-cour");
        r = open_files(&courier);
        if (r == 0) {
                const struct confinement_paths paths = { options->state_directory, options->run_directory };

                r = confinement_courier(&paths, options->user.user, options->user.group, options->confinement, &weaker);
        }
        if (r >= 0) {
                diagnostics_detach(); /* whoever starts the daemon waits for the end of its stderr */
                r = loop_run(courier.loop);
        }
        if (r < 0)
                diagnostics_error(r, "the courier ends");
        for (size_t i = 0; i < COURIER_CLIENTS_MAX; i++)
                drop(&courier.clients[i]);
        (void)loop_free(courier.loop);
        (void)fd_close(courier.signals.fd);
        (void)fd_close(courier.timer.fd);
        buffer_done(&courier.line);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int courier_listen(const char *run_directory, const struct helper_user *user) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        mode_t mask;
        int n, r;

        if (fd < 0)
                return -errno;
        n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", run_directory);
        if (n < 0 || (size_t)n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        if (unlink(address.sun_path) < 0 && errno != ENOENT)
                return -errno;
        /* As the group that it shall have, for which no capability is needed. */
        mask = umask(0117);
        if (setegid(user->group) < 0)
                return -errno;
        r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0 ? -errno : 0;
        if (setegid(getgid()) < 0)
                r = -errno;
        (void)umask(mask);
        return r < 0 ? r : TAKE_FD(fd);
}
