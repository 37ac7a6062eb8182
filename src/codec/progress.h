/* progress.h - how far a look at everything has come, for people: "41,203 files, 2.1 GiB, 310.0 MiB/s so far". How long it will still
 * take is not said: nobody knows how much there is before it was seen. */
#pragma once

#include "buffer.h"

/* files: records looked at; bytes: of content that was read, in so many milliseconds. The rate is left out where nothing was read,
 * or where the time is too short to say. */
void progress_append(struct buffer *buffer, uint64_t files, uint64_t bytes, uint64_t ms);
