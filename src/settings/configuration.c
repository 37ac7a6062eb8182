/* configuration.c - first every value is gathered with the place it came from, then what is in force is made of them.
 * So a message, check-config --print and the settings themselves can never disagree. */
#include "configuration.h"

#include <errno.h>
#include <fcntl.h>

#include "escape.h"
#include "fd.h"
#include "ini.h"
#include "key.h"
#include "section.h"
#include "source.h"
#include "string-list.h"
#include "trusted-file.h"
#include "watch.h"

enum {
        SECTIONS_MAX = 512,     /* watches and alerts together */
        VALUES_MAX = 1024,      /* of one repeated key */
        SHOWN_MAX = 128,        /* bytes of a value in a message */
};

struct configuration {
        const struct configuration_options *options;
        struct buffer *error;
        struct strings files;           /* read so far; origins borrow from it */
        struct sections sections;
        const char *file;               /* being read */
        struct section *current;
};

static void configuration_done(struct configuration *configuration) {
        section_done(&configuration->sections);
        string_list_done(&configuration->files);
}

/* Messages. Each starts with where(), so that "file:line: " is never forgotten; the caller returns -EBADMSG. */

static void where(struct configuration *configuration, struct position origin) {
        escape_append(configuration->error, bytes_of_string(origin.file ? origin.file : "default"));
        buffer_printf(configuration->error, ":%u: ", origin.line);
}

static void quote(struct configuration *configuration, const char *text) {
        size_t length = strlen(text), shown = length;

        if (length > SHOWN_MAX)
                for (shown = SHOWN_MAX; shown > 0 && ((uint8_t)text[shown] & 0xc0) == 0x80; shown--)
                        ; /* not in the middle of a character */
        buffer_append_byte(configuration->error, '"');
        escape_append(configuration->error, bytes_of(text, shown));
        buffer_append_string(configuration->error, shown < length ? "...\"" : "\"");
}

static int refuse(struct configuration *configuration, struct position origin, const char *text) {
        where(configuration, origin);
        buffer_append_string(configuration->error, text);
        return -EBADMSG;
}

static int refuse_quoting(struct configuration *configuration, struct position origin, const char *before,
                          const char *text, const char *after) {
        where(configuration, origin);
        buffer_append_string(configuration->error, before);
        quote(configuration, text);
        buffer_append_string(configuration->error, after);
        return -EBADMSG;
}

static void list_kinds(struct configuration *configuration, const struct section *section) {
        const struct watch *const *watch = configuration->options->watches;
        const char *const *known = configuration->options->alert_kinds;
        const char *between = "";

        if (section->kind == &section_watch)
                for (; watch && *watch; watch++, between = ", ")
                        buffer_printf(configuration->error, "%s%s", between, (*watch)->kind);
        else
                for (; known && *known; known++, between = ", ")
                        buffer_printf(configuration->error, "%s%s", between, *known);
}

static int enter_section(struct configuration *configuration, const struct ini_entry *entry, struct position origin) {
        const struct section_kind *kind = section_find_kind(entry->section);

        if (!kind)
                return refuse_quoting(configuration, origin, "unknown section ", entry->section,
                                      " (known: Nephronix, Log, Watch \"name\", Alert \"name\")");
        if (!kind->labelled && entry->label)
                return refuse_quoting(configuration, origin, "this section takes no name, not ", entry->label, "");
        if (kind->labelled && !entry->label) {
                where(configuration, origin);
                buffer_printf(configuration->error, "this section needs a name: [%s \"name\"]", kind->name);
                return -EBADMSG;
        }
        if (kind->labelled && !key_is_name(entry->label))
                return refuse_quoting(configuration, origin,
                                      "a name is 1 to 64 characters of a-z, 0-9 and '-', not ", entry->label, "");

        configuration->current = section_find(&configuration->sections, kind, entry->label);
        if (!configuration->current) {
                if (configuration->sections.count >= SECTIONS_MAX)
                        return refuse(configuration, origin, "too many sections");
                return section_add(&configuration->sections, kind, entry->label, origin, &configuration->current);
        }
        if (!configuration->current->origin.file)
                configuration->current->origin = origin;
        return 0;
}

/* A second Kind= may only repeat the first: two files that mean different things by one name are a mistake. */
static int check_kind(struct configuration *configuration, const struct section *section, const struct given *given,
                      const char *kind, struct position origin) {
        const char *before = given->count > 0 ? given->items[0].text : section_fixed_kind(section);

        if (!section_is_kind(&configuration->sections, section->kind, kind)) {
                where(configuration, origin);
                buffer_append_string(configuration->error, "Kind= takes one of ");
                list_kinds(configuration, section);
                buffer_append_string(configuration->error, ", not ");
                quote(configuration, kind);
                return -EBADMSG;
        }
        if (!before || strcmp(before, kind) == 0)
                return 0;
        where(configuration, origin);
        buffer_printf(configuration->error, "%s \"%s\" is of kind \"%s\"", section->kind->name, section->label, before);
        if (given->count > 0) {
                buffer_append_string(configuration->error, " already (");
                escape_append(configuration->error, bytes_of_string(given->items[0].origin.file));
                buffer_printf(configuration->error, ":%u)", given->items[0].origin.line);
        }
        buffer_append_string(configuration->error, ", not ");
        quote(configuration, kind);
        return -EBADMSG;
}

static bool is_source(const struct configuration *configuration, const char *name) {
        const struct source *const *source = configuration->options->sources;

        for (; source && *source; source++)
                if (strcmp((*source)->name, name) == 0)
                        return true;
        return false;
}

static int refuse_source(struct configuration *configuration, const char *key, const char *name,
                         struct position origin) {
        const struct source *const *source = configuration->options->sources;
        const char *between = "";

        where(configuration, origin);
        buffer_printf(configuration->error, "%s= takes names of sources (", key);
        for (; source && *source; source++, between = ", ")
                buffer_printf(configuration->error, "%s%s", between, (*source)->name);
        buffer_append_string(configuration->error, "), not ");
        quote(configuration, name);
        return -EBADMSG;
}

/* A name given twice means no more than once, and stays with the line that gave it first. */
static int give_sources(struct configuration *configuration, struct given *given, const char *key, const char *text,
                        struct position origin) {
        static const char between[] = " \t,";
        int r = 0;

        for (text += strspn(text, between); r == 0 && *text; text += strspn(text, between)) {
                _cleanup_free_ char *name = strndup(text, strcspn(text, between));
                bool known = false;

                if (!name)
                        return -ENOMEM;
                text += strlen(name);
                if (!is_source(configuration, name))
                        return refuse_source(configuration, key, name, origin);
                for (size_t i = 0; i < given->count; i++)
                        known |= strcmp(given->items[i].text, name) == 0;
                if (!known)
                        r = section_give(given, name, origin);
        }
        return r;
}

static int on_entry(void *context, const struct ini_entry *entry) {
        struct configuration *configuration = context;
        const struct position origin = { .file = configuration->file, .line = entry->line };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct section *section;
        const struct key *key;
        struct given *given;
        int r;

        if (!entry->key)
                return enter_section(configuration, entry, origin);
        section = configuration->current;
        key = &section->kind->keys[section_key(section->kind, entry->key)];
        given = &section->given[key - section->kind->keys];
        if (!key->name) {
                where(configuration, origin);
                buffer_append_string(configuration->error, "unknown key ");
                quote(configuration, entry->key);
                buffer_printf(configuration->error, " in [%s]", section->kind->name);
                return -EBADMSG;
        }
        if (entry->value[0] == '\0') {
                section_take_back(given);
                return 0;
        }

        r = key_read(key, entry->value, &text);
        if (r == -EINVAL) {
                where(configuration, origin);
                buffer_printf(configuration->error, "%s= takes ", key->name);
                key_describe(key, configuration->error);
                buffer_append_string(configuration->error, ", not ");
                quote(configuration, entry->value);
                return -EBADMSG;
        }
        if (r == 0 && key->type == KEY_KIND)
                r = check_kind(configuration, section, given, buffer_string(&text), origin);
        if (r == 0 && key->type == KEY_SOURCES)
                return give_sources(configuration, given, key->name, buffer_string(&text), origin);
        if (r < 0)
                return r;
        if (!key_is_list(key))
                section_take_back(given);
        else if (given->count >= VALUES_MAX)
                return refuse(configuration, origin, "too many values of this key");
        return section_give(given, buffer_string(&text), origin);
}

/* Reading. */

static int read_file(struct configuration *configuration, int directory, const char *name, const char *shown) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct ini_error fault;
        int r;

        r = string_list_add(&configuration->files, shown);
        if (r == 0)
                r = trusted_file_read(directory, name, shown, configuration->options->any_owner, &text,
                                      configuration->error);
        if (r < 0)
                return r;
        configuration->file = configuration->files.items[configuration->files.count - 1];
        configuration->current = NULL;
        r = ini_parse(buffer_bytes(&text), on_entry, configuration, &fault);
        if (r < 0 && fault.text)
                return refuse(configuration, (struct position){ configuration->file, fault.line }, fault.text);
        return r;
}

static int read_files(struct configuration *configuration) {
        const char *file = configuration->options->file, *slash = strrchr(file, '/');
        _cleanup_string_list_ struct strings names = { .items = NULL };
        _cleanup_buffer_ struct buffer folder = BUFFER_NULL, shown = BUFFER_NULL;
        _cleanup_close_ int directory = -1, drop_ins = -1;
        int r;

        buffer_append(&folder, file, slash ? (size_t)(slash - file + 1) : 0);
        directory = open(slash ? buffer_string(&folder) : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) {
                r = buffer_error(&folder) < 0 ? -ENOMEM : -errno;
                escape_append(configuration->error, bytes_of_string(file));
                buffer_printf(configuration->error, ": %s",
                              r == -ENOENT ? "there is no such file" : "cannot be read, nor its folder opened");
                return r;
        }
        r = read_file(configuration, directory, slash ? slash + 1 : file, file);
        if (r < 0)
                return r;

        buffer_append_string(&folder, "conf.d");
        r = trusted_folder_open(directory, "conf.d", buffer_string(&folder), ".conf", configuration->options->any_owner,
                                &drop_ins, &names, configuration->error);
        if (r == -ENOENT)
                return 0;
        for (size_t i = 0; r == 0 && i < names.count; i++) {
                buffer_clear(&shown);
                buffer_append_bytes(&shown, buffer_bytes(&folder));
                buffer_append_byte(&shown, '/');
                buffer_append_string(&shown, names.items[i]);
                r = read_file(configuration, drop_ins, names.items[i], buffer_string(&shown));
        }
        return r;
}

/* What can only be said of the whole. */

/* A path below another of the same watch is walked with that one. Of two equal ones the file's stays. */
static void drop_nested(struct given *given) {
        size_t kept = 0;

        for (size_t i = 0; i < given->count; i++) {
                struct item *inner = &given->items[i];
                bool nested = false;

                for (size_t j = 0; j < given->count && !nested; j++) {
                        const struct item *outer = &given->items[j];
                        size_t length = outer->text ? strlen(outer->text) : 0;

                        if (i == j || !outer->text || strncmp(inner->text, outer->text, length) != 0)
                                continue;
                        if (inner->text[length] == '\0')
                                nested = j < i ? outer->origin.file != NULL : !inner->origin.file;
                        else
                                nested = inner->text[length] == '/' || length == 1;
                }
                if (nested) {
                        free(inner->text);
                        inner->text = NULL;
                }
        }
        for (size_t i = 0; i < given->count; i++)
                if (given->items[i].text)
                        given->items[kept++] = given->items[i];
        given->count = kept;
}

static int check_section(struct configuration *configuration, struct section *section) {
        const char *kind = section_kind_in_force(&configuration->sections, section);
        struct given *paths;

        if (!kind) {
                where(configuration, section->origin);
                buffer_printf(configuration->error, "%s \"%s\" needs a Kind=, one of ", section->kind->name,
                              section->label);
                list_kinds(configuration, section);
                return -EBADMSG;
        }
        for (size_t i = 0; section->kind->keys[i].name; i++) {
                const struct key *key = &section->kind->keys[i];

                if (section->given[i].count == 0 || section_has_key(&configuration->sections, section, key))
                        continue;
                where(configuration, section->given[i].items[0].origin);
                buffer_printf(configuration->error, "%s= is for kind \"%s\"%s%s%s only, and \"%s\" is of kind \"%s\"", key->name, key->only,
                              key->also ? " and \"" : "", key->also ? key->also : "", key->also ? "\"" : "", section->label, kind);
                return -EBADMSG;
        }
        if (section->kind == &section_alert) {
                if (strcmp(kind, "exec") == 0 && section_given(section, "Hook")->count == 0)
                        return refuse_quoting(configuration, section->origin, "Alert ", section->label,
                                              " of kind \"exec\" needs a Hook=");
                return 0;
        }
        if (strcmp(kind, "files") == 0 || strcmp(kind, "setuid") == 0) {
                paths = section_given(section, "Path");
                if (paths->count == 0) {
                        (void)refuse_quoting(configuration, section->origin, "Watch ", section->label, " of kind ");
                        buffer_printf(configuration->error, "\"%s\" needs a Path=", kind);
                        return -EBADMSG;
                }
                drop_nested(paths);
        }
        return 0;
}

static int gather(struct configuration *configuration) {
        int r;

        r = section_add_defaults(&configuration->sections);
        if (r == 0 && configuration->options->file)
                r = read_files(configuration);
        for (size_t i = 0; r == 0 && i < configuration->sections.count; i++)
                if (configuration->sections.items[i]->kind->labelled)
                        r = check_section(configuration, configuration->sections.items[i]);
        if (r == -ENOMEM && configuration->error->size == 0)
                buffer_append_string(configuration->error, "out of memory");
        return r;
}

/* Using what was gathered. */

/* Who chose the light profile; NULL if nobody did. */
static const char *light_profile(const struct configuration *configuration, struct position *ret_origin) {
        struct section *section = section_find(&configuration->sections, &section_nephronix, NULL);
        const struct given *given = section_given(section, "Profile");

        *ret_origin = given->count > 0 ? given->items[0].origin : (struct position){ .file = NULL };
        if (configuration->options->light)
                *ret_origin = (struct position){ .file = "--light" };
        else if (given->count == 0 || strcmp(given->items[0].text, "light") != 0)
                return NULL;
        return "light";
}

static bool is_dropped(const struct configuration *configuration, const struct section *section) {
        const char *kind = section_kind_in_force(&configuration->sections, section);
        struct position origin;

        return section->kind == &section_watch && light_profile(configuration, &origin) &&
               !section_find_watch(&configuration->sections, kind)->light;
}

static int store(const struct configuration *configuration, const struct section *section, void *target) {
        for (size_t i = 0; section->kind->keys[i].name; i++) {
                const struct key *key = &section->kind->keys[i];
                const struct given *given = &section->given[i];
                const char *initial;
                int r = 0;

                if (!section_has_key(&configuration->sections, section, key))
                        continue;
                initial = section_default(&configuration->sections, section, key);
                if (given->count == 0 && initial)
                        r = key_store(key, initial, target);
                for (size_t j = 0; r == 0 && j < given->count; j++)
                        r = key_store(key, given->items[j].text, target);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int store_watch(const struct configuration *configuration, const struct section *section,
                       struct settings *settings) {
        struct watch_settings *watches =
                reallocarray(settings->watches, settings->n_watches + 1, sizeof(*watches)), *watch;

        if (!watches)
                return -ENOMEM;
        settings->watches = watches;
        watch = &watches[settings->n_watches++];
        *watch = (struct watch_settings){ .name = strdup(section->label) };
        watch->optional = section_is_optional(section);
        watch->telling = section_telling(section);
        return watch->name ? store(configuration, section, watch) : -ENOMEM;
}

static bool lies_in(const char *path, const struct strings *tops) {
        for (size_t i = 0; i < tops->count; i++) {
                size_t length = strlen(tops->items[i]);

                if (strncmp(path, tops->items[i], length) == 0 && path[length] == '/')
                        return true;
        }
        return false;
}

/* One change is told once: what a more telling ready-made watch has is no part of the others, unless that one matters less. */
static int divide(struct settings *settings) {
        int r = 0;

        for (size_t i = 0; i < settings->n_watches; i++)
                for (size_t j = 0; j < settings->n_watches; j++) {
                        const struct watch_settings *more = &settings->watches[i];
                        struct watch_settings *less = &settings->watches[j];

                        if (!less->telling || more->telling <= less->telling || !more->enabled || !less->enabled ||
                            (less->priority == PRIORITY_HIGH && more->priority != PRIORITY_HIGH) || more->policy != POLICY_FULL ||
                            (less->crosses_mounts && !more->crosses_mounts))
                                continue;
                        for (size_t k = 0; k < more->paths.count && r == 0; k++)
                                if (lies_in(more->paths.items[k], &less->paths))
                                        r = string_list_add(&less->excludes, more->paths.items[k]);
                }
        return r;
}

static int store_alert(const struct configuration *configuration, const struct section *section,
                       struct settings *settings) {
        struct alert_settings *alerts = reallocarray(settings->alerts, settings->n_alerts + 1, sizeof(*alerts)), *alert;

        if (!alerts)
                return -ENOMEM;
        settings->alerts = alerts;
        alert = &alerts[settings->n_alerts++];
        *alert = (struct alert_settings){ .name = strdup(section->label) };
        return alert->name ? store(configuration, section, alert) : -ENOMEM;
}

static int store_all(const struct configuration *configuration, struct settings *settings) {
        struct position origin;
        int r = 0;

        if (configuration->options->file) {
                settings->configuration_file = strdup(configuration->options->file);
                if (!settings->configuration_file)
                        return -ENOMEM;
        }
        for (size_t i = 0; r == 0 && i < configuration->sections.count; i++) {
                const struct section *section = configuration->sections.items[i];

                if (section->kind == &section_alert)
                        r = store_alert(configuration, section, settings);
                else if (section->kind != &section_watch)
                        r = store(configuration, section, settings);
                else if (!is_dropped(configuration, section))
                        r = store_watch(configuration, section, settings);
        }
        settings->light = light_profile(configuration, &origin) != NULL;
        return r < 0 ? r : divide(settings);
}

struct settings *settings_free(struct settings *settings) {
        if (!settings)
                return NULL;
        for (size_t i = 0; i < settings->n_watches; i++) {
                struct watch_settings *watch = &settings->watches[i];

                free(watch->name);
                free(watch->kind);
                free(watch->match);
                string_list_done(&watch->paths);
                string_list_done(&watch->excludes);
        }
        for (size_t i = 0; i < settings->n_alerts; i++) {
                struct alert_settings *alert = &settings->alerts[i];

                free(alert->name);
                free(alert->kind);
                free(alert->hook);
        }
        free(settings->watches);
        free(settings->alerts);
        free(settings->configuration_file);
        free(settings->host_root);
        free(settings->state_directory);
        free(settings->log_file);
        free(settings->run_directory);
        string_list_done(&settings->sources);
        free(settings);
        return NULL;
}

int configuration_load(const struct configuration_options *options, struct settings **ret, struct buffer *error) {
        _cleanup_(configuration_done) struct configuration configuration = {
                .options = options,
                .error = error,
                .sections = { .options = options },
        };
        struct settings *settings;
        int r;

        buffer_clear(error);
        r = gather(&configuration);
        if (r < 0)
                return r;
        settings = calloc(1, sizeof(*settings));
        r = settings ? store_all(&configuration, settings) : -ENOMEM;
        if (r < 0) {
                settings_free(settings);
                buffer_append_string(error, "out of memory");
                return r;
        }
        *ret = settings;
        return 0;
}

static void print_section(const struct configuration *configuration, const struct section *section,
                          configuration_print print, void *context, const char *name) {
        struct position light;
        bool is_light = light_profile(configuration, &light) != NULL, dropped = is_dropped(configuration, section);

        for (size_t i = 0; section->kind->keys[i].name; i++) {
                const struct key *key = &section->kind->keys[i];
                const struct given *given = &section->given[i];
                const char *initial;

                if (!section_has_key(&configuration->sections, section, key))
                        continue;
                if (is_light && section->kind == &section_nephronix && strcmp(key->name, "Profile") == 0) {
                        print(context, name, key->name, "light", light.file, light.line);
                        continue;
                }
                if (dropped && strcmp(key->name, "Enabled") == 0) {
                        print(context, name, key->name, "no", light.file, light.line);
                        continue;
                }
                initial = section_default(&configuration->sections, section, key);
                if (given->count == 0 && initial)
                        print(context, name, key->name, initial, NULL, 0);
                for (size_t j = 0; j < given->count; j++)
                        print(context, name, key->name, given->items[j].text, given->items[j].origin.file,
                              given->items[j].origin.line);
        }
}

int configuration_print_all(const struct configuration_options *options, configuration_print print, void *context,
                            struct buffer *error) {
        _cleanup_(configuration_done) struct configuration configuration = {
                .options = options,
                .error = error,
                .sections = { .options = options },
        };
        _cleanup_buffer_ struct buffer name = BUFFER_NULL;
        int r;

        buffer_clear(error);
        r = gather(&configuration);
        for (size_t i = 0; r == 0 && i < configuration.sections.count; i++) {
                const struct section *section = configuration.sections.items[i];

                buffer_clear(&name);
                buffer_append_string(&name, section->kind->name);
                if (section->label)
                        buffer_printf(&name, " \"%s\"", section->label);
                print_section(&configuration, section, print, context, buffer_string(&name));
        }
        return r;
}
