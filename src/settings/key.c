#include "key.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include "string-list.h"
#include "units.h"

/* The build says where the packager wants the state (meson_options.txt). */
#ifndef NEPHRONIX_STATE_DIRECTORY
#define NEPHRONIX_STATE_DIRECTORY "/opt/nephronix"
#endif

#define MILLISECOND UINT64_C(1000000)
#define SECOND (1000 * MILLISECOND)
#define DAY (24 * 3600 * SECOND)
#define GIBIBYTE (UINT64_C(1) << 30)

_Static_assert(sizeof(enum severity) == sizeof(unsigned) && sizeof(enum priority) == sizeof(unsigned) &&
                       sizeof(enum policy) == sizeof(unsigned),
               "key_store() writes enums as unsigned");

static const struct word yes_no[] = {
        { "yes", true }, { "no", false }, { "true", true }, { "false", false },
        { "on", true }, { "off", false }, { "1", true }, { "0", false }, { NULL },
};
static const struct word profiles[] = { { "full", false }, { "light", true }, { NULL } };
static const struct word namespaces[] = { { "host", false }, { "all", true }, { NULL } };
static const struct word details[] = { { "folded", false }, { "full", true }, { NULL } };
static const struct word priorities[] = { { "high", PRIORITY_HIGH }, { "low", PRIORITY_LOW }, { NULL } };
static const struct word policies[] = {
        { "full", POLICY_FULL }, { "metadata", POLICY_METADATA }, { "append", POLICY_APPEND }, { "exists", POLICY_EXISTS }, { NULL },
};
static const struct word never[] = { { "never", 0 }, { "0", 0 }, { NULL } };
static const struct word no_limit[] = { { "0", 0 }, { NULL } };
static const struct word by_itself[] = { { "auto", 0 }, { NULL } };
static const struct word severities[] = {
        { "info", SEVERITY_INFO }, { "low", SEVERITY_LOW }, { "medium", SEVERITY_MEDIUM },
        { "high", SEVERITY_HIGH }, { "critical", SEVERITY_CRITICAL }, { "1", SEVERITY_INFO },
        { "2", SEVERITY_LOW }, { "3", SEVERITY_MEDIUM }, { "4", SEVERITY_HIGH },
        { "5", SEVERITY_CRITICAL }, { NULL },
};

#define IN_SETTINGS(member) .offset = offsetof(struct settings, member)
#define IN_WATCH(member) .offset = offsetof(struct watch_settings, member)
#define IN_ALERT(member) .offset = offsetof(struct alert_settings, member)

/* The bounds keep a slip from becoming a busy loop or a log that is gone before it is read. */
const struct key key_nephronix[KEYS_MAX + 1] = {
        { "StateDirectory", KEY_PATH, IN_SETTINGS(state_directory), NEPHRONIX_STATE_DIRECTORY, .least = 1 },
        { "LogFile", KEY_PATH, IN_SETTINGS(log_file), "/var/log/nephronix.log", .least = 1 },
        { "RunDirectory", KEY_PATH, IN_SETTINGS(run_directory), "/run/nephronix", .least = 1 },
        { "HostRoot", KEY_PATH, IN_SETTINGS(host_root), "/" },
        { "Profile", KEY_SWITCH, IN_SETTINGS(light), "full", .words = profiles },
        { "Interval", KEY_TIME, IN_SETTINGS(interval_ns), "2s", .least = 10 * MILLISECOND, .most = 7 * DAY },
        { "Reconcile", KEY_TIME, IN_SETTINGS(reconcile_ns), "10min", .least = 10 * MILLISECOND, .most = 364 * DAY },
        { "Rehash", KEY_TIME, IN_SETTINGS(rehash_ns), "1w", .words = never, .least = SECOND, .most = 3640 * DAY },
        { "ScanRate", KEY_SIZE, IN_SETTINGS(scan_rate), "0", .words = no_limit, .least = 4096, .most = 1024 * GIBIBYTE },
        { "ScanThreads", KEY_NUMBER, IN_SETTINGS(scan_threads), "auto", .words = by_itself, .least = 1, .most = 256 },
        { "Sources", KEY_SOURCES, IN_SETTINGS(sources) },
        { "EventBuffer", KEY_SIZE, IN_SETTINGS(event_buffer), "8M", .least = 4096, .most = GIBIBYTE },
        { "FoldWindow", KEY_TIME, IN_SETTINGS(fold_window_ns), "1min", .least = SECOND, .most = DAY },
        { "SealRequired", KEY_SWITCH, IN_SETTINGS(seal_required), "yes", .words = yes_no },
};

const struct key key_log[KEYS_MAX + 1] = {
        { "MaxSize", KEY_SIZE, IN_SETTINGS(log_max_size), "100000", .least = 1000, .most = 1024 * GIBIBYTE },
        { "KeepDays", KEY_DAYS, IN_SETTINGS(log_keep_ns), "30", .least = 1, .most = 36500 },
        { "MaxUse", KEY_SIZE, IN_SETTINGS(log_max_use), "1G", .least = 1000, .most = 1024 * 1024 * GIBIBYTE },
        { "QuietRounds", KEY_SWITCH, IN_SETTINGS(quiet_rounds), "no", .words = yes_no },
        { "SegmentSize", KEY_SIZE, IN_SETTINGS(ledger_segment_size), "2M", .least = 1000, .most = 1024 * GIBIBYTE },
};

const struct key key_watch[KEYS_MAX + 1] = {
        { "Kind", KEY_KIND, IN_WATCH(kind) },
        { "Enabled", KEY_SWITCH, IN_WATCH(enabled), "yes", .words = yes_no },
        { "Priority", KEY_WORD, IN_WATCH(priority), .words = priorities },
        { "Detail", KEY_SWITCH, IN_WATCH(full_detail), "folded", .words = details },
        { "Path", KEY_PATHS, IN_WATCH(paths), .only = "files", .also = "setuid" },
        { "Exclude", KEY_GLOBS, IN_WATCH(excludes), .only = "files", .also = "setuid" },
        { "CrossMounts", KEY_SWITCH, IN_WATCH(crosses_mounts), "no", "files", yes_no, .also = "setuid" },
        { "Policy", KEY_WORD, IN_WATCH(policy), "full", "files", policies },
        { "Text", KEY_SWITCH, IN_WATCH(text), "no", "files", yes_no },
        { "Match", KEY_ALTERNATIVES, IN_WATCH(match), "module|bpf", "kernel-messages" },
        { "NetworkNamespaces", KEY_SWITCH, IN_WATCH(all_namespaces), "host", "connections", namespaces },
};

const struct key key_alert[KEYS_MAX + 1] = {
        { "Kind", KEY_KIND, IN_ALERT(kind) },
        { "Enabled", KEY_SWITCH, IN_ALERT(enabled), "yes", .words = yes_no },
        { "Severity", KEY_WORD, IN_ALERT(minimum), "high", .words = severities },
        { "Hook", KEY_FILE_NAME, IN_ALERT(hook), .only = "exec" },
        { "TimeLimit", KEY_TIME, IN_ALERT(time_limit_ns), "30s", "exec", .least = 100 * MILLISECOND, .most = DAY },
};

const char *key_word(const struct key *key, unsigned number) {
        for (const struct word *word = key->words; word->text; word++)
                if (word->number == number)
                        return word->text;
        return NULL;
}

static const struct word *find_word(const struct key *key, const char *text) {
        for (const struct word *word = key->words; word->text; word++)
                if (strcmp(word->text, text) == 0)
                        return word;
        return NULL;
}

static int read_quantity(const struct key *key, const char *text, uint64_t *ret) {
        const struct word *word = key->words ? find_word(key, text) : NULL;
        uint64_t value;
        int r;

        if (word) {
                *ret = word->number;
                return 0;
        }
        if (key->type == KEY_TIME)
                r = units_read_time(text, &value);
        else if (key->type == KEY_SIZE)
                r = units_read_size(text, &value);
        else
                r = units_read_number(text, &value);
        if (r < 0 || value < key->least || value > key->most)
                return -EINVAL;
        *ret = value;
        return 0;
}

/* ".." is refused, not resolved: behind a symbolic link it means another place than it seems to. */
static int read_path(const struct key *key, const char *text, struct buffer *ret) {
        size_t start = ret->size;

        if (text[0] != '/' || strlen(text) >= PATH_MAX)
                return -EINVAL;
        while (*text) {
                size_t length;

                text += strspn(text, "/");
                length = strcspn(text, "/");
                if (length == 2 && text[0] == '.' && text[1] == '.')
                        return -EINVAL;
                if (length > 0 && !(length == 1 && text[0] == '.')) {
                        buffer_append_byte(ret, '/');
                        buffer_append(ret, text, length);
                }
                text += length;
        }
        if (ret->size == start) {
                if (key->least > 0)
                        return -EINVAL;
                buffer_append_byte(ret, '/');
        }
        return 0;
}

static bool has_empty_alternative(const char *text) {
        size_t length = strlen(text);

        return length == 0 || text[0] == '|' || text[length - 1] == '|' || strstr(text, "||");
}

int key_read(const struct key *key, const char *text, struct buffer *ret) {
        const struct word *word;
        uint64_t value;
        int r;

        switch (key->type) {
        case KEY_PATH:
        case KEY_PATHS:
                r = read_path(key, text, ret);
                if (r < 0)
                        return r;
                break;
        case KEY_SWITCH:
        case KEY_WORD:
                word = find_word(key, text);
                if (!word)
                        return -EINVAL;
                buffer_append_string(ret, key_word(key, word->number));
                break;
        case KEY_TIME:
        case KEY_SIZE:
        case KEY_NUMBER:
        case KEY_DAYS:
                r = read_quantity(key, text, &value);
                if (r < 0)
                        return r;
                if (key->words && value <= UINT_MAX && key_word(key, (unsigned)value))
                        buffer_append_string(ret, key_word(key, (unsigned)value));
                else if (key->type == KEY_TIME)
                        units_write_time(ret, value);
                else if (key->type == KEY_SIZE)
                        units_write_size(ret, value);
                else
                        buffer_printf(ret, "%" PRIu64, value);
                break;
        case KEY_ALTERNATIVES:
                if (has_empty_alternative(text))
                        return -EINVAL;
                buffer_append_string(ret, text);
                break;
        case KEY_FILE_NAME:
                if (text[0] == '\0' || text[0] == '.' || strchr(text, '/') || strlen(text) > NAME_MAX)
                        return -EINVAL;
                buffer_append_string(ret, text);
                break;
        case KEY_GLOBS:
        case KEY_KIND:
        case KEY_SOURCES:
                buffer_append_string(ret, text);
                break;
        }
        return buffer_error(ret);
}

static void describe_range(const struct key *key, struct buffer *buffer) {
        bool is_time = key->type == KEY_TIME;
        void (*write)(struct buffer *, uint64_t) = is_time ? units_write_time : units_write_size;

        buffer_append_string(buffer, is_time ? "a time from " : "a size from ");
        write(buffer, key->least);
        buffer_append_string(buffer, " to ");
        write(buffer, key->most);
        buffer_append_string(buffer, is_time ? ", a number with its unit (" UNITS_OF_TIME ")"
                                             : ", bytes or a number with its unit (" UNITS_OF_SIZE ")");
}

/* The words that stand beside a range. */
static void describe_others(const struct key *key, struct buffer *buffer) {
        for (const struct word *word = key->words; word && word->text; word++)
                buffer_printf(buffer, ", or %s", word->text);
}

/* The first word of each number; the tables have those in front. */
static void describe_words(const struct key *key, struct buffer *buffer) {
        for (const struct word *word = key->words; word->text && key_word(key, word->number) == word->text; word++) {
                bool last = !word[1].text || key_word(key, word[1].number) != word[1].text;

                if (word != key->words)
                        buffer_append_string(buffer, last ? " or " : ", ");
                buffer_append_string(buffer, word->text);
        }
}

void key_describe(const struct key *key, struct buffer *buffer) {
        switch (key->type) {
        case KEY_PATH:
        case KEY_PATHS:
                buffer_printf(buffer, "an absolute path%s without \"..\", of at most %d bytes",
                              key->least > 0 ? " other than / and" : "", PATH_MAX - 1);
                break;
        case KEY_SWITCH:
        case KEY_WORD:
                describe_words(key, buffer);
                break;
        case KEY_TIME:
        case KEY_SIZE:
                describe_range(key, buffer);
                describe_others(key, buffer);
                break;
        case KEY_NUMBER:
                buffer_printf(buffer, "a number from %" PRIu64 " to %" PRIu64, key->least, key->most);
                describe_others(key, buffer);
                break;
        case KEY_DAYS:
                buffer_printf(buffer, "a number of days from %" PRIu64 " to %" PRIu64, key->least, key->most);
                break;
        case KEY_ALTERNATIVES:
                buffer_append_string(buffer, "words joined by '|', none of them empty");
                break;
        case KEY_FILE_NAME:
                buffer_append_string(buffer, "a plain file name, without '/' and not starting with '.'");
                break;
        case KEY_GLOBS:
        case KEY_KIND:
        case KEY_SOURCES:
                break; /* take anything */
        }
}

static int store_text(char **place, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        free(*place);
        *place = copy;
        return 0;
}

int key_store(const struct key *key, const char *text, void *target) {
        void *place = (char *)target + key->offset;
        const struct word *word;
        uint64_t value;
        int r;

        switch (key->type) {
        case KEY_PATH:
        case KEY_ALTERNATIVES:
        case KEY_FILE_NAME:
        case KEY_KIND:
                return store_text(place, text);
        case KEY_PATHS:
        case KEY_GLOBS:
        case KEY_SOURCES:
                return string_list_add(place, text);
        case KEY_SWITCH:
        case KEY_WORD:
                word = find_word(key, text);
                if (!word)
                        return -EINVAL;
                if (key->type == KEY_SWITCH)
                        *(bool *)place = word->number != 0;
                else
                        *(unsigned *)place = word->number;
                return 0;
        case KEY_TIME:
        case KEY_SIZE:
        case KEY_NUMBER:
        case KEY_DAYS:
                r = read_quantity(key, text, &value);
                if (r < 0)
                        return r;
                *(uint64_t *)place = key->type == KEY_DAYS ? value * DAY : value;
                return 0;
        }
        return -EINVAL;
}

bool key_is_name(const char *text) {
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

        return length >= 1 && length <= 64 && text[length] == '\0';
}
