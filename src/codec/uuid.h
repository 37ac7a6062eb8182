/* uuid.h - RFC 9562. */
#pragma once

#include <time.h>

#include "buffer.h"
#include "event.h"

enum { UUID_TEXT_SIZE = 37 };   /* with the NUL */

/* Sets version and variant over 16 random bytes: a v4. */
void uuid_make_v4(uint8_t id[UUID_SIZE]);
/* Puts the time's milliseconds into the first 48 bits of 16 random bytes, and version and variant: a v7. */
void uuid_make_v7(uint8_t id[UUID_SIZE], const struct timespec *at);
void uuid_format(const uint8_t id[UUID_SIZE], char ret[UUID_TEXT_SIZE]);
