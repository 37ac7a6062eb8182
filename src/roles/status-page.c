#include "status-page.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "escape.h"
#include "json.h"
#include "page.h"
#include "sentence.h"
#include "timestamp.h"

enum { PATH_SIZE_LIMIT = 256 };

struct status_page {
        struct status_page_options options;
        struct page *page;
        struct json *json;
        struct buffer text, path, moment;
        uint64_t rounds;
};

static const char watched_until_mark[] = "\"watched_until_ns\":";

static int page_path(const struct settings *settings, struct buffer *path) {
        buffer_clear(path);
        buffer_printf(path, "%s/status", settings->run_directory);
        return buffer_error(path);
}

uint64_t status_page_watched_until(const struct settings *settings) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL, text = BUFFER_NULL;
        const char *at;

        if (page_path(settings, &path) < 0 || page_read(buffer_string(&path), &text) < 0)
                return 0;
        at = strstr(buffer_string(&text), watched_until_mark);
        return at ? strtoull(at + strlen(watched_until_mark), NULL, 10) : 0;
}

int status_page_new(const struct status_page_options *options, struct status_page **ret) {
        struct status_page *page = calloc(1, sizeof(*page));
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        int r = -ENOMEM;

        if (!page)
                return r;
        page->options = *options;
        page->json = json_new();
        if (!page->json)
                goto fail;
        r = page_path(options->settings, &path);
        if (r == 0)
                r = page_create(buffer_string(&path), &page->page);
        if (r < 0)
                goto fail;
        *ret = page;
        return 0;
fail:
        (void)status_page_free(page);
        return r;
}

struct status_page *status_page_free(struct status_page *page) {
        if (!page)
                return NULL;
        (void)page_close(page->page);
        (void)json_free(page->json);
        buffer_done(&page->text);
        buffer_done(&page->path);
        buffer_done(&page->moment);
        free(page);
        return NULL;
}

static const char *path_in(struct status_page *page, const char *table, const char *row, const char *name) {
        buffer_clear(&page->path);
        buffer_printf(&page->path, "%s.%s.%s", table, row, name);
        return buffer_string(&page->path);
}

static const char *path_of(struct status_page *page, const char *watch, const char *name) {
        return path_in(page, "watches", watch, name);
}

static void add_number(struct status_page *page, const char *watch, const char *name, uint64_t number) {
        json_add_number(page->json, path_of(page, watch, name), number);
}

static void add_text(struct status_page *page, const char *watch, const char *name, const char *text) {
        json_add_text(page->json, path_of(page, watch, name), text);
}

static void add_moment(struct status_page *page, const char *path, uint64_t ns) {
        struct timespec at = timestamp_of_ns(ns);

        if (!ns)
                return;
        buffer_clear(&page->moment);
        timestamp_utc(&page->moment, &at);
        json_add_text(page->json, path, buffer_string(&page->moment));
}

static const char *state_name(enum engine_watch_state state) {
        switch (state) {
        case ENGINE_IDLE:
                return "watched";
        case ENGINE_WAITING:
                return "waiting for an answer";
        case ENGINE_UNAVAILABLE:
                return "unavailable";
        case ENGINE_FAILING:
                return "failing";
        }
        return "unknown";
}

static void add_lines(struct status_page *page, const char *watch, const char *name, const char *lines) {
        while (lines && *lines) {
                size_t length = strcspn(lines, "\n");

                if (length > 0)
                        json_append(page->json, path_of(page, watch, name), bytes_of(lines, length));
                lines += length + (lines[length] ? 1 : 0);
        }
}

static void add_watch(struct status_page *page, const struct engine_report *report, size_t order) {
        bool covered = report->mechanism && report->mechanism[0];
        const char *name = report->name;

        add_number(page, name, "order", order);
        add_text(page, name, "name", name);
        add_text(page, name, "kind", report->kind->kind);
        add_text(page, name, "state", state_name(report->state));
        add_text(page, name, "priority", report->settings->priority == PRIORITY_HIGH ? "high" : "low");
        add_text(page, name, "mechanism", covered ? report->mechanism : "poll");
        if (covered)
                add_moment(page, path_of(page, name, "covered_since"), report->covered_since_ns);
        add_lines(page, name, "limits", report->limits);
        add_number(page, name, "events", report->events);
        add_moment(page, path_of(page, name, "last_reconcile"), report->last_reconcile_ns);
        add_number(page, name, "reconcile_found", report->reconcile_found);
        add_text(page, name, "sensor", report->kind->sensor);
        add_number(page, name, "cadence_ms", report->cadence_ns / 1000000);
        add_number(page, name, "records", report->records);
        add_number(page, name, "looks", report->looks);
        add_number(page, name, "changes", report->changes);
        add_number(page, name, "lost", report->lost ? report->lost : report->losses);
        add_number(page, name, "cost_us", report->last_cost_ns / 1000);
        add_number(page, name, "total_cost_ms", report->total_cost_ns / 1000000);
        add_moment(page, path_of(page, name, "last_look"), report->last_look_ns);
        add_moment(page, path_of(page, name, "last_change"), report->last_change_ns);
        if (report->sweeping) {
                uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

                add_text(page, name, "sweep", report->learning ? "learning" : "comparing");
                add_number(page, name, "sweep_records", report->sweep_records);
                add_number(page, name, "sweep_bytes", report->sweep_bytes);
                add_number(page, name, "sweep_ms", now_ns > report->sweep_since_ns ? (now_ns - report->sweep_since_ns) / 1000000 : 0);
        }
        add_lines(page, name, "not_seen", report->conditions);
        if (report->error) {
                add_text(page, name, "error", strerrordesc_np(-report->error));
                add_moment(page, path_of(page, name, "failing_since"), report->failing_since_ns);
        }
}

static void add_left_out(struct status_page *page, const struct engine *engine) {
        const struct settings *settings = page->options.settings;

        for (size_t i = 0; i < settings->n_watches; i++) {
                const char *name = settings->watches[i].name;
                bool running = false;

                for (size_t k = 0; k < engine_count(engine) && !running; k++) {
                        struct engine_report report;

                        engine_report(engine, k, &report);
                        running = strcmp(report.name, name) == 0;
                }
                if (running)
                        continue;
                add_number(page, name, "order", 1000 + i);
                add_text(page, name, "name", name);
                add_text(page, name, "kind", settings->watches[i].kind);
                add_text(page, name, "state", settings->watches[i].enabled ? "left out in the light profile" : "disabled");
        }
}

static void add_source(struct status_page *page, const struct source_report *source, size_t order) {
        static const char table[] = "sources";

        json_add_number(page->json, path_in(page, table, source->name, "events"), source->events);
        json_add_number(page->json, path_in(page, table, source->name, "lost"), source->lost);
        json_add_text(page->json, path_in(page, table, source->name, "name"), source->name);
        json_add_number(page->json, path_in(page, table, source->name, "order"), order);
        json_add_text(page->json, path_in(page, table, source->name, "reason"), source->reason);
        json_add_text(page->json, path_in(page, table, source->name, "state"), source->opened ? "open" : "closed");
}

int status_page_update(struct status_page *page, const struct engine *engine, const struct recorder *recorder,
                       const struct source_report *sources, size_t n_sources) {
        const struct settings *settings = page->options.settings;
        struct json *json = page->json;
        uint64_t now_ns = clock_ns(CLOCK_REALTIME);
        int r;

        json_clear(json);
        buffer_clear(&page->text);
        json_add_text(json, "daemon.version", page->options.event_host->version);
        json_add_text(json, "daemon.host", page->options.event_host->name);
        json_add_number(json, "daemon.pid", (uint64_t)getpid());
        json_add_number(json, "daemon.guard_pid", (uint64_t)getppid());
        json_add_text(json, "daemon.profile", settings->light ? "light" : "full");
        json_add_text(json, "daemon.configuration", settings->configuration_file);
        json_add_text(json, "daemon.state_directory", settings->state_directory);
        json_add_text(json, "daemon.log_file", settings->log_file);
        json_add_number(json, "daemon.interval_ms", settings->interval_ns / 1000000);
        add_moment(page, "daemon.started", timestamp_to_ns(&page->options.started));
        add_moment(page, "daemon.last_round", now_ns);
        json_add_number(json, "daemon.last_round_ns", now_ns);
        json_add_number(json, "daemon.watched_until_ns", engine_watched_until(engine));
        json_add_number(json, "daemon.rounds", ++page->rounds);
        json_add_number(json, "daemon.events", recorder_told(recorder));
        json_add_number(json, "daemon.cpu_ms", clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000000);
        if (page->options.sealed) {
                json_add_number(json, "daemon.sealed.files", page->options.sealed->files);
                json_add_bool(json, "daemon.sealed.required", page->options.sealed->required);
                if (page->options.sealed->wrong && page->options.sealed->wrong[0])
                        json_add_text(json, "daemon.sealed.wrong", page->options.sealed->wrong);
        }
        if (recorder_trouble(recorder) < 0)
                json_add_text(json, "daemon.trouble", strerrordesc_np(-recorder_trouble(recorder)));
        for (size_t i = 0; i < engine_count(engine); i++) {
                struct engine_report report;

                engine_report(engine, i, &report);
                add_watch(page, &report, i);
        }
        add_left_out(page, engine);
        for (size_t i = 0; i < n_sources; i++)
                add_source(page, &sources[i], i);
        r = json_write(json, &page->text);
        return r < 0 ? r : page_publish(page->page, buffer_bytes(&page->text));
}
