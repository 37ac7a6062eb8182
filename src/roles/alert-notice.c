#include "alert-notice.h"

#include <errno.h>

#include "diagnostics.h"
#include "escape.h"
#include "sentence.h"
#include "timestamp.h"
#include "uuid.h"

enum {
        LINES = 8,                      /* of sentences, and who between them, in one notice; the other events are counted */
        LINE_SIZE = 240,
        JSON_MAX = 4 * 1024 * 1024,
};

enum severity alert_notice_minimum(const struct settings *settings) {
        enum severity lowest = SEVERITY_CRITICAL + 1;

        for (size_t i = 0; i < settings->n_alerts; i++) {
                const struct alert_settings *alert = &settings->alerts[i];

                if (alert->enabled && alert->minimum < lowest)
                        lowest = alert->minimum;
        }
        return lowest;
}

void alert_notice_clear(struct alert_notice *notice) {
        buffer_clear(&notice->text);
        buffer_clear(&notice->json);
        buffer_clear(&notice->who);
        notice->events = notice->shown = notice->lines = 0;
        notice->severity = 0;
}

void alert_notice_done(struct alert_notice *notice) {
        buffer_done(&notice->text);
        buffer_done(&notice->json);
        buffer_done(&notice->who);
}

static void append_line(struct buffer *buffer, const char *begin, struct bytes text) {
        size_t size = text.size;

        if (size > LINE_SIZE) {
                size = LINE_SIZE;
                while (size > 0 && (text.data[size] & 0xc0) == 0x80)
                        size--;
        }
        buffer_append_string(buffer, begin);
        buffer_append(buffer, text.data, size);
        buffer_append_string(buffer, size < text.size ? "...\n" : "\n");
}

/* One line for the sentences before it that are of the same author. */
static void append_who(struct alert_notice *notice) {
        if (notice->who.size > 0)
                append_line(&notice->text, "  who: ", buffer_bytes(&notice->who));
        buffer_clear(&notice->who);
}

/* None after the first that has no room: what is shown is how it began. */
static void append_sentence(struct alert_notice *notice, struct bytes sentence, struct bytes who) {
        bool other = notice->shown > 0 && !bytes_equal(buffer_bytes(&notice->who), who);
        size_t lines = other && notice->who.size > 0 ? 2 : 1;

        if (notice->lines + lines > LINES)
                return;
        if (other)
                append_who(notice);
        append_line(&notice->text, "  ", sentence);
        if (notice->who.size == 0)
                buffer_append_bytes(&notice->who, who);
        notice->lines += lines;
        notice->shown++;
}

static int on_told(void *context, const struct rounds_text_told *told, struct bytes sentence, struct bytes who,
                   struct bytes json) {
        struct alert_notice *notice = context;

        if (told->severity > notice->severity)
                notice->severity = told->severity;
        if (notice->shown == notice->events++)
                append_sentence(notice, sentence, who);
        if (json.size > 0 && notice->json.size < JSON_MAX) {
                buffer_append_bytes(&notice->json, json);
                buffer_append_byte(&notice->json, '\n');
        }
        return 0;
}

int alert_notice_gather(struct alert_notice *notice, struct rounds_text *rounds, enum severity minimum, uint64_t first_sequence,
                        uint64_t next_sequence) {
        alert_notice_clear(notice);
        return rounds_text_alerts(rounds, minimum, first_sequence, next_sequence, on_told, notice);
}

void alert_notice_finish(struct alert_notice *notice, const char *host_name, const char *log_file, const struct round *round,
                         const char *instead) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        char uuid[UUID_TEXT_SIZE];

        uuid_format(round->id, uuid);
        buffer_append_string(&text, "nephronix on ");
        escape_append(&text, bytes_of_string(host_name));
        buffer_append_string(&text, ", ");
        timestamp_local(&text, &round->at);
        if (instead)
                buffer_printf(&text, ": %s\n", instead);
        else
                buffer_printf(&text, ": %zu %s change%s\n", notice->events, severity_name(notice->severity),
                              notice->events == 1 ? "" : "s");
        append_who(notice);
        buffer_append_bytes(&text, buffer_bytes(&notice->text));
        if (notice->events > notice->shown)
                buffer_printf(&text, "  and %zu more\n", notice->events - notice->shown);
        if (!instead) {
                buffer_append_string(&text, "  Read on: nephronix events, or grep ");
                buffer_append_string(&text, uuid);
                buffer_append_byte(&text, ' ');
                escape_append(&text, bytes_of_string(log_file));
                buffer_append_byte(&text, '\n');
        }
        buffer_done(&notice->text);
        notice->text = text;
        text = BUFFER_NULL;
}

int alert_notice_encode(const struct alert_notice *notice, struct buffer *ret) {
        uint32_t head[2] = { notice->severity, (uint32_t)notice->text.size };

        buffer_append(ret, head, sizeof(head));
        buffer_append_bytes(ret, buffer_bytes(&notice->text));
        buffer_append_bytes(ret, buffer_bytes(&notice->json));
        return buffer_error(ret);
}

static void send(const struct alert_notice_sinks *sinks, const struct notice *notice) {
        for (size_t i = 0; i < sinks->settings->n_alerts; i++) {
                const struct alert_settings *alert = &sinks->settings->alerts[i];

                if (!alert->enabled || notice->severity < alert->minimum)
                        continue;
                for (size_t k = 0; sinks->sinks[k]; k++) {
                        int r;

                        if (strcmp(sinks->sinks[k]->kind, alert->kind) != 0)
                                continue;
                        r = sinks->sinks[k]->send(alert, sinks->host, sinks->favours, notice);
                        if (r < 0)
                                diagnostics_error(r, "alert %s: could not be sent", alert->name);
                }
        }
}

int alert_notice_send_encoded(const struct alert_notice_sinks *sinks, struct bytes encoded) {
        struct notice notice = { 0 };
        uint32_t head[2];

        if (encoded.size < sizeof(head))
                return -EBADMSG;
        memcpy(head, encoded.data, sizeof(head));
        if (head[1] > encoded.size - sizeof(head))
                return -EBADMSG;
        notice.severity = (enum severity)head[0];
        notice.text = bytes_of(encoded.data + sizeof(head), head[1]);
        notice.json = bytes_of(encoded.data + sizeof(head) + head[1], encoded.size - sizeof(head) - head[1]);
        send(sinks, &notice);
        return 0;
}

void alert_notice_send(const struct alert_notice_sinks *sinks, const struct alert_notice *notice) {
        struct notice ready = {
                .severity = notice->severity,
                .events = notice->events,
                .text = buffer_bytes(&notice->text),
                .json = buffer_bytes(&notice->json),
        };

        if (!notice->text.failed && !notice->json.failed)
                send(sinks, &ready);
}
