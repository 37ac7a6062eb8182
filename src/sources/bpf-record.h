/* bpf-record.h - what our programs in the kernel say (bpf/proto.h), as deltas. Pure; a record that is not exactly what such a
 * program writes is refused. */
#pragma once

#include "buffer.h"
#include "delta.h"

/* One record. 0 and *ret: its texts live in 'record' and in 'room', whose bytes it replaces; at_ns is CLOCK_MONOTONIC, source is
 * not set, and the network namespace of a connection is the kernel's own number of it. -EBADMSG: malformed; -ENOMEM. */
int bpf_record_parse(struct bytes record, struct buffer *room, struct delta *ret);
