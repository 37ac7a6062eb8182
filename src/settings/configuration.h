/* configuration.h - configuration files to settings: the meaning of every section and key, once. */
#pragma once

#include "buffer.h"
#include "settings.h"

struct source;
struct watch;

/* Where an effective value came from, for check-config --print. A repeated key is called back for each of its values.
 * section: as in the file without brackets (Watch "boot"). value: not escaped, but UTF-8 without control characters.
 * file NULL: the default; line 0: file is an option of the command line. */
typedef void (*configuration_print)(void *context, const char *section, const char *key, const char *value,
                                    const char *file, unsigned line);

struct configuration_options {
        const char *file;                       /* main file; NULL: no file, defaults only */
        const struct watch *const *watches;     /* registry: known kinds, NULL-terminated */
        const struct source *const *sources;    /* registry: known names of Sources=, NULL-terminated */
        const char *const *alert_kinds;         /* NULL-terminated */
        bool light;                             /* --light */
        bool any_owner;                         /* do not refuse files of other owners: check-config by a user, tests */
};

/* Reads the main file and, in its folder's conf.d/, every *.conf in name order. Everything or nothing: 0 and *ret
 * filled (the caller's to settings_free()), or negative errno and a message "file:line: what is wrong" in *error: the
 * first thing found, one line, escaped. Watches stand in the order of the classic round; the light profile has
 * dropped those that it does without. */
int configuration_load(const struct configuration_options *options, struct settings **ret, struct buffer *error);

/* As configuration_load(), then calls back for every effective value in a fixed order. */
int configuration_print_all(const struct configuration_options *options, configuration_print print, void *context,
                            struct buffer *error);

struct settings *settings_free(struct settings *settings);      /* takes NULL; returns NULL */
