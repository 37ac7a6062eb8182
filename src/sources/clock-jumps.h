/* clock-jumps.h - the wall clock was set, the machine slept. */
#pragma once

#include "source.h"

extern const struct source source_clock;

/* Three clocks at one moment, in nanoseconds. */
struct clock_reading {
        uint64_t wall, boot, monotonic;
};

/* What happened between two readings that is more than time. Pure. */
struct clock_jump {
        uint64_t set_ns;                /* by so much the wall clock was set; 0: it was not, or by next to nothing */
        bool set_back;
        uint64_t slept_ns;              /* so long the machine slept; 0: it did not */
};

struct clock_jump clock_jump_between(const struct clock_reading *before, const struct clock_reading *after);
