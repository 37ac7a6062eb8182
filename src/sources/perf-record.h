/* perf-record.h - the side-band records of perf_event_open(2) that speak of BPF programs, as they stand in a ring whose
 * sample_type is TID | TIME with sample_id_all. Pure. */
#pragma once

#include "bytes.h"

enum perf_record_kind {
        PERF_OTHER,             /* well-formed, and of no use here */
        PERF_BPF_LOADED, PERF_BPF_UNLOADED,
        PERF_SYMBOL_ADDED, PERF_SYMBOL_REMOVED, /* of a BPF program or one of its functions */
        PERF_LOST,
};

struct perf_record {
        enum perf_record_kind kind;
        uint32_t pid, tid;      /* who ran; UINT32_MAX or 0: nobody that can be named */
        uint64_t time;          /* on the clock that was asked for */
        uint32_t id;            /* programs; 0: not told (unloads before Linux 6.2) */
        uint64_t tag;           /* programs and symbols: 8 bytes, first in the highest place */
        uint64_t lost;
        struct bytes name;      /* symbols: without "bpf_prog_TAG_", in the bytes that were parsed; empty: none */
};

/* The size of the record that begins here, by its header: never 0 and never more than 'bytes'; or -EBADMSG. */
int perf_record_size(struct bytes bytes);

/* One record, header and all. 0, or -EBADMSG and *ret untouched. */
int perf_record_parse(struct bytes bytes, struct perf_record *ret);
