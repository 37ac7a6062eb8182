#include "recorder.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "alert-notice.h"
#include "archive.h"
#include "clock.h"
#include "diagnostics.h"
#include "escape.h"
#include "fd.h"
#include "folder.h"
#include "json.h"
#include "ledger.h"
#include "rounds-text.h"
#include "sealer.h"
#include "sentence.h"
#include "text-log.h"
#include "timestamp.h"
#include "trouble.h"
#include "uuid.h"

enum {
        CHUNK = 64 * 1024,              /* of the text log, in one outbox entry */
        FOLDER_MODE = 0750,
        EXPIRE_EVERY_S = 600,
        ALERT_PAUSE_S = 2,              /* between two notices to people */
        SEAL_EVERY_S = 600,             /* also when nothing was written */
        SEAL_RECORDS = 4096,            /* or when so many were */
        SEAL_PAUSE_S = 10,              /* but no sooner: a seal waits for the disk four times */
};

static const struct action ledger_gone = { "ledger-gone", "file", "deletion", SEVERITY_CRITICAL, true, NULL };
static const struct action ledger_changed = { "ledger-changed", "file", "change", SEVERITY_CRITICAL, true, NULL };

/* What somebody did to the ledger, by enum ledger_standing. */
static const struct {
        const struct action *action;
        const char *live, *start;
} ledger_harm[] = {
        [LEDGER_GONE] = { &ledger_gone, "the ledger was removed or replaced; what is told from here on stands in a new segment",
                          "the ledger is gone since nephronixd ran last; what is told from here on stands in a new one" },
        [LEDGER_CUT] = { &ledger_changed, "the ledger was truncated; what is told from here on stands in a new segment",
                         "the ledger was truncated since nephronixd ran last; what is told from here on stands in a new segment" },
        [LEDGER_GREW] = { &ledger_changed, "somebody wrote to the ledger; what is told from here on stands in a new segment", NULL },
        [LEDGER_EDITED] = { &ledger_changed, "the ledger was edited; what is told from here on stands in a new segment",
                            "the ledger was edited since nephronixd ran last; what is told from here on stands in a new segment" },
        [LEDGER_IMMUTABLE] = { &ledger_changed, "the ledger was made immutable; what is told from here on stands in a new segment", NULL },
};

static const struct action log_gone = { "log-gone", "file", "deletion", SEVERITY_HIGH, true, NULL };
static const struct action log_changed = { "log-changed", "file", "change", SEVERITY_HIGH, true, NULL };
static const struct action workspace_changed = { "workspace-changed", "file", "change", SEVERITY_HIGH, true, NULL };

/* By enum text_log_standing, and by enum workspace_standing. */
static const struct {
        const struct action *action;
        const char *text;
} log_harm[] = {
        [TEXT_LOG_GONE] = { &log_gone, "the text log was removed or replaced under nephronixd; it goes on in a new one" },
        [TEXT_LOG_CUT] = { &log_changed, "the text log was truncated under nephronixd; it goes on behind what is left" },
        [TEXT_LOG_IMMUTABLE] = { &log_changed, "the text log was made immutable; what comes next waits until it can be written" },
}, workspace_harm[] = {
        [WORKSPACE_CHANGED] = { &workspace_changed, "files in workspace/ were removed, replaced or changed; they are written anew" },
        [WORKSPACE_IMMUTABLE] = { &workspace_changed, "files in workspace/ were made immutable; they say what was" },
};

static const struct action baseline_rolled_back = { "baseline-rolled-back", "configuration", "change", SEVERITY_HIGH, true, NULL };
static const struct action seal_key_created = { "seal-key-created", "configuration", "creation", SEVERITY_MEDIUM, true, NULL };
static const struct action seal_broken = { "seal-broken", "file", "change", SEVERITY_CRITICAL, true, NULL };

static const struct trouble_words not_sealed = { "the ledger cannot be sealed", "the ledger is sealed again" };
static const struct trouble_words not_kept = {
        "what is found cannot be kept; what is still there will be found again", "what is found is kept again",
};
static const struct trouble_words not_written = {
        "the log cannot be written, what is found waits in the state folder", "the log is written again",
};
static const struct trouble_words not_placed = {
        "the files in workspace/ cannot be kept up to date", "the files in workspace/ are kept up to date again",
};

struct recorder {
        struct engine_out out;
        struct recorder_options options;
        struct engine *engine;
        struct ledger *ledger;
        struct text_log *text_log;
        int workspace;
        char *workspace_path;           /* owned */
        struct json *json;
        struct rounds_text *rounds;
        uint64_t first_ledger_sequence; /* the last one when it was opened */
        uint64_t known_sequence;        /* up to which the baseline knew then; 0: of none */
        uint64_t behind;                /* the event it should have known; 0: it does */
        int first_standing;             /* enum ledger_standing: what the memory says of it */
        struct sealer *sealer;
        int seal_standing;              /* enum sealer_standing, of the start */
        uint64_t sealed_s;              /* monotonic; 0: not yet in this life */
        struct trouble sealing;
        struct buffer seal_text;        /* of an event that waits for its round */
        uint64_t drained;               /* outbox number up to which all is told */
        uint64_t alerted;               /* up to which alerts went out: they do not wait for a log that is full */
        bool filed;                     /* this round had a transaction */
        bool unsettled;                 /* something told is still in the outbox */
        bool settling;                  /* until this round is kept or not */
        bool ledger_fails;              /* in this drain() */
        bool holding;                   /* --once: an alert of the daemon's waits in the outbox, and must go on waiting */
        struct trouble writing;         /* ledger or text log */
        struct trouble keeping;         /* rounds, in the baseline */
        struct trouble placing;         /* files in workspace/ */
        bool *missed;                   /* owned; watches whose look is in no round that was kept */
        bool workspace_stale;           /* a file in workspace/ says what was */
        uint64_t told, expired_s;

        /* the short way */
        struct buffer fast;             /* lines of this batch: sequence, size, line; one after the other */
        uint64_t alerted_s;             /* monotonic: when people were told last */
        uint64_t alerted_sequence;      /* up to which they were, as an earlier run noted it */
        uint64_t filed_sequence;        /* up to which it has filed the text */
        bool starting;                  /* what waits in the outbox is another run's */
        bool restored;                  /* some of it was noted: the first round settles it */

        /* the round that runs */
        struct buffer line, chunk;
        struct text_log_place place, end; /* end: where the text that was filed last will end */
        struct alert_notice notice;
        struct buffer not_kept;         /* which sentences of rounds that were not kept people know of (rounds_text_alert_once) */
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
                diagnostics_progress(NULL);
                (void)printf("%s\n", buffer_string(&shown));
        }
        return recorder->chunk.size < CHUNK ? buffer_error(&recorder->chunk) : file_chunk(recorder);
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

/* ---- the short way ---- */

static void tell_harm(struct recorder *recorder, int standing, bool live) {
        struct event event = {
                .action = ledger_harm[standing].action,
                .severity = ledger_harm[standing].action->severity,
                .message = live ? ledger_harm[standing].live : ledger_harm[standing].start,
        };

        diagnostics_warn("%s", event.message);
        (void)engine_notice(recorder->engine, &event);
}

/* The places where we write may be removed or changed under us. */
static void stand_ledger(struct recorder *recorder) {
        int r = ledger_stand(recorder->ledger);

        if (r > 0 && recorder->engine)
                tell_harm(recorder, r, true);
}

static void tell_places(struct recorder *recorder, const struct action *action, const char *text) {
        struct event event = { .action = action, .severity = action->severity, .message = text };

        diagnostics_warn("%s", text);
        (void)engine_notice(recorder->engine, &event);
}

/* What people read. After a folder is another one its files are, too: that is said once. */
static void stand_renderings(struct recorder *recorder) {
        enum text_log_standing log = text_log_stand(recorder->text_log);
        int moved = folder_follow(recorder->workspace, recorder->workspace_path, FOLDER_MODE);
        enum workspace_standing workspace = moved < 0 ? WORKSPACE_STANDS : rounds_text_stand(recorder->rounds);

        if (log)
                tell_places(recorder, log_harm[log].action, log_harm[log].text);
        if (moved > 0)
                workspace = WORKSPACE_CHANGED;
        if (workspace)
                tell_places(recorder, workspace_harm[workspace].action, workspace_harm[workspace].text);
        recorder->workspace_stale |= workspace == WORKSPACE_CHANGED;
}

void recorder_look(struct recorder *recorder) {
        if (!recorder->writing.error)
                stand_ledger(recorder);
        stand_renderings(recorder);
        if (recorder->sealer && !sealer_stands(recorder->sealer))
                tell_places(recorder, &seal_broken, "seals of the ledger were removed, changed or made immutable under nephronixd");
}

void recorder_watch(const struct recorder *recorder, struct alarm *alarm) {
        static const char *const folders[] = { "ledger", "workspace" };
        const struct settings *settings = recorder->options.settings;
        const char *slash = strrchr(settings->log_file, '/');
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;

        alarm_set_folder(alarm, settings->state_directory, false);
        for (size_t i = 0; i < ELEMENTS(folders); i++) {
                buffer_clear(&path);
                buffer_printf(&path, "%s/%s", settings->state_directory, folders[i]);
                alarm_set_folder(alarm, buffer_string(&path), true);
        }
        buffer_clear(&path);
        buffer_printf(&path, "%.*s/", slash ? (int)(slash - settings->log_file) : 0, settings->log_file);
        alarm_set_folder(alarm, buffer_string(&path), false);
        alarm_set_file(alarm, settings->log_file);
}

static int on_note(struct engine_out *out, const struct event *event) {
        struct recorder *recorder = container_of(out, struct recorder, out);
        struct baseline *baseline = baseline_of(recorder);
        _cleanup_buffer_ struct buffer told = BUFFER_NULL;
        uint64_t sequence = htobe64(event->sequence), size;
        int r;

        buffer_clear(&recorder->line);
        buffer_append(&recorder->line, &sequence, sizeof(sequence));
        r = event_json_write(&recorder->line, recorder->json, event, &recorder->options.event_host);
        if (r == 0)
                r = baseline->ops->note_file(baseline, OUTBOX_LEDGER, buffer_bytes(&recorder->line));
        if (r == 0)
                r = rounds_text_event(recorder->rounds, event, bytes_of(recorder->line.data + sizeof(sequence),
                                                                        recorder->line.size - sizeof(sequence)));
        if (r == 0)
                r = rounds_text_encode(recorder->rounds, &told);
        if (r == 0)
                r = baseline->ops->note_file(baseline, OUTBOX_SENTENCE, buffer_bytes(&told));
        if (r < 0)
                return r;
        size = recorder->line.size;
        buffer_append(&recorder->fast, &size, sizeof(size));
        buffer_append_bytes(&recorder->fast, buffer_bytes(&recorder->line));
        r = buffer_error(&recorder->fast);
        return r < 0 ? r : (int)(recorder->line.size + told.size);
}

static int note_number_fact(struct recorder *recorder, const char *name, uint64_t number) {
        uint64_t big = htobe64(number);

        return baseline_of(recorder)->ops->note_fact(baseline_of(recorder), name, bytes_of(&big, sizeof(big)));
}

static int on_noting(struct engine_out *out, const struct round *batch) {
        struct recorder *recorder = container_of(out, struct recorder, out);

        (void)batch;
        return note_number_fact(recorder, "sequence", engine_next_sequence(recorder->engine));
}

static int tell_ledger(struct recorder *recorder, struct bytes data);
static struct alert_notice_sinks sinks_of(const struct recorder *recorder);

/* People are told at once; while more comes than they could read, in one notice with the round that settles it. */
static void alert_batch(struct recorder *recorder, const struct round *batch) {
        const struct settings *settings = recorder->options.settings;
        const struct alert_notice_sinks sinks = sinks_of(recorder);
        enum severity minimum = alert_notice_minimum(settings);
        uint64_t now_s = clock_ns(CLOCK_MONOTONIC) / 1000000000u, next = engine_next_sequence(recorder->engine);

        if (recorder->alerted_s && now_s - recorder->alerted_s < ALERT_PAUSE_S)
                return;
        if (alert_notice_gather(&recorder->notice, recorder->rounds, minimum, 0, next) < 0 || recorder->notice.events == 0)
                return;
        alert_notice_finish(&recorder->notice, recorder->options.event_host.name, settings->log_file, batch, NULL);
        alert_notice_send(&sinks, &recorder->notice);
        alert_notice_clear(&recorder->notice);
        rounds_text_alerted(recorder->rounds, minimum);
        recorder->alerted_s = now_s;
        /* Best effort: without it a crash in the next moment tells them twice. */
        if (note_number_fact(recorder, "alerted", next - 1) < 0 ||
            baseline_of(recorder)->ops->note_commit(baseline_of(recorder), true) < 0)
                baseline_of(recorder)->ops->note_abort(baseline_of(recorder));
}

static void on_noted(struct engine_out *out, const struct round *batch) {
        struct recorder *recorder = container_of(out, struct recorder, out);
        struct bytes rest = buffer_bytes(&recorder->fast);
        uint64_t size;
        int r = recorder->writing.error; /* what waits to be written comes first: with the next round */

        if (r == 0)
                stand_ledger(recorder);
        while (r == 0 && rest.size > sizeof(size)) {
                memcpy(&size, rest.data, sizeof(size));
                r = tell_ledger(recorder, bytes_of(rest.data + sizeof(size), size));
                rest = bytes_of(rest.data + sizeof(size) + size, rest.size - sizeof(size) - size);
        }
        if (recorder->writing.error == 0)
                trouble_note(&recorder->writing, recorder->engine, r);
        if (r == 0) { /* while nothing waits, these were all there was to tell */
                recorder->drained = baseline_of(recorder)->ops->last_number(baseline_of(recorder));
                recorder->unsettled = true;
        }
        buffer_clear(&recorder->fast);
        if (!recorder->options.once)
                alert_batch(recorder, batch);
}

static int file_notice(struct recorder *recorder, const struct round *round) {
        _cleanup_buffer_ struct buffer entry = BUFFER_NULL;
        int r;

        alert_notice_clear(&recorder->notice);
        if (recorder->options.once)
                return 0;
        r = alert_notice_gather(&recorder->notice, recorder->rounds, alert_notice_minimum(recorder->options.settings), 0,
                                engine_next_sequence(recorder->engine));
        if (r < 0 || recorder->notice.events == 0)
                return r;
        alert_notice_finish(&recorder->notice, recorder->options.event_host.name, recorder->options.settings->log_file, round, NULL);
        r = alert_notice_encode(&recorder->notice, &entry);
        return r < 0 ? r : baseline_of(recorder)->ops->file(baseline_of(recorder), OUTBOX_ALERT, buffer_bytes(&entry));
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

/* The last line that is on disk for good, and its hash: a ledger that lacks it at the next start was tampered with. */
struct ledger_point {
        uint64_t sequence;              /* big-endian */
        uint8_t head[CHAIN_HASH_SIZE];
};

static int set_ledger_point(struct recorder *recorder) {
        struct ledger_point point = { .sequence = htobe64(ledger_last_sequence(recorder->ledger)) };

        int r;

        if (!ledger_is_headed(recorder->ledger))
                return 0;
        ledger_head(recorder->ledger, point.head);
        r = baseline_of(recorder)->ops->set_fact(baseline_of(recorder), "ledger", bytes_of(&point, sizeof(point)));
        return r < 0 || !recorder->sealer ? r : set_number_fact(recorder, "seals", sealer_number(recorder->sealer));
}

static int expect_ledger_point(struct recorder *recorder) {
        struct ledger_point point;
        size_t size = 0;

        if (baseline_of(recorder)->ops->get_fact(baseline_of(recorder), "ledger", &point, sizeof(point), &size) <= 0 ||
            size != sizeof(point))
                return LEDGER_STANDS;
        return ledger_expect(recorder->ledger, be64toh(point.sequence), point.head);
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
        return r == 0 ? set_ledger_point(recorder) : r;
}

static int set_facts(struct recorder *recorder) {
        uint64_t until_ns = engine_watched_until(recorder->engine);
        int r = set_number_fact(recorder, "sequence", engine_next_sequence(recorder->engine));

        return r < 0 || !until_ns ? r : set_number_fact(recorder, "last-look", until_ns);
}

static int on_finish(struct engine_out *out, const struct round *round) {
        struct recorder *recorder = container_of(out, struct recorder, out);
        int r;

        if (recorder->writing.error == 0) { /* else what is in the outbox was not written yet */
                r = settle(recorder);
                if (r < 0)
                        return r;
                recorder->settling = true;
        }
        recorder->filed = true;
        buffer_clear(&recorder->chunk);
        r = text_log_place(recorder->text_log, &recorder->place);
        if (r < 0)
                recorder->place = recorder->end; /* drain() will say what is wrong */
        else if (recorder->writing.error && recorder->end.inode == recorder->place.inode)
                recorder->place = recorder->end; /* behind what waits: a place is one block's, or a crash doubles it */
        r = rounds_text_write(recorder->rounds, recorder->engine, round);
        if (r == 0)
                r = file_chunk(recorder);
        if (r == 0 && !recorder->holding) /* their sentences may stay in the outbox for longer, while the log cannot be written */
                r = set_number_fact(recorder, "filed", engine_next_sequence(recorder->engine) - 1);
        if (r == 0)
                r = file_notice(recorder, round);
        return r < 0 ? r : set_facts(recorder);
}

/* ---- after the transaction ---- */

static struct alert_notice_sinks sinks_of(const struct recorder *recorder) {
        return (struct alert_notice_sinks){
                .settings = recorder->options.settings,
                .sinks = recorder->options.sinks,
                .host = recorder->options.host,
                .favours = recorder->options.favours,
        };
}

static int tell_alert(struct recorder *recorder, const struct outbox_entry *entry) {
        const struct alert_notice_sinks sinks = sinks_of(recorder);
        int r;

        if (recorder->options.once)
                return 0;
        r = alert_notice_send_encoded(&sinks, entry->data);
        recorder->alerted = entry->number;
        /* It may wait for a log that is full, for long: best effort, as in alert_batch(). */
        (void)baseline_of(recorder)->ops->note_alerted(baseline_of(recorder), entry->number);
        return r;
}

static int tell_ledger(struct recorder *recorder, struct bytes data) {
        uint64_t sequence, last = ledger_last_sequence(recorder->ledger);
        int r;

        if (data.size < sizeof(sequence))
                return 0;
        memcpy(&sequence, data.data, sizeof(sequence));
        r = ledger_append(recorder->ledger, be64toh(sequence),
                          bytes_of(data.data + sizeof(sequence), data.size - sizeof(sequence)));
        if (r == 0 && ledger_last_sequence(recorder->ledger) > last)
                recorder->told++;
        return r;
}

/* --once leaves it to the daemon, who alerts. */
static void restore_sentence(struct recorder *recorder, struct bytes data) {
        struct bytes json = buffer_bytes(&recorder->line);

        if (rounds_text_encoded_sequence(data) <= recorder->filed_sequence)
                return;
        recorder->restored = true;
        recorder->holding |= recorder->options.once;
        if (recorder->holding)
                return;
        json = json.size > sizeof(uint64_t) ? bytes_of(json.data + sizeof(uint64_t), json.size - sizeof(uint64_t)) : BYTES_NULL;
        (void)rounds_text_decode(recorder->rounds, data, json, recorder->alerted_sequence);
}

/* Another run's line is followed by its sentence. */
static void remember_line(struct recorder *recorder, struct bytes data) {
        buffer_clear(&recorder->line);
        if (recorder->starting)
                buffer_append_bytes(&recorder->line, data);
}

static int tell_entry(void *context, const struct outbox_entry *entry) {
        struct recorder *recorder = context;
        struct bytes data = entry->data;
        int r = 0;

        if (entry->number <= recorder->drained)
                return 0;
        switch (entry->destination) {
        case OUTBOX_LEDGER:
                remember_line(recorder, data);
                r = tell_ledger(recorder, data);
                break;
        case OUTBOX_TEXT: {
                struct text_log_place place;

                if (data.size < sizeof(place))
                        break;
                memcpy(&place, data.data, sizeof(place));
                r = text_log_append_at(recorder->text_log, &place,
                                       bytes_of(data.data + sizeof(place), data.size - sizeof(place)));
                break;
        }
        case OUTBOX_SENTENCE: /* of ours it waits in memory; another run's is told by our first round */
                if (recorder->starting)
                        restore_sentence(recorder, data);
                break;
        case OUTBOX_ALERT:
                recorder->holding |= recorder->options.once;
                if (entry->number > recorder->alerted)
                        r = tell_alert(recorder, entry);
                break;
        }
        if (r < 0)
                return r;
        if (recorder->holding)
                return 0;
        recorder->drained = entry->number;
        recorder->unsettled = true;
        return 0;
}

/* Behind an entry that cannot be told: alerts go out even when neither log can be written, and a text log that is full does not
 * hold up the ledger, which knows what it has. */
static int ahead_entry(void *context, const struct outbox_entry *entry) {
        struct recorder *recorder = context;

        if (entry->number > recorder->alerted && entry->destination == OUTBOX_ALERT)
                (void)tell_alert(recorder, entry);
        if (entry->number > recorder->drained && entry->destination == OUTBOX_LEDGER)
                remember_line(recorder, entry->data);
        if (entry->number > recorder->drained && entry->destination == OUTBOX_SENTENCE && recorder->starting)
                restore_sentence(recorder, entry->data);
        /* The first that fails ends it: a later one that fits would make the ledger believe that it has both. */
        if (entry->number > recorder->drained && entry->destination == OUTBOX_LEDGER && !recorder->ledger_fails)
                recorder->ledger_fails = tell_ledger(recorder, entry->data) < 0;
        return 0;
}

static int drain(struct recorder *recorder) {
        struct text_log_place place;
        int r;

        if (recorder->writing.error) /* perhaps in a folder that is there again */
                (void)text_log_place(recorder->text_log, &place);
        r = baseline_of(recorder)->ops->outbox(baseline_of(recorder), tell_entry, recorder);
        recorder->ledger_fails = false;
        if (r < 0)
                (void)baseline_of(recorder)->ops->outbox(baseline_of(recorder), ahead_entry, recorder);
        trouble_note(&recorder->writing, recorder->engine, r);
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

/* The head goes to the system's log as well: what was cut off behind it shows there. */
static void seal(struct recorder *recorder, const char *reason) {
        uint8_t head[CHAIN_HASH_SIZE];
        _cleanup_buffer_ struct buffer hex = BUFFER_NULL;
        uint64_t last = ledger_last_sequence(recorder->ledger), number;
        int r;

        if (!recorder->sealer || !ledger_is_headed(recorder->ledger) || recorder->writing.error || recorder->keeping.error)
                return;
        number = sealer_number(recorder->sealer);
        recorder->sealed_s = clock_ns(CLOCK_MONOTONIC) / 1000000000u;
        recorder_look(recorder);
        r = ledger_check(recorder->ledger); /* an edit of the same length shows nowhere else */
        if (r > 0)
                tell_harm(recorder, r, true);
        ledger_head(recorder->ledger, head);
        r = baseline_of(recorder)->ops->note_sync(baseline_of(recorder)); /* what is sealed it must know for good: find_behind() */
        if (r == 0)
                r = ledger_sync(recorder->ledger);
        if (r == 0)
                r = sealer_seal(recorder->sealer, last, head, recorder->options.event_host.boot_id, reason);
        trouble_note(&recorder->sealing, recorder->engine, r);
        if (r < 0)
                return;
        if (recorder->options.once) /* its standard error is for what goes wrong */
                return;
        chain_hex_append(&hex, head);
        diagnostics_info("seal %llu of the ledger (%s): head %llu:%s", (unsigned long long)number, reason, (unsigned long long)last,
                         buffer_string(&hex));
}

static void seal_if_due(struct recorder *recorder) {
        uint64_t now_s = clock_ns(CLOCK_MONOTONIC) / 1000000000u, age_s = now_s - recorder->sealed_s;

        if (recorder->options.once || !recorder->sealer)
                return;
        if (recorder->sealed_s == 0)
                seal(recorder, "start");
        else if (age_s >= SEAL_EVERY_S)
                seal(recorder, "time");
        else if (age_s >= SEAL_PAUSE_S && ledger_last_sequence(recorder->ledger) - sealer_last(recorder->sealer) >= SEAL_RECORDS)
                seal(recorder, "records");
}

void recorder_tick(struct recorder *recorder) {
        recorder_look(recorder);
        seal_if_due(recorder);
}

static void tell_seals(struct recorder *recorder) {
        struct event event = { .action = &seal_key_created };
        uint8_t key[SSHSIG_KEY_SIZE];

        if (recorder->seal_standing == SEALER_STANDS)
                return;
        buffer_clear(&recorder->seal_text);
        if (recorder->seal_standing == SEALER_SEALS_LOST) {
                event.action = &seal_broken;
                buffer_append_string(&recorder->seal_text, "seals of the ledger were removed or edited since nephronixd ran last");
        } else {
                if (recorder->seal_standing == SEALER_KEY_LOST) {
                        event.action = &seal_broken;
                        buffer_append_string(&recorder->seal_text, "the key that seals the ledger was removed or damaged; ");
                }
                sealer_key(recorder->sealer, key);
                buffer_append_string(&recorder->seal_text, "seals of the ledger begin with the key ");
                sshsig_key_append(&recorder->seal_text, key);
                buffer_append_string(&recorder->seal_text, ": keep it elsewhere, for nephronix verify --allowed-signers");
        }
        event.severity = event.action->severity;
        event.message = buffer_string(&recorder->seal_text);
        diagnostics_warn("%s", event.message);
        (void)engine_notice(recorder->engine, &event);
        recorder->seal_standing = SEALER_STANDS;
}

static void rotate(struct recorder *recorder) {
        const struct settings *settings = recorder->options.settings;
        int r = 0;

        if (recorder->writing.error)
                return;
        if (text_log_size(recorder->text_log) >= settings->log_max_size ||
            ledger_live_size(recorder->ledger) >= settings->ledger_segment_size) {
                int packed;

                r = settle_now(recorder);
                packed = r < 0 ? 0 : text_log_rotate(recorder->text_log);
                if (packed < 0)
                        r = packed;
                if (r >= 0 && ledger_live_size(recorder->ledger) >= settings->ledger_segment_size)
                        seal(recorder, "rotation");
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
        if (!recorder->options.settings->quiet_rounds || recorder->writing.error)
                return;
        buffer_clear(&recorder->chunk);
        (void)rounds_text_quiet(recorder->rounds, recorder->engine, round);
        if (recorder->chunk.size > 0 && text_log_place(recorder->text_log, &recorder->place) == 0)
                (void)text_log_append_at(recorder->text_log, &recorder->place, buffer_bytes(&recorder->chunk));
        buffer_clear(&recorder->chunk);
}

static void stand(struct recorder *recorder) {
        stand_ledger(recorder);
        stand_renderings(recorder);
}

static void place_files(struct recorder *recorder) {
        bool was_stale = recorder->workspace_stale;
        int r = rounds_text_place(recorder->rounds);

        if (r == 0 && was_stale) {
                rounds_text_give_back(recorder->rounds, UINT64_MAX);
                r = rounds_text_restore(recorder->rounds);
        }
        trouble_note(&recorder->placing, recorder->engine, r);
        recorder->workspace_stale = r < 0;
}

/* Rounds are kept again when every watch that was looked at in vain has been looked at again: a round that has only a notice to
 * keep fits where one with changes does not. */
static bool kept_again(struct recorder *recorder, bool kept) {
        bool all = true;

        for (size_t i = 0; i < recorder->options.n_watches; i++) {
                struct engine_report report;

                engine_report(recorder->engine, i, &report);
                if (report.looked)
                        recorder->missed[i] = !kept;
                all = all && !recorder->missed[i];
        }
        return all;
}

static void on_committed(struct engine_out *out, const struct round *round) {
        struct recorder *recorder = container_of(out, struct recorder, out);
        bool alerted = recorder->notice.events > 0, filed = recorder->filed;
        uint64_t now_s = clock_ns(CLOCK_MONOTONIC) / 1000000000u;
        int r;

        if (recorder->keeping.error && kept_again(recorder, true)) {
                trouble_note(&recorder->keeping, recorder->engine, 0);
                buffer_done(&recorder->not_kept);
        }
        if (recorder->settling)
                recorder->unsettled = false;
        recorder->settling = false;
        if (recorder->filed)
                recorder->end = recorder->place;
        if (recorder->filed || recorder->writing.error || recorder->workspace_stale)
                stand(recorder);
        if (recorder->filed || recorder->writing.error)
                (void)drain(recorder);
        if (recorder->filed || recorder->workspace_stale)
                place_files(recorder);
        write_quiet(recorder, round);
        rotate(recorder);
        if (alerted)
                recorder->alerted_s = now_s;
        if (alerted && recorder->writing.error == 0) {
                r = settle_now(recorder);
                if (r < 0)
                        diagnostics_error(r, "what was told could not be settled");
        }
        alert_notice_clear(&recorder->notice);
        recorder->filed = false;
        if (now_s - recorder->expired_s >= EXPIRE_EVERY_S) {
                recorder->expired_s = now_s;
                expire(recorder);
        }
        /* A round that found nothing has settled nothing: the sentences of what was noted go on waiting. */
        if (filed)
                rounds_text_clear(recorder->rounds);
        else
                rounds_text_give_back(recorder->rounds, UINT64_MAX);
        seal_if_due(recorder);
}

/* Who fills the disk must not thereby silence the alerts: what a round that is not kept has found is told at once, each new
 * finding once, and again in order when rounds are kept again. What was noted before is kept, and told for good. */
static void alert_not_kept(struct recorder *recorder, const struct round *round, int error) {
        const struct alert_notice_sinks sinks = sinks_of(recorder);
        struct alert_notice *notice = &recorder->notice;
        _cleanup_buffer_ struct buffer head = BUFFER_NULL;

        if (recorder->options.once)
                return;
        rounds_text_alert_once(recorder->rounds, engine_next_sequence(recorder->engine), &recorder->not_kept);
        if (alert_notice_gather(notice, recorder->rounds, alert_notice_minimum(recorder->options.settings),
                                engine_next_sequence(recorder->engine), UINT64_MAX) < 0 ||
            (recorder->keeping.error && notice->events == 0))
                return;
        buffer_printf(&head, "%s: %s", not_kept.begins, strerror(-error));
        if (notice->events == 0) {
                const struct event event = {
                        .action = &trouble_begins, .severity = trouble_begins.severity, .at = round->at,
                        .message = buffer_string(&head),
                };

                notice->severity = event.severity;
                (void)event_json_write(&notice->json, recorder->json, &event, &recorder->options.event_host);
                buffer_append_byte(&notice->json, '\n');
        }
        alert_notice_finish(notice, recorder->options.event_host.name, recorder->options.settings->log_file, round,
                            buffer_string(&head));
        alert_notice_send(&sinks, notice);
}

static void on_given_up(struct engine_out *out, const struct round *round, int error) {
        struct recorder *recorder = container_of(out, struct recorder, out);

        (void)kept_again(recorder, false);
        alert_not_kept(recorder, round, error);
        trouble_note(&recorder->keeping, recorder->engine, error);
        rounds_text_give_back(recorder->rounds, engine_next_sequence(recorder->engine));
        buffer_clear(&recorder->fast);
        alert_notice_clear(&recorder->notice);
        recorder->filed = recorder->settling = false; /* what was settled in it is in the outbox again */
        if (!recorder->options.once)
                alert_batch(recorder, round); /* of what is noted: the round that settles it may be long in coming */
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
        if (asprintf(&recorder->workspace_path, "%s/workspace", settings->state_directory) < 0) {
                recorder->workspace_path = NULL;
                return -ENOMEM;
        }
        recorder->workspace = folder_open(recorder->workspace_path, FOLDER_MODE);
        if (recorder->workspace < 0) {
                diagnostics_error(recorder->workspace, "%s", recorder->workspace_path);
                return recorder->workspace;
        }
        return buffer_error(&path);
}

/* A disk that is full is no reason not to watch: what is found waits, and alerts go out. Nor is a baseline for which there is no
 * address space. */
static bool is_full(int error) {
        return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

/* The event up to which a baseline of this host must know, whatever befell it. Before a line is appended the baseline has its number,
 * against a killed daemon; before a seal is made, against a power cut too. In the boot of the last seal the power was never cut. */
static uint64_t recorded_sequence(const struct recorder *recorder) {
        const char *now = recorder->options.event_host.boot_id, *then;
        uint64_t sealed;

        if (!recorder->sealer || recorder->seal_standing != SEALER_STANDS)
                return 0;
        sealed = sealer_last(recorder->sealer);
        then = sealer_boot(recorder->sealer);
        if (now && then[0] && strcmp(now, then) == 0 && recorder->first_ledger_sequence > sealed)
                return recorder->first_ledger_sequence;
        return sealed;
}

/* One that knows of nothing was never there: that is said by others. */
static void find_behind(struct recorder *recorder) {
        uint64_t next = get_number_fact(recorder, "sequence"), recorded = recorded_sequence(recorder);

        recorder->known_sequence = next ? next - 1 : 0;
        recorder->behind = next && recorded >= next ? recorded : 0;
}

/* That the ledger cannot be sealed is no reason not to watch either: it is said, and tried again. */
static int open_sealer(struct recorder *recorder) {
        const char *state = recorder->options.settings->state_directory;
        _cleanup_buffer_ struct buffer ledger = BUFFER_NULL, keys = BUFFER_NULL;
        int r;

        buffer_printf(&ledger, "%s/ledger", state);
        buffer_printf(&keys, "%s/seal", state);
        if (buffer_error(&ledger) < 0 || buffer_error(&keys) < 0)
                return -ENOMEM;
        r = sealer_open(buffer_string(&ledger), buffer_string(&keys), &recorder->sealer);
        if (r < 0) {
                diagnostics_error(r, "%s", not_sealed.begins);
                return 0;
        }
        /* A first key where there were seals already: somebody took both away. */
        recorder->seal_standing = r == SEALER_BEGUN && get_number_fact(recorder, "seals") > 0 ? SEALER_KEY_LOST : r;
        return 0;
}

int recorder_new(const struct recorder_options *options, struct recorder **ret) {
        struct recorder *recorder = calloc(1, sizeof(*recorder));
        int r = -ENOMEM;

        if (!recorder)
                return -ENOMEM;
        recorder->workspace = -1;
        recorder->options = *options;
        recorder->writing.words = &not_written;
        recorder->keeping.words = &not_kept;
        recorder->sealing.words = &not_sealed;
        recorder->placing.words = &not_placed;
        recorder->missed = calloc(options->n_watches + 1, sizeof(*recorder->missed));
        recorder->out = (struct engine_out){
                .event = on_event, .finish = on_finish, .committed = on_committed, .given_up = on_given_up,
                .note = on_note, .noting = on_noting, .noted = on_noted,
        };
        recorder->json = json_new();
        if (!recorder->json || !recorder->missed)
                goto fail;
        r = open_folders(recorder);
        if (r < 0)
                goto fail;
        r = rounds_text_new(options->baseline, options->watches, options->n_watches, recorder->workspace,
                            alert_notice_minimum(options->settings), &(struct rounds_text_writer){ .line = write_line, .context = recorder },
                            &recorder->rounds);
        if (r < 0)
                goto fail;
        recorder->first_ledger_sequence = ledger_last_sequence(recorder->ledger);
        recorder->first_standing = expect_ledger_point(recorder);
        r = open_sealer(recorder);
        if (r < 0)
                goto fail;
        find_behind(recorder);
        recorder->alerted_sequence = get_number_fact(recorder, "alerted");
        recorder->filed_sequence = get_number_fact(recorder, "filed");
        recorder->starting = true;
        r = drain(recorder);
        recorder->starting = false;
        if (r < 0 && (options->once || !is_full(r)))
                goto fail;
        if (!options->once) {
                r = recorder->restored ? 0 : settle_now(recorder);
                if (r == 0 || is_full(r))
                        r = rounds_text_restore(recorder->rounds);
                recorder->workspace_stale = r < 0;
                if (r < 0 && !is_full(r))
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
        (void)sealer_close(recorder->sealer);
        buffer_done(&recorder->seal_text);
        (void)text_log_close(recorder->text_log);
        (void)fd_close(recorder->workspace);
        free(recorder->workspace_path);
        (void)json_free(recorder->json);
        free(recorder->missed);
        buffer_done(&recorder->line);
        buffer_done(&recorder->chunk);
        buffer_done(&recorder->fast);
        alert_notice_done(&recorder->notice);
        buffer_done(&recorder->not_kept);
        free(recorder);
        return NULL;
}

struct engine_out *recorder_out(struct recorder *recorder) {
        return &recorder->out;
}

/* It stays: what changed since it was made is found by comparing, where a new one would take it as it is. */
static void tell_behind(struct recorder *recorder) {
        struct event event = { .action = &baseline_rolled_back, .severity = baseline_rolled_back.severity };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (!recorder->behind)
                return;
        buffer_printf(&text,
                      "the baseline is older than the ledger: it knows of events up to %llu, and %llu was recorded; what "
                      "changed since it was made is found by comparing with it, and told again",
                      (unsigned long long)recorder->known_sequence, (unsigned long long)recorder->behind);
        event.message = buffer_string(&text);
        event_add(&event, "nephronix.baseline.sequence", FIELD_NUMBER, value_number(recorder->known_sequence));
        event_add(&event, "nephronix.ledger.sequence", FIELD_NUMBER, value_number(recorder->behind));
        diagnostics_warn("%s", event.message);
        (void)engine_notice(recorder->engine, &event);
}

void recorder_attach(struct recorder *recorder, struct engine *engine) {
        recorder->engine = engine;
        if (recorder->first_standing > 0)
                tell_harm(recorder, recorder->first_standing, false);
        recorder->first_standing = LEDGER_STANDS;
        tell_behind(recorder);
        tell_seals(recorder);
}

uint64_t recorder_next_sequence(struct recorder *recorder) {
        uint64_t fact = get_number_fact(recorder, "sequence");
        uint64_t after = ledger_last_sequence(recorder->ledger) + 1;

        if (after <= recorder->behind) /* and the ledger lacks it, too */
                after = recorder->behind + 1;
        return fact > after ? fact : after;
}

uint64_t recorder_ledger_sequence(const struct recorder *recorder) {
        return recorder->first_ledger_sequence;
}

uint64_t recorder_known_sequence(const struct recorder *recorder) {
        return recorder->known_sequence;
}

bool recorder_restored(const struct recorder *recorder) {
        return recorder->restored;
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
        /* While something waits to be written, this would stand in its place. */
        if (!recorder->writing.error && !buffer_error(&recorder->chunk) &&
            text_log_place(recorder->text_log, &recorder->place) == 0)
                (void)text_log_append_at(recorder->text_log, &recorder->place, buffer_bytes(&recorder->chunk));
        buffer_clear(&recorder->chunk);
}

int recorder_stop(struct recorder *recorder) {
        struct baseline *baseline = baseline_of(recorder);
        int r = baseline->ops->begin(baseline);

        if (r < 0)
                return r;
        r = recorder->writing.error == 0 ? settle(recorder) : 0;
        if (r == 0)
                r = set_facts(recorder);
        if (r < 0) {
                baseline->ops->abort(baseline);
                return r;
        }
        r = baseline->ops->commit(baseline);
        if (r == 0)
                seal(recorder, "stop");
        return r;
}

int recorder_trouble(const struct recorder *recorder) {
        return recorder->keeping.error ? recorder->keeping.error : recorder->writing.error;
}

uint64_t recorder_told(const struct recorder *recorder) {
        return recorder->told;
}
