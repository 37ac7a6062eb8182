/* bare.h - what bare.bpf.c hands to bare.c. */
#pragma once

enum { BARE_EXEC, BARE_EXIT, BARE_ESTABLISHED };

struct bare_record {
        unsigned long long kernel_ns;   /* CLOCK_MONOTONIC */
        unsigned int kind;
        unsigned int number;            /* pid, or local port */
};
