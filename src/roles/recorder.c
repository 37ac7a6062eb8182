#include "recorder.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "archive.h"
#include "clock.h"
#include "diagnostics.h"
#include "escape.h"
#include "fd.h"
#include "json.h"
#include "ledger.h"
#include "rounds-text.h"
#include "sentence.h"
#include "text-log.h"
#include "timestamp.h"
#include "uuid.h"
#include "workspace.h"

enum {
        CHUNK = 64 * 1024,              /* of the text log, in one outbox entry */
        NOTICE_LINES = 8,               /* sentences in one notice; the others are counted */
        NOTICE_LINE_SIZE = 240,
        NOTICE_JSON_MAX = 4 * 1024 * 1024,
        EXPIRE_EVERY_S = 600,
};

struct recorder {
        struct engine_out out;
        struct recorder_options options;
        struct engine *engine;
        struct ledger *ledger;
        struct text_log *text_log;
        int workspace;
        struct json *json;
        struct rounds_text *rounds;
        uint64_t first_ledger_sequence; /* the last one when it was opened */
        uint64_t drained;               /* outbox number up to which all is told */
        uint64_t alerted;               /* up to which alerts went out: they do not wait for a log that is full */
        bool filed;                     /* this round had a transaction */
        bool unsettled;                 /* something told is still in the outbox */
        int trouble;
        uint64_t told, expired_s;

        /* the round that runs */
        struct buffer line, chunk;
        struct text_log_place place;
        struct buffer notice_text, notice_json;
        size_t notice_events;
        enum severity notice_severity;
};

static struct baseline *baseline_of(struct recorder *recorder) {
        return recorder->options.baseline;
}

/* ---- inside the transaction ---- */

static int file_chunk(struct recorder *recorder) {
        _cleanup_buffer_ struct buffer entry = BUFFER_NULL;
        int r;

        if (recorder->chunk.size == 0)
                return buffer_error(&recorder->chunk);
        buffer_append(&entry, &recorder->place, sizeof(recorder->place));
        buffer_append_bytes(&entry, buffer_bytes(&recorder->chunk));
        r = buffer_error(&entry);
        if (r == 0)
                r = baseline_of(recorder)->ops->file(baseline_of(recorder), OUTBOX_TEXT, buffer_bytes(&entry));
        recorder->place.offset += recorder->chunk.size;
        buffer_clear(&recorder->chunk);
        return r;
}

static void prefix(struct buffer *buffer, const struct timespec *at, const uint8_t round[UUID_SIZE]) {
        char uuid[UUID_TEXT_SIZE];

        uuid_format(round, uuid);
        timestamp_classic(buffer, at);
        buffer_append_string(buffer, " NEPHRONIX - ");
        buffer_append_string(buffer, uuid);
        buffer_append_string(buffer, " - ");
}

/* Rendered values are escaped already; a name in b2sum's form is not, and must not reach a reader's terminal as it is. */
static void escape_clean_append(struct buffer *buffer, struct bytes line) {
        if (escape_is_clean(line))
                buffer_append_bytes(buffer, line);
        else
                escape_append(buffer, line);
}

static int write_line(void *context, const struct round *round, struct bytes line) {
        struct recorder *recorder = context;

        prefix(&recorder->chunk, &round->at, round->id);
        escape_clean_append(&recorder->chunk, line);
        buffer_append_byte(&recorder->chunk, '\n');
        if (recorder->options.once) {
                _cleanup_buffer_ struct buffer shown = BUFFER_NULL;

                escape_clean_append(&shown, line);
                (void)printf("%s\n", buffer_string(&shown));
        }
        return recorder->chunk.size < CHUNK ? buffer_error(&recorder->chunk) : file_chunk(recorder);
}

static enum severity lowest_alert(const struct recorder *recorder) {
        enum severity lowest = SEVERITY_CRITICAL + 1;

        for (size_t i = 0; i < recorder->options.settings->n_alerts; i++) {
                const struct alert_settings *alert = &recorder->options.settings->alerts[i];

                if (alert->enabled && alert->minimum < lowest)
                        lowest = alert->minimum;
        }
        return lowest;
}

static int on_event(struct engine_out *out, const struct event *event) {
        struct recorder *recorder = container_of(out, struct recorder, out);
        uint64_t sequence = htobe64(event->sequence);
        int r;

        buffer_clear(&recorder->line);
        buffer_append(&recorder->line, &sequence, sizeof(sequence));
        r = event_json_write(&recorder->line, recorder->json, event, &recorder->options.event_host);
        if (r < 0)
                return r;
        r = baseline_of(recorder)->ops->file(baseline_of(recorder), OUTBOX_LEDGER, buffer_bytes(&recorder->line));
        return r < 0 ? r : rounds_text_event(recorder->rounds, event, bytes_of(recorder->line.data + sizeof(sequence),
                                                                               recorder->line.size - sizeof(sequence)));
}

/* The notice of the round: its worst severity, a few sentences, all its events as JSON. */
static int gather_notice(void *context, const struct rounds_text_told *told, struct bytes sentence, struct bytes json) {
        struct recorder *recorder = context;

        if (told->severity > recorder->notice_severity)
                recorder->notice_severity = told->severity;
        if (recorder->notice_events++ < NOTICE_LINES) {
                size_t size = sentence.size;

                if (size > NOTICE_LINE_SIZE) {
                        size = NOTICE_LINE_SIZE;
                        while (size > 0 && (sentence.data[size] & 0xc0) == 0x80)
                                size--;
                }
                buffer_append_string(&recorder->notice_text, "  ");
                buffer_append(&recorder->notice_text, sentence.data, size);
                buffer_append_string(&recorder->notice_text, size < sentence.size ? "...\n" : "\n");
        }
        if (recorder->notice_json.size < NOTICE_JSON_MAX) {
                buffer_append_bytes(&recorder->notice_json, json);
                buffer_append_byte(&recorder->notice_json, '\n');
        }
        return 0;
}

static void finish_notice(struct recorder *recorder, const struct round *round) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        char uuid[UUID_TEXT_SIZE];

        uuid_format(round->id, uuid);
        buffer_append_string(&text, "nephronix on ");
        escape_append(&text, bytes_of_string(recorder->options.event_host.name));
        buffer_append_string(&text, ", ");
        timestamp_local(&text, &round->at);
        buffer_printf(&text, ": %zu %s change%s\n", recorder->notice_events, severity_name(recorder->notice_severity),
                      recorder->notice_events == 1 ? "" : "s");
        buffer_append_bytes(&text, buffer_bytes(&recorder->notice_text));
        if (recorder->notice_events > NOTICE_LINES)
                buffer_printf(&text, "  and %zu more\n", recorder->notice_events - NOTICE_LINES);
        buffer_append_string(&text, "  who: unknown. Read on: nephronix events, or grep ");
        buffer_append_string(&text, uuid);
        buffer_append_byte(&text, ' ');
        escape_append(&text, bytes_of_string(recorder->options.settings->log_file));
        buffer_append_byte(&text, '\n');
        buffer_done(&recorder->notice_text);
        recorder->notice_text = text;
        text = BUFFER_NULL;
}

static int file_notice(struct recorder *recorder, const struct round *round) {
        _cleanup_buffer_ struct buffer entry = BUFFER_NULL;
        uint32_t head[2];
        int r;

        buffer_clear(&recorder->notice_text);
        buffer_clear(&recorder->notice_json);
        recorder->notice_events = 0;
        recorder->notice_severity = 0;
        if (recorder->options.once)
                return 0;
        r = rounds_text_alerts(recorder->rounds, lowest_alert(recorder), engine_next_sequence(recorder->engine), gather_notice,
                               recorder);
        if (r < 0 || recorder->notice_events == 0)
                return r;
        finish_notice(recorder, round);
        head[0] = recorder->notice_severity;
        head[1] = (uint32_t)recorder->notice_text.size;
        buffer_append(&entry, head, sizeof(head));
        buffer_append_bytes(&entry, buffer_bytes(&recorder->notice_text));
        buffer_append_bytes(&entry, buffer_bytes(&recorder->notice_json));
        r = buffer_error(&entry);
        return r < 0 ? r : baseline_of(recorder)->ops->file(baseline_of(recorder), OUTBOX_ALERT, buffer_bytes(&entry));
}

/* On disk for good: what is settled is forgotten by the outbox. */
static int settle(struct recorder *recorder) {
        int r;

        if (!recorder->unsettled)
                return 0;
        r = ledger_sync(recorder->ledger);
        if (r == 0)
                r = text_log_sync(recorder->text_log);
        if (r == 0)
                r = baseline_of(recorder)->ops->settle(baseline_of(recorder), recorder->drained);
        return r;
}

static int set_number_fact(struct recorder *recorder, const char *name, uint64_t number) {
        uint64_t big = htobe64(number);

        return baseline_of(recorder)->ops->set_fact(baseline_of(recorder), name, bytes_of(&big, sizeof(big)));
}

static uint64_t get_number_fact(struct recorder *recorder, const char *name) {
        uint64_t big = 0;
        size_t size = 0;

        if (baseline_of(recorder)->ops->get_fact(baseline_of(recorder), name, &big, sizeof(big), &size) <= 0 ||
            size != sizeof(big))
                return 0;
        return be64toh(big);
}

static int set_facts(struct recorder *recorder, const struct round *round) {
        int r = set_number_fact(recorder, "sequence", engine_next_sequence(recorder->engine));

        return r < 0 ? r : set_number_fact(recorder, "last-look", timestamp_to_ns(&round->at));
}

static int on_finish(struct engine_out *out, const struct round *round) {
        struct recorder *recorder = container_of(out, struct recorder, out);
        int r;

        if (recorder->trouble == 0) { /* else what is in the outbox was not written yet */
                r = settle(recorder);
                if (r < 0)
                        return r;
                recorder->unsettled = false;
        }
        recorder->filed = true;
        buffer_clear(&recorder->chunk);
        r = text_log_place(recorder->text_log, &recorder->place);
        if (r < 0) {
                recorder->trouble = r;
                recorder->place = (struct text_log_place){ 0 };
        }
        r = rounds_text_write(recorder->rounds, recorder->engine, round);
        if (r == 0)
                r = file_chunk(recorder);
        if (r == 0)
                r = file_notice(recorder, round);
        return r < 0 ? r : set_facts(recorder, round);
}

/* ---- after the transaction ---- */

static void send_notice(struct recorder *recorder, const struct notice *notice) {
        const struct settings *settings = recorder->options.settings;

        for (size_t i = 0; i < settings->n_alerts; i++) {
                const struct alert_settings *alert = &settings->alerts[i];

                if (!alert->enabled || notice->severity < alert->minimum)
                        continue;
                for (size_t k = 0; recorder->options.sinks[k]; k++) {
                        int r;

                        if (strcmp(recorder->options.sinks[k]->kind, alert->kind) != 0)
                                continue;
                        r = recorder->options.sinks[k]->send(alert, recorder->options.host, recorder->options.favours, notice);
                        if (r < 0)
                                diagnostics_error(r, "alert %s: could not be sent", alert->name);
                }
        }
}

static int tell_alert(struct recorder *recorder, struct bytes data) {
        struct notice notice = { 0 };
        uint32_t head[2];

        if (data.size < sizeof(head))
                return -EBADMSG;
        memcpy(head, data.data, sizeof(head));
        if (head[1] > data.size - sizeof(head))
                return -EBADMSG;
        notice.severity = (enum severity)head[0];
        notice.text = bytes_of(data.data + sizeof(head), head[1]);
        notice.json = bytes_of(data.data + sizeof(head) + head[1], data.size - sizeof(head) - head[1]);
        if (!recorder->options.once)
                send_notice(recorder, &notice);
        return 0;
}

static int tell_entry(void *context, const struct outbox_entry *entry) {
        struct recorder *recorder = context;
        struct bytes data = entry->data;
        int r = 0;

        if (entry->number <= recorder->drained)
                return 0;
        switch (entry->destination) {
        case OUTBOX_LEDGER: {
                uint64_t sequence;

                if (data.size < sizeof(sequence))
                        break;
                memcpy(&sequence, data.data, sizeof(sequence));
                r = ledger_append(recorder->ledger, be64toh(sequence),
                                  bytes_of(data.data + sizeof(sequence), data.size - sizeof(sequence)));
                break;
        }
        case OUTBOX_TEXT: {
                struct text_log_place place;

                if (data.size < sizeof(place))
                        break;
                memcpy(&place, data.data, sizeof(place));
                r = text_log_append_at(recorder->text_log, &place,
                                       bytes_of(data.data + sizeof(place), data.size - sizeof(place)));
                break;
        }
        case OUTBOX_ALERT:
                if (entry->number > recorder->alerted)
                        r = tell_alert(recorder, data);
                break;
        default:
                break;
        }
        if (r < 0)
                return r;
        recorder->drained = entry->number;
        recorder->unsettled = true;
        if (entry->destination == OUTBOX_LEDGER)
                recorder->told++;
        return 0;
}

/* Alerts go out even when neither log can be written: they are told first in that case. */
static int alert_entry(void *context, const struct outbox_entry *entry) {
        struct recorder *recorder = context;

        if (entry->number > recorder->alerted && entry->destination == OUTBOX_ALERT) {
                (void)tell_alert(recorder, entry->data);
                recorder->alerted = entry->number;
        }
        return 0;
}

static int drain(struct recorder *recorder) {
        int r = baseline_of(recorder)->ops->outbox(baseline_of(recorder), tell_entry, recorder);

        if (r < 0) {
                if (recorder->trouble == 0)
                        diagnostics_error(r, "the log cannot be written; what is found waits in the state folder");
                (void)baseline_of(recorder)->ops->outbox(baseline_of(recorder), alert_entry, recorder);
        }
        if (r == 0 && recorder->trouble < 0)
                diagnostics_info("the log can be written again");
        recorder->trouble = r;
        return r;
}

/* Settles in a transaction of its own: before a rotation, and after an alert, which must not go out again. */
static int settle_now(struct recorder *recorder) {
        struct baseline *baseline = baseline_of(recorder);
        int r;

        if (!recorder->unsettled)
                return 0;
        r = baseline->ops->begin(baseline);
        if (r < 0)
                return r;
        r = settle(recorder);
        if (r < 0) {
                baseline->ops->abort(baseline);
                return r;
        }
        r = baseline->ops->commit(baseline);
        if (r == 0)
                recorder->unsettled = false;
        return r;
}

static void expire(struct recorder *recorder) {
        const struct settings *settings = recorder->options.settings;
        const struct archive_folder folders[] = {
                { text_log_archive(recorder->text_log), TEXT_LOG_ARCHIVE_PREFIX, TEXT_LOG_ARCHIVE_SUFFIX },
                { ledger_folder(recorder->ledger), LEDGER_PREFIX, LEDGER_PACKED },
        };
        uint64_t live = text_log_size(recorder->text_log) + ledger_live_size(recorder->ledger);
        int r = archive_expire(folders, ELEMENTS(folders), settings->log_keep_ns, settings->log_max_use, live,
                               clock_ns(CLOCK_REALTIME));

        if (r < 0)
                diagnostics_error(r, "old archives could not be removed");
}

static void rotate(struct recorder *recorder) {
        const struct settings *settings = recorder->options.settings;
        int r = 0;

        if (recorder->trouble < 0)
                return;
        if (text_log_size(recorder->text_log) >= settings->log_max_size ||
            ledger_live_size(recorder->ledger) >= settings->ledger_segment_size) {
                int packed;

                r = settle_now(recorder);
                packed = r < 0 ? 0 : text_log_rotate(recorder->text_log);
                if (packed < 0)
                        r = packed;
                packed = r < 0 ? 0 : ledger_rotate(recorder->ledger);
                if (packed < 0)
                        r = packed;
                if (r < 0)
                        diagnostics_error(r, "a full log could not be archived");
                else
                        expire(recorder);
        }
}

static void write_quiet(struct recorder *recorder, const struct round *round) {
        if (!recorder->options.settings->quiet_rounds || recorder->trouble < 0)
                return;
        buffer_clear(&recorder->chunk);
        (void)rounds_text_quiet(recorder->rounds, recorder->engine, round);
        if (recorder->chunk.size > 0 && text_log_place(recorder->text_log, &recorder->place) == 0)
                (void)text_log_append_at(recorder->text_log, &recorder->place, buffer_bytes(&recorder->chunk));
        buffer_clear(&recorder->chunk);
}

static void on_committed(struct engine_out *out, const struct round *round) {
        struct recorder *recorder = container_of(out, struct recorder, out);
        bool alerted = recorder->notice_events > 0;
        uint64_t now_s = clock_ns(CLOCK_MONOTONIC) / 1000000000u;
        int r;

        if (recorder->filed || recorder->trouble < 0)
                (void)drain(recorder);
        if (recorder->filed) {
                r = rounds_text_place(recorder->rounds);
                if (r < 0)
                        diagnostics_error(r, "a file in workspace/ could not be put into place");
        }
        write_quiet(recorder, round);
        rotate(recorder);
        if (alerted && recorder->trouble == 0) {
                r = settle_now(recorder);
                if (r < 0)
                        diagnostics_error(r, "what was told could not be settled");
        }
        recorder->notice_events = 0;
        recorder->filed = false;
        if (now_s - recorder->expired_s >= EXPIRE_EVERY_S) {
                recorder->expired_s = now_s;
                expire(recorder);
        }
        rounds_text_clear(recorder->rounds);
}

static void on_given_up(struct engine_out *out, const struct round *round, int error) {
        struct recorder *recorder = container_of(out, struct recorder, out);

        (void)round;
        diagnostics_error(error, "this round could not be kept; its changes will be found again");
        rounds_text_clear(recorder->rounds);
        recorder->notice_events = 0;
}

/* ---- life ---- */

static int open_folders(struct recorder *recorder) {
        const struct settings *settings = recorder->options.settings;
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        int r;

        buffer_printf(&path, "%s/ledger", settings->state_directory);
        r = ledger_open(buffer_string(&path), settings->ledger_segment_size, &recorder->ledger);
        if (r < 0) {
                diagnostics_error(r, "%s", buffer_string(&path));
                return r;
        }
        buffer_clear(&path);
        buffer_printf(&path, "%s/archive", settings->state_directory);
        r = text_log_open(settings->log_file, buffer_string(&path), settings->log_max_size, &recorder->text_log);
        if (r < 0) {
                bool archive = access(buffer_string(&path), R_OK | W_OK | X_OK) < 0;

                diagnostics_error(r, "%s", archive ? buffer_string(&path) : settings->log_file);
                return r;
        }
        buffer_clear(&path);
        buffer_printf(&path, "%s/workspace", settings->state_directory);
        recorder->workspace = workspace_open(buffer_string(&path));
        if (recorder->workspace < 0) {
                diagnostics_error(recorder->workspace, "%s", buffer_string(&path));
                return recorder->workspace;
        }
        return buffer_error(&path);
}

int recorder_new(const struct recorder_options *options, struct recorder **ret) {
        struct recorder *recorder = calloc(1, sizeof(*recorder));
        int r = -ENOMEM;

        if (!recorder)
                return -ENOMEM;
        recorder->workspace = -1;
        recorder->options = *options;
        recorder->out = (struct engine_out){
                .event = on_event, .finish = on_finish, .committed = on_committed, .given_up = on_given_up,
        };
        recorder->json = json_new();
        if (!recorder->json)
                goto fail;
        r = open_folders(recorder);
        if (r < 0)
                goto fail;
        r = rounds_text_new(options->baseline, options->watches, options->n_watches, recorder->workspace,
                            lowest_alert(recorder), &(struct rounds_text_writer){ .line = write_line, .context = recorder },
                            &recorder->rounds);
        if (r < 0)
                goto fail;
        recorder->first_ledger_sequence = ledger_last_sequence(recorder->ledger);
        r = drain(recorder);
        if (r < 0)
                goto fail;
        if (!options->once) {
                r = settle_now(recorder);
                if (r == 0)
                        r = rounds_text_restore(recorder->rounds);
                if (r < 0)
                        goto fail;
        }
        recorder->told = 0;
        *ret = recorder;
        return 0;
fail:
        (void)recorder_free(recorder);
        return r;
}

struct recorder *recorder_free(struct recorder *recorder) {
        if (!recorder)
                return NULL;
        (void)rounds_text_free(recorder->rounds);
        (void)ledger_close(recorder->ledger);
        (void)text_log_close(recorder->text_log);
        (void)fd_close(recorder->workspace);
        (void)json_free(recorder->json);
        buffer_done(&recorder->line);
        buffer_done(&recorder->chunk);
        buffer_done(&recorder->notice_text);
        buffer_done(&recorder->notice_json);
        free(recorder);
        return NULL;
}

struct engine_out *recorder_out(struct recorder *recorder) {
        return &recorder->out;
}

void recorder_attach(struct recorder *recorder, struct engine *engine) {
        recorder->engine = engine;
}

uint64_t recorder_next_sequence(struct recorder *recorder) {
        uint64_t fact = get_number_fact(recorder, "sequence");
        uint64_t after = ledger_last_sequence(recorder->ledger) + 1;

        return fact > after ? fact : after;
}

uint64_t recorder_ledger_sequence(const struct recorder *recorder) {
        return recorder->first_ledger_sequence;
}

uint64_t recorder_last_look(struct recorder *recorder) {
        return get_number_fact(recorder, "last-look");
}

void recorder_say(struct recorder *recorder, const char *text) {
        struct timespec now;
        struct round round = { 0 };

        (void)clock_gettime(CLOCK_REALTIME, &now);
        round.at = now;
        clock_random(round.id, sizeof(round.id));
        uuid_make_v4(round.id);
        buffer_clear(&recorder->chunk);
        while (*text) {
                const char *end = strchr(text, '\n');
                size_t length = end ? (size_t)(end - text) : strlen(text);

                prefix(&recorder->chunk, &round.at, round.id);
                escape_append(&recorder->chunk, bytes_of(text, length));
                buffer_append_byte(&recorder->chunk, '\n');
                text += length + (end ? 1 : 0);
        }
        if (buffer_error(&recorder->chunk) == 0 && text_log_place(recorder->text_log, &recorder->place) == 0)
                (void)text_log_append_at(recorder->text_log, &recorder->place, buffer_bytes(&recorder->chunk));
        buffer_clear(&recorder->chunk);
}

int recorder_stop(struct recorder *recorder) {
        struct baseline *baseline = baseline_of(recorder);
        struct round round = { 0 };
        int r;

        (void)clock_gettime(CLOCK_REALTIME, &round.at);
        r = baseline->ops->begin(baseline);
        if (r < 0)
                return r;
        r = recorder->trouble == 0 ? settle(recorder) : 0;
        if (r == 0)
                r = set_facts(recorder, &round);
        if (r < 0) {
                baseline->ops->abort(baseline);
                return r;
        }
        return baseline->ops->commit(baseline);
}

int recorder_trouble(const struct recorder *recorder) {
        return recorder->trouble;
}

uint64_t recorder_told(const struct recorder *recorder) {
        return recorder->told;
}
