/* bpf-object.h - BPF programs, maps and links as the kernel tells of them through bpf(2). No libbpf: six commands. */
#pragma once

#include "buffer.h"

enum bpf_kind {         /* the letters order the records and stand in their keys */
        BPF_LINK = 'l',
        BPF_MAP = 'm',
        BPF_PROGRAM = 'p',
};

struct bpf_object {
        enum bpf_kind kind;
        uint32_t id, type;
        char name[17], tag[17]; /* "" if there is none; the tag in hexadecimal */
        uint64_t loaded_ns;     /* programs: on the clock that counts from boot; 0: not told */
        bool has_user_id;
        uint32_t user_id;       /* programs: who loaded it */
        uint32_t program;       /* links: what runs; 0: nothing of its own */
        char *target;           /* owned; links: where it hangs, in words; NULL: not told */
        char *maps;             /* owned; programs: ids with a blank between; NULL: none */
        char *holders;          /* owned; bpf-places.h fills it, if it is wanted */
        bool wants_holders;
        bool seen;              /* by the watch in this round */
};

void bpf_object_done(struct bpf_object *object);

/* The next id of that kind above 'id'. 0; -ENOENT: there is none; -EPERM: CAP_SYS_ADMIN is missing; -EINVAL, -ENOSYS:
 * this kernel does not list them. */
int bpf_next_id(enum bpf_kind kind, uint32_t id, uint32_t *ret_id);

/* A descriptor, the caller's to close, or negative errno (-ENOENT: gone). */
int bpf_open_id(enum bpf_kind kind, uint32_t id);

/* What was pinned at that path. A descriptor or negative errno. */
int bpf_open_pinned(const char *path);

/* The kind by what a descriptor is called in /proc/PID/fd. */
bool bpf_kind_of_descriptor(const char *target, enum bpf_kind *ret);

/* Kind and id of what a descriptor holds: its name in /proc/self/fd tells the first. 0 or negative errno. */
int bpf_identify(int proc_fd, int fd, enum bpf_kind *ret_kind, uint32_t *ret_id);

/* Fills everything but holders. 0 or negative errno, *ret untouched. */
int bpf_object_read(enum bpf_kind kind, int fd, struct bpf_object *ret);

const char *bpf_kind_name(enum bpf_kind kind);

/* bpftool's word for the type, or the number in 'place' if this list is older than the kernel. */
enum { BPF_TYPE_PLACE = 16 };
const char *bpf_type_name(enum bpf_kind kind, uint32_t type, char place[BPF_TYPE_PLACE]);

/* Where a link hangs, from its type and what bpf(2) says of it after the first 16 bytes. Pure. Nothing appended: not
 * told. */
enum { BPF_LINK_DETAIL = 112 };
void bpf_link_target(uint32_t type, const uint8_t detail[BPF_LINK_DETAIL], const char *name, struct buffer *text);
