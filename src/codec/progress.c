#include "progress.h"

#include <stdio.h>

enum { RATE_MS_LEAST = 100, DIGITS_MAX = 24 };

static void append_grouped(struct buffer *buffer, uint64_t number) {
        char digits[DIGITS_MAX];
        int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);

        for (int i = 0; i < n; i++) {
                if (i > 0 && (n - i) % 3 == 0)
                        buffer_append_byte(buffer, ',');
                buffer_append_byte(buffer, (uint8_t)digits[i]);
        }
}

static void append_size(struct buffer *buffer, double bytes) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        size_t i = 0;

        while (bytes >= 1024 && i + 1 < sizeof(units) / sizeof(*units)) {
                bytes /= 1024;
                i++;
        }
        buffer_printf(buffer, i == 0 ? "%.0f %s" : "%.1f %s", bytes, units[i]);
}

void progress_append(struct buffer *buffer, uint64_t files, uint64_t bytes, uint64_t ms) {
        append_grouped(buffer, files);
        buffer_append_string(buffer, files == 1 ? " file, " : " files, ");
        append_size(buffer, (double)bytes);
        if (bytes > 0 && ms >= RATE_MS_LEAST) {
                buffer_append_string(buffer, ", ");
                append_size(buffer, (double)bytes * 1000 / (double)ms);
                buffer_append_string(buffer, "/s");
        }
        buffer_append_string(buffer, " so far");
}
