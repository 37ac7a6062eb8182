/* journal.h - the file that what is noted is appended to: bytes in, bytes out. Each record is one write(2), checksummed:
 *
 *      size of the payload     4 bytes, big-endian
 *      CRC-32                  4 bytes, big-endian; of all that follows and the size
 *      generation              8 bytes, big-endian
 *      payload
 *
 * A record counts while the baseline is of its generation; each transaction that takes the notes over begins a new one. So
 * a crash between that commit and the emptying of the file tells nothing twice. */
#pragma once

#include "buffer.h"

enum {
        JOURNAL_HEAD = 16,
        JOURNAL_SIZE_MAX = 8 << 20,     /* of the file */
};

struct journal {
        int folder;             /* borrowed */
        int file;               /* owned; -1: there is none yet */
        size_t size;            /* up to where the records are good */
        bool stuck;             /* behind that lies what could not be cut off */
        bool unsynced;          /* some of it is not on disk for good */
};

#define JOURNAL_NULL ((struct journal){ .folder = -1, .file = -1 })

/* Appends the file's content to ret, not more than JOURNAL_SIZE_MAX of it; nothing if there is no file, or something else in
 * its place. What of it is good is for the caller to say, with journal_cut(). */
int journal_open(struct journal *journal, int folder, struct buffer *ret);
void journal_done(struct journal *journal);

/* Takes the first record off 'rest', into which the payload points. 1; 0 at the end; -EBADMSG: torn or not written by us. */
int journal_next(struct bytes *rest, uint64_t *ret_generation, struct bytes *ret_payload);

/* Leaves room for the head; the payload is appended by the caller. */
void journal_begin(struct buffer *record);
/* Fills in the head and writes. The file is made when it is first needed. -ENOBUFS: it would grow too large. At an error
 * nothing was appended. */
int journal_append(struct journal *journal, uint64_t generation, struct buffer *record);

/* What was appended is on disk for good, the name of the file too. Costs nothing if it was before. */
int journal_sync(struct journal *journal);

/* The folder is another one now, or another is named so: what lies there under the journal's name goes, unless it is this one, and a
 * copy takes its place. If that fails nothing that is noted stands against a crash until the journal is cut. */
void journal_move(struct journal *journal, int folder);

/* Drops everything behind this size. If that fails, appending tries it again first. */
int journal_cut(struct journal *journal, size_t size);
