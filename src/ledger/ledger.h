/* ledger.h - the truth: events in the order in which they were found, one JSON object a line, appended and never changed, each
 * tied to the one before (chain.h) as it is appended: the order of the file is the chain's, whatever a batch or a crash took back.
 * Lies in segments named by the sequence of their first event: events-00000000000000000001.jsonl is written to until it is
 * full, then the next one begins and the full one is packed to .jsonl.gz. No file is ever renamed into another's name, so that
 * an interrupted rotation is simply finished at the next start. */
#pragma once

#include "bytes.h"
#include "chain.h"

struct ledger;

/* Opens or makes the folder and finds the last segment; a line that was torn by a crash is cut off (it is in the outbox and
 * comes again), a rotation that it interrupted is finished. 0 and *ret, or negative errno. */
int ledger_open(const char *folder, uint64_t segment_size, struct ledger **ret);
struct ledger *ledger_close(struct ledger *ledger);     /* takes NULL; returns NULL */

/* Sequence of the last complete line of the last segment; 0 if there is none. */
uint64_t ledger_last_sequence(const struct ledger *ledger);

/* Appends the JSON object as a line, with its link; nothing if the ledger has this sequence already. A line that could only be
 * written in part is cut off again. 0 or negative errno. */
int ledger_append(struct ledger *ledger, uint64_t sequence, struct bytes object);
int ledger_sync(struct ledger *ledger);

/* The hash of the last line. Until there is one (not headed), what the first line will carry as prev. */
void ledger_head(const struct ledger *ledger, uint8_t ret[CHAIN_HASH_SIZE]);
bool ledger_is_headed(const struct ledger *ledger);

enum ledger_standing {
        LEDGER_STANDS,
        LEDGER_GONE,            /* removed, moved, or another file in its place */
        LEDGER_CUT,             /* shorter than what was written */
        LEDGER_GREW,            /* somebody else has written to it */
        LEDGER_EDITED,          /* a line is not what was written */
        LEDGER_IMMUTABLE,       /* it stands, and nobody may write to it any more: the chain goes on in a new one */
};

/* Looks whether the segment still stands where it is read, as long as it was written. If not, what comes next goes into a new one,
 * in a folder made anew if need be, and its first line says that the chain was broken. enum ledger_standing, or negative errno. */
int ledger_stand(struct ledger *ledger);

/* At start: the memory knows that the ledger had this line. The same answers; if it is not so the chain goes on from that head. */
int ledger_expect(struct ledger *ledger, uint64_t sequence, const uint8_t head[CHAIN_HASH_SIZE]);

/* Reads the segment that is written to and compares it with the head. LEDGER_STANDS or LEDGER_EDITED with the same consequence, or
 * negative errno. Costs a millisecond per megabyte. */
int ledger_check(struct ledger *ledger);

/* Begins a new segment and packs the old one if it is full. 1 if it did, 0, or negative errno. Also packs what an earlier rotation
 * could not. */
int ledger_rotate(struct ledger *ledger);

/* The folder (borrowed) and the bytes in the segment that is written to. */
int ledger_folder(const struct ledger *ledger);
uint64_t ledger_live_size(const struct ledger *ledger);

#define LEDGER_PREFIX "events-"
#define LEDGER_SUFFIX ".jsonl"
#define LEDGER_PACKED ".jsonl.gz"
enum {
        LEDGER_NUMBER_SIZE = 20,        /* digits between prefix and suffix */
        LEDGER_LINE_MAX = 16 << 20,     /* none of ours is longer */
};

/* True for the name of a segment with this suffix: what else lies in the folder, copies too, is not ours. */
bool ledger_is_segment(const char *name, const char *suffix);

/* The event.sequence of a line as event-json.h writes it. 1 and *ret, 0 if it has none. Looks only at bytes that cannot stand
 * inside a JSON string. */
int ledger_line_sequence(struct bytes line, uint64_t *ret);
