#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "event-line.h"
#include "ledger-reader.h"
#include "timestamp.h"
#include "verb.h"

/* The changes of the last round in which the watch had any. */
struct last_round {
        const char *watch;
        char *mark;                     /* owned; "\"WATCH\"": only lines that hold it are parsed */
        struct buffer id, lines;
        size_t count;
        uint64_t read;                  /* lines so far */
        struct timespec at;
        bool has_time;
};

static void last_round_done(struct last_round *last) {
        free(last->mark);
        buffer_done(&last->id);
        buffer_done(&last->lines);
}

static bool is_change(const json_t *event, const char *watch) {
        /* what nephronix says of a watch (that it failed, say) was seen by nobody */
        return event_line_is(event, "nephronix.watch", watch) && event_line_get(event, "nephronix.seen_by");
}

static int take_line(struct last_round *last, struct bytes line, bool *trouble) {
        _cleanup_event_line_ json_t *event = NULL;
        struct bytes round;
        const char *why;

        last->read++;
        if (!line.size || !memmem(line.data, line.size, last->mark, strlen(last->mark)))
                return 0;
        event = event_line_parse(line, &why);
        if (!event) {
                output_say("line %llu of the ledger is skipped: %s", (unsigned long long)last->read, why);
                *trouble = true;
                return 0;
        }
        if (!is_change(event, last->watch) || !event_line_text(event, "nephronix.round", &round))
                return 0;
        if (last->count == 0 || !bytes_equal(round, buffer_bytes(&last->id))) {
                buffer_clear(&last->id);
                buffer_clear(&last->lines);
                buffer_append_bytes(&last->id, round);
                last->count = 0;
                last->has_time = event_line_time(event, &last->at);
        }
        last->count++;
        buffer_append_bytes(&last->lines, line);
        buffer_append_byte(&last->lines, '\n');
        if (buffer_error(&last->id) < 0 || buffer_error(&last->lines) < 0) {
                output_say("out of memory");
                return -ENOMEM;
        }
        return 0;
}

static void write_title(const struct last_round *last, bool coloured, struct buffer *text) {
        _cleanup_buffer_ struct buffer title = BUFFER_NULL;

        buffer_append_string(&title, "round ");
        output_safe(&title, buffer_bytes(&last->id));
        if (last->has_time) {
                buffer_append_string(&title, " of ");
                timestamp_local(&title, &last->at);
        }
        buffer_printf(&title, ": %zu %s", last->count, last->count == 1 ? "change" : "changes");
        output_styled(text, coloured, STYLE_STRONG, buffer_bytes(&title));
        buffer_append_byte(text, '\n');
}

static int write_events(const struct last_round *last, bool json) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        bool coloured = output_is_coloured();
        struct bytes left = buffer_bytes(&last->lines);

        if (!json)
                write_title(last, coloured, &text);
        while (left.size) {
                const uint8_t *end = memchr(left.data, '\n', left.size);
                size_t length = end ? (size_t)(end - left.data) : left.size - 1;
                struct bytes line = bytes_of(left.data, length);

                left = bytes_of(left.data + length + 1, left.size - length - 1);
                if (json) {
                        output_json(line);
                } else {
                        _cleanup_event_line_ json_t *event = NULL;
                        const char *why;

                        event = event_line_parse(line, &why);
                        if (event) {
                                event_line_write(&text, coloured, event);
                                event_line_write_changes(&text, event);
                        }
                        if (output_flush(&text) < 0)
                                return VERB_TROUBLE;
                }
        }
        return VERB_DIFFERENCES;
}

static int compare(const struct command *command, const char *watch, bool json) {
        _cleanup_(last_round_done) struct last_round last = { .watch = watch };
        _cleanup_settings_ struct settings *settings = command_settings(command);
        _cleanup_ledger_ struct ledger_reader *reader = NULL;
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        bool trouble = false;
        int r, status;

        if (!settings)
                return VERB_TROUBLE;
        if (asprintf(&last.mark, "\"%s\"", watch) < 0) {
                last.mark = NULL;
                output_say("out of memory");
                return VERB_TROUBLE;
        }
        reader = command_ledger(settings);
        if (!reader)
                return VERB_TROUBLE;
        while ((r = command_ledger_next(reader, &line, &trouble)) > 0) {
                r = take_line(&last, buffer_bytes(&line), &trouble);
                if (r < 0)
                        break;
        }
        if (r < 0)
                return VERB_TROUBLE;
        if (last.count) {
                status = write_events(&last, json);
        } else if (!command_watch(settings, watch)) {
                command_unknown_watch(settings, watch);
                status = VERB_TROUBLE;
        } else {
                if (!json)
                        output_say("%s: no change since the ledger began", watch);
                status = VERB_FINE;
        }
        return trouble ? VERB_TROUBLE : status;
}

static int diff_run(const struct command *command, int argc, char **argv) {
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        bool json = false;
        int letter;

        while ((letter = command_option(&verb_diff, argc, argv, "jh", options)) >= 0) {
                if (letter == 'h')
                        return VERB_FINE;
                if (letter == '?')
                        return VERB_TROUBLE;
                json = true;
        }
        if (argc - optind != 1)
                return command_usage(&verb_diff, "takes the name of one watch");
        return compare(command, argv[optind], json);
}

const struct verb verb_diff = {
        .name = "diff",
        .synopsis = "WATCH [--json]",
        .summary = "Shows what changed when this watch last saw a change",
        .options = "  -j, --json  the lines of the ledger as they are, one JSON object each\n"
                   "\nExit status: 0 it never saw one; 1 it did; 2 trouble.\n",
        .run = diff_run,
};
