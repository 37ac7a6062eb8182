/* command.h - the command around its verbs: global options, the verb table, and what every verb begins with. */
#pragma once

#include "settings.h"

struct verb;
struct option;
struct source;
struct watch;
struct ledger_reader;
struct lmdb_baseline;
struct buffer;

struct command {
        const char *file;                       /* main configuration file; NULL in the tables: the usual one */
        const struct watch *const *watches;     /* registry: known kinds, NULL-terminated */
        const struct source *const *sources;    /* registry: known names of sources, NULL-terminated */
        const char *const *alert_kinds;         /* NULL-terminated */
};

/* Reads the global options, finds the verb (the table ends with NULL) and runs it. The exit status. */
int command_main(const struct command *tables, const struct verb *const verbs[], int argc, char **argv);

/* getopt_long(3) for a verb: the next option, -1 when there are no more, '?' when it was wrong (said already), 'h' for
 * --help (printed already: the verb ends well). */
int command_option(const struct verb *verb, int argc, char **argv, const char *letters, const struct option *options);
/* A usage error, said on standard error; answers VERB_TROUBLE. */
int command_usage(const struct verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the owner of configuration files is looked at: a user may check a draft, root believes only root. */
bool command_any_owner(void);
/* The settings in force, or NULL and it has been said why not. */
struct settings *command_settings(const struct command *command);
void command_settings_done(struct settings **settings);
#define _cleanup_settings_ __attribute__((cleanup(command_settings_done)))
/* The watch of that name, or NULL. */
const struct watch_settings *command_watch(const struct settings *settings, const char *name);
/* Says that there is no such watch and which there are. */
void command_unknown_watch(const struct settings *settings, const char *name);

/* The ledger and the baseline below StateDirectory=, to read; NULL: said why not. */
struct ledger_reader *command_ledger(const struct settings *settings);
void command_ledger_done(struct ledger_reader **reader);
#define _cleanup_ledger_ __attribute__((cleanup(command_ledger_done)))
struct lmdb_baseline *command_baseline(const struct settings *settings);
void command_baseline_done(struct lmdb_baseline **lmdb);
#define _cleanup_baseline_ __attribute__((cleanup(command_baseline_done)))

/* The next complete line: 1; 0: there is none now; negative: cannot go on, said. A packed segment that is damaged is
 * said and passed over: *trouble becomes true. */
int command_ledger_next(struct ledger_reader *reader, struct buffer *line, bool *trouble);
