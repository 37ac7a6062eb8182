/* memory-baseline.h - the baseline (model/baseline.h) in memory, for tests of what stands on it. A transaction is a
 * copy. As on disk, a stream that is still open when the transaction ends answers -ESTALE from then on. */
#pragma once

#include "baseline.h"

struct memory_baseline;

struct memory_baseline *memory_baseline_new(void);
struct memory_baseline *memory_baseline_free(struct memory_baseline *memory);   /* takes NULL; returns NULL */

struct baseline *memory_baseline_interface(struct memory_baseline *memory);

/* How many transactions were begun: a quiet round begins none. */
size_t memory_baseline_begun(const struct memory_baseline *memory);

/* The next commit fails with this negative errno and takes everything back, as a full disk does. 0: no longer. */
void memory_baseline_fail_commit(struct memory_baseline *memory, int error);

/* The next durable note_commit() fails so, and drops what was staged. */
void memory_baseline_fail_note(struct memory_baseline *memory, int error);
