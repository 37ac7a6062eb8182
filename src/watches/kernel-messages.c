/* kernel-messages.c - messages of the kernel log that match, each once: boot id and sequence number name it across
 * restarts. Read through /dev/kmsg, kept open so that a quiet round is one read(). A fixture tree has a plain file
 * there, a line each. */
#include "kernel-messages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "fd.h"
#include "hint.h"
#include "host.h"

enum {
        MESSAGES_TEXT,
        MESSAGES_ORIGIN,
        MESSAGES_PRIORITY,
        MESSAGES_FACILITY,
        MESSAGES_SEQUENCE,
        MESSAGES_TIME,
};

static const struct field messages_fields[] = {
        [MESSAGES_TEXT] = { "text", NULL, FIELD_TEXT, 0 },
        [MESSAGES_ORIGIN] = { "origin", NULL, FIELD_TEXT, 0 },
        [MESSAGES_PRIORITY] = { "priority", "log.syslog.severity.code", FIELD_NUMBER, 0 },
        [MESSAGES_FACILITY] = { "facility", "log.syslog.facility.code", FIELD_NUMBER, 0 },
        [MESSAGES_SEQUENCE] = { "sequence", NULL, FIELD_NUMBER, 0 },
        [MESSAGES_TIME] = { "time", NULL, FIELD_TIME, 0 },
        { 0 },
};

enum {
        KMSG_RECORD_MAX = 16 * 1024,    /* the kernel's own limit is 8 KiB with all escapes */
        KMSG_ROUND_MAX = 65536,         /* records of one round: a flood must not keep the daemon here */
        KMSG_FILE_MAX = 16 * 1024 * 1024,
        KEY_SIZE = 8 + BOOT_ID_SIZE + 8,
};

struct messages_state {
        const struct host *host;        /* borrowed */
        const char *match;              /* borrowed */
        int fd;
        bool plain_file;
        uint8_t boot_id[BOOT_ID_SIZE];
        uint64_t boot_ns;               /* wall clock of the boot */
        uint64_t epoch;                 /* the same in seconds as it stands in keys: chosen once per boot and kept */
        bool has_expected, watched;     /* the next sequence number is known; it was us who read up to it */
        uint64_t expected;
        uint8_t known[KEY_SIZE];        /* what the engine knows last if all went well in the round before */
        size_t known_size;
        bool in_step;                   /* that round went well here */
        struct bytes round_after;       /* of the request, for the round */
        uint8_t *place;                 /* KMSG_RECORD_MAX */
        struct buffer text;             /* of a plain file */
};

static const char default_match[] = "module|bpf";

static uint64_t load_big_endian(const uint8_t *data) {
        uint64_t number = 0;

        for (int i = 0; i < 8; i++)
                number = number << 8 | data[i];
        return number;
}

static void store_big_endian(uint8_t *data, uint64_t number) {
        for (int i = 7; i >= 0; i--, number >>= 8)
                data[i] = (uint8_t)number;
}

static bool take_number(struct bytes *text, uint64_t most, uint64_t *ret) {
        uint64_t number = 0;
        size_t i;

        for (i = 0; i < text->size && text->data[i] >= '0' && text->data[i] <= '9'; i++)
                if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
                    __builtin_add_overflow(number, (uint64_t)(text->data[i] - '0'), &number))
                        return false;
        if (i == 0 || number > most)
                return false;
        *text = bytes_of(text->data + i, text->size - i);
        *ret = number;
        return true;
}

static bool take_comma(struct bytes *text) {
        if (text->size == 0 || text->data[0] != ',')
                return false;
        *text = bytes_of(text->data + 1, text->size - 1);
        return true;
}

int kmsg_parse(struct bytes record, struct kmsg_record *ret) {
        struct kmsg_record message = { 0 };
        const uint8_t *end;
        uint64_t priority;

        if (!take_number(&record, UINT32_MAX, &priority) || !take_comma(&record) ||
            !take_number(&record, UINT64_MAX - 1, &message.sequence) || !take_comma(&record) ||
            !take_number(&record, UINT64_MAX / 1000, &message.microseconds))
                return -EBADMSG;
        end = record.size ? memchr(record.data, ';', record.size) : NULL;
        if (!end)
                return -EBADMSG;
        record = bytes_of(end + 1, record.size - (size_t)(end + 1 - record.data));
        end = record.size ? memchr(record.data, '\n', record.size) : NULL;
        message.priority = (uint32_t)priority & 7;
        message.facility = (uint32_t)priority >> 3;
        message.text = end ? bytes_of(record.data, (size_t)(end - record.data)) : record;
        *ret = message;
        return 0;
}

static uint8_t lower(uint8_t byte) {
        return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static bool holds(struct bytes text, const char *word, size_t size) {
        for (size_t at = 0; text.size >= size && at <= text.size - size; at++) {
                size_t i = 0;

                while (i < size && lower(text.data[at + i]) == lower((uint8_t)word[i]))
                        i++;
                if (i == size)
                        return true;
        }
        return false;
}

bool kmsg_matches(struct bytes text, const char *alternatives) {
        for (;;) {
                size_t size = strcspn(alternatives, "|");

                if (size && holds(text, alternatives, size))
                        return true;
                if (alternatives[size] == '\0')
                        return false;
                alternatives += size + 1;
        }
}

static void messages_close(void *data) {
        struct messages_state *state = data;

        if (!state)
                return;
        state->fd = fd_close(state->fd);
        free(state->place);
        buffer_done(&state->text);
        free(state);
}

static int messages_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct messages_state *state = calloc(1, sizeof(*state));

        if (!state)
                return -ENOMEM;
        state->fd = -1;
        state->host = host;
        state->match = settings->match ? settings->match : default_match;
        state->place = malloc(KMSG_RECORD_MAX);
        if (!state->place) {
                messages_close(state);
                return -ENOMEM;
        }
        *ret_state = state;
        return 0;
}

/* When this host booted, by the wall clock of now. */
static int find_boot_time(const struct host *host, uint64_t *ret_ns) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        const char *line;
        struct timespec now, since_boot;
        int r;

        if (host->live) {
                if (clock_gettime(CLOCK_REALTIME, &now) < 0 || clock_gettime(CLOCK_BOOTTIME, &since_boot) < 0)
                        return -errno;
                *ret_ns = ((uint64_t)now.tv_sec - (uint64_t)since_boot.tv_sec) * 1000000000 + (uint64_t)now.tv_nsec -
                          (uint64_t)since_boot.tv_nsec;
                return 0;
        }
        *ret_ns = 0;
        r = host_read(host, "proc/stat", KMSG_FILE_MAX, &text);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        line = strstr(buffer_string(&text), "btime ");
        if (line) {
                struct bytes digits = bytes_of_string(line + strlen("btime "));

                if (take_number(&digits, UINT32_MAX, ret_ns))
                        *ret_ns *= 1000000000;
        }
        return 0;
}

static int open_log(struct messages_state *state) {
        _cleanup_close_ int fd = -1;
        struct stat stat;
        int r;

        fd = host_openat(state->host, "dev/kmsg", O_RDONLY);
        if (fd < 0)
                return fd;
        if (fstat(fd, &stat) < 0)
                return -errno;
        if (!S_ISREG(stat.st_mode) && !S_ISCHR(stat.st_mode))
                return -ENOENT;
        r = host_boot_id(state->host, state->boot_id);
        if (r < 0 && (state->host->live || r != -ENOENT)) /* a fixture tree need not have one */
                return r;
        r = find_boot_time(state->host, &state->boot_ns);
        if (r < 0)
                return r;
        state->epoch = state->boot_ns / 1000000000;
        state->plain_file = S_ISREG(stat.st_mode);
        state->fd = TAKE_FD(fd);
        return 0;
}

/* Compares what the engine knows with where we stand, and goes back to the ring's start if it knows less: then what was
 * handed over in an earlier round did not get there. */
static int take_position(struct messages_state *state, struct bytes after) {
        bool same_boot = after.size == KEY_SIZE && memcmp(after.data + 8, state->boot_id, BOOT_ID_SIZE) == 0;
        bool in_step = state->in_step && bytes_equal(after, bytes_of(state->known, state->known_size));

        state->in_step = false;
        state->known_size = after.size <= KEY_SIZE ? after.size : 0;
        if (state->known_size)
                memcpy(state->known, after.data, state->known_size);
        state->round_after = same_boot ? after : BYTES_NULL;
        if (same_boot)
                state->epoch = load_big_endian(after.data);
        else if (after.size == KEY_SIZE && load_big_endian(after.data) >= state->epoch)
                state->epoch = load_big_endian(after.data) + 1; /* the clock was set back: later boots stay later */
        if (same_boot && !state->has_expected) {
                state->expected = load_big_endian(after.data + 8 + BOOT_ID_SIZE) + 1;
                state->has_expected = true;
        }
        if (in_step && !state->plain_file)
                return 0;
        return lseek(state->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static void note_sequence(struct messages_state *state, struct collector *collector, uint64_t sequence) {
        struct loss loss = { .source = "kmsg", .counted = true };

        if (state->has_expected && sequence > state->expected) {
                /* Unwatched, some of them may have been read before: what is known is the last one that matched. */
                loss.reason = state->watched ? "overrun" : "overrun while not watching";
                loss.count = sequence - state->expected;
                collector->loss(collector, &loss);
        }
        if (!state->has_expected || sequence >= state->expected)
                state->expected = sequence + 1;
        state->has_expected = state->watched = true;
}

static int take_record(struct messages_state *state, struct collector *collector, struct bytes bytes) {
        struct record record = { 0 };
        struct kmsg_record message;
        uint8_t key[KEY_SIZE];
        int r;

        if (kmsg_parse(bytes, &message) < 0)
                return 0;
        note_sequence(state, collector, message.sequence);
        if (state->round_after.size &&
            message.sequence <= load_big_endian(state->round_after.data + 8 + BOOT_ID_SIZE))
                return 0;
        if (!kmsg_matches(message.text, state->match))
                return 0;

        store_big_endian(key, state->epoch);
        memcpy(key + 8, state->boot_id, BOOT_ID_SIZE);
        store_big_endian(key + 8 + BOOT_ID_SIZE, message.sequence);
        record.key = bytes_of(key, sizeof(key));
        record.values[MESSAGES_TEXT] = value_bytes(message.text);
        record.values[MESSAGES_ORIGIN] = value_string(message.facility == 0 ? "kernel" : "user space");
        record.values[MESSAGES_PRIORITY] = value_number(message.priority);
        record.values[MESSAGES_FACILITY] = value_number(message.facility);
        record.values[MESSAGES_SEQUENCE] = value_number(message.sequence);
        record.values[MESSAGES_TIME] = value_number(state->boot_ns + message.microseconds * 1000);
        r = collector->record(collector, &record);
        if (r < 0)
                return r;
        memcpy(state->known, key, sizeof(key));
        state->known_size = sizeof(key);
        return 0;
}

static int read_device(struct messages_state *state, struct collector *collector) {
        for (int i = 0; i < KMSG_ROUND_MAX; i++) {
                ssize_t n = read(state->fd, state->place, KMSG_RECORD_MAX);
                int r;

                if (n < 0 && errno == EAGAIN)
                        return 0;
                /* EPIPE: overwritten before we came, the next read goes on at the oldest that is left. EINVAL: longer
                 * than the place, and skipped. Both show as a jump of the sequence. */
                if (n < 0 && (errno == EPIPE || errno == EINVAL || errno == EINTR))
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                r = take_record(state, collector, bytes_of(state->place, (size_t)n));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_file(struct messages_state *state, struct collector *collector) {
        struct bytes text;
        int r;

        buffer_clear(&state->text);
        r = host_read(state->host, "dev/kmsg", KMSG_FILE_MAX, &state->text);
        if (r < 0)
                return r;
        text = buffer_bytes(&state->text);
        while (text.size) {
                const uint8_t *end = memchr(text.data, '\n', text.size);
                struct bytes line = bytes_of(text.data, end ? (size_t)(end - text.data) : text.size);
                size_t step = line.size + (end ? 1 : 0);

                text = bytes_of(text.data + step, text.size - step);
                r = take_record(state, collector, line);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int messages_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct messages_state *state = data;
        int r = 0;

        if (state->fd < 0)
                r = open_log(state);
        if (r == -ENOENT || r == -ENXIO || r == -ENODEV) {
                collector->condition(collector, "no /dev/kmsg on this host");
                return WATCH_E_UNAVAILABLE;
        }
        if (r == -EPERM || r == -EACCES) {
                collector->condition(collector, "the kernel log may not be read: CAP_SYSLOG is missing");
                return WATCH_E_UNAVAILABLE;
        }
        if (r >= 0)
                r = take_position(state, request->after);
        if (r >= 0)
                r = state->plain_file ? read_file(state, collector) : read_device(state, collector);
        state->round_after = BYTES_NULL;
        state->in_step = r >= 0;
        return r < 0 ? r : WATCH_OK;
}

static const struct action forged_message = {
        "user-message-in-kernel-log", "host", "info", SEVERITY_LOW, true,
        "a process wrote into the kernel log (not a kernel message): {text}"
};

static const struct action *messages_classify(const struct change *change) {
        const struct value *facility = &change_record(change)->values[MESSAGES_FACILITY];

        return change->kind == CHANGE_APPEARED && facility->present && facility->number != 0 ? &forged_message : NULL;
}

static const struct column kernmodchk_columns[] = {
        { .before = "message ", .field = "sequence" },
        { .before = " ", .field = "time" },
        { .before = " ", .field = "origin" },
        { .before = ": ", .field = "text" },
        { 0 },
};

static const struct document kernmodchk = {
        .name = "kernmodchk",
        .columns = kernmodchk_columns,
};

const struct watch watch_kernel_messages = {
        .kind = "kernel-messages",
        .noun = "kernel message",
        .sensor = "kmsg",
        .dataset = "kernel",
        .fields = messages_fields,
        .label = "{sequence}",
        .priority = PRIORITY_HIGH,
        .built_in = true,
        .light = true,
        .append_only = true,
        .retain = 1000,
        .appeared = { "kernel-message-matched", "host", "info", SEVERITY_HIGH, false, "kernel message: {text}" },
        .classify = messages_classify,
        .title_changed = "Possible change in kernel module or BPF/eBPF detected! Diff:",
        .title_quiet = "No changes in kernel modules or BPF/eBPF detected.",
        .document = &kernmodchk,
        .open = messages_open,
        .collect = messages_collect,
        .close = messages_close,
};
