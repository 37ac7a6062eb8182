// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* bare.bpf.c - the least a BPF program can do that tells of processes and connections: one record of 16 bytes each. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bare.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

enum { ESTABLISHED = 1 };       /* TCP_ESTABLISHED */

struct task_struct {
        int pid, tgid;
} __attribute__((preserve_access_index));

struct sock_common {
        unsigned short skc_num;
} __attribute__((preserve_access_index));

struct sock {
        struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 256 * 1024);
} ring SEC(".maps");

/* Wake the reader for a record only when so many bytes are there; 0: for each record. */
const volatile unsigned long long wake_at;
unsigned long long lost;

static void tell(unsigned int kind, unsigned int number) {
        struct bare_record record = { .kernel_ns = bpf_ktime_get_ns(), .kind = kind, .number = number };
        unsigned long long flags = 0;

        if (wake_at > 0)
                flags = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= wake_at ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
        if (bpf_ringbuf_output(&ring, &record, sizeof(record), flags) < 0)
                __sync_fetch_and_add(&lost, 1);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(executed, struct task_struct *task) {
        tell(BARE_EXEC, task->tgid);
        return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exited, struct task_struct *task) {
        if (task->pid == task->tgid)
                tell(BARE_EXIT, task->tgid);
        return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state_set, struct sock *sock, int before, int now) {
        if (now == ESTABLISHED)
                tell(BARE_ESTABLISHED, sock->__sk_common.skc_num);
        return 0;
}
