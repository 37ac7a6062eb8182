/* unified-diff.h - two texts as the hunks of a unified diff, "@@ -1,3 +1,4 @@" and lines marked ' ', '-' and '+'. Pure. */
#pragma once

#include "buffer.h"

/* Appends the hunks, without the two lines that name files; nothing if the texts are the same. Bytes as they are: whoever shows
 * them escapes them. Of texts that differ in more places than it is worth to look for, all between the first and the last
 * difference is replaced. 0 or -ENOMEM. */
int unified_diff_append(struct buffer *buffer, struct bytes before, struct bytes after);

/* As many whole lines from the front as the bounds allow, and how many are left out. */
struct bytes unified_diff_cut(struct bytes diff, size_t lines, size_t bytes, uint64_t *ret_more);

/* "... 12 more lines", as it ends a diff that was cut; one that is cut again counts them. */
void unified_diff_more(struct buffer *buffer, uint64_t more);
