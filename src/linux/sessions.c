#include "sessions.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <utmp.h>

#include "fd.h"
#include "process.h"

enum {
        SESSION_FILE_MAX = 64 * 1024,
        SESSION_ID_MAX = 64,
        UTMP_MAX = 16 * 1024 * 1024,
        SESSIONS_MAX = 65536,   /* of each source */
};

size_t session_utmp_size(void) {
        return sizeof(struct utmp);
}

static void session_done(struct session *session) {
        free(session->memory);
        free(session->joined);
        *session = (struct session){ .memory = NULL };
}

static void clear(struct sessions *sessions) {
        for (size_t i = 0; i < sessions->count; i++)
                session_done(&sessions->items[i]);
        sessions->count = sessions->skipped = 0;
        sessions->has_logind = sessions->has_utmp = false;
}

void sessions_done(struct sessions *sessions) {
        clear(sessions);
        free(sessions->items);
        *sessions = SESSIONS_NULL;
}

static bool parse_number(struct bytes text, uint64_t most, uint64_t *ret) {
        uint64_t number = 0;

        if (text.size == 0)
                return false;
        for (size_t i = 0; i < text.size; i++) {
                if (text.data[i] < '0' || text.data[i] > '9')
                        return false;
                if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
                    __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
                        return false;
        }
        if (number > most)
                return false;
        *ret = number;
        return true;
}

static int digit_value(uint8_t digit, int base) {
        int value = digit >= '0' && digit <= '9'   ? digit - '0'
                    : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                    : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                   : 99;

        return value < base ? value : -1;
}

/* The escapes of C, as logind writes them; an unknown one stands for its letter. Returns how many bytes were read. */
static size_t unescape(struct bytes text, uint8_t *ret) {
        static const char letters[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
        const char *letter;

        if (text.size >= 3 && text.data[0] == 'x' && digit_value(text.data[1], 16) >= 0 &&
            digit_value(text.data[2], 16) >= 0) {
                *ret = (uint8_t)(digit_value(text.data[1], 16) << 4 | digit_value(text.data[2], 16));
                return 3;
        }
        if (text.size >= 3 && text.data[0] <= '3' && digit_value(text.data[0], 4) >= 0 &&
            digit_value(text.data[1], 8) >= 0 && digit_value(text.data[2], 8) >= 0) {
                *ret = (uint8_t)(digit_value(text.data[0], 4) << 6 | digit_value(text.data[1], 8) << 3 |
                                 digit_value(text.data[2], 8));
                return 3;
        }
        letter = text.data[0] ? strchr(letters, text.data[0]) : NULL;
        *ret = letter ? (uint8_t)values[letter - letters] : text.data[0];
        return 1;
}

/* Decodes a value of an environment file into 'place', which has room for text.size bytes. */
static struct bytes decode(struct bytes text, uint8_t *place) {
        size_t used = 0;
        uint8_t quote = 0;

        for (size_t i = 0; i < text.size;) {
                uint8_t byte = text.data[i++];

                if (byte == '\\' && quote != '\'' && i < text.size) {
                        i += unescape(bytes_of(text.data + i, text.size - i), &place[used++]);
                        continue;
                }
                if (quote ? byte == quote : (byte == '"' || byte == '\'')) {
                        quote = quote ? 0 : byte;
                        continue;
                }
                place[used++] = byte;
        }
        return bytes_of(place, used);
}

static bool is(struct bytes value, const char *text) {
        return bytes_equal(value, bytes_of_string(text));
}

/* "user", and since systemd 256 "user-early", "user-light", "user-early-light". */
static bool class_is_person(struct bytes class) {
        return is(class, "user") ||
               (bytes_starts_with(class, bytes_of_string("user-")) && !is(class, "user-incomplete"));
}

static struct bytes without_device_folder(struct bytes tty) {
        struct bytes folder = bytes_of_string("/dev/");

        return bytes_starts_with(tty, folder) ? bytes_of(tty.data + folder.size, tty.size - folder.size) : tty;
}

int session_parse_logind(struct bytes id, struct bytes text, struct session *ret) {
        struct session session = { .source = SESSION_LOGIND };
        struct bytes class = BYTES_NULL, state = BYTES_NULL, user_digits = BYTES_NULL;
        _cleanup_free_ uint8_t *memory = NULL;
        size_t total;
        uint8_t *place;
        uint64_t number;

        if (__builtin_add_overflow(id.size, text.size, &total) || total == 0)
                return -EBADMSG;
        memory = malloc(total); /* decoding never makes a value longer */
        if (!memory)
                return -ENOMEM;
        if (id.size)
                memcpy(memory, id.data, id.size);
        session.id = bytes_of(memory, id.size);
        place = memory + id.size;

        while (text.size) {
                const uint8_t *end = memchr(text.data, '\n', text.size);
                struct bytes line = bytes_of(text.data, end ? (size_t)(end - text.data) : text.size), name, value;
                const uint8_t *equals = line.size ? memchr(line.data, '=', line.size) : NULL;
                size_t step = line.size + (end ? 1 : 0);

                text = bytes_of(text.data + step, text.size - step);
                if (!equals || line.data[0] == '#')
                        continue;
                name = bytes_of(line.data, (size_t)(equals - line.data));
                value = decode(bytes_of(equals + 1, line.size - name.size - 1), place);
                place += value.size;

                if (is(name, "UID") && parse_number(value, UINT32_MAX - 1, &number)) {
                        session.has_user_id = true;
                        session.user_id = (uint32_t)number;
                        user_digits = value;
                } else if (is(name, "USER"))
                        session.user = value;
                else if (is(name, "CLASS"))
                        class = value;
                else if (is(name, "STATE"))
                        state = value;
                else if (is(name, "TTY"))
                        session.tty = without_device_folder(value);
                else if (is(name, "REMOTE_HOST"))
                        session.remote = value;
                else if (is(name, "SERVICE"))
                        session.service = value;
                else if (is(name, "TYPE"))
                        session.type = value;
                else if (is(name, "LEADER") && parse_number(value, INT32_MAX, &number))
                        session.leader = (uint32_t)number;
                else if (is(name, "REALTIME") && parse_number(value, UINT64_MAX / 1000, &number))
                        session.since_ns = number * 1000;
        }

        if (session.user.size == 0)
                session.user = user_digits;
        if (session.user.size == 0)
                return -EBADMSG;
        if (is(state, "closing") || (class.size && !class_is_person(class)))
                return 0;
        session.memory = TAKE_PTR(memory);
        *ret = session;
        return 1;
}

/* A field of utmp ends at its first NUL, or at its end. */
static struct bytes take_field(const char *field, size_t size, uint8_t **place) {
        size_t length = strnlen(field, size);
        struct bytes taken = bytes_of(*place, length);

        if (length)
                memcpy(*place, field, length);
        *place += length;
        return taken;
}

static struct bytes take_address(const struct utmp *record, uint8_t **place) {
        char text[INET6_ADDRSTRLEN];
        bool short_form = !record->ut_addr_v6[1] && !record->ut_addr_v6[2] && !record->ut_addr_v6[3];

        if (short_form && !record->ut_addr_v6[0])
                return BYTES_NULL;
        if (!inet_ntop(short_form ? AF_INET : AF_INET6, record->ut_addr_v6, text, sizeof(text)))
                return BYTES_NULL;
        return take_field(text, sizeof(text), place);
}

int session_parse_utmp(const uint8_t *bytes, struct session *ret) {
        struct session session = { .source = SESSION_UTMP };
        struct utmp record;
        uint8_t *place;

        memcpy(&record, bytes, sizeof(record)); /* the bytes need not be aligned */
        if (record.ut_type != USER_PROCESS)
                return record.ut_type >= EMPTY && record.ut_type <= ACCOUNTING ? 0 : -EBADMSG;
        if (record.ut_pid <= 0 || record.ut_line[0] == '\0' || record.ut_user[0] == '\0')
                return -EBADMSG;

        session.memory = malloc(sizeof(record) + INET6_ADDRSTRLEN);
        if (!session.memory)
                return -ENOMEM;
        place = session.memory;
        session.user = take_field(record.ut_user, sizeof(record.ut_user), &place);
        session.tty = without_device_folder(take_field(record.ut_line, sizeof(record.ut_line), &place));
        if (session.tty.size == 0) {
                free(session.memory);
                return -EBADMSG;
        }
        session.remote = take_field(record.ut_host, sizeof(record.ut_host), &place);
        if (session.remote.size == 0)
                session.remote = take_address(&record, &place);
        session.leader = (uint32_t)record.ut_pid;
        /* 32 bits, which are read as unsigned: that lasts until 2106 */
        if (record.ut_tv.tv_usec >= 0 && record.ut_tv.tv_usec < 1000000)
                session.since_ns = (uint64_t)(uint32_t)record.ut_tv.tv_sec * 1000000000 +
                                   (uint64_t)record.ut_tv.tv_usec * 1000;
        *ret = session;
        return 1;
}

bool session_terminal_ok(struct bytes tty) {
        if (tty.size == 0 || tty.size > 64 || tty.data[0] == '/')
                return false;
        for (size_t i = 0; i < tty.size; i++) {
                uint8_t byte = tty.data[i];

                if (byte == '.' && (i == 0 || tty.data[i - 1] == '.' || tty.data[i - 1] == '/'))
                        return false;
                if (!((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                      byte == '/' || byte == '_' || byte == '-' || byte == '.'))
                        return false;
        }
        return true;
}

bool sessions_process_exists(const struct host *host, uint32_t pid) {
        char name[16];

        if (host->proc_fd < 0)
                return true;
        (void)snprintf(name, sizeof(name), "%u", pid);
        return faccessat(host->proc_fd, name, F_OK, 0) == 0 || errno != ENOENT;
}

/* Takes the session over, also when it fails. */
static int add(struct sessions *sessions, struct session *session) {
        if (sessions->count == sessions->capacity) {
                size_t capacity = sessions->capacity ? sessions->capacity * 2 : 8;
                struct session *items = reallocarray(sessions->items, capacity, sizeof(*items));

                if (!items) {
                        session_done(session);
                        return -ENOMEM;
                }
                sessions->items = items;
                sessions->capacity = capacity;
        }
        sessions->items[sessions->count++] = *session;
        return 0;
}

/* Besides the sessions the folder holds FIFOs (ID.ref) and, for a moment, temporary files. */
static bool session_id_ok(const char *name) {
        size_t size = strlen(name);

        if (size == 0 || size > SESSION_ID_MAX)
                return false;
        return strspn(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == size;
}

static void close_directory(DIR **place) {
        if (*place)
                (void)closedir(*place);
}

static int read_logind(const struct host *host, struct sessions *sessions) {
        __attribute__((cleanup(close_directory))) DIR *directory = NULL;
        _cleanup_close_ int fd = host_openat(host, SESSIONS_LOGIND_PATH, O_RDONLY | O_DIRECTORY);
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        const struct dirent *entry;

        if (fd < 0) {
                sessions->skipped += fd != -ENOENT;
                return 0;
        }
        directory = fdopendir(fd);
        if (!directory)
                return -errno;
        (void)TAKE_FD(fd);

        sessions->has_logind = true;
        while (sessions->count < SESSIONS_MAX && (entry = readdir(directory))) {
                struct session session;
                int r;

                if (!session_id_ok(entry->d_name))
                        continue;
                buffer_clear(&text);
                r = file_read_at(dirfd(directory), entry->d_name, SESSION_FILE_MAX, &text);
                if (r == -ENOENT) /* ended between the two calls */
                        continue;
                if (r == 0)
                        r = session_parse_logind(bytes_of_string(entry->d_name), buffer_bytes(&text), &session);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        sessions->skipped++;
                if (r <= 0)
                        continue;
                r = add(sessions, &session);
                if (r < 0)
                        return r;
        }
        return 0;
}

static uint32_t parent_of(const struct host *host, uint32_t pid) {
        struct process_place place = { .proc_fd = host->proc_fd, .pid = pid };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct process_stat stat;

        if (host->proc_fd < 0 || process_read_stat(&place, &text, &stat) < 0)
                return 0;
        return stat.parent;
}

/* True if logind knows this login too; then the session is used up. sshd's session gets its terminal after logind was
 * told of it, and logind learns the name from utmp: the same leader makes it one session, and what logind lacks is
 * taken over. Where sshd keeps no process between itself and the shell (root logs in) the shell's pid is in utmp, and
 * its parent is the leader. */
static bool join(const struct host *host, struct sessions *sessions, size_t n_logind, struct session *session) {
        uint32_t parent = 0;

        for (size_t i = 0; i < n_logind; i++) {
                const struct session *known = &sessions->items[i];

                if (known->tty.size && bytes_equal(known->tty, session->tty)) {
                        session_done(session);
                        return true;
                }
        }
        for (size_t i = 0; i < n_logind; i++) {
                struct session *known = &sessions->items[i];

                /* utmp cuts the name at 32 bytes */
                if (known->tty.size || !known->leader || !bytes_starts_with(known->user, session->user))
                        continue;
                if (known->leader != session->leader && !parent)
                        parent = parent_of(host, session->leader);
                if (known->leader != session->leader && known->leader != parent)
                        continue;
                known->tty = session->tty;
                if (known->remote.size == 0)
                        known->remote = session->remote;
                known->joined = TAKE_PTR(session->memory);
                return true;
        }
        return false;
}

static int read_utmp(const struct host *host, struct sessions *sessions) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        size_t n_logind = sessions->count, size = session_utmp_size(), n_records;
        int r;

        r = host_read(host, SESSIONS_UTMP_PATH, UTMP_MAX, &text);
        if (r == -ENOENT)
                r = host_read(host, SESSIONS_UTMP_OLD_PATH, UTMP_MAX, &text);
        if (r < 0) {
                sessions->skipped += r != -ENOENT;
                return r == -ENOMEM ? r : 0;
        }

        sessions->has_utmp = true;
        n_records = text.size / size;
        if (text.size % size)
                sessions->skipped++;
        for (size_t i = 0; i < n_records && i < SESSIONS_MAX; i++) {
                struct session session;

                r = session_parse_utmp(text.data + i * size, &session);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        sessions->skipped++;
                if (r <= 0)
                        continue;
                if (!sessions_process_exists(host, session.leader)) { /* nobody wrote the end of it */
                        session_done(&session);
                        continue;
                }
                if (join(host, sessions, n_logind, &session))
                        continue;
                r = add(sessions, &session);
                if (r < 0)
                        return r;
        }
        return 0;
}

int sessions_read(const struct host *host, struct sessions *sessions) {
        int r;

        clear(sessions);
        r = read_logind(host, sessions);
        return r < 0 ? r : read_utmp(host, sessions);
}
