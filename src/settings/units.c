#include "units.h"

#include <errno.h>
#include <inttypes.h>

struct unit {
        const char *name;
        uint64_t factor;
};

/* From large to small: the writers take the first that leaves no remainder. */
static const struct unit time_units[] = {
        { "w", UINT64_C(7) * 24 * 3600 * 1000000000 },
        { "d", UINT64_C(24) * 3600 * 1000000000 },
        { "h", UINT64_C(3600) * 1000000000 },
        { "min", UINT64_C(60) * 1000000000 },
        { "s", UINT64_C(1000000000) },
        { "ms", UINT64_C(1000000) },
        { "us", UINT64_C(1000) },
        { NULL },
};

static const struct unit size_units[] = {
        { "T", UINT64_C(1) << 40 },
        { "G", UINT64_C(1) << 30 },
        { "M", UINT64_C(1) << 20 },
        { "K", UINT64_C(1) << 10 },
        { "", 1 },
        { NULL },
};

/* Not strtoull(): it takes signs, leading blanks and what comes after. Reads on over an overflow, so that "no number"
 * is told from "too large". */
static const char *read_digits(const char *text, uint64_t *ret, bool *ret_too_large) {
        uint64_t value = 0;

        *ret_too_large = false;
        for (; *text >= '0' && *text <= '9'; text++)
                if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
                        *ret_too_large = true;
        *ret = value;
        return text;
}

static int read_with_unit(const char *text, const struct unit *units, uint64_t *ret) {
        uint64_t value;
        bool too_large;
        const char *rest = read_digits(text, &value, &too_large);

        if (rest == text)
                return -EINVAL;
        while (*rest == ' ')
                rest++;
        for (const struct unit *unit = units; unit->name; unit++) {
                if (strcmp(rest, unit->name) != 0)
                        continue;
                if (too_large || __builtin_mul_overflow(value, unit->factor, &value))
                        return -ERANGE;
                *ret = value;
                return 0;
        }
        return -EINVAL;
}

static void write_with_unit(struct buffer *buffer, const struct unit *units, uint64_t value) {
        const struct unit *unit = units;

        while (unit[1].name && value % unit->factor != 0)
                unit++;
        buffer_printf(buffer, "%" PRIu64 "%s", value / unit->factor, unit->name);
}

int units_read_number(const char *text, uint64_t *ret) {
        uint64_t value;
        bool too_large;
        const char *rest = read_digits(text, &value, &too_large);

        if (rest == text || *rest)
                return -EINVAL;
        if (too_large)
                return -ERANGE;
        *ret = value;
        return 0;
}

int units_read_time(const char *text, uint64_t *ret_ns) {
        return read_with_unit(text, time_units, ret_ns);
}

int units_read_size(const char *text, uint64_t *ret_bytes) {
        return read_with_unit(text, size_units, ret_bytes);
}

void units_write_time(struct buffer *buffer, uint64_t ns) {
        if (ns == 0)
                buffer_append_string(buffer, "0s");
        else
                write_with_unit(buffer, time_units, ns);
}

void units_write_size(struct buffer *buffer, uint64_t bytes) {
        if (bytes == 0)
                buffer_append_string(buffer, "0");
        else
                write_with_unit(buffer, size_units, bytes);
}
