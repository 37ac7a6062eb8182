/* durations.h - spans of time and counts as people read them: "420 us", "8 ms", "3.5 s", "2 h 5 min"; "4,312". */
#pragma once

#include "buffer.h"

void duration_append(struct buffer *buffer, uint64_t ns);
void count_append(struct buffer *buffer, uint64_t count);
