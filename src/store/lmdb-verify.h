/* lmdb-verify.h - is a data.mdb sound enough to be mapped?
 *
 * LMDB trusts its pages: a page number or an offset that points astray is followed, and the process dies. So the
 * file is read first, with pread(2), as documented for the file format of LMDB 0.9 (data version 1): the two meta
 * pages, then every page that the newest (or the given) snapshot reaches. Checked: page numbers, kinds, bounds,
 * nodes that neither overlap nor leave gaps, key order within and between pages, entry counts, overflow runs, the
 * list of free pages, and that no page is used twice or used and free. What keys and values say is not looked at, so
 * a flipped bit there passes here.
 *
 * A file may be shorter than its last page says: free pages at its end were never written. It may be longer. */
#pragma once

#include <stdint.h>

#include "buffer.h"

/* The two meta pages. 0 and the newest transaction's number, -EBADMSG and what is wrong in words, or another errno. */
int lmdb_verify_head(int file, uint64_t *ret_transaction, struct buffer *problem);

/* Everything in that transaction's snapshot. -ESTALE: a writer went on and the snapshot's meta page is gone. */
int lmdb_verify_tree(int file, uint64_t transaction, struct buffer *problem);
