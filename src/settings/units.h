/* units.h - times and sizes as people write them: "2s", "10min", "100000", "1G".
 * Readers: 0; -EINVAL if the text is no such thing (a sign, a fraction, an unknown unit, nothing); -ERANGE if it does
 * not fit 64 bits. Writers append the form with the largest unit that reads back as the same. */
#pragma once

#include "buffer.h"

#define UNITS_OF_TIME "us, ms, s, min, h, d, w"
#define UNITS_OF_SIZE "K, M, G, T"

int units_read_number(const char *text, uint64_t *ret);         /* decimal digits only */
int units_read_time(const char *text, uint64_t *ret_ns);        /* needs its unit */
int units_read_size(const char *text, uint64_t *ret_bytes);     /* bytes without unit; K is 1024 */

void units_write_time(struct buffer *buffer, uint64_t ns);      /* whole microseconds */
void units_write_size(struct buffer *buffer, uint64_t bytes);
