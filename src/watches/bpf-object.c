#include "bpf-object.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAPS_MAX = 64 /* of one program: the kernel's limit */, NAME_PLACE = 256 };

/* Words as bpftool has them, by the numbers of linux/bpf.h; the lists go beyond the header this is built with. */
static const char *const program_types[] = {
        "unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp", "perf_event",
        "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device",
        "sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport",
        "flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing", "struct_ops",
        "ext", "lsm", "sk_lookup", "syscall", "netfilter",
};

static const char *const map_types[] = {
        "unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash", "percpu_array",
        "stack_trace", "cgroup_array", "lru_hash", "lru_percpu_hash", "lpm_trie", "array_of_maps",
        "hash_of_maps", "devmap", "sockmap", "cpumap", "xskmap", "sockhash", "cgroup_storage",
        "reuseport_sockarray", "percpu_cgroup_storage", "queue", "stack", "sk_storage", "devmap_hash",
        "struct_ops", "ringbuf", "inode_storage", "task_storage", "bloom_filter", "user_ringbuf",
        "cgrp_storage", "arena", "insn_array",
};

enum {  /* numbers that the header at hand may lack */
        LINK_RAW_TRACEPOINT = 1, LINK_TRACING, LINK_CGROUP, LINK_ITER, LINK_NETNS, LINK_XDP, LINK_PERF_EVENT,
        LINK_KPROBE_MULTI, LINK_STRUCT_OPS, LINK_NETFILTER, LINK_TCX, LINK_UPROBE_MULTI, LINK_NETKIT, LINK_SOCKMAP,
};

static const char *const link_types[] = {
        "unspec", "raw_tracepoint", "tracing", "cgroup", "iter", "netns", "xdp", "perf_event", "kprobe_multi",
        "struct_ops", "netfilter", "tcx", "uprobe_multi", "netkit", "sockmap",
};

static const char *const attach_types[] = {
        "cgroup_inet_ingress", "cgroup_inet_egress", "cgroup_inet_sock_create", "cgroup_sock_ops",
        "sk_skb_stream_parser", "sk_skb_stream_verdict", "cgroup_device", "sk_msg_verdict", "cgroup_inet4_bind",
        "cgroup_inet6_bind", "cgroup_inet4_connect", "cgroup_inet6_connect", "cgroup_inet4_post_bind",
        "cgroup_inet6_post_bind", "cgroup_udp4_sendmsg", "cgroup_udp6_sendmsg", "lirc_mode2", "flow_dissector",
        "cgroup_sysctl", "cgroup_udp4_recvmsg", "cgroup_udp6_recvmsg", "cgroup_getsockopt", "cgroup_setsockopt",
        "trace_raw_tp", "trace_fentry", "trace_fexit", "modify_return", "lsm_mac", "trace_iter",
        "cgroup_inet4_getpeername", "cgroup_inet6_getpeername", "cgroup_inet4_getsockname",
        "cgroup_inet6_getsockname", "xdp_devmap", "cgroup_inet_sock_release", "xdp_cpumap", "sk_lookup", "xdp",
        "sk_skb_verdict", "sk_reuseport_select", "sk_reuseport_select_or_migrate", "perf_event",
        "trace_kprobe_multi", "lsm_cgroup", "struct_ops", "netfilter", "tcx_ingress", "tcx_egress",
        "trace_uprobe_multi", "cgroup_unix_connect", "cgroup_unix_sendmsg", "cgroup_unix_recvmsg",
        "cgroup_unix_getpeername", "cgroup_unix_getsockname", "netkit_primary", "netkit_peer",
        "trace_kprobe_session", "trace_uprobe_session",
};

_Static_assert(BPF_PROG_TYPE_SYSCALL == 31 && BPF_MAP_TYPE_RINGBUF == 27 && BPF_XDP == 37 &&
                       (int)BPF_LINK_TYPE_XDP == LINK_XDP,
               "the lists follow the numbers of linux/bpf.h");

/* The part of bpf_link_info that differs by type begins here on every kernel. */
struct link_info {
        uint32_t type, id, program, padding;
        uint8_t detail[BPF_LINK_DETAIL];
};

static const char *word(const char *const *words, size_t count, uint32_t number, char place[BPF_TYPE_PLACE]) {
        if (number < count)
                return words[number];
        (void)snprintf(place, BPF_TYPE_PLACE, "%u", number);
        return place;
}

const char *bpf_kind_name(enum bpf_kind kind) {
        return kind == BPF_PROGRAM ? "program" : kind == BPF_MAP ? "map" : "link";
}

const char *bpf_type_name(enum bpf_kind kind, uint32_t type, char place[BPF_TYPE_PLACE]) {
        switch (kind) {
        case BPF_PROGRAM:
                return word(program_types, ELEMENTS(program_types), type, place);
        case BPF_MAP:
                return word(map_types, ELEMENTS(map_types), type, place);
        case BPF_LINK:
                return word(link_types, ELEMENTS(link_types), type, place);
        }
        return word(NULL, 0, type, place);
}

void bpf_object_done(struct bpf_object *object) {
        free(object->target);
        free(object->maps);
        free(object->holders);
        *object = (struct bpf_object){ .target = NULL };
}

static int call(int command, union bpf_attr *attributes) {
        int r = (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));

        return r < 0 ? -errno : r;
}

int bpf_next_id(enum bpf_kind kind, uint32_t id, uint32_t *ret_id) {
        int command = kind == BPF_PROGRAM ? BPF_PROG_GET_NEXT_ID
                      : kind == BPF_MAP   ? BPF_MAP_GET_NEXT_ID
                                          : BPF_LINK_GET_NEXT_ID;
        union bpf_attr attributes;
        int r;

        memset(&attributes, 0, sizeof(attributes)); /* the kernel refuses stray bits */
        attributes.start_id = id;
        r = call(command, &attributes);
        if (r >= 0 && attributes.next_id <= id)
                return -EBADMSG;
        if (r >= 0)
                *ret_id = attributes.next_id;
        return r < 0 ? r : 0;
}

int bpf_open_id(enum bpf_kind kind, uint32_t id) {
        int command = kind == BPF_PROGRAM ? BPF_PROG_GET_FD_BY_ID
                      : kind == BPF_MAP   ? BPF_MAP_GET_FD_BY_ID
                                          : BPF_LINK_GET_FD_BY_ID;
        union bpf_attr attributes;

        memset(&attributes, 0, sizeof(attributes));
        attributes.prog_id = id;
        if (kind == BPF_MAP)
                attributes.open_flags = BPF_F_RDONLY;
        return call(command, &attributes);
}

int bpf_open_pinned(const char *path) {
        union bpf_attr attributes;
        int r;

        memset(&attributes, 0, sizeof(attributes));
        attributes.pathname = (uintptr_t)path;
        r = call(BPF_OBJ_GET, &attributes);
        if (r != -EACCES && r != -EPERM)
                return r;
        attributes.file_flags = BPF_F_RDONLY; /* only maps may be opened so */
        return call(BPF_OBJ_GET, &attributes);
}

static int ask(int fd, void *info, uint32_t size) {
        union bpf_attr attributes;

        memset(&attributes, 0, sizeof(attributes));
        attributes.info.bpf_fd = (uint32_t)fd;
        attributes.info.info_len = size;
        attributes.info.info = (uintptr_t)info;
        return call(BPF_OBJ_GET_INFO_BY_FD, &attributes);
}

bool bpf_kind_of_descriptor(const char *target, enum bpf_kind *ret) {
        static const struct {
                const char *name;
                enum bpf_kind kind;
        } names[] = {
                { "anon_inode:bpf-prog", BPF_PROGRAM },
                { "anon_inode:bpf-map", BPF_MAP },
                { "anon_inode:bpf_link", BPF_LINK },
                { "anon_inode:bpf-link", BPF_LINK }, /* seen on Linux 6.18 */
        };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcmp(target, names[i].name) == 0) {
                        *ret = names[i].kind;
                        return true;
                }
        return false;
}

int bpf_identify(int proc_fd, int fd, enum bpf_kind *ret_kind, uint32_t *ret_id) {
        uint32_t head[2] = { 0 }; /* type and id, first in the answer for all three */
        char path[32], target[64];
        enum bpf_kind kind;
        ssize_t n;
        int r;

        (void)snprintf(path, sizeof(path), "self/fd/%d", fd);
        n = readlinkat(proc_fd, path, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        if (!bpf_kind_of_descriptor(target, &kind))
                return -EBADMSG;
        r = ask(fd, head, sizeof(head));
        if (r < 0)
                return r;
        *ret_kind = kind;
        *ret_id = head[1];
        return 0;
}

static int read_program(int fd, struct bpf_object *object) {
        _cleanup_buffer_ struct buffer maps = BUFFER_NULL;
        struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX };
        uint32_t ids[MAPS_MAX] = { 0 };
        int r;

        info.map_ids = (uintptr_t)ids;
        r = ask(fd, &info, sizeof(info));
        if (r < 0)
                return r;
        object->id = info.id;
        object->type = info.type;
        object->loaded_ns = info.load_time;
        object->has_user_id = true;
        object->user_id = info.created_by_uid;
        memcpy(object->name, info.name, strnlen(info.name, sizeof(info.name)));
        for (size_t i = 0; i < sizeof(info.tag); i++)
                (void)snprintf(object->tag + 2 * i, 3, "%02x", info.tag[i]);
        for (size_t i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++)
                buffer_printf(&maps, i ? " %u" : "%u", ids[i]);
        if (info.nr_map_ids) {
                object->maps = strdup(buffer_string(&maps));
                if (!object->maps)
                        return -ENOMEM;
        }
        return 0;
}

static int read_map(int fd, struct bpf_object *object) {
        struct bpf_map_info info = { .id = 0 };
        int r = ask(fd, &info, sizeof(info));

        if (r < 0)
                return r;
        object->id = info.id;
        object->type = info.type;
        memcpy(object->name, info.name, strnlen(info.name, sizeof(info.name)));
        return 0;
}

static uint32_t word_at(const uint8_t *detail, size_t at) {
        uint32_t number;

        memcpy(&number, detail + at, sizeof(number));
        return number;
}

static uint64_t long_at(const uint8_t *detail, size_t at) {
        uint64_t number;

        memcpy(&number, detail + at, sizeof(number));
        return number;
}

static const char *attach_name(uint32_t type, char place[BPF_TYPE_PLACE]) {
        return word(attach_types, ELEMENTS(attach_types), type, place);
}

static void perf_event_target(const uint8_t *detail, const char *name, struct buffer *text) {
        static const char *const kinds[] = {
                NULL, "uprobe", "uretprobe", "kprobe", "kretprobe", "tracepoint", "event"
        };
        uint32_t kind = word_at(detail, 0);

        if (kind == 0 || kind >= ELEMENTS(kinds))
                return;
        buffer_append_string(text, kinds[kind]);
        if (kind == 6) {
                buffer_printf(text, " type %u config %llu", word_at(detail, 16),
                              (unsigned long long)long_at(detail, 8));
                return;
        }
        if (*name)
                buffer_printf(text, " %s", name);
        if (kind != 5 && word_at(detail, 20))
                buffer_printf(text, "+0x%x", word_at(detail, 20));
}

void bpf_link_target(uint32_t type, const uint8_t detail[BPF_LINK_DETAIL], const char *name, struct buffer *text) {
        char place[BPF_TYPE_PLACE];

        switch (type) {
        case LINK_RAW_TRACEPOINT:
                buffer_append_string(text, name);
                break;
        case LINK_TRACING:
                buffer_append_string(text, attach_name(word_at(detail, 0), place));
                if (word_at(detail, 4))
                        buffer_printf(text, " object %u", word_at(detail, 4));
                if (word_at(detail, 8))
                        buffer_printf(text, " btf type %u", word_at(detail, 8));
                break;
        case LINK_CGROUP:
                buffer_printf(text, "%s cgroup %llu", attach_name(word_at(detail, 8), place),
                              (unsigned long long)long_at(detail, 0));
                break;
        case LINK_ITER:
                buffer_append_string(text, name);
                if (strcmp(name, "bpf_map_elem") == 0)
                        buffer_printf(text, " map %u", word_at(detail, 12));
                else if (strcmp(name, "cgroup") == 0)
                        buffer_printf(text, " cgroup %llu", (unsigned long long)long_at(detail, 16));
                break;
        case LINK_NETNS:
                buffer_printf(text, "%s netns %u", attach_name(word_at(detail, 4), place), word_at(detail, 0));
                break;
        case LINK_XDP:
                buffer_printf(text, "interface %u", word_at(detail, 0));
                break;
        case LINK_PERF_EVENT:
                perf_event_target(detail, name, text);
                break;
        case LINK_KPROBE_MULTI:
                if (word_at(detail, 8))
                        buffer_printf(text, "%u functions", word_at(detail, 8));
                break;
        case LINK_STRUCT_OPS:
                buffer_printf(text, "map %u", word_at(detail, 0));
                break;
        case LINK_NETFILTER:
                buffer_printf(text, "family %u hook %u priority %d", word_at(detail, 0), word_at(detail, 4),
                              (int)word_at(detail, 8));
                break;
        case LINK_TCX:
        case LINK_NETKIT:
                buffer_printf(text, "%s interface %u", attach_name(word_at(detail, 4), place), word_at(detail, 0));
                break;
        case LINK_UPROBE_MULTI:
                if (*name)
                        buffer_append_string(text, name);
                break;
        case LINK_SOCKMAP:
                buffer_printf(text, "%s map %u", attach_name(word_at(detail, 4), place), word_at(detail, 0));
                break;
        default:
                break;
        }
}

/* Where in the detail the address of a name's place goes, and behind it its size; -1: this type tells no name. */
static int name_place(uint32_t type, int *ret_size_at) {
        switch (type) {
        case LINK_RAW_TRACEPOINT:
        case LINK_ITER:
                *ret_size_at = 8;
                return 0;
        case LINK_PERF_EVENT:
                *ret_size_at = 16;
                return 8;
        case LINK_UPROBE_MULTI:
                *ret_size_at = 32;
                return 0;
        default:
                return -1;
        }
}

static int read_link(int fd, struct bpf_object *object) {
        _cleanup_buffer_ struct buffer target = BUFFER_NULL;
        struct link_info info = { .type = 0 };
        char name[NAME_PLACE] = "";
        int at, size_at = 0, r;

        r = ask(fd, &info, sizeof(info));
        if (r < 0)
                return r;
        at = name_place(info.type, &size_at);
        if (at >= 0 && !(info.type == LINK_PERF_EVENT && word_at(info.detail, 0) == 6)) {
                struct link_info named = { .type = 0 };
                uint64_t address = (uintptr_t)name;
                uint32_t size = sizeof(name) - 1;

                memcpy(named.detail + at, &address, sizeof(address));
                memcpy(named.detail + size_at, &size, sizeof(size));
                if (ask(fd, &named, sizeof(named)) < 0) /* a longer name, or a kernel that does not tell: without it */
                        name[0] = '\0';
                name[sizeof(name) - 1] = '\0';
        }
        object->id = info.id;
        object->type = info.type;
        object->program = info.program;
        bpf_link_target(info.type, info.detail, name, &target);
        if (target.size) {
                object->target = strdup(buffer_string(&target));
                if (!object->target)
                        return -ENOMEM;
        }
        return buffer_error(&target);
}

int bpf_object_read(enum bpf_kind kind, int fd, struct bpf_object *ret) {
        struct bpf_object object = { .kind = kind };
        int r = kind == BPF_PROGRAM ? read_program(fd, &object)
                : kind == BPF_MAP   ? read_map(fd, &object)
                                    : read_link(fd, &object);

        if (r < 0) {
                bpf_object_done(&object);
                return r;
        }
        *ret = object;
        return 0;
}
