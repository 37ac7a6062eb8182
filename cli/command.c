#include "command.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "configuration.h"
#include "ledger-reader.h"
#include "lmdb-baseline.h"
#include "output.h"
#include "verb.h"

static void print_usage(FILE *where) {
        (void)fprintf(where, "Usage: nephronix [--config FILE] VERB [OPTION...]\n");
}

static void print_help(const struct verb *const verbs[]) {
        print_usage(stdout);
        (void)printf("\nTells what nephronixd, the host change monitor, knows and found.\n\nVerbs:\n");
        for (size_t i = 0; verbs[i]; i++)
                (void)printf("  %-14s %s\n", verbs[i]->name, verbs[i]->summary);
        (void)printf("\nOptions:\n"
                     "  --config FILE  the configuration to go by (%s)\n"
                     "  --help         this help; VERB --help: that of a verb\n"
                     "  --version      the version\n"
                     "\nExit status: 0 fine, or no difference; 1 differences, or something is wrong; 2 trouble.\n"
                     "See nephronix(1).\n",
                     NEPHRONIX_CONFIGURATION);
}

static const struct verb *find_verb(const struct verb *const verbs[], const char *name) {
        for (size_t i = 0; verbs[i]; i++)
                if (strcmp(verbs[i]->name, name) == 0)
                        return verbs[i];
        return NULL;
}

/* A full disk behind a redirection must not look like an empty answer. */
static int finish(int status) {
        bool failed = ferror(stdout) != 0;

        errno = 0;
        if (fflush(stdout) == 0 && !failed)
                return status;
        if (errno == EPIPE)
                return status;
        output_say("standard output cannot be written: %s", errno ? strerrordesc_np(errno) : "an earlier write failed");
        return VERB_TROUBLE;
}

static int run(const struct command *tables, const struct verb *const verbs[], int argc, char **argv) {
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                { 0 },
        };
        struct command command = *tables;
        const struct verb *verb;
        int letter;

        if (!command.file)
                command.file = NEPHRONIX_CONFIGURATION;
        optind = 0; /* tests run several commands in one process */
        while ((letter = getopt_long(argc, argv, "+hV", options, NULL)) >= 0) {
                switch (letter) {
                case 'c':
                        command.file = optarg;
                        break;
                case 'h':
                        print_help(verbs);
                        return VERB_FINE;
                case 'V':
                        (void)printf("nephronix %s\n", NEPHRONIX_VERSION);
                        return VERB_FINE;
                default:
                        print_usage(stderr);
                        return VERB_TROUBLE;
                }
        }
        if (optind >= argc) {
                print_usage(stderr);
                output_say("no verb; see nephronix --help");
                return VERB_TROUBLE;
        }
        verb = find_verb(verbs, argv[optind]);
        if (!verb) {
                output_say("no verb \"%s\"; see nephronix --help", argv[optind]);
                return VERB_TROUBLE;
        }
        argv += optind;
        argc -= optind;
        optind = 0;
        return verb->run(&command, argc, argv);
}

int command_main(const struct command *tables, const struct verb *const verbs[], int argc, char **argv) {
        (void)setlocale(LC_CTYPE, "");
        (void)signal(SIGPIPE, SIG_DFL); /* some parents ignore it, and "nephronix events | head" would go on for long */
        return finish(run(tables, verbs, argc, argv));
}

int command_option(const struct verb *verb, int argc, char **argv, const char *letters, const struct option *options) {
        int letter = getopt_long(argc, argv, letters, options, NULL);

        if (letter == '?')
                (void)fprintf(stderr, "Usage: nephronix %s %s\n", verb->name, verb->synopsis);
        if (letter == 'h')
                (void)printf("Usage: nephronix %s %s\n\n%s.\n\n%s", verb->name, verb->synopsis, verb->summary,
                             verb->options);
        return letter;
}

int command_usage(const struct verb *verb, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&message, format, arguments) < 0)
                message = NULL;
        va_end(arguments);
        output_say("%s: %s", verb->name, message ? message : "out of memory");
        (void)fprintf(stderr, "Usage: nephronix %s %s\n", verb->name, verb->synopsis);
        return VERB_TROUBLE;
}

bool command_any_owner(void) {
        return geteuid() != 0;
}

struct settings *command_settings(const struct command *command) {
        struct configuration_options options = {
                .file = command->file,
                .watches = command->watches,
                .sources = command->sources,
                .alert_kinds = command->alert_kinds,
                .any_owner = command_any_owner(),
        };
        _cleanup_buffer_ struct buffer error = BUFFER_NULL;
        struct settings *settings = NULL;

        if (configuration_load(&options, &settings, &error) < 0) {
                output_say("%s", buffer_string(&error));
                return NULL;
        }
        return settings;
}

void command_settings_done(struct settings **settings) {
        (void)settings_free(*settings);
}

const struct watch_settings *command_watch(const struct settings *settings, const char *name) {
        for (size_t i = 0; i < settings->n_watches; i++)
                if (strcmp(settings->watches[i].name, name) == 0)
                        return &settings->watches[i];
        return NULL;
}

void command_unknown_watch(const struct settings *settings, const char *name) {
        _cleanup_buffer_ struct buffer known = BUFFER_NULL;

        for (size_t i = 0; i < settings->n_watches; i++)
                buffer_printf(&known, "%s%s", i ? ", " : "", settings->watches[i].name);
        output_say("no watch \"%s\"; there are: %s", name, buffer_string(&known));
}

static char *below_state(const struct settings *settings, const char *name) {
        char *path = NULL;

        if (asprintf(&path, "%s/%s", settings->state_directory, name) >= 0)
                return path;
        output_say("out of memory");
        return NULL;
}

struct ledger_reader *command_ledger(const struct settings *settings) {
        _cleanup_free_ char *path = below_state(settings, "ledger");
        struct ledger_reader *reader = NULL;
        int r;

        if (!path)
                return NULL;
        r = ledger_reader_open(path, &reader);
        if (r == -ENOENT)
                output_say("there is no ledger in %s: nephronixd has not run with this StateDirectory= yet", path);
        else if (r < 0)
                output_say_why(r, "cannot read the ledger in %s", path);
        return r < 0 ? NULL : reader;
}

void command_ledger_done(struct ledger_reader **reader) {
        (void)ledger_reader_close(*reader);
}

int command_ledger_next(struct ledger_reader *reader, struct buffer *line, bool *trouble) {
        int r;

        while ((r = ledger_reader_next(reader, line)) == -EBADMSG) {
                output_say("a packed part of the ledger is damaged; what follows it comes after a gap");
                *trouble = true;
        }
        if (r < 0)
                output_say_why(r, "cannot read on in the ledger");
        return r;
}

struct lmdb_baseline *command_baseline(const struct settings *settings) {
        _cleanup_free_ char *path = below_state(settings, "baseline");
        struct lmdb_baseline *lmdb = NULL;
        int r;

        if (!path)
                return NULL;
        r = lmdb_baseline_open_reader(path, &lmdb);
        if (r == -ENOENT)
                output_say("there is no baseline in %s: nephronixd has not run with this StateDirectory= yet", path);
        else if (r == -EBADMSG)
                output_say("the baseline in %s is damaged or of another format", path);
        else if (r < 0)
                output_say_why(r, "cannot read the baseline in %s", path);
        return r < 0 ? NULL : lmdb;
}

void command_baseline_done(struct lmdb_baseline **lmdb) {
        (void)lmdb_baseline_close(*lmdb);
}
