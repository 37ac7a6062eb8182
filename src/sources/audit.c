/* audit.c - the read-only multicast group of the kernel's audit, beside whatever auditd there is. It is never switched on from
 * here: without an auditd that would fill the kernel's log. */
#include "audit.h"

#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "audit-record.h"
#include "clock.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "netlink.h"

enum {
        ROOM = 4 * 1024 * 1024,
        RECORD_MAX = 16 * 1024,         /* MAX_AUDIT_MESSAGE_LENGTH is 8970 */
        BATCH = 512, DRAIN_MAX = 8192,
        ANSWER_MS = 500,
        GROUP_READLOG = 1,
        SESSIONS = 64,
        LOADS = 16,
        LOAD_WAIT_NS = 50000000,        /* from the record of a program to that of its system call, if that is audited at all */
        SERIALS = 64,                   /* events that two CPUs began at once may come in either order */

        /* of linux/audit.h and of audit's user space */
        RECORD_LOGIN = 1006, RECORD_USER_START = 1105, RECORD_USER_END = 1106, RECORD_USER_LOGIN = 1112, RECORD_USER_LOGOUT = 1113,
        RECORD_SYSCALL = 1300, RECORD_BPF = 1334,
};

static const char source_name[] = "audit";

/* A program of which the record that names the process is still to come. */
struct load {
        uint32_t serial, program;
};

/* PAM opens a session with sudo and su, too, within that of the login. */
struct session {
        uint32_t id;
        bool told;
};

struct audit_state {
        struct loop_file file, timer;
        struct source_listener *listener;       /* borrowed */
        struct buffer user, place;              /* of a login */
        struct session sessions[SESSIONS];      /* the newest; id 0: none */
        size_t next_session;
        struct load loads[LOADS];
        size_t n_loads;
        bool has_serial;
        uint32_t serial;                        /* the highest */
        uint64_t seen;                          /* bit n: event 'serial - n' came */
        uint64_t gap;                           /* events that did not come, since the last report */
        bool overrun;
        uint64_t events, lost;
        uint64_t drained_ns;                    /* wall clock: all before it was read */
};

static void audit_close(void *data) {
        struct audit_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        loop_remove(&state->timer);
        state->file.fd = fd_close(state->file.fd);
        state->timer.fd = fd_close(state->timer.fd);
        buffer_done(&state->user);
        buffer_done(&state->place);
        free(state);
}

static void end(struct audit_state *state, const char *reason) {
        if (!state->file.loop)
                return;
        loop_remove(&state->file);
        loop_remove(&state->timer);
        state->listener->ended(state->listener, source_name, reason);
}

/* 1: switched on; 0: off, or locked off; negative errno: it does not say (-EPERM: CAP_AUDIT_CONTROL is missing). */
static int is_enabled(void) {
        struct {
                struct nlmsghdr header;
        } request = { .header = { .nlmsg_len = sizeof(request), .nlmsg_type = AUDIT_GET, .nlmsg_flags = NLM_F_REQUEST } };
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        _cleanup_close_ int fd = netlink_open(NETLINK_AUDIT, 0, 65536);
        uint64_t until = clock_ns(CLOCK_MONOTONIC) + ANSWER_MS * UINT64_C(1000000);

        if (fd < 0)
                return fd;
        if (sendto(fd, &request, sizeof(request), 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
                return -errno;
        for (;;) {
                struct pollfd poll_file = { .fd = fd, .events = POLLIN };
                uint64_t now = clock_ns(CLOCK_MONOTONIC);
                struct netlink_datagram datagram;
                struct netlink_message message;
                uint8_t place[1024];
                int r;

                if (now >= until || poll(&poll_file, 1, (int)((until - now) / 1000000) + 1) == 0)
                        return -ETIME;
                r = netlink_receive(fd, place, sizeof(place), &datagram);
                if (r < 0)
                        return r;
                if (r == 0 || datagram.sender != 0)
                        continue;
                while (netlink_next(&datagram.bytes, &message)) {
                        int32_t error;
                        uint32_t status[2]; /* mask, enabled */

                        if (message.type == NLMSG_ERROR && message.payload.size >= sizeof(error)) {
                                memcpy(&error, message.payload.data, sizeof(error));
                                if (error < 0)
                                        return error;
                        } else if (message.type == AUDIT_GET && message.payload.size >= sizeof(status)) {
                                memcpy(status, message.payload.data, sizeof(status));
                                return status[1] != 0;
                        }
                }
        }
}

static struct origin origin_of(struct bytes fields) {
        struct origin origin = { .known = false };

        origin.known = audit_number(fields, "pid", &origin.pid) && origin.pid > 0;
        return origin;
}

static void look_at_users(struct audit_state *state, const struct audit_record *record) {
        struct hint hint = { .kind = "users", .origin = origin_of(record->fields), .source = source_name };

        state->events++;
        state->listener->hint(state->listener, &hint);
}

static struct session *find_session(struct audit_state *state, uint32_t id) {
        for (size_t i = 0; i < SESSIONS && id != 0 && id != LOGIN_USER_UNSET; i++)
                if (state->sessions[i].id == id)
                        return &state->sessions[i];
        return NULL;
}

static struct session *add_session(struct audit_state *state, uint32_t id) {
        struct session *session = find_session(state, id);

        if (!session && id != 0 && id != LOGIN_USER_UNSET) {
                session = &state->sessions[state->next_session++ % SESSIONS];
                *session = (struct session){ .id = id };
        }
        return session;
}

/* PAM opens a session for every sudo, every job of cron, and every service of a user's own, too: a login has come from
 * somewhere, by network or at a terminal. */
static bool is_place(struct bytes place) {
        static const char *const services[] = { "cron", "crond", "atd", "systemd", "su", "sudo", "runuser" };

        for (size_t i = 0; i < ELEMENTS(services); i++)
                if (bytes_equal(place, bytes_of_string(services[i])))
                        return false;
        return place.size > 0;
}

/* certain: the record is of a login, and not of any session that PAM opens. */
static void take_login(struct audit_state *state, const struct audit_record *record, bool certain) {
        struct delta delta = {
                .kind = DELTA_APPEARED, .subject = DELTA_INCIDENT, .source = source_name, .at_ns = record->at_ns,
                .origin = origin_of(record->fields),
                .incident = { .kind = INCIDENT_LOGIN },
        };
        uint32_t login_user = LOGIN_USER_UNSET, session_id = LOGIN_USER_UNSET;
        struct audit_value result, user, place;
        struct session *session;

        if (!audit_field(record->message, "res", &result) ||
            !(bytes_equal(result.bytes, bytes_of_string("success")) || bytes_equal(result.bytes, bytes_of_string("1"))))
                return;
        (void)audit_number(record->fields, "auid", &login_user);
        (void)audit_number(record->fields, "ses", &session_id);
        buffer_clear(&state->user);
        buffer_clear(&state->place);
        if (audit_field(record->message, "acct", &user))
                audit_text(&user, &state->user);
        else if (audit_field(record->message, "id", &user)) /* a number: not to be taken for hexadecimal */
                buffer_append_bytes(&state->user, user.bytes);
        if ((audit_field(record->message, "addr", &place) && !bytes_equal(place.bytes, bytes_of_string("?"))) ||
            (audit_field(record->message, "terminal", &place) && !bytes_equal(place.bytes, bytes_of_string("?"))))
                buffer_append_bytes(&state->place, place.bytes);
        session = certain ? add_session(state, session_id) : find_session(state, session_id);
        if (buffer_error(&state->user) < 0 || buffer_error(&state->place) < 0 || !is_place(buffer_bytes(&state->place)) ||
            (session ? session->told : !certain))
                return;
        if (session)
                session->told = true;
        delta.incident.what = buffer_bytes(&state->user);
        delta.incident.where = buffer_bytes(&state->place);
        delta.incident.numbers[0] = login_user;
        delta.incident.numbers[1] = session_id;
        state->events++;
        state->listener->delta(state->listener, &delta);
}

static void look_at_program(struct audit_state *state, uint32_t program, struct origin origin) {
        /* as watches/bpf.c makes the key of a program */
        uint8_t key[] = { 'p', (uint8_t)(program >> 24), (uint8_t)(program >> 16), (uint8_t)(program >> 8), (uint8_t)program };
        struct hint hint = { .kind = "bpf", .key = bytes_of(key, sizeof(key)), .origin = origin, .source = source_name };

        state->events++;
        state->listener->hint(state->listener, &hint);
}

/* Those of that event; serial NULL: of all, for the record of their process did not come with them. */
static void settle_loads(struct audit_state *state, const uint32_t *serial, struct origin origin) {
        size_t kept = 0;

        for (size_t i = 0; i < state->n_loads; i++) {
                if (serial && state->loads[i].serial != *serial)
                        state->loads[kept++] = state->loads[i];
                else
                        look_at_program(state, state->loads[i].program, origin);
        }
        state->n_loads = kept;
}

static void wait_for_process(struct audit_state *state, struct load load) {
        struct itimerspec once = { .it_value = { .tv_nsec = LOAD_WAIT_NS } };

        if (state->n_loads == LOADS || timerfd_settime(state->timer.fd, 0, &once, NULL) < 0) {
                look_at_program(state, load.program, (struct origin){ .known = false });
                return;
        }
        state->loads[state->n_loads++] = load;
}

static void note_serial(struct audit_state *state, uint32_t serial) {
        uint32_t ahead = serial - state->serial;

        if (!state->has_serial || (ahead > INT32_MAX && 0 - ahead >= INT32_MAX / 2)) {
                state->has_serial = true;
                state->serial = serial;
                state->seen = UINT64_MAX;
                return;
        }
        if (ahead > INT32_MAX) {                /* behind the highest */
                if (0 - ahead < SERIALS)
                        state->seen |= UINT64_C(1) << (0 - ahead);
                return;
        }
        if (ahead == 0)
                return;
        /* what falls out of the window without having come does not come any more */
        if (ahead >= SERIALS) {
                state->gap += (uint64_t)__builtin_popcountll(~state->seen) + (ahead - SERIALS);
                state->seen = 1;
        } else {
                state->gap += (uint64_t)__builtin_popcountll(~state->seen >> (SERIALS - ahead));
                state->seen = state->seen << ahead | 1;
        }
        state->serial = serial;
}

static void take_record(struct audit_state *state, uint16_t type, struct bytes text) {
        struct audit_record record;
        struct load load;
        uint32_t session;

        if (audit_record_parse(text, &record) < 0)
                return;
        note_serial(state, record.serial);
        switch (type) {
        case RECORD_USER_START:
        case RECORD_USER_LOGIN:
                take_login(state, &record, type == RECORD_USER_LOGIN);
                look_at_users(state, &record);
                break;
        case RECORD_LOGIN:
                if (audit_number(record.fields, "ses", &session))
                        (void)add_session(state, session);
                look_at_users(state, &record);
                break;
        case RECORD_USER_END:
        case RECORD_USER_LOGOUT:
                look_at_users(state, &record);
                break;
        case RECORD_BPF:
                if (!audit_number(record.fields, "prog-id", &load.program))
                        break;
                load.serial = record.serial;
                wait_for_process(state, load);
                break;
        case RECORD_SYSCALL:
                settle_loads(state, &record.serial, origin_of(record.fields));
                break;
        default:
                break;
        }
}

static void report_loss(struct audit_state *state, bool drained) {
        struct loss loss = { .source = source_name, .reason = "overrun", .since_ns = state->drained_ns };

        if (state->gap == 0 && !(drained && state->overrun))
                return;
        loss.counted = state->gap > 0;
        loss.count = state->gap;
        state->lost += state->gap ? state->gap : 1;
        state->gap = 0;
        state->overrun = false;
        state->listener->loss(state->listener, &loss);
}

static void receive(struct audit_state *state, int most) {
        uint64_t now = clock_ns(CLOCK_REALTIME);

        if (!state->file.loop)
                return;
        for (int i = 0; i < most; i++) {
                struct netlink_datagram datagram;
                struct nlmsghdr header;
                uint8_t place[RECORD_MAX];
                int r = netlink_receive(state->file.fd, place, sizeof(place), &datagram);

                if (r == -ENOBUFS)
                        state->overrun = true;
                else if (r == 0) {
                        report_loss(state, true);
                        state->drained_ns = now;
                        return;
                } else if (r < 0) {
                        end(state, "its socket does not work any more");
                        return;
                } else if (datagram.sender == 0 && datagram.bytes.size >= sizeof(header)) {
                        /* One record a datagram; whether the length in the header counts the header depends on the kernel. */
                        memcpy(&header, datagram.bytes.data, sizeof(header));
                        take_record(state, header.nlmsg_type,
                                    bytes_of(datagram.bytes.data + sizeof(header), datagram.bytes.size - sizeof(header)));
                }
        }
        report_loss(state, false);
}

static void audit_drain(void *data) {
        receive(data, DRAIN_MAX);
}

static int ready(struct loop_file *file, uint32_t events) {
        struct audit_state *state = container_of(file, struct audit_state, file);

        receive(state, BATCH);
        if (events & EPOLLHUP)
                end(state, "its socket was closed");
        return 0;
}

static int refuse(int r, const char **ret_reason) {
        switch (r) {
        case -EPERM:
        case -EACCES:
                *ret_reason = "the kernel's audit may not be read: CAP_AUDIT_READ is missing";
                return -EOPNOTSUPP;
        case -EPROTONOSUPPORT:
        case -EAFNOSUPPORT:
        case -ECONNREFUSED:
                *ret_reason = "this kernel has no audit, or not in this namespace";
                return -EOPNOTSUPP;
        default:
                *ret_reason = "the kernel's audit could not be read";
                return r;
        }
}

static int waited(struct loop_file *file, uint32_t events) {
        struct audit_state *state = container_of(file, struct audit_state, timer);
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        receive(state, BATCH);
        settle_loads(state, NULL, (struct origin){ .known = false });
        return 0;
}

static int audit_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects,
                      const char **ret_reason) {
        struct coverage users = { .kind = "users", .mechanism = "audit", .level = COVERAGE_WAKES };
        struct coverage programs = { .kind = "bpf", .mechanism = "audit", .level = COVERAGE_WAKES };
        struct audit_state *state;
        int r;

        if (!request->host->live) {
                *ret_reason = "a tree of files has no kernel that audits";
                return -EOPNOTSUPP;
        }
        r = is_enabled();
        if (r == 0) {
                *ret_reason = "audit is not switched on, and nephronix does not switch it on";
                return -EOPNOTSUPP;
        }
        if (r < 0 && r != -EPERM) /* who may only read may not ask */
                return refuse(r, ret_reason);
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->listener = request->listener;
        state->file.ready = ready;
        state->timer.ready = waited;
        state->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        state->file.fd = -1;
        r = state->timer.fd < 0 ? -errno : netlink_open(NETLINK_AUDIT, 1U << (GROUP_READLOG - 1), ROOM);
        if (r >= 0) {
                state->file.fd = r;
                r = loop_add(request->loop, &state->file, EPOLLIN);
        }
        if (r >= 0)
                r = loop_add(request->loop, &state->timer, EPOLLIN);
        if (r < 0) {
                audit_close(state);
                return refuse(r, ret_reason);
        }
        state->drained_ns = clock_ns(CLOCK_REALTIME);
        *ret_state = state;
        *ret_subjects = 1U << DELTA_INCIDENT;
        request->listener->covers(request->listener, &users);
        request->listener->covers(request->listener, &programs);
        return 0;
}

static void audit_check(void *data) {
        struct audit_state *state = data;

        if (!state->file.loop)
                return;
        if (netlink_check(state->file.fd, NETLINK_AUDIT, 1U << (GROUP_READLOG - 1)) < 0)
                end(state, "its socket was closed");
        else if (is_enabled() == 0)
                end(state, "audit was switched off");
}

static void audit_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct audit_state *state = data;

        *ret_events = state->events;
        *ret_lost = state->lost;
}

const struct source source_audit = {
        .name = source_name,
        .subjects = 1U << DELTA_INCIDENT,
        .open = audit_open,
        .close = audit_close,
        .drain = audit_drain,
        .check = audit_check,
        .count = audit_count,
};
