/* losses.h - an incident of its own: what a source lost, and what came of looking again. Pure. */
#pragma once

#include "buffer.h"
#include "hint.h"

struct loss_outcome {
        const char *const *watches;     /* names of those that were looked at again */
        size_t n_watches;
        uint64_t until_ns;              /* wall clock: until when something may have been lost; 0: not known */
        uint64_t cost_ns, found;        /* of looking again: how long, and how many changes */
};

/* "fanotify lost 4,312 events (overflow) between T1 and T2; rescanned boot and processes in 8 ms, found 1 change". Without
 * the moment since when there is no span: the event has its own time. */
void loss_sentence(struct buffer *buffer, const struct loss *loss, const struct loss_outcome *outcome);
