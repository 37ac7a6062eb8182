/* output.h - what reaches people: made harmless, coloured where that is wanted, set in columns.
 * What the daemon wrote was escaped when it was written; whoever tampered with it since must not reach the terminal. */
#pragma once

#include "buffer.h"

enum style { STYLE_PLAIN, STYLE_STRONG, STYLE_FAINT, STYLE_GOOD, STYLE_WARNING, STYLE_BAD, STYLE_ALARM };

/* Whether standard output is a terminal that is to be coloured: not under NO_COLOR, not TERM=dumb. */
bool output_is_coloured(void);

/* As it is if that can do no harm, else escaped (escape.h). */
void output_safe(struct buffer *buffer, struct bytes bytes);
/* The same between the style's codes, if coloured. */
void output_styled(struct buffer *buffer, bool coloured, enum style style, struct bytes bytes);

/* A line of JSON and its newline. To a terminal, characters that could do harm are written \uNNNN: the same JSON.
 * Elsewhere the bytes as they are. */
void output_json(struct bytes line);
void output_json_harmless(struct buffer *buffer, struct bytes line);

/* Writes the buffer to standard output and clears it. 0, or -ENOMEM (said) if an append to it had failed. */
int output_flush(struct buffer *buffer);

/* "nephronix: ..." and newline on standard error, made harmless. */
void output_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with the reason behind it; without the right to read it also says what would help. */
void output_say_why(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
