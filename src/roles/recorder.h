/* recorder.h - from the engine's findings to what people and programs read: ledger, text log, workspace, alerts.
 * Everything a round has to say is filed in the outbox within the round's transaction, then told from there; what a crash left
 * untold is told at the next start. So no event is lost and none is told twice.
 *
 * Owns: ledger, text log, workspace folder. Must not own: the decision what is a change, or how bad it is. */
#pragma once

#include "alarm.h"
#include "engine.h"
#include "event-json.h"
#include "sink.h"

struct recorder;

struct recorder_options {
        struct baseline *baseline;
        const struct settings *settings;
        const struct engine_watch *watches;
        size_t n_watches;
        const struct sink *const *sinks;
        const struct host *host;        /* where the terminals are */
        struct favours *favours;
        struct event_host event_host;
        bool once;                      /* tell the changes on standard output, alert nobody */
};

/* Opens ledger, text log and workspace below the settings' folders and tells what a crash left in the outbox. All borrowed
 * until recorder_free(). 0 and *ret, or negative errno. */
int recorder_new(const struct recorder_options *options, struct recorder **ret);
struct recorder *recorder_free(struct recorder *recorder);      /* takes NULL; returns NULL */

struct engine_out *recorder_out(struct recorder *recorder);
/* The engine whose rounds are told: needed to know which watches changed. */
void recorder_attach(struct recorder *recorder, struct engine *engine);

/* Sequence of the next event: after all that ledger, outbox and facts know. */
uint64_t recorder_next_sequence(struct recorder *recorder);
/* The last event in the ledger when it was opened; 0: the ledger was empty. */
uint64_t recorder_ledger_sequence(const struct recorder *recorder);
/* The last event that the baseline knew of then; 0: it never had one. */
uint64_t recorder_known_sequence(const struct recorder *recorder);
/* An earlier run noted what is not settled yet: the first round must settle it. */
bool recorder_restored(const struct recorder *recorder);
/* Wall clock of the last round that was kept; 0: never. */
uint64_t recorder_last_look(struct recorder *recorder);

/* Writes a line of the daemon's own to the text log, outside any round (hook output, start banner). Escapes. */
void recorder_say(struct recorder *recorder, const char *text);

/* Looks whether ledger, seals, text log and workspace/ still stand as they were written, and tells what somebody did to them. */
void recorder_look(struct recorder *recorder);
/* Sets the alarm on them. */
void recorder_watch(const struct recorder *recorder, struct alarm *alarm);
/* Once a minute: the same look, and seals the ledger if that is due, also while nothing happens. */
void recorder_tick(struct recorder *recorder);

/* Notes that this is a clean end, and settles the outbox. */
int recorder_stop(struct recorder *recorder);

/* Negative errno while rounds cannot be kept, or ledger or text log not be written; 0 otherwise; for status. */
int recorder_trouble(const struct recorder *recorder);
/* How many events were told since the start. */
uint64_t recorder_told(const struct recorder *recorder);
