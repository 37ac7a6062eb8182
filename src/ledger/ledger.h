/* ledger.h - the truth: events in the order in which they were found, one JSON object a line, appended and never changed.
 * Lies in segments named by the sequence of their first event: events-00000000000000000001.jsonl is written to until it is
 * full, then the next one begins and the full one is packed to .jsonl.gz. No file is ever renamed into another's name, so that
 * an interrupted rotation is simply finished at the next start. */
#pragma once

#include "bytes.h"

struct ledger;

/* Opens or makes the folder and finds the last segment; a line that was torn by a crash is cut off (it is in the outbox and
 * comes again), a rotation that it interrupted is finished. 0 and *ret, or negative errno. */
int ledger_open(const char *folder, uint64_t segment_size, struct ledger **ret);
struct ledger *ledger_close(struct ledger *ledger);     /* takes NULL; returns NULL */

/* Sequence of the last complete line of the last segment; 0 if there is none. */
uint64_t ledger_last_sequence(const struct ledger *ledger);

/* Appends the line and its newline; nothing if the ledger has this sequence already. A line that could only be written in part
 * is cut off again. 0 or negative errno. */
int ledger_append(struct ledger *ledger, uint64_t sequence, struct bytes line);
int ledger_sync(struct ledger *ledger);

/* Looks whether the segment still stands where it is read. If it was removed or moved, what comes next goes into a new one, in a
 * folder made anew if need be. 1 if that was so, 0, or negative errno. */
int ledger_stand(struct ledger *ledger);

/* Begins a new segment and packs the old one if it is full. 1 if it did, 0, or negative errno. Also packs what an earlier rotation
 * could not. */
int ledger_rotate(struct ledger *ledger);

/* The folder (borrowed) and the bytes in the segment that is written to. */
int ledger_folder(const struct ledger *ledger);
uint64_t ledger_live_size(const struct ledger *ledger);

#define LEDGER_PREFIX "events-"
#define LEDGER_SUFFIX ".jsonl"
#define LEDGER_PACKED ".jsonl.gz"
enum { LEDGER_NUMBER_SIZE = 20 };       /* digits between prefix and suffix */

/* True for the name of a segment with this suffix: what else lies in the folder, copies too, is not ours. */
bool ledger_is_segment(const char *name, const char *suffix);

/* The event.sequence of a line as event-json.h writes it. 1 and *ret, 0 if it has none. Looks only at bytes that cannot stand
 * inside a JSON string. */
int ledger_line_sequence(struct bytes line, uint64_t *ret);
