#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "clock.h"
#include "event-line.h"
#include "moment.h"
#include "page.h"
#include "progress.h"
#include "table.h"
#include "timestamp.h"
#include "units.h"
#include "verb.h"

enum {
        SECOND_MS = 1000,
        /* A round may come late on a busy host; this late, nobody is watching. */
        CADENCES_LATE = 3,
        GRACE_MS = 10 * SECOND_MS,
};

struct view {
        const char *path;               /* of the page */
        const json_t *page, *daemon;
        struct timespec now;
        bool coloured;
        struct buffer text;             /* what goes to standard output */
        int status;
};

/* ---- values ---- */

static bool time_at(const json_t *object, const char *path, struct timespec *ret) {
        struct bytes text;

        return event_line_text(object, path, &text) && moment_parse_utc(text, ret);
}

static void append_ago(const struct view *view, struct buffer *buffer, const json_t *object, const char *path) {
        struct timespec at;

        if (time_at(object, path, &at))
                moment_ago(buffer, at.tv_sec, view->now.tv_sec);
        else
                buffer_append_string(buffer, "never");
}

static void append_text(struct buffer *buffer, const json_t *object, const char *path) {
        struct bytes text;

        output_safe(buffer, event_line_text(object, path, &text) ? text : bytes_of_string("?"));
}

static void append_count(struct buffer *buffer, const json_t *object, const char *path, const char *one) {
        uint64_t count = event_line_number(object, path);

        buffer_printf(buffer, "%llu %s%s", (unsigned long long)count, one, count == 1 ? "" : "s");
}

/* ---- is anybody there? ---- */

/* The shortest cadence of what is watched: so often there is a round. */
static uint64_t shortest_cadence_ms(const struct view *view) {
        const json_t *watches = event_line_get(view->page, "watches");
        uint64_t shortest = 0;
        const char *name;
        json_t *watch;

        json_object_foreach((json_t *)(uintptr_t)watches, name, watch) {
                uint64_t cadence = event_line_number(watch, "cadence_ms");

                if (cadence && (!shortest || cadence < shortest))
                        shortest = cadence;
        }
        return shortest ? shortest : event_line_number(view->daemon, "interval_ms");
}

static bool process_exists(uint64_t pid) {
        return pid > 0 && pid <= INT_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static bool is_gone(const struct view *view) {
        _cleanup_buffer_ struct buffer ago = BUFFER_NULL;
        uint64_t guard = event_line_number(view->daemon, "guard_pid");

        if (process_exists(guard))
                return false;
        append_ago(view, &ago, view->daemon, "last_round");
        output_say("nephronixd is not running: the daemon that wrote %s (pid %llu) is gone; its last round was %s",
                   view->path, (unsigned long long)guard, buffer_string(&ago));
        return true;
}

static void check_late(struct view *view) {
        _cleanup_buffer_ struct buffer ago = BUFFER_NULL;
        uint64_t late = shortest_cadence_ms(view);
        uint64_t last = event_line_number(view->daemon, "last_round_ns") / 1000000;
        uint64_t now = timestamp_to_ns(&view->now) / 1000000;

        late = late < UINT64_MAX / CADENCES_LATE - GRACE_MS ? CADENCES_LATE * late + GRACE_MS : UINT64_MAX;
        if (last < now && now - last > late) {
                append_ago(view, &ago, view->daemon, "last_round");
                output_say("the daemon is there (pid %llu) but its last round was %s: nobody is watching",
                           (unsigned long long)event_line_number(view->daemon, "guard_pid"), buffer_string(&ago));
                view->status = VERB_TROUBLE;
        }
}

/* ---- what people read ---- */

/* That nothing is sealed is a state of its own: who would change a program would not be stopped by it. */
static void write_sealed(struct view *view) {
        const json_t *sealed = event_line_get(view->daemon, "sealed");

        if (!sealed)
                return;
        if (event_line_get(sealed, "wrong")) {
                buffer_append_string(&view->text, "not what was sealed: ");
                append_text(&view->text, sealed, "wrong");
        } else if (event_line_number(sealed, "files")) {
                append_count(&view->text, sealed, "files", "file");
                buffer_append_string(&view->text, " as sealed");
        } else {
                buffer_append_string(&view->text, "nothing is sealed");
        }
        if (!json_is_true(event_line_get(sealed, "required")))
                buffer_append_string(&view->text, ", SealRequired=no");
        buffer_append_byte(&view->text, '\n');
}

static void write_header(struct view *view) {
        struct buffer *text = &view->text;
        struct bytes profile;
        struct timespec started;

        buffer_append_string(text, "nephronix ");
        append_text(text, view->daemon, "version");
        buffer_append_string(text, " on ");
        append_text(text, view->daemon, "host");
        if (time_at(view->daemon, "started", &started)) {
                buffer_append_string(text, ", watching since ");
                timestamp_local(text, &started);
                buffer_append_string(text, " (");
                moment_ago(text, started.tv_sec, view->now.tv_sec);
                buffer_append_byte(text, ')');
        }
        buffer_append_string(text, ", pid ");
        buffer_printf(text, "%llu\n", (unsigned long long)event_line_number(view->daemon, "guard_pid"));

        buffer_append_string(text, "profile ");
        append_text(text, view->daemon, "profile");
        if (event_line_text(view->daemon, "profile", &profile) && bytes_equal(profile, bytes_of_string("light")))
                buffer_append_string(text, " (connections and processes are not watched)");
        buffer_append_string(text, ", ");
        append_count(text, view->daemon, "rounds", "round");
        buffer_append_string(text, ", ");
        append_count(text, view->daemon, "events", "event");
        buffer_printf(text, ", %.2f s of CPU time\n", (double)event_line_number(view->daemon, "cpu_ms") / SECOND_MS);

        buffer_append_string(text, "log ");
        append_text(text, view->daemon, "log_file");
        buffer_append_string(text, ", state ");
        append_text(text, view->daemon, "state_directory");
        if (event_line_get(view->daemon, "configuration")) {
                buffer_append_string(text, ", configuration ");
                append_text(text, view->daemon, "configuration");
        }
        buffer_append_byte(text, '\n');
        write_sealed(view);
        buffer_append_byte(text, '\n');
}

static enum style state_style(const json_t *watch) {
        if (event_line_is(watch, "state", "watched"))
                return STYLE_GOOD;
        return event_line_is(watch, "state", "failing") ? STYLE_BAD : STYLE_WARNING;
}

/* Told of changes by a source; else it polls. */
static bool is_covered(const json_t *watch) {
        return event_line_get(watch, "mechanism") && !event_line_is(watch, "mechanism", "poll");
}

static const struct table_column columns[] = {
        { "watch", false }, { "state", false },       { "how", false },  { "records", true },
        { "last look", true }, { "last change", true }, { "cost", true }, { 0 },
};

static void add_cell(struct table *table, enum style style, struct buffer *cell) {
        table_text(table, style, buffer_string(cell));
        buffer_clear(cell);
}

static void add_row(struct view *view, struct table *table, const char *name, const json_t *watch) {
        _cleanup_buffer_ struct buffer cell = BUFFER_NULL;
        bool looked_at = event_line_get(watch, "mechanism") != NULL;

        table_text(table, STYLE_STRONG, name);
        append_text(&cell, watch, "state");
        add_cell(table, state_style(watch), &cell);
        if (!looked_at) {
                for (size_t i = 2; columns[i].title; i++)
                        table_text(table, STYLE_FAINT, "-");
                return;
        }
        buffer_append_string(&cell, is_covered(watch) ? "events, all" : "poll");
        if (event_line_number(watch, "cadence_ms")) {
                buffer_append_string(&cell, " every ");
                units_write_time(&cell, event_line_number(watch, "cadence_ms") * 1000000);
        }
        buffer_append_string(&cell, ", ");
        append_text(&cell, watch, "sensor");
        add_cell(table, STYLE_PLAIN, &cell);
        buffer_printf(&cell, "%llu", (unsigned long long)event_line_number(watch, "records"));
        add_cell(table, STYLE_PLAIN, &cell);
        append_ago(view, &cell, watch, "last_look");
        add_cell(table, STYLE_PLAIN, &cell);
        append_ago(view, &cell, watch, "last_change");
        add_cell(table, STYLE_PLAIN, &cell);
        buffer_printf(&cell, "%llu us", (unsigned long long)event_line_number(watch, "cost_us"));
        add_cell(table, STYLE_PLAIN, &cell);
}

static void write_remark(struct view *view, enum style style, const char *name, const char *what,
                         struct bytes text) {
        output_styled(&view->text, view->coloured, STYLE_STRONG, bytes_of_string(name));
        buffer_append_string(&view->text, ": ");
        output_styled(&view->text, view->coloured, style, bytes_of_string(what));
        buffer_append_string(&view->text, ": ");
        output_safe(&view->text, text);
        buffer_append_byte(&view->text, '\n');
}

/* Where the next line ends of several in one string. A string that was escaped (it then stands in nephronix.raw, too)
 * has "\x0a" for a newline, and "\\" for a backslash, so that "\\x0a" is none. */
static size_t line_length(struct bytes text, bool escaped, size_t *ret_skip) {
        *ret_skip = 1;
        for (size_t i = 0; i < text.size; i++) {
                if (!escaped && text.data[i] == '\n')
                        return i;
                if (!escaped || text.data[i] != '\\')
                        continue;
                if (bytes_starts_with(bytes_of(text.data + i, text.size - i), bytes_of_string("\\x0a"))) {
                        *ret_skip = 4;
                        return i;
                }
                i++;
        }
        *ret_skip = 0;
        return text.size;
}

static void write_not_seen_lines(struct view *view, const char *name, struct bytes text, bool escaped) {
        while (text.size) {
                size_t skip, length = line_length(text, escaped, &skip);

                if (length)
                        write_remark(view, STYLE_WARNING, name, "not seen", bytes_of(text.data, length));
                text = bytes_of(text.data + length + skip, text.size - length - skip);
        }
}

static void write_not_seen(struct view *view, const char *name, const json_t *watch) {
        const json_t *not_seen = event_line_get(watch, "not_seen"), *raw = event_line_get(view->page, "nephronix.raw");
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        struct bytes text;

        for (size_t i = 0; i < json_array_size(not_seen); i++)
                if (event_line_text(json_array_get(not_seen, i), "", &text))
                        write_remark(view, STYLE_WARNING, name, "not seen", text);
        buffer_printf(&path, "watches.%s.not_seen", name);
        if (event_line_text(not_seen, "", &text))
                write_not_seen_lines(view, name, text, json_object_get(raw, buffer_string(&path)) != NULL);
}

/* What is seen later than at once, or not by events. */
static void write_limits(struct view *view, const char *name, const json_t *watch) {
        const json_t *limits = event_line_get(watch, "limits");
        struct bytes text;

        for (size_t i = 0; i < json_array_size(limits); i++)
                if (event_line_text(json_array_get(limits, i), "", &text))
                        write_remark(view, STYLE_PLAIN, name, "limits", text);
}

/* A look at everything that is under way. */
static void write_sweep(struct view *view, const char *name, const json_t *watch) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (!event_line_get(watch, "sweep"))
                return;
        progress_append(&text, event_line_number(watch, "sweep_records"), event_line_number(watch, "sweep_bytes"),
                        event_line_number(watch, "sweep_ms"));
        write_remark(view, STYLE_PLAIN, name, event_line_is(watch, "sweep", "learning") ? "first look" : "comparing everything",
                     buffer_bytes(&text));
}

static void write_remarks(struct view *view, const char *name, const json_t *watch) {
        uint64_t lost = event_line_number(watch, "lost");
        struct bytes text;

        write_sweep(view, name, watch);
        write_not_seen(view, name, watch);
        write_limits(view, name, watch);
        if (lost) {
                char number[32];

                (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)lost);
                write_remark(view, STYLE_WARNING, name, "lost before it could be read", bytes_of_string(number));
        }
        if (event_line_is(watch, "state", "failing")) {
                _cleanup_buffer_ struct buffer why = BUFFER_NULL;
                struct timespec since;

                if (event_line_text(watch, "error", &text))
                        output_safe(&why, text);
                if (time_at(watch, "failing_since", &since)) {
                        buffer_append_string(&why, ", since ");
                        timestamp_local(&why, &since);
                }
                write_remark(view, STYLE_BAD, name, "cannot be watched", buffer_bytes(&why));
        }
}

/* ---- the watches in their order ---- */

struct row {
        const char *name;
        const json_t *watch;
        uint64_t order;
};

static int compare_rows(const void *left, const void *right) {
        const struct row *a = left, *b = right;

        return a->order < b->order ? -1 : a->order > b->order;
}

/* The caller's to free(); NULL when memory ends. */
static struct row *sort_rows(const json_t *watches, size_t *ret_count) {
        struct row *rows = calloc(json_object_size(watches) + 1, sizeof(*rows));
        const char *name;
        json_t *watch;
        size_t count = 0;

        *ret_count = 0;
        if (!rows)
                return NULL;
        json_object_foreach((json_t *)(uintptr_t)watches, name, watch)
                rows[count++] = (struct row){ name, watch, event_line_number(watch, "order") };
        qsort(rows, count, sizeof(*rows), compare_rows);
        *ret_count = count;
        return rows;
}

static const struct table_column covered_columns[] = {
        { "watch", false }, { "told by", false }, { "since", true }, { "events", true },
        { "lost", true }, { "compared", true }, { "found", true }, { 0 },
};

static void add_count(struct table *table, enum style style, const json_t *object, const char *path) {
        char number[32];

        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)event_line_number(object, path));
        table_text(table, event_line_number(object, path) ? style : STYLE_PLAIN, number);
}

/* What sources tell of, since when, and what the comparison of everything found that they had not told. */
static void write_covered(struct view *view, const struct row *rows, size_t count) {
        _cleanup_(table_done) struct table table;
        _cleanup_buffer_ struct buffer cell = BUFFER_NULL;
        bool any = false;

        table_init(&table, covered_columns);
        for (size_t i = 0; i < count; i++) {
                const json_t *watch = rows[i].watch;

                if (!is_covered(watch))
                        continue;
                any = true;
                table_text(&table, STYLE_STRONG, rows[i].name);
                append_text(&cell, watch, "mechanism");
                add_cell(&table, STYLE_PLAIN, &cell);
                append_ago(view, &cell, watch, "covered_since");
                add_cell(&table, STYLE_PLAIN, &cell);
                add_count(&table, STYLE_PLAIN, watch, "events");
                add_count(&table, STYLE_WARNING, watch, "lost");
                append_ago(view, &cell, watch, "last_reconcile");
                add_cell(&table, STYLE_PLAIN, &cell);
                add_count(&table, STYLE_WARNING, watch, "reconcile_found");
        }
        if (!any)
                return;
        buffer_append_byte(&view->text, '\n');
        table_write(&table, view->coloured, &view->text);
}

static const struct table_column source_columns[] = {
        { "source", false }, { "state", false }, { "events", true }, { "lost", true }, { "why", false }, { 0 },
};

static int write_sources(struct view *view) {
        _cleanup_(table_done) struct table table;
        _cleanup_buffer_ struct buffer cell = BUFFER_NULL;
        _cleanup_free_ struct row *rows = NULL;
        const json_t *sources = event_line_get(view->page, "sources");
        size_t count;

        table_init(&table, source_columns);
        if (!json_is_object(sources) || json_object_size(sources) == 0)
                return 0;
        rows = sort_rows(sources, &count);
        if (!rows)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                const json_t *source = rows[i].watch;
                struct bytes why = BYTES_NULL;

                table_text(&table, STYLE_STRONG, rows[i].name);
                append_text(&cell, source, "state");
                add_cell(&table, event_line_is(source, "state", "open") ? STYLE_GOOD : STYLE_WARNING, &cell);
                add_count(&table, STYLE_PLAIN, source, "events");
                add_count(&table, STYLE_WARNING, source, "lost");
                if (event_line_text(source, "reason", &why) && why.size > 0)
                        table_cell(&table, STYLE_PLAIN, why);
                else
                        table_text(&table, STYLE_FAINT, "-");
        }
        buffer_append_byte(&view->text, '\n');
        table_write(&table, view->coloured, &view->text);
        return 0;
}

static int write_watches(struct view *view) {
        _cleanup_(table_done) struct table table;
        _cleanup_free_ struct row *rows = NULL;
        struct bytes trouble;
        size_t count, start;

        table_init(&table, columns);
        rows = sort_rows(event_line_get(view->page, "watches"), &count);
        if (!rows)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++)
                add_row(view, &table, rows[i].name, rows[i].watch);
        table_write(&table, view->coloured, &view->text);
        write_covered(view, rows, count);
        if (write_sources(view) < 0)
                return -ENOMEM;

        start = view->text.size;
        buffer_append_byte(&view->text, '\n');
        for (size_t i = 0; i < count; i++)
                write_remarks(view, rows[i].name, rows[i].watch);
        if (event_line_text(view->daemon, "trouble", &trouble))
                write_remark(view, STYLE_BAD, "log", "cannot be written", trouble);
        if (view->text.size == start + 1)
                buffer_truncate(&view->text, start);
        return 0;
}

static void judge(struct view *view) {
        const json_t *watches = event_line_get(view->page, "watches");
        const char *name;
        json_t *watch;

        if (event_line_get(view->daemon, "trouble"))
                view->status = VERB_DIFFERENCES;
        json_object_foreach((json_t *)(uintptr_t)watches, name, watch)
                if (event_line_is(watch, "state", "failing"))
                        view->status = VERB_DIFFERENCES;
}

static int show(struct view *view, struct bytes text, bool json) {
        _cleanup_event_line_ json_t *page = NULL;
        const char *why;

        page = event_line_parse(text, &why);
        view->page = page;
        view->daemon = event_line_get(page, "daemon");
        if (!view->daemon) {
                output_say("%s: %s", view->path, page ? "it is not a status page" : why);
                return VERB_TROUBLE;
        }
        if (is_gone(view))
                return VERB_TROUBLE;
        view->status = VERB_FINE;
        judge(view);
        if (json) {
                output_json(text);
        } else {
                write_header(view);
                if (write_watches(view) < 0)
                        view->text.failed = true;
                if (output_flush(&view->text) < 0)
                        return VERB_TROUBLE;
        }
        check_late(view); /* last, so that it is not scrolled away by what it speaks of */
        return view->status;
}

static int say_unreadable(const char *path, int r) {
        if (r == -ENOENT)
                output_say("nephronixd is not running: there is no %s", path);
        else if (r == -EBADMSG)
                output_say("%s is not a whole status page: its writer died while writing, or it was changed", path);
        else
                output_say_why(r, "cannot read %s", path);
        return VERB_TROUBLE;
}

static int status_run(const struct command *command, int argc, char **argv) {
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        _cleanup_settings_ struct settings *settings = NULL;
        _cleanup_buffer_ struct buffer page = BUFFER_NULL;
        _cleanup_free_ char *path = NULL;
        struct view view = { .coloured = output_is_coloured() };
        bool json = false;
        int letter, r;

        while ((letter = command_option(&verb_status, argc, argv, "jh", options)) >= 0) {
                if (letter == 'h')
                        return VERB_FINE;
                if (letter == '?')
                        return VERB_TROUBLE;
                json = true;
        }
        if (optind < argc)
                return command_usage(&verb_status, "takes no \"%s\"", argv[optind]);
        settings = command_settings(command);
        if (!settings)
                return VERB_TROUBLE;
        if (asprintf(&path, "%s/status", settings->run_directory) < 0) {
                path = NULL;
                output_say("out of memory");
                return VERB_TROUBLE;
        }
        r = page_read(path, &page);
        if (r < 0)
                return say_unreadable(path, r);
        view.path = path;
        (void)clock_gettime(CLOCK_REALTIME, &view.now);
        r = show(&view, buffer_bytes(&page), json);
        buffer_done(&view.text);
        return r;
}

const struct verb verb_status = {
        .name = "status",
        .synopsis = "[--json]",
        .summary = "Shows what is watched, how, and what cannot be seen",
        .options = "  -j, --json  the whole page as one JSON object\n"
                   "\nExit status: 0 all is well; 1 a watch fails, or the log cannot be written; 2 the daemon is not\n"
                   "running, or it cannot be told.\n",
        .run = status_run,
};
