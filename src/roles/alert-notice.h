/* alert-notice.h - what one round has to say to people: its worst severity, a few sentences, all its events as JSON. Several
 * changes of a round are one notice. */
#pragma once

#include "buffer.h"
#include "rounds-text.h"
#include "sink.h"

struct alert_notice {
        struct buffer text, json;
        struct buffer who;      /* of the last sentences in text; empty: there is nobody to name */
        size_t events, shown, lines; /* all; those with their sentence in text; lines of text */
        enum severity severity;
};

struct alert_notice_sinks {
        const struct settings *settings;
        const struct sink *const *sinks;
        const struct host *host;
        struct favours *favours;
};

/* The lowest severity that any alert wants. */
enum severity alert_notice_minimum(const struct settings *settings);

void alert_notice_clear(struct alert_notice *notice);
void alert_notice_done(struct alert_notice *notice);
/* Gathers the sentences of the round's events from 'first_sequence' on and below 'next_sequence'. 0 or negative errno. */
int alert_notice_gather(struct alert_notice *notice, struct rounds_text *rounds, enum severity minimum, uint64_t first_sequence,
                        uint64_t next_sequence);
/* Puts host, time and a first line before the sentences ("2 high changes", or 'instead' if not NULL), and behind them where to
 * read on. */
void alert_notice_finish(struct alert_notice *notice, const char *host_name, const char *log_file, const struct round *round,
                         const char *instead);

/* As bytes for the outbox, and sending what such bytes say. */
int alert_notice_encode(const struct alert_notice *notice, struct buffer *ret);
int alert_notice_send_encoded(const struct alert_notice_sinks *sinks, struct bytes encoded);
void alert_notice_send(const struct alert_notice_sinks *sinks, const struct alert_notice *notice);
