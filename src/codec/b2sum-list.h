/* b2sum-list.h - lines as b2sum(1) writes and checks them: digest, two blanks (or a blank and '*'), name. */
#pragma once

#include "buffer.h"

enum { B2SUM_DIGEST_SIZE = 64 };

/* Calls back for each line in order; name is NUL-terminated behind its bytes, undone of b2sum's escapes, and lives for the
 * call. Empty lines and lines starting with '#' are passed over. 0; what the callback answered if negative; -EBADMSG and
 * *ret_line for a line that is none. */
int b2sum_list_parse(struct bytes text, int (*entry)(void *context, const uint8_t digest[B2SUM_DIGEST_SIZE], struct bytes name),
                     void *context, unsigned *ret_line);
