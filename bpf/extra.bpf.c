// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* extra.bpf.c - what no tracepoint tells: raw and packet sockets, modules that the kernel refused. Hangs on functions of the kernel,
 * which not every kernel lets us do, nor on every machine: an object of its own, that may fail. */
#include "ring.h"

enum { FILE_NAME_MAX = 64, READING_MODULE = 2 };

struct file_name {
        char text[FILE_NAME_MAX];
};

/* The file that a thread reads a module from. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 64);
        __type(key, __u64);
        __type(value, struct file_name);
} module_files SEC(".maps");

struct named_incident {
        struct proto_incident incident;
        struct file_name what;
};

/* Made on the stack: clang 14 leaves out stores when the constant texts go straight into the ring. */
static __always_inline void tell(enum proto_incident_kind kind, const struct file_name *what, __u64 number) {
        struct named_incident named = { 0 };

        set_origin(&named.incident.origin);
        named.incident.kind = kind;
        named.incident.what_size = sizeof(named.what);
        named.incident.numbers[0] = number;
        named.what = *what;
        set_header(&named.incident.header, PROTO_INCIDENT, sizeof(named));
        if (bpf_ringbuf_output(&ring, &named, sizeof(named), 0) < 0)
                count_lost(PROTO_LOST_INCIDENT);
}

SEC("fexit/__sock_create")
int BPF_PROG(socket_created, struct net *net, int family, int type, int protocol, void *result, int kernel, int status) {
        static const struct file_name raw = { "raw" }, packet = { "packet" };

        if (status != 0 || kernel)
                return 0;
        if (family == AF_PACKET)
                tell(PROTO_RAW_SOCKET, &packet, __builtin_bswap16((__u16)protocol));
        else if ((family == AF_INET || family == AF_INET6) && (type & 0xf) == SOCK_RAW)
                tell(PROTO_RAW_SOCKET, &raw, (__u32)protocol);
        return 0;
}

SEC("fentry/security_kernel_read_file")
int BPF_PROG(module_file_read, struct file *file, int purpose) {
        __u64 thread = bpf_get_current_pid_tgid();
        struct file_name name = { 0 };

        if (purpose != READING_MODULE || !file)
                return 0;
        bpf_probe_read_kernel_str(name.text, sizeof(name.text), file->f_path.dentry->d_name.name);
        bpf_map_update_elem(&module_files, &thread, &name, BPF_ANY);
        return 0;
}

/* That it is loaded already is no refusal. */
SEC("fexit/load_module")
int BPF_PROG(module_refused, void *info, void *arguments, int flags, int status) {
        static const struct file_name unknown = { "" };
        __u64 thread = bpf_get_current_pid_tgid();
        const struct file_name *name = bpf_map_lookup_elem(&module_files, &thread);

        if (status < 0 && status != -EEXIST)
                tell(PROTO_MODULE_REFUSED, name ? name : &unknown, -status);
        if (name)
                bpf_map_delete_elem(&module_files, &thread);
        return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
