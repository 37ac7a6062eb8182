/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* ring.h - the ring to user space, what is known of it on both sides, and what several programs share. */
#pragma once

#include "kernel.h"
#include "proto.h"

enum { RING_SIZE = 8 * 1024 * 1024, WAKE_PART = 8 };

/* Weak: each program's file has them, and linked they are one. */
struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, RING_SIZE);         /* a second of 20,000 execs and their exits */
} ring __weak SEC(".maps");

/* Set by user space before the programs are loaded: what cannot be reached is not even looked at by the verifier. */
const volatile bool reads_memory __weak;         /* bpf_probe_read_...(): not under lockdown=confidentiality, where libbpf
                                                 * turns even those for user memory into what is forbidden */
const volatile bool knows_current_task __weak;        /* bpf_get_current_task_btf(): Linux 5.11 */
const volatile bool knows_socket_cookie __weak;  /* bpf_get_socket_cookie() for tracing: Linux 5.12 */
const volatile __u64 wake_at __weak = RING_SIZE / WAKE_PART; /* bytes that wake the reader even while it batches */

/* Written by user space while the programs run: the reader comes by itself every few milliseconds, do not wake it. */
volatile __u32 batching __weak;
/* Read by user space. */
__u64 lost[PROTO_LOSSES] __weak;

static __always_inline void count_lost(enum proto_loss reason) {
        __sync_fetch_and_add(&lost[reason], 1);
}

static __always_inline __u64 wake_flags(void) {
        if (!batching)
                return 0;
        return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= wake_at ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void set_header(struct proto_header *header, enum proto_kind kind, __u32 size) {
        header->version = PROTO_VERSION;
        header->kind = kind;
        header->size = size;
        header->at_ns = bpf_ktime_get_ns();
}

static __always_inline void set_origin(struct proto_origin *origin) {
        origin->pid = bpf_get_current_pid_tgid() >> 32;
        origin->start_ns = 0;
        if (knows_current_task)
                origin->start_ns = ((struct task_struct *)bpf_get_current_task_btf())->group_leader->start_boottime;
        origin->padding = 0;
}
