#include "coverage-text.h"

#include "durations.h"

static bool is_told(const char *text) {
        return text && *text;
}

/* Lines become clauses. */
static void append_clauses(struct buffer *buffer, const char *lines) {
        while (*lines) {
                size_t length = strcspn(lines, "\n");

                if (length > 0) {
                        buffer_append_string(buffer, "; ");
                        buffer_append(buffer, lines, length);
                }
                lines += length + (lines[length] == '\n');
        }
}

void coverage_sentence(struct buffer *buffer, const struct watch_coverage *coverage) {
        bool seen = is_told(coverage->mechanism) && coverage->level != COVERAGE_WAKES;

        buffer_append_string(buffer, coverage->watch);
        buffer_append_string(buffer, ": ");
        if (coverage->unavailable) {
                buffer_append_string(buffer, "not on this host");
        } else if (seen) {
                buffer_append_string(buffer, coverage->level == COVERAGE_FULL ? "watched by " : "watched for the most part by ");
                buffer_append_string(buffer, coverage->mechanism);
        } else {
                buffer_append_string(buffer, "polled every ");
                duration_append(buffer, coverage->interval_ns);
                if (is_told(coverage->mechanism)) {
                        buffer_append_string(buffer, ", woken by ");
                        buffer_append_string(buffer, coverage->mechanism);
                }
        }
        if (is_told(coverage->reason)) {
                buffer_append_string(buffer, ": ");
                buffer_append_string(buffer, coverage->reason);
        }
        if (is_told(coverage->limits) && !coverage->unavailable)
                append_clauses(buffer, coverage->limits);
}
