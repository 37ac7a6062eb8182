/* hunks.h - a document before and now as the lines of a classic diff: "180c180", "< old", "---", "> new".
 * Both sides come as record streams in key order, so that nothing is held but the hunk that is being made. */
#pragma once

#include "buffer.h"
#include "stream.h"
#include "watch.h"

struct hunks;

struct hunks_out {
        /* One line of the diff, without newline. 0 or negative to stop. */
        int (*diff)(struct hunks_out *out, struct bytes line);
        /* One line of the document as it is now, without newline. */
        int (*now)(struct hunks_out *out, struct bytes line);
        /* One line of the document as it was. May be NULL. */
        int (*before)(struct hunks_out *out, struct bytes line);
};

/* header, header_if: as in struct document; borrowed. had_before: false if there was no document at all before (its header is
 * new too). NULL when memory ends. */
struct hunks *hunks_new(struct hunks_out *out, const char *header, const char *header_if, bool had_before);
struct hunks *hunks_free(struct hunks *hunks);

/* The records of one watch; several sections follow each other. 0, or what a stream or out answered. */
int hunks_section(struct hunks *hunks, const struct document *document, const struct field *fields, struct stream *before,
                  struct stream *now);

/* After the last section. */
int hunks_end(struct hunks *hunks);
