#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "event-line.h"
#include "ledger-reader.h"
#include "moment.h"
#include "sentence.h"
#include "timestamp.h"
#include "units.h"
#include "verb.h"

enum {
        LAST_MAX = 1000000,             /* -n: so many lines are held at most */
        LAST_WHEN_FOLLOWING = 10,
        UUID_LENGTH = 36,
};

struct filter {
        bool has_since;
        struct timespec since;
        char since_text[sizeof("2026-11-23T22:34:03.123456Z")];
        const char *watch, *round;      /* NULL: any */
        enum severity severity;         /* at least */
};

/* The last lines that passed, until it is known that no more follow. */
struct ring {
        struct buffer *lines;           /* owned */
        size_t size, count, next;
};

struct listing {
        struct filter filter;
        bool json, follow, coloured;
        bool has_last;
        uint64_t last;                  /* -n */
        struct ring ring;
        bool live;                      /* the ring was told: lines go out as they come */
        struct buffer text;
        uint64_t read, shown;           /* lines */
        bool trouble;
};

/* ---- which ---- */

/* The daemon writes the time stamp first, and its form sorts as text: what lies before --since need not be parsed. */
static bool is_before(const struct filter *filter, struct bytes line) {
        static const char start[] = "{\"@timestamp\":\"";
        size_t head = sizeof(start) - 1, length = sizeof(filter->since_text) - 1;

        return filter->has_since && line.size > head + length && memcmp(line.data, start, head) == 0 &&
               line.data[head + length] == '"' && memcmp(line.data + head, filter->since_text, length) < 0;
}

static bool passes(const struct filter *filter, const json_t *event) {
        struct timespec at;
        struct bytes round;

        if (filter->watch && !event_line_is(event, "nephronix.watch", filter->watch))
                return false;
        if (filter->severity && event_line_number(event, "event.severity") < (uint64_t)filter->severity)
                return false;
        if (filter->round && (!event_line_text(event, "nephronix.round", &round) || round.size != UUID_LENGTH ||
                              strncasecmp((const char *)round.data, filter->round, UUID_LENGTH) != 0))
                return false;
        /* one without a time stamp is shown: it is not known to lie before */
        if (filter->has_since && event_line_time(event, &at) &&
            (at.tv_sec < filter->since.tv_sec ||
             (at.tv_sec == filter->since.tv_sec && at.tv_nsec < filter->since.tv_nsec)))
                return false;
        return true;
}

/* ---- how ---- */

static int show(struct listing *listing, struct bytes line) {
        _cleanup_event_line_ json_t *event = NULL;
        const char *why;

        listing->shown++;
        if (listing->json) {
                output_json(line);
                return 0;
        }
        event = event_line_parse(line, &why);
        if (event)
                event_line_write(&listing->text, listing->coloured, event);
        return output_flush(&listing->text);
}

/* The room grows with the lines, not with what -n allows. */
static int ring_put(struct ring *ring, uint64_t most, struct bytes line) {
        struct buffer *place;

        if (most == 0)
                return 0;
        if (ring->count == ring->size && ring->size < most) {
                size_t wanted = ring->size ? 2 * ring->size : 16;
                struct buffer *lines;

                if (wanted > most)
                        wanted = (size_t)most;
                lines = reallocarray(ring->lines, wanted, sizeof(*lines));
                if (!lines)
                        return -ENOMEM;
                memset(lines + ring->size, 0, (wanted - ring->size) * sizeof(*lines));
                ring->lines = lines;
                ring->size = wanted;
                ring->next = ring->count;
        }
        place = &ring->lines[ring->next];
        ring->next = (ring->next + 1) % ring->size;
        if (ring->count < ring->size)
                ring->count++;
        buffer_clear(place);
        buffer_append_bytes(place, line);
        return buffer_error(place);
}

static void ring_done(struct ring *ring) {
        for (size_t i = 0; i < ring->size; i++)
                buffer_done(&ring->lines[i]);
        free(ring->lines);
        *ring = (struct ring){ 0 };
}

/* All that is there has been read. */
static int ring_tell(struct listing *listing) {
        struct ring *ring = &listing->ring;
        int r = 0;

        for (size_t i = 0; i < ring->count && r == 0; i++)
                r = show(listing, buffer_bytes(&ring->lines[(ring->next + ring->size - ring->count + i) % ring->size]));
        ring_done(ring);
        listing->live = true;
        return r;
}

static int take_line(struct listing *listing, struct bytes line) {
        _cleanup_event_line_ json_t *event = NULL;
        const char *why;

        listing->read++;
        if (is_before(&listing->filter, line))
                return 0;
        event = event_line_parse(line, &why);
        if (!event) {
                output_say("line %llu of the ledger is skipped: %s", (unsigned long long)listing->read, why);
                listing->trouble = true;
                return 0;
        }
        if (!passes(&listing->filter, event))
                return 0;
        if (listing->has_last && !listing->live) {
                int r = ring_put(&listing->ring, listing->last, line);

                if (r < 0)
                        output_say("out of memory");
                return r;
        }
        if (!listing->json) { /* parsed already */
                listing->shown++;
                event_line_write(&listing->text, listing->coloured, event);
                return output_flush(&listing->text);
        }
        return show(listing, line);
}

static int run_listing(struct listing *listing, struct ledger_reader *reader) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;

        for (;;) {
                int r = command_ledger_next(reader, &line, &listing->trouble);

                if (r > 0)
                        r = take_line(listing, buffer_bytes(&line));
                else if (r == 0 && !listing->live)
                        r = ring_tell(listing);
                else if (r == 0 && !listing->follow)
                        return 0;
                else if (r == 0) {
                        r = ledger_reader_wait(reader);
                        if (r < 0)
                                output_say_why(r, "cannot wait for the ledger to grow");
                }
                if (r < 0)
                        return r;
                if (listing->follow && fflush(stdout) != 0)
                        return -EIO; /* said at the end */
        }
}

/* ---- what is asked for ---- */

static bool is_uuid(const char *text) {
        size_t i;

        for (i = 0; text[i]; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (i >= UUID_LENGTH || (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])))
                        return false;
        }
        return i == UUID_LENGTH;
}

static bool set_since(struct filter *filter, const char *text) {
        _cleanup_buffer_ struct buffer since = BUFFER_NULL;
        struct timespec at;

        if (!moment_parse(text, time(NULL), &at))
                return false;
        filter->since = at;
        timestamp_utc(&since, &at);
        /* a year beyond 9999 has another length: then every line is parsed */
        filter->has_since = true;
        if (since.size == sizeof(filter->since_text) - 1)
                memcpy(filter->since_text, buffer_string(&since), sizeof(filter->since_text));
        return true;
}

static int take_option(struct listing *listing, int letter) {
        struct filter *filter = &listing->filter;

        switch (letter) {
        case 'f':
                listing->follow = true;
                return 0;
        case 'j':
                listing->json = true;
                return 0;
        case 'w':
                filter->watch = optarg;
                return 0;
        case 's':
                if (set_since(filter, optarg))
                        return 0;
                return command_usage(&verb_events,
                                     "--since takes a time, as \"2026-11-23 10:00\" or \"-1h\", not \"%s\"", optarg);
        case 'S':
                filter->severity = severity_parse(optarg);
                if (filter->severity)
                        return 0;
                return command_usage(&verb_events,
                                     "--severity takes info, low, medium, high, critical or 1 to 5, not \"%s\"",
                                     optarg);
        case 'r':
                filter->round = optarg;
                if (is_uuid(optarg))
                        return 0;
                return command_usage(&verb_events, "--round takes the UUID of a round, not \"%s\"", optarg);
        case 'n':
                listing->has_last = true;
                if (units_read_number(optarg, &listing->last) == 0 && listing->last <= LAST_MAX)
                        return 0;
                return command_usage(&verb_events, "-n takes a number up to %d, not \"%s\"", LAST_MAX, optarg);
        default:
                return VERB_TROUBLE;
        }
}

/* A watch may have had events and be configured no more; a name that has neither was mistyped. */
static int judge(const struct listing *listing, const struct settings *settings) {
        if (listing->shown)
                return VERB_FINE;
        if (listing->filter.watch && !command_watch(settings, listing->filter.watch)) {
                command_unknown_watch(settings, listing->filter.watch);
                return VERB_TROUBLE;
        }
        if (!listing->json)
                output_say("no such events");
        return VERB_FINE;
}

static int list(const struct command *command, struct listing *listing) {
        _cleanup_settings_ struct settings *settings = command_settings(command);
        _cleanup_ledger_ struct ledger_reader *reader = NULL;
        int r;

        if (!settings)
                return VERB_TROUBLE;
        reader = command_ledger(settings);
        if (!reader)
                return VERB_TROUBLE;
        r = run_listing(listing, reader);
        if (r == 0)
                r = judge(listing, settings);
        return r || listing->trouble ? VERB_TROUBLE : VERB_FINE;
}

static int events_run(const struct command *command, int argc, char **argv) {
        static const struct option options[] = {
                { "follow", no_argument, NULL, 'f' },
                { "since", required_argument, NULL, 's' },
                { "watch", required_argument, NULL, 'w' },
                { "severity", required_argument, NULL, 'S' },
                { "round", required_argument, NULL, 'r' },
                { "lines", required_argument, NULL, 'n' },
                { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        struct listing listing = { .coloured = output_is_coloured() };
        int letter, r;

        while ((letter = command_option(&verb_events, argc, argv, "fs:w:n:jh", options)) >= 0) {
                if (letter == 'h')
                        return VERB_FINE;
                r = take_option(&listing, letter);
                if (r)
                        return r;
        }
        if (optind < argc)
                return command_usage(&verb_events, "takes no \"%s\"", argv[optind]);
        if (listing.follow && !listing.has_last && !listing.filter.has_since && !listing.filter.round) {
                listing.has_last = true;
                listing.last = LAST_WHEN_FOLLOWING;
        }
        r = list(command, &listing);
        ring_done(&listing.ring);
        buffer_done(&listing.text);
        return r;
}

const struct verb verb_events = {
        .name = "events",
        .synopsis = "[-f] [--since TIME] [--watch NAME] [--severity LEVEL] [--round UUID] [-n N] [--json]",
        .summary = "Lists what was found, oldest first",
        .options = "  -f, --follow          go on with what comes; without other limits the last 10 come first\n"
                   "  -s, --since TIME      from then on: \"2026-11-23\", \"2026-11-23 10:00\", \"10:00\", \"-1h\",\n"
                   "                        \"10min ago\", \"today\", \"yesterday\", \"@SECONDS\"\n"
                   "  -w, --watch NAME      of this watch\n"
                   "      --severity LEVEL  at least: info, low, medium, high, critical, or 1 to 5\n"
                   "      --round UUID      of this round, as it stands in the text log\n"
                   "  -n, --lines N         the last N of them\n"
                   "  -j, --json            the lines of the ledger as they are, one JSON object each\n"
                   "\nExit status: 0; 2 there is no such watch, or the ledger or a part of it could not be read.\n",
        .run = events_run,
};
