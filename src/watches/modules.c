/* modules.c - loaded kernel modules: /proc/modules joined with /sys/module, which also shows what hides from the
 * former. How often a module is used and by whom moves by itself and is left out, as is the address it lies at. */
#include "modules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "delta.h"
#include "fd.h"
#include "host.h"
#include "set.h"

enum {
        MODULES_NAME,
        MODULES_SIZE,
        MODULES_STATE,
        MODULES_TAINTS,
        MODULES_IN_TREE,
        MODULES_SIGNATURE,
        MODULES_VERSION,
        MODULES_SRCVERSION,
        MODULES_HIDDEN,
};

static const struct field modules_fields[] = {
        [MODULES_NAME] = { "name", NULL, FIELD_TEXT, 0 },
        [MODULES_SIZE] = { "size", NULL, FIELD_NUMBER, 0 },
        [MODULES_STATE] = { "state", NULL, FIELD_TEXT, FIELD_QUIET }, /* coming becomes live by itself */
        [MODULES_TAINTS] = { "taints", NULL, FIELD_TEXT, 0 },
        [MODULES_IN_TREE] = { "in_tree", NULL, FIELD_FLAG, 0 },
        [MODULES_SIGNATURE] = { "signature", NULL, FIELD_TEXT, 0 },
        [MODULES_VERSION] = { "version", NULL, FIELD_TEXT, 0 },
        [MODULES_SRCVERSION] = { "srcversion", NULL, FIELD_TEXT, 0 },
        [MODULES_HIDDEN] = { "hidden", NULL, FIELD_FLAG, 0 }, /* absent: it is not */
        { 0 },
};

enum {
        LIST_MAX = 8 * 1024 * 1024,     /* bytes of /proc/modules */
        ENTRIES_MAX = 65536,            /* folders in /sys/module */
        ATTRIBUTE_MAX = 64 * 1024,
        RACES_MAX = 3,
};

/* A folder of /sys/module. Kernfs numbers its inodes upwards, so name and inode name one loaded instance, and what was
 * read of it once need not be read again. */
struct entry {
        char *name;             /* owned */
        uint64_t inode;
        unsigned misses;        /* rounds that found no initstate: it is built in, not a module */
        bool read, has_size;
        uint64_t size;
        char *version, *srcversion; /* owned; NULL: none */
};

struct modules_state {
        const struct host *host;        /* borrowed */
        struct entry *entries;          /* sorted by name */
        size_t n_entries;
        struct module_line *lines;      /* sorted by name, pointing into 'text' */
        size_t n_lines, lines_capacity;
        struct buffer text, again, attribute;
        struct set *set;
        size_t damaged;
};

static void entries_free(struct entry *entries, size_t count) {
        for (size_t i = 0; i < count; i++) {
                free(entries[i].name);
                free(entries[i].version);
                free(entries[i].srcversion);
        }
        free(entries);
}

static void modules_close(void *data) {
        struct modules_state *state = data;

        if (!state)
                return;
        entries_free(state->entries, state->n_entries);
        free(state->lines);
        buffer_done(&state->text);
        buffer_done(&state->again);
        buffer_done(&state->attribute);
        (void)set_free(state->set);
        free(state);
}

static int modules_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct modules_state *state = calloc(1, sizeof(*state));

        (void)settings;
        if (!state)
                return -ENOMEM;
        state->host = host;
        state->set = set_new(modules_fields);
        if (!state->set) {
                modules_close(state);
                return -ENOMEM;
        }
        *ret_state = state;
        return 0;
}

static struct bytes next_word(struct bytes *line) {
        size_t start = 0, end;
        struct bytes word;

        while (start < line->size && line->data[start] == ' ')
                start++;
        for (end = start; end < line->size && line->data[end] != ' ';)
                end++;
        word = bytes_of(line->data + start, end - start);
        *line = bytes_of(line->data + end, line->size - end);
        return word;
}

static bool parse_number(struct bytes text, uint64_t *ret) {
        uint64_t number = 0;

        if (text.size == 0)
                return false;
        for (size_t i = 0; i < text.size; i++)
                if (text.data[i] < '0' || text.data[i] > '9' ||
                    __builtin_mul_overflow(number, (uint64_t)10, &number) ||
                    __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
                        return false;
        *ret = number;
        return true;
}

/* "(OE+)": the kernel hangs '+' or '-' on the letters while the module comes or goes. */
static struct bytes strip_taints(struct bytes word) {
        size_t size = word.size;

        if (size < 2 || word.data[0] != '(' || word.data[size - 1] != ')')
                return BYTES_NULL;
        for (size--; size > 1 && (word.data[size - 1] == '+' || word.data[size - 1] == '-');)
                size--;
        return bytes_of(word.data + 1, size - 1);
}

int module_parse_line(struct bytes line, struct module_line *ret) {
        struct module_line module = { 0 };

        module.name = next_word(&line);
        if (module.name.size == 0 || !parse_number(next_word(&line), &module.size))
                return -EBADMSG;
        (void)next_word(&line); /* how often it is used */
        (void)next_word(&line); /* by whom */
        module.state = next_word(&line);
        if (module.state.size == 0)
                return -EBADMSG;
        (void)next_word(&line); /* where it lies */
        module.taints = strip_taints(next_word(&line));
        *ret = module;
        return 0;
}

static int compare_lines(const void *a, const void *b) {
        const struct module_line *left = a, *right = b;

        return bytes_compare(left->name, right->name);
}

static int parse_list(struct modules_state *state) {
        struct bytes text = buffer_bytes(&state->text);

        state->n_lines = state->damaged = 0;
        while (text.size) {
                const uint8_t *end = memchr(text.data, '\n', text.size);
                struct bytes line = bytes_of(text.data, end ? (size_t)(end - text.data) : text.size);
                size_t step = line.size + (end ? 1 : 0);

                text = bytes_of(text.data + step, text.size - step);
                if (state->n_lines == state->lines_capacity) {
                        size_t capacity = state->lines_capacity ? state->lines_capacity * 2 : 128;
                        struct module_line *lines = reallocarray(state->lines, capacity, sizeof(*lines));

                        if (!lines)
                                return -ENOMEM;
                        state->lines = lines;
                        state->lines_capacity = capacity;
                }
                if (module_parse_line(line, &state->lines[state->n_lines]) == 0)
                        state->n_lines++;
                else
                        state->damaged++;
        }
        if (state->n_lines)
                qsort(state->lines, state->n_lines, sizeof(*state->lines), compare_lines);
        return 0;
}

static bool is_listed(const struct modules_state *state, const char *name) {
        struct module_line wanted = { .name = bytes_of_string(name) };

        return state->n_lines && bsearch(&wanted, state->lines, state->n_lines, sizeof(wanted), compare_lines);
}

static bool is_listed_again(const struct buffer *text, const char *name) {
        struct bytes rest = buffer_bytes(text), wanted = bytes_of_string(name);

        while (rest.size) {
                const uint8_t *end = memchr(rest.data, '\n', rest.size);
                struct bytes line = bytes_of(rest.data, end ? (size_t)(end - rest.data) : rest.size);
                size_t step = line.size + (end ? 1 : 0);

                if (bytes_equal(next_word(&line), wanted))
                        return true;
                rest = bytes_of(rest.data + step, rest.size - step);
        }
        return false;
}

static int compare_entries(const void *a, const void *b) {
        const struct entry *left = a, *right = b;

        return strcmp(left->name, right->name);
}

static struct entry *find_entry(const struct modules_state *state, struct bytes name) {
        size_t low = 0, high = state->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = bytes_compare(bytes_of_string(state->entries[middle].name), name);

                if (order == 0)
                        return &state->entries[middle];
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

static void close_directory(DIR **place) {
        if (*place)
                (void)closedir(*place);
}

#define _cleanup_directory_ __attribute__((cleanup(close_directory)))

/* Takes over what is known of the entries that are still the same instances; 'entries' becomes the state's. */
static void replace_entries(struct modules_state *state, struct entry *entries, size_t count) {
        for (size_t i = 0; i < count; i++) {
                struct entry *known = find_entry(state, bytes_of_string(entries[i].name));
                char *name;

                if (!known || known->inode != entries[i].inode || !state->host->live)
                        continue;
                name = entries[i].name;
                entries[i] = *known;
                entries[i].name = name;
                known->version = known->srcversion = NULL;
        }
        entries_free(state->entries, state->n_entries);
        if (count)
                qsort(entries, count, sizeof(*entries), compare_entries);
        state->entries = entries;
        state->n_entries = count;
}

static int append_entry(struct entry **entries, size_t *count, size_t *capacity, const struct dirent *found) {
        if (*count == *capacity) {
                size_t more = *capacity ? *capacity * 2 : 128;
                struct entry *grown = reallocarray(*entries, more, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                *entries = grown;
                *capacity = more;
        }
        (*entries)[*count] = (struct entry){ .name = strdup(found->d_name), .inode = found->d_ino };
        return (*entries)[*count].name ? (int)((*count)++, 0) : -ENOMEM;
}

/* Lists /sys/module. While it holds what it held, nothing is allocated. */
static int list_entries(struct modules_state *state, DIR *directory) {
        struct entry *entries = NULL;
        size_t count = 0, capacity = 0, same = 0, found = 0;
        const struct dirent *entry;
        int r = 0;

        while ((entry = readdir(directory))) {
                const struct entry *known;

                if (entry->d_name[0] == '.')
                        continue;
                found++;
                known = find_entry(state, bytes_of_string(entry->d_name));
                same += known && known->inode == entry->d_ino;
        }
        if (state->host->live && same == found && found == state->n_entries)
                return 0;

        rewinddir(directory);
        while (r == 0 && count < ENTRIES_MAX && (entry = readdir(directory)))
                if (entry->d_name[0] != '.')
                        r = append_entry(&entries, &count, &capacity, entry);
        if (r < 0) {
                entries_free(entries, count);
                return r;
        }
        replace_entries(state, entries, count);
        return 0;
}

/* The first line of NAME/ATTRIBUTE into state->attribute. False if there is none. */
static bool read_attribute(struct modules_state *state, int directory, const char *name, const char *attribute) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        const uint8_t *end;

        buffer_printf(&path, "%s/%s", name, attribute);
        buffer_clear(&state->attribute);
        if (buffer_error(&path) < 0 ||
            file_read_at(directory, buffer_string(&path), ATTRIBUTE_MAX, &state->attribute) < 0 ||
            state->attribute.size == 0)
                return false;
        end = memchr(state->attribute.data, '\n', state->attribute.size);
        if (end)
                buffer_truncate(&state->attribute, (size_t)(end - state->attribute.data));
        return state->attribute.size > 0;
}

static char *read_text(struct modules_state *state, int directory, const char *name, const char *attribute) {
        if (!read_attribute(state, directory, name, attribute))
                return NULL;
        return strdup(buffer_string(&state->attribute));
}

static void read_entry(struct modules_state *state, int directory, struct entry *entry) {
        free(entry->version);
        free(entry->srcversion);
        entry->version = read_text(state, directory, entry->name, "version");
        entry->srcversion = read_text(state, directory, entry->name, "srcversion");
        entry->has_size = read_attribute(state, directory, entry->name, "coresize") &&
                          parse_number(buffer_bytes(&state->attribute), &entry->size);
        entry->read = true;
}

static struct value text_or_absent(struct bytes text) {
        return text.size ? value_bytes(text) : (struct value){ .present = false };
}

static void set_taints(struct record *record, struct bytes taints) {
        record->values[MODULES_TAINTS] = text_or_absent(taints);
        record->values[MODULES_IN_TREE] = value_number(!taints.size || !memchr(taints.data, 'O', taints.size));
        /* The kernel keeps no signer. It only marks what it could not verify, and only if it was built to. */
        if (taints.size && memchr(taints.data, 'E', taints.size))
                record->values[MODULES_SIGNATURE] = value_string("missing or not trusted");
}

static int add_record(struct modules_state *state, struct bytes name, const struct entry *entry, struct bytes taints,
                      struct record *record) {
        record->key = name;
        record->values[MODULES_NAME] = value_bytes(name);
        set_taints(record, taints);
        if (entry) {
                record->values[MODULES_VERSION] = value_string(entry->version);
                record->values[MODULES_SRCVERSION] = value_string(entry->srcversion);
                if (entry->has_size) /* without the init sections, which go when it is live */
                        record->values[MODULES_SIZE] = value_number(entry->size);
        }
        return set_add(state->set, record);
}

static struct bytes state_word(struct bytes state) {
        if (bytes_equal(state, bytes_of_string("Live")))
                return bytes_of_string("live");
        if (bytes_equal(state, bytes_of_string("Loading")))
                return bytes_of_string("coming");
        if (bytes_equal(state, bytes_of_string("Unloading")))
                return bytes_of_string("going");
        return state;
}

static int add_listed(struct modules_state *state, int directory, const struct module_line *line, struct entry *entry) {
        struct bytes word = state_word(line->state);
        bool live = bytes_equal(word, bytes_of_string("live"));
        struct record record = { 0 };

        if (entry && !entry->read)
                read_entry(state, directory, entry);
        /* Its folder is being filled right now: the next look finds all of it, and no change that is none. */
        if (!live && directory >= 0 && (!entry || !entry->has_size) && bytes_equal(word, bytes_of_string("coming"))) {
                if (entry)
                        entry->read = false;
                return 0;
        }
        if (entry) {
                entry->misses = 0;
                entry->read = live;
        }
        record.values[MODULES_SIZE] = value_number(line->size);
        record.values[MODULES_STATE] = value_bytes(word);
        return add_record(state, line->name, entry, line->taints, &record);
}

static bool is_live(struct modules_state *state, int directory, const struct entry *entry) {
        return read_attribute(state, directory, entry->name, "initstate") &&
               bytes_equal(buffer_bytes(&state->attribute), bytes_of_string("live"));
}

static int add_hidden(struct modules_state *state, int directory, struct entry *entry) {
        _cleanup_free_ char *taints = read_text(state, directory, entry->name, "taint");
        struct record record = { 0 };

        if (!entry->read)
                read_entry(state, directory, entry);
        record.values[MODULES_STATE] = value_string("live");
        record.values[MODULES_HIDDEN] = value_number(1);
        return add_record(state, bytes_of_string(entry->name), entry, bytes_of_string(taints), &record);
}

/* A module enters the list before its folder is made, and leaves it after the folder is gone. So one with a folder that
 * a second reading of the list does not show either is hidden. 0, or -EAGAIN: it was loaded between the readings. */
static int add_if_hidden(struct modules_state *state, int directory, struct entry *entry, bool *read_again) {
        int r;

        if (!is_live(state, directory, entry)) {
                entry->misses++;
                return 0;
        }
        if (!*read_again) {
                buffer_clear(&state->again);
                r = host_read(state->host, "proc/modules", LIST_MAX, &state->again);
                if (r < 0)
                        return r;
                *read_again = true;
        }
        if (is_listed_again(&state->again, entry->name))
                return -EAGAIN;
        return is_live(state, directory, entry) ? add_hidden(state, directory, entry) : 0;
}

static int look_for_hidden(struct modules_state *state, int directory) {
        bool read_again = false;

        for (size_t i = 0; i < state->n_entries; i++) {
                struct entry *entry = &state->entries[i];
                int r;

                if (entry->misses >= 2 || is_listed(state, entry->name))
                        continue;
                r = add_if_hidden(state, directory, entry, &read_again);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_list(struct modules_state *state) {
        int r;

        buffer_clear(&state->text);
        r = host_read(state->host, "proc/modules", LIST_MAX, &state->text);
        return r < 0 ? r : parse_list(state);
}

static int collect_once(struct modules_state *state) {
        _cleanup_directory_ DIR *directory = NULL;
        _cleanup_close_ int fd = -1;
        int sys = -1, r;

        r = read_list(state);
        if (r < 0)
                return r;
        fd = host_openat(state->host, "sys/module", O_RDONLY | O_DIRECTORY);
        if (fd >= 0) {
                directory = fdopendir(fd);
                if (!directory)
                        return -errno;
                sys = TAKE_FD(fd);
                r = list_entries(state, directory);
                if (r < 0)
                        return r;
        }

        set_clear(state->set);
        for (size_t i = 0; i < state->n_lines && r >= 0; i++)
                r = add_listed(state, sys, &state->lines[i], find_entry(state, state->lines[i].name));
        if (r >= 0 && sys >= 0)
                r = look_for_hidden(state, sys);
        return r;
}

/* Of all others no more than the line in the list is read. */
static int collect_one(struct modules_state *state, struct bytes name) {
        struct module_line wanted = { .name = name }, *line = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int sys = -1;
        struct entry entry = { 0 };
        bool read_again = false, has_entry;
        int r = read_list(state);

        if (r < 0)
                return r;
        text = strndup((const char *)name.data, name.size);
        if (!text)
                return -ENOMEM;
        if (state->n_lines)
                line = bsearch(&wanted, state->lines, state->n_lines, sizeof(wanted), compare_lines);
        sys = host_openat(state->host, "sys/module", O_RDONLY | O_DIRECTORY);
        has_entry = sys >= 0 && text[0] != '.' && !strchr(text, '/') && faccessat(sys, text, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        entry.name = text;

        set_clear(state->set);
        /* The kernel tells of the removal before the list does without it, and not again: one that is on its way out is gone. If it
         * stays like that (its exit function does not return), a look at all of them finds it. */
        if (line && !bytes_equal(line->state, bytes_of_string("Unloading")))
                r = add_listed(state, sys, line, has_entry ? &entry : NULL);
        else if (!line && has_entry)
                r = add_if_hidden(state, sys, &entry, &read_again);
        free(entry.version);
        free(entry.srcversion);
        return r;
}

static int modules_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct modules_state *state = data;
        int r;

        for (int i = 0;; i++) {
                r = request->within.size ? collect_one(state, request->within) : collect_once(state);
                if (r != -EAGAIN || i == RACES_MAX) /* what hides is found in a calmer round */
                        break;
        }
        if (r == -ENOENT) {
                collector->condition(collector, "this kernel has no loadable modules");
                return WATCH_E_UNAVAILABLE;
        }
        if (r < 0 && r != -EAGAIN)
                return r;
        if (state->damaged)
                collector->condition(collector, "lines of /proc/modules that cannot be understood were left out");
        r = set_emit(state->set, collector);
        return r < 0 ? r : WATCH_OK;
}

/* As module_flags_taint() in the kernel's kernel/module/main.c writes them. */
static void taint_letters(uint64_t taints, struct buffer *text) {
        static const struct {
                uint8_t bit, letter;
        } letters[] = {
                { 0, 'P' }, { 1, 'F' }, { 10, 'C' }, { 12, 'O' }, { 13, 'E' }, { 15, 'K' }, { 16, 'X' }, { 17, 'T' },
                { 18, 'N' }, { 19, 'J' },
        };

        buffer_clear(text);
        for (size_t i = 0; i < ELEMENTS(letters); i++)
                if (taints >> letters[i].bit & 1)
                        buffer_append_byte(text, letters[i].letter);
}

static int modules_recognize(void *data, const struct delta *delta, struct record *ret) {
        const struct module_facts *module = &delta->module;
        struct modules_state *state = data;

        if (delta->subject != DELTA_MODULE || module->name.size == 0)
                return 0;
        *ret = (struct record){ .key = module->name };
        ret->values[MODULES_NAME] = value_bytes(module->name);
        if (module->has_taints) {
                taint_letters(module->taints, &state->attribute);
                if (buffer_error(&state->attribute) < 0)
                        return -ENOMEM;
                set_taints(ret, buffer_bytes(&state->attribute));
        }
        return 1;
}

static const struct action hidden_module = {
        "loaded-kernel-module", "driver", "start", SEVERITY_CRITICAL, false,
        "kernel module {name} is loaded but hidden from /proc/modules{taints?, taints {taints}}"
        "{version?, version {version}}"
};

static const struct action untrusted_module = {
        "loaded-kernel-module", "driver", "start", SEVERITY_CRITICAL, false,
        "kernel module {name}{size? ({size} bytes}{version?, version {version}}{size?)} was loaded: not from the kernel's tree or "
        "not signed (taints {taints})"
};

static const struct action module_hides = {
        "kernel-module-changed", "driver", "change", SEVERITY_CRITICAL, false,
        "kernel module {name} is now hidden from /proc/modules"
};

static const struct action *modules_classify(const struct change *change) {
        const struct record *after = change->after;

        if (change->kind == CHANGE_VANISHED)
                return NULL;
        if (change->kind == CHANGE_CHANGED)
                return after->values[MODULES_HIDDEN].present && !change->before->values[MODULES_HIDDEN].present
                               ? &module_hides
                               : NULL;
        if (after->values[MODULES_HIDDEN].present)
                return &hidden_module;
        if (after->values[MODULES_SIGNATURE].present ||
            (after->values[MODULES_IN_TREE].present && !after->values[MODULES_IN_TREE].number))
                return &untrusted_module;
        return NULL;
}

static const struct column kernmodchk_columns[] = {
        { .before = "module ", .field = "name", .width = 24 },
        { .before = " size=", .field = "size" },
        { .before = " taints=", .field = "taints" },
        { .before = " version=", .field = "version" },
        { .before = " srcversion=", .field = "srcversion" },
        { .before = " hidden=", .field = "hidden" },
        { 0 },
};

static const struct document kernmodchk = {
        .name = "kernmodchk",
        .columns = kernmodchk_columns,
};

const struct watch watch_modules = {
        .kind = "modules",
        .noun = "kernel module",
        .sensor = "procfs and sysfs",
        .dataset = "kernel",
        .fields = modules_fields,
        .label = "{name}",
        .priority = PRIORITY_HIGH,
        .built_in = true,
        .light = true,
        .can_look_within = true,
        .subjects = 1U << DELTA_MODULE,
        .appeared = { "loaded-kernel-module", "driver", "start", SEVERITY_HIGH, false,
                      "kernel module {name}{size? ({size} bytes}{version?, version {version}}{size?)} was loaded" },
        .vanished = { "unloaded-kernel-module", "driver", "end", SEVERITY_HIGH, false,
                      "kernel module {name} was unloaded" },
        .changed = { "kernel-module-changed", "driver", "change", SEVERITY_HIGH, false, NULL },
        .classify = modules_classify,
        .title_changed = "Possible change in kernel module or BPF/eBPF detected! Diff:",
        .title_quiet = "No changes in kernel modules or BPF/eBPF detected.",
        .document = &kernmodchk,
        .open = modules_open,
        .collect = modules_collect,
        .recognize = modules_recognize,
        .close = modules_close,
};
