/* ledger-reader.h - the ledger's lines in order, from its files alone, packed ones too. Works beside a running daemon. */
#pragma once

#include "buffer.h"

struct ledger_reader;

int ledger_reader_open(const char *folder, struct ledger_reader **ret);
struct ledger_reader *ledger_reader_close(struct ledger_reader *reader);        /* takes NULL; returns NULL */

/* 1 and the next complete line without newline (the buffer is cleared before), 0 when there is none now (call again after
 * ledger_reader_wait()), -EBADMSG for a packed segment that cannot be unpacked, negative errno for one that cannot be
 * opened (the next call goes on behind either). */
int ledger_reader_next(struct ledger_reader *reader, struct buffer *line);

/* The number in the name of the file that is being read, or that could not be; 0 before the first. */
uint64_t ledger_reader_segment(const struct ledger_reader *reader);

/* Blocks until the ledger grew. 0 or negative errno. */
int ledger_reader_wait(struct ledger_reader *reader);
