/* escape.h - bytes from outside, made harmless and still readable.
 * Valid UTF-8 that shows something stays as it is. A backslash becomes \\; control characters (C0, DEL, C1), bytes that
 * are not UTF-8, become \xNN per byte; line and paragraph separators, bidirectional controls and everything else that
 * shows nothing (U+00AD, U+061C, U+200B-200F, U+2028-202E, U+2060-206F, U+FEFF, ...: the table is in escape.c) become
 * \u{NNNN}. Nothing that comes out can move a cursor, end a line or reorder what is shown; what went in can be told
 * from what came out. */
#pragma once

#include "buffer.h"

void escape_append(struct buffer *buffer, struct bytes bytes);

/* True if escaping would change nothing but backslashes: the bytes may stand in JSON as they are. */
bool escape_is_clean(struct bytes bytes);

/* Length of the valid UTF-8 sequence at the start of bytes (1 to 4), its code point in *ret; 0 if there is none. No
 * overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629). */
size_t utf8_sequence(struct bytes bytes, uint32_t *ret_code_point);
