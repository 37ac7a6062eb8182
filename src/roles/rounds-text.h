/* rounds-text.h - what a round reads like in the classic text log, and the .dat files that go with it: title, classic diff,
 * then ours (what, who, how it was seen). */
#pragma once

#include "engine.h"
#include "workspace.h"

struct rounds_text;

struct rounds_text_writer {
        int (*line)(void *context, const struct round *round, struct bytes line);
        void *context;
};

struct rounds_text_told {
        uint64_t sequence;
        enum severity severity;
};

/* workspace: the folder (borrowed). json_from: events from this severity on are kept as JSON for alerts. */
int rounds_text_new(struct baseline *baseline, const struct engine_watch *watches, size_t n_watches, int workspace,
                    enum severity json_from, const struct rounds_text_writer *writer, struct rounds_text **ret);
struct rounds_text *rounds_text_free(struct rounds_text *text);

/* Notes an event of the round. One with the sequence of an earlier one takes its place, and that of all after it: their part of
 * the transaction was given back. */
int rounds_text_event(struct rounds_text *text, const struct event *event, struct bytes json);

/* The event that was noted last, as bytes that outlive us, and back: noted events wait for the round that settles them.
 * 0, -EBADMSG or -ENOMEM. json: its line in the ledger; may be empty. 'alerted': people know of it already. */
int rounds_text_encode(const struct rounds_text *text, struct buffer *ret);
uint64_t rounds_text_encoded_sequence(struct bytes encoded);      /* 0: makes no sense */
int rounds_text_decode(struct rounds_text *text, struct bytes encoded, struct bytes json, uint64_t alerted_up_to);

/* Inside the transaction: writes the lines of every watch that changed and prepares its .dat files. */
int rounds_text_write(struct rounds_text *text, const struct engine *engine, const struct round *round);
/* Calls back for each event from the first sequence on of at least that severity that is not quiet and that people do not know
 * of yet. who: as the text
 * log says it; empty: the event concerns nobody. */
int rounds_text_alerts(struct rounds_text *text, enum severity minimum, uint64_t first_sequence, uint64_t next_sequence,
                       int (*told)(void *context, const struct rounds_text_told *told, struct bytes sentence, struct bytes who,
                                   struct bytes json),
                       void *context);
/* Of the events from this sequence on, those whose sentence is in the set are taken for alerted; the others enter it. The set is the
 * caller's buffer, empty at first; when it is full, everything is taken for known. */
void rounds_text_alert_once(struct rounds_text *text, uint64_t first_sequence, struct buffer *set);
/* All that were called back for have been sent. */
void rounds_text_alerted(struct rounds_text *text, enum severity minimum);
/* The "No changes" lines of what was looked at and had none. */
int rounds_text_quiet(struct rounds_text *text, const struct engine *engine, const struct round *round);

/* After the commit: puts the prepared .dat files into place. */
int rounds_text_place(struct rounds_text *text);
/* The round is over: drops what was noted and not placed. */
void rounds_text_clear(struct rounds_text *text);
/* The round was given up: drops what has this sequence and above; what was noted before stays. */
void rounds_text_give_back(struct rounds_text *text, uint64_t sequence);

/* Whether the .dat files still lie there as they were put there; the worst of them, and not again what was answered before. */
enum workspace_standing rounds_text_stand(struct rounds_text *text);

/* Brings the .dat files to what the baseline says: at start, should a crash have come between, and when somebody changed them. */
int rounds_text_restore(struct rounds_text *text);
