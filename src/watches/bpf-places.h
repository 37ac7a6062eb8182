/* bpf-places.h - where BPF objects are held: pinned to names in a bpffs, and by the descriptors of processes. */
#pragma once

#include "bpf-object.h"
#include "bytes.h"
#include "host.h"

struct bpf_pin {
        uint64_t device, inode; /* of the name's file in the bpffs: what tells it from another when nothing moved */
        enum bpf_kind kind;
        uint32_t id;            /* 0: it cannot be told; asked once */
        bool refused;
        size_t path, path_size; /* in bpf_pins.text */
};

struct bpf_pins {
        struct bpf_pin *items;  /* sorted by device and inode */
        struct bpf_pin **by_object; /* sorted by kind, id and path */
        size_t count, capacity;
        struct buffer text;
        struct buffer mounts;   /* mount points of bpffs, each ended by NUL */
        int mounts_fd;          /* /proc/self/mountinfo, polled for changes; -1: not open */
        size_t refused;         /* names that could not be opened */
        /* the round before, for its answers */
        struct bpf_pin *known;
        size_t n_known, known_capacity;
};

#define BPF_PINS_NULL ((struct bpf_pins){ .mounts_fd = -1 })

void bpf_pins_done(struct bpf_pins *pins);

/* Walks every bpffs mounted in our namespace. Names seen before are not opened again. 0 or negative errno. */
int bpf_pins_read(struct bpf_pins *pins, const struct host *host);

/* The paths of that object, joined by a blank; empty if it is not pinned. Appended. */
void bpf_pins_of(const struct bpf_pins *pins, enum bpf_kind kind, uint32_t id, struct buffer *text);

/* One line of mountinfo: appends its mount point and a NUL if it is a bpffs. Pure. */
void bpf_parse_mount(struct bytes line, struct buffer *mounts);

/* Looks through the descriptors of every process and gives the objects that want them their holders: "name[pid]",
 * joined by a blank. The array is sorted. Slow: 5 us for each descriptor on the host. 0 or negative errno. */
int bpf_find_holders(const struct host *host, struct bpf_object *objects, size_t count);

/* The same for one process. */
int bpf_find_holders_in(const struct host *host, uint32_t pid, struct bpf_object *objects, size_t count);

/* The object of that kind and id in a sorted array, or NULL. */
struct bpf_object *bpf_object_find(struct bpf_object *objects, size_t count, enum bpf_kind kind, uint32_t id);
int bpf_object_compare(const void *a, const void *b);
