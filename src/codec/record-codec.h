/* record-codec.h - records and field tables to bytes and back, for the baseline. The decoder trusts nothing. */
#pragma once

#include "buffer.h"
#include "record.h"

/* Appends the record's values (not its key; not fields that the key gives). Compact: presence bits, then varints and
 * length-prefixed bytes. Begins with a format byte. */
void record_encode(struct buffer *buffer, const struct field *fields, const struct record *record);

/* The record of that key. Bytes point into data, or into scratch (FIELD_KEY_PATH), and live as long as those. 0, or
 * -EBADMSG for anything record_encode() with these fields could not have written, or -ENOMEM. */
int record_decode(struct bytes data, struct bytes key, const struct field *fields, struct buffer *scratch,
                  struct record *ret);

/* The same for data written with another table, 'noted': values are found by name; what that table did not have, or
 * kept as bytes where now a number is wanted, is absent. If there is such a field, FIELD_LOOKED is absent, too: what else is
 * absent then need not be so (diff.h). */
int record_decode_as(struct bytes data, struct bytes key, const struct field *noted, const struct field *fields,
                     struct buffer *scratch, struct record *ret);

/* A field table, so that a reader decodes without the watch. */
void fields_encode(struct buffer *buffer, const struct field *fields);
/* *ret is one allocation, the caller's to free(). 0, -EBADMSG or -ENOMEM. At most RECORD_FIELDS_MAX fields. */
int fields_decode(struct bytes data, struct field **ret);

/* True if a record written with one table can be read with the other: same names, kinds and flags that matter for
 * storage. */
bool fields_compatible(const struct field *a, const struct field *b);
