#include "durations.h"

#include <inttypes.h>

enum { THOUSANDS = 7 };         /* groups of three digits in 64 bits */

static void append_two(struct buffer *buffer, uint64_t large, const char *unit, uint64_t small, const char *smaller) {
        buffer_printf(buffer, "%" PRIu64 " %s", large, unit);
        if (small)
                buffer_printf(buffer, " %" PRIu64 " %s", small, smaller);
}

void duration_append(struct buffer *buffer, uint64_t ns) {
        uint64_t us = ns / 1000, ms = us / 1000, seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;

        if (ns > 0 && us == 0)
                buffer_append_string(buffer, "less than 1 us");
        else if (ms == 0)
                buffer_printf(buffer, "%" PRIu64 " us", us);
        else if (seconds == 0)
                buffer_printf(buffer, "%" PRIu64 " ms", ms);
        else if (minutes == 0 && ms % 1000 >= 100)
                buffer_printf(buffer, "%" PRIu64 ".%" PRIu64 " s", seconds, ms % 1000 / 100);
        else if (minutes == 0)
                buffer_printf(buffer, "%" PRIu64 " s", seconds);
        else if (hours == 0)
                append_two(buffer, minutes, "min", seconds % 60, "s");
        else if (hours < 48)
                append_two(buffer, hours, "h", minutes % 60, "min");
        else
                append_two(buffer, hours / 24, "days", hours % 24, "h");
}

void count_append(struct buffer *buffer, uint64_t count) {
        unsigned groups[THOUSANDS];
        size_t n = 0;

        do {
                groups[n++] = (unsigned)(count % 1000);
                count /= 1000;
        } while (count > 0);
        buffer_printf(buffer, "%u", groups[--n]);
        while (n > 0)
                buffer_printf(buffer, ",%03u", groups[--n]);
}
