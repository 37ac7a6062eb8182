/* tcp-counters.h - whether TCP stood still since the kernel's table of it was last walked.
 * The kernel walks its whole hash table, most of it empty, for every question: a millisecond on a large host. But a connection
 * cannot be established or leave that state without a segment or CurrEstab being counted for its network namespace. Pure. */
#pragma once

#include "buffer.h"

struct tcp_counters {
        struct buffer line, scratch;
        uint64_t since_ns;              /* when they were first seen to say this */
        uint64_t walked_ns;             /* when the last walk began; 0: there is none to rely on */
};

void tcp_counters_done(struct tcp_counters *counters);

/* 'snmp': what /proc/net/snmp says now. True if a walk now would find what the last one found. Always asked before a walk. */
bool tcp_counters_still(struct tcp_counters *counters, struct bytes snmp, uint64_t now_ns);

/* A walk saw everything that can be seen; it began after tcp_counters_still() was asked at 'now_ns'. */
void tcp_counters_walked(struct tcp_counters *counters, uint64_t now_ns);

/* The last walk is not to be relied on. */
void tcp_counters_forget(struct tcp_counters *counters);
