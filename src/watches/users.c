/* users.c - who is logged in: the sessions of systemd-logind's files, and those that only utmp knows. */
#include "users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"
#include "host.h"
#include "sessions.h"
#include "set.h"

enum {
        USERS_USER,
        USERS_USER_ID,
        USERS_TTY,
        USERS_REMOTE,
        USERS_SINCE,
        USERS_LEADER,
        USERS_LEADER_NAME,
        USERS_SESSION,
        USERS_SERVICE,
        USERS_TYPE,
        USERS_SOURCE,
};

static const struct field users_fields[] = {
        [USERS_USER] = { "user", "user.name", FIELD_TEXT, 0 },
        [USERS_USER_ID] = { "user_id", "user.id", FIELD_IDENTIFIER, 0 },
        [USERS_TTY] = { "tty", NULL, FIELD_TEXT, 0 },
        [USERS_REMOTE] = { "remote", "source.address", FIELD_TEXT, 0 },
        [USERS_SINCE] = { "since", NULL, FIELD_TIME, 0 },
        [USERS_LEADER] = { "leader", "process.pid", FIELD_NUMBER, 0 },
        /* sshd rewrites its own name while the session goes on */
        [USERS_LEADER_NAME] = { "leader_name", "process.name", FIELD_TEXT, FIELD_QUIET },
        [USERS_SESSION] = { "session", NULL, FIELD_TEXT, 0 },
        [USERS_SERVICE] = { "service", NULL, FIELD_TEXT, 0 },
        [USERS_TYPE] = { "type", NULL, FIELD_TEXT, 0 },
        [USERS_SOURCE] = { "source", NULL, FIELD_TEXT, 0 },
        { 0 },
};

struct users_state {
        const struct host *host;        /* borrowed */
        struct sessions sessions;
        struct set *set;
        struct buffer key, name;
};

static void users_close(void *data) {
        struct users_state *state = data;

        if (!state)
                return;
        sessions_done(&state->sessions);
        (void)set_free(state->set);
        buffer_done(&state->key);
        buffer_done(&state->name);
        free(state);
}

static int users_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct users_state *state = calloc(1, sizeof(*state));

        (void)settings;
        if (!state)
                return -ENOMEM;
        state->host = host;
        state->set = set_new(users_fields);
        if (!state->set) {
                users_close(state);
                return -ENOMEM;
        }
        *ret_state = state;
        return 0;
}

static struct value text_or_absent(struct bytes text) {
        return text.size ? value_bytes(text) : (struct value){ .present = false };
}

static void append_big_endian(struct buffer *buffer, uint64_t number, unsigned width) {
        while (width-- > 0)
                buffer_append_byte(buffer, (uint8_t)(number >> (8 * width)));
}

/* The user first, so that users(1)'s line is sorted. A terminal that logind learns later does not make another session:
 * logind's sessions are named by their id. */
static void make_key(struct buffer *key, const struct session *session) {
        buffer_clear(key);
        buffer_append_bytes(key, session->user);
        buffer_append_byte(key, '\0');
        buffer_append_bytes(key, session->id.size ? session->id : session->tty);
        buffer_append_byte(key, '\0');
        append_big_endian(key, session->leader, 4);
        append_big_endian(key, session->since_ns, 8);
}

static void read_leader_name(struct users_state *state, uint32_t leader) {
        char path[32];

        buffer_clear(&state->name);
        if (leader == 0 || state->host->proc_fd < 0)
                return;
        (void)snprintf(path, sizeof(path), "%u/comm", leader);
        if (file_read_at(state->host->proc_fd, path, 4096, &state->name) < 0)
                buffer_clear(&state->name);
        if (state->name.size && state->name.data[state->name.size - 1] == '\n')
                buffer_truncate(&state->name, state->name.size - 1);
}

static int add(struct users_state *state, const struct session *session) {
        struct record record = { 0 };

        make_key(&state->key, session);
        read_leader_name(state, session->leader);
        if (buffer_error(&state->key) < 0)
                return -ENOMEM;

        record.key = buffer_bytes(&state->key);
        record.values[USERS_USER] = value_bytes(session->user);
        if (session->has_user_id)
                record.values[USERS_USER_ID] = value_number(session->user_id);
        record.values[USERS_TTY] = text_or_absent(session->tty);
        record.values[USERS_REMOTE] = text_or_absent(session->remote);
        if (session->since_ns)
                record.values[USERS_SINCE] = value_number(session->since_ns);
        if (session->leader)
                record.values[USERS_LEADER] = value_number(session->leader);
        record.values[USERS_LEADER_NAME] = text_or_absent(buffer_bytes(&state->name));
        record.values[USERS_SESSION] = text_or_absent(session->id);
        record.values[USERS_SERVICE] = text_or_absent(session->service);
        record.values[USERS_TYPE] = text_or_absent(session->type);
        record.values[USERS_SOURCE] = value_string(session->source == SESSION_LOGIND ? "logind" : "utmp");
        return set_add(state->set, &record);
}

static int users_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct users_state *state = data;
        int r;

        (void)request;
        r = sessions_read(state->host, &state->sessions);
        if (r < 0)
                return r;
        if (state->sessions.skipped)
                collector->condition(collector,
                                     "session files or utmp records that cannot be understood were left out");
        if (!state->sessions.has_logind && !state->sessions.has_utmp) {
                collector->condition(collector, "neither systemd-logind's session files nor a utmp on this host");
                return WATCH_E_UNAVAILABLE;
        }

        set_clear(state->set);
        for (size_t i = 0; i < state->sessions.count; i++) {
                r = add(state, &state->sessions.items[i]);
                if (r < 0)
                        return r;
        }
        r = set_emit(state->set, collector);
        return r < 0 ? r : WATCH_OK;
}

static bool stamp_place(const struct host *host, const char *path, struct stamp *stamp) {
        _cleanup_close_ int fd = host_openat(host, path, O_PATH);
        uint64_t print[5] = { 0 };
        struct stat stat;

        if (fd >= 0 && fstat(fd, &stat) == 0) {
                print[0] = stat.st_dev;
                print[1] = stat.st_ino;
                print[2] = (uint64_t)stat.st_size;
                print[3] = (uint64_t)stat.st_mtim.tv_sec * 1000000000 + (uint64_t)stat.st_mtim.tv_nsec;
                print[4] = (uint64_t)stat.st_ctim.tv_sec * 1000000000 + (uint64_t)stat.st_ctim.tv_nsec;
        }
        memcpy(stamp->data + stamp->size, print, sizeof(print));
        stamp->size += sizeof(print);
        return fd >= 0;
}

/* logind replaces its files by rename, which moves the folder's time. A login process that is killed leaves its record
 * in utmp as it was, so the leaders we know are looked for too. */
static int users_stamp(void *data, struct stamp *ret) {
        const struct users_state *state = data;
        struct stamp stamp = { .size = 0 };
        uint64_t gone = 0;

        (void)stamp_place(state->host, SESSIONS_LOGIND_PATH, &stamp);
        if (!stamp_place(state->host, SESSIONS_UTMP_PATH, &stamp))
                (void)stamp_place(state->host, SESSIONS_UTMP_OLD_PATH, &stamp);
        for (size_t i = 0; i < state->sessions.count; i++)
                if (state->sessions.items[i].source == SESSION_UTMP &&
                    !sessions_process_exists(state->host, state->sessions.items[i].leader))
                        gone++;
        memcpy(stamp.data + stamp.size, &gone, sizeof(gone));
        stamp.size += sizeof(gone);
        *ret = stamp;
        return 0;
}

static const struct column userchk_columns[] = {
        { .field = "user" },
        { 0 },
};

static const struct document userchk = {
        .name = "userchk",
        .columns = userchk_columns,
        .joined = true,
};

/* The columns of w(1) that do not move by themselves: no idle time, no CPU time. */
static const struct column userchk_stats_columns[] = {
        { .field = "user", .width = 8 },
        { .before = " ", .field = "tty", .width = 8, .absent = "-" },
        { .before = " ", .field = "remote", .width = 16, .absent = "-" },
        { .before = " ", .field = "since", .width = 19, .absent = "-" },
        { .before = " ", .field = "leader", .width = 6, .absent = "-" },
        { .before = " ", .field = "leader_name", .absent = "-" },
        { 0 },
};

static const struct document userchk_stats = {
        .name = "userchk_stats",
        .header = "USER     TTY      FROM             LOGIN@              LEADER WHAT\n",
        .columns = userchk_stats_columns,
};

const struct watch watch_users = {
        .kind = "users",
        .noun = "session",
        .sensor = "logind and utmp",
        .dataset = "logins",
        .fields = users_fields,
        .label = "{user}{tty? on {tty}}{remote? from {remote}}",
        .priority = PRIORITY_LOW,
        .built_in = true,
        .light = true,
        .appeared = { "logged-in", "authentication session", "start", SEVERITY_LOW, false,
                      "{user} logged in{tty? on {tty}}{remote? from {remote}}{service? by {service}}" },
        .vanished = { "logged-out", "authentication session", "end", SEVERITY_LOW, false,
                      "{user} logged out{tty? of {tty}}{remote? (came from {remote})}" },
        .changed = { "session-changed", "session", "change", SEVERITY_LOW, false, NULL },
        .title_changed = "Change in logged in users detected! Diff:",
        .title_quiet = "No changes in logged in users.",
        .document = &userchk,
        .statistics = &userchk_stats,
        .open = users_open,
        .stamp = users_stamp,
        .collect = users_collect,
        .close = users_close,
};
