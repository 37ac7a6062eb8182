/* note-op.h - operations of the notes to bytes and back: kind, three sizes, name, key, value. The decoder trusts nothing. */
#pragma once

#include "notes.h"

void note_op_encode(struct buffer *buffer, const struct note_op *op);

/* Takes the first operation off 'rest', into which its bytes point. 1, 0 at the end, -EBADMSG. What the kinds ask of name, key
 * and value is not looked at. */
int note_op_decode(struct bytes *rest, struct note_op *ret);
