#include <getopt.h>
#include <stdio.h>

#include "configuration.h"
#include "json.h"
#include "output.h"
#include "verb.h"

struct printer {
        struct buffer text, section;
        struct json *json;              /* owned; NULL: for people */
        bool coloured;
        size_t width;                   /* of the widest "Key=value", up to a limit */
        bool measuring;
};

enum { WIDTH_MAX = 44 };

static void append_origin(struct buffer *buffer, const char *file, unsigned line) {
        if (!file)
                buffer_append_string(buffer, "default");
        else if (line == 0)
                buffer_append_string(buffer, file);
        else
                buffer_printf(buffer, "%s:%u", file, line);
}

static void print_json(struct printer *printer, const char *section, const char *key, const char *value,
                       const char *file, unsigned line) {
        json_clear(printer->json);
        json_add_text(printer->json, "section", section);
        json_add_text(printer->json, "key", key);
        json_add_text(printer->json, "value", value);
        json_add_text(printer->json, "file", file);
        if (line)
                json_add_number(printer->json, "line", line);
        if (json_write(printer->json, &printer->text) < 0)
                printer->text.failed = true;
        buffer_append_byte(&printer->text, '\n');
}

static void print_section(struct printer *printer, const char *section) {
        if (bytes_equal(buffer_bytes(&printer->section), bytes_of_string(section)))
                return;
        if (printer->section.size)
                buffer_append_byte(&printer->text, '\n');
        buffer_clear(&printer->section);
        buffer_append_string(&printer->section, section);
        if (printer->coloured)
                buffer_append_string(&printer->text, "\033[1m");
        buffer_append_byte(&printer->text, '[');
        output_safe(&printer->text, bytes_of_string(section));
        buffer_append_byte(&printer->text, ']');
        if (printer->coloured)
                buffer_append_string(&printer->text, "\033[0m");
        buffer_append_byte(&printer->text, '\n');
}

/* "Interval=2s          # default" */
static void print_value(void *context, const char *section, const char *key, const char *value, const char *file,
                        unsigned line) {
        struct printer *printer = context;
        _cleanup_buffer_ struct buffer entry = BUFFER_NULL, origin = BUFFER_NULL;

        if (printer->json && !printer->measuring) {
                print_json(printer, section, key, value, file, line);
                return;
        }
        buffer_append_string(&entry, key);
        buffer_append_byte(&entry, '=');
        output_safe(&entry, bytes_of_string(value));
        if (printer->measuring) {
                if (entry.size > printer->width)
                        printer->width = entry.size < WIDTH_MAX ? entry.size : WIDTH_MAX;
                return;
        }
        print_section(printer, section);
        buffer_append_bytes(&printer->text, buffer_bytes(&entry));
        buffer_append_fill(&printer->text, ' ', entry.size < printer->width ? printer->width - entry.size : 0);
        buffer_append_string(&origin, "# ");
        append_origin(&origin, file, line);
        buffer_append_string(&printer->text, "  ");
        output_styled(&printer->text, printer->coloured, STYLE_FAINT, buffer_bytes(&origin));
        buffer_append_byte(&printer->text, '\n');
}

static int print_all(const struct configuration_options *options, bool json, struct buffer *error) {
        struct printer printer = { .coloured = output_is_coloured(), .json = json ? json_new() : NULL };
        int r;

        if (json && !printer.json)
                printer.text.failed = true;
        printer.measuring = true;
        r = configuration_print_all(options, print_value, &printer, error);
        printer.measuring = false;
        if (r == 0)
                r = configuration_print_all(options, print_value, &printer, error);
        if (r == 0)
                r = output_flush(&printer.text);
        (void)json_free(printer.json);
        buffer_done(&printer.text);
        buffer_done(&printer.section);
        return r;
}

static void say_fine(const struct configuration_options *options, const struct settings *settings) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        size_t enabled = 0, alerts = 0;

        for (size_t i = 0; i < settings->n_watches; i++)
                enabled += settings->watches[i].enabled;
        for (size_t i = 0; i < settings->n_alerts; i++)
                alerts += settings->alerts[i].enabled;
        output_safe(&text, bytes_of_string(options->file));
        buffer_printf(&text, ": fine (%zu of %zu watches and %zu of %zu alerts enabled)\n", enabled,
                      settings->n_watches, alerts, settings->n_alerts);
        (void)output_flush(&text);
}

static int check(const struct command *command, bool print, bool json) {
        _cleanup_settings_ struct settings *settings = NULL;
        struct configuration_options options = {
                .file = command->file,
                .watches = command->watches,
                .sources = command->sources,
                .alert_kinds = command->alert_kinds,
                .any_owner = command_any_owner(),
        };
        _cleanup_buffer_ struct buffer error = BUFFER_NULL;
        int r = configuration_load(&options, &settings, &error);

        if (r == 0 && print)
                r = print_all(&options, json, &error);
        if (r < 0) {
                /* "file:line: message", as compilers say it: editors jump there */
                if (error.size)
                        (void)fprintf(stderr, "%s\n", buffer_string(&error));
                return VERB_TROUBLE;
        }
        if (!print)
                say_fine(&options, settings);
        return VERB_FINE;
}

static int check_config_run(const struct command *command, int argc, char **argv) {
        static const struct option options[] = {
                { "print", no_argument, NULL, 'p' },
                { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        bool print = false, json = false;
        int letter;

        while ((letter = command_option(&verb_check_config, argc, argv, "pjh", options)) >= 0) {
                if (letter == 'h')
                        return VERB_FINE;
                if (letter == '?')
                        return VERB_TROUBLE;
                print = true;
                json |= letter == 'j';
        }
        if (optind < argc)
                return command_usage(&verb_check_config, "takes no \"%s\"; say nephronix --config FILE check-config",
                                     argv[optind]);
        return check(command, print, json);
}

const struct verb verb_check_config = {
        .name = "check-config",
        .synopsis = "[--print] [--json]",
        .summary = "Looks for mistakes in the configuration",
        .options = "  -p, --print  every value in force and where it came from\n"
                   "  -j, --json   the same, one JSON object a value\n"
                   "\nExit status: 0 it is fine; 2 it is not, and \"file:line: message\" says where.\n",
        .run = check_config_run,
};
