// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* kernel.bpf.c - kernel modules loaded and removed. */
#include "ring.h"

static __always_inline void tell(enum proto_kind kind, struct module *from) {
        struct proto_module *module = bpf_ringbuf_reserve(&ring, sizeof(*module), 0);

        if (!module) {
                count_lost(PROTO_LOST_MODULE);
                return;
        }
        set_origin(&module->origin);
        module->taints = from->taints;
        __builtin_memset(module->name, 0, sizeof(module->name));
        __builtin_memcpy(module->name, from->name, sizeof(from->name));
        set_header(&module->header, kind, sizeof(*module));
        bpf_ringbuf_submit(module, wake_flags());
}

SEC("tp_btf/module_load")
int BPF_PROG(module_loaded, struct module *module) {
        tell(PROTO_MODULE_LOADED, module);
        return 0;
}

SEC("tp_btf/module_free")
int BPF_PROG(module_freed, struct module *module) {
        tell(PROTO_MODULE_FREED, module);
        return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
