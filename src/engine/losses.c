#include "losses.h"

#include "durations.h"
#include "timestamp.h"

static void append_moment(struct buffer *buffer, const char *word, uint64_t ns) {
        struct timespec at = timestamp_of_ns(ns);

        buffer_append_string(buffer, word);
        timestamp_local(buffer, &at);
}

static void append_names(struct buffer *buffer, const char *const *names, size_t count) {
        for (size_t i = 0; i < count; i++) {
                if (i > 0)
                        buffer_append_string(buffer, i + 1 == count ? " and " : ", ");
                buffer_append_string(buffer, names[i]);
        }
}

void loss_sentence(struct buffer *buffer, const struct loss *loss, const struct loss_outcome *outcome) {
        bool one = loss->counted && loss->count == 1;

        buffer_append_string(buffer, loss->source);
        buffer_append_string(buffer, " lost ");
        if (loss->counted)
                count_append(buffer, loss->count);
        else
                buffer_append_string(buffer, "an unknown number of");
        buffer_printf(buffer, one ? " event (%s)" : " events (%s)", loss->reason);
        if (loss->since_ns && outcome->until_ns) {
                append_moment(buffer, " between ", loss->since_ns);
                append_moment(buffer, " and ", outcome->until_ns);
        } else if (loss->since_ns) {
                append_moment(buffer, " after ", loss->since_ns);
        }
        if (outcome->n_watches == 0) {
                buffer_append_string(buffer, "; nothing was rescanned");
                return;
        }
        buffer_append_string(buffer, "; rescanned ");
        append_names(buffer, outcome->watches, outcome->n_watches);
        buffer_append_string(buffer, " in ");
        duration_append(buffer, outcome->cost_ns);
        buffer_append_string(buffer, ", found ");
        count_append(buffer, outcome->found);
        buffer_append_string(buffer, outcome->found == 1 ? " change" : " changes");
}
