/* bpf-ring.h - a BPF ring buffer (BPF_MAP_TYPE_RINGBUF) read without libbpf, which would map all of it, twice: 16 MiB of a ring of
 * 8 MiB counted as ours. Here a small window slides over it. */
#pragma once

#include "bytes.h"

struct bpf_ring {
        int fd;                         /* of the map; borrowed; poll(2) says when there is something to read */
        size_t page, size;
        uint64_t *consumer;             /* owned mapping of a page; NULL: not open */
        const uint64_t *producer;       /* likewise */
        uint8_t *window;                /* owned mapping */
        uint64_t window_at;             /* place in the ring, counted since it was made, of the window's first byte */
        size_t window_size;             /* 0: nowhere yet */
};

#define BPF_RING_NULL ((struct bpf_ring){ .fd = -1 })

/* size: of the ring, a power of two. 0, or negative errno and nothing to close. */
int bpf_ring_open(struct bpf_ring *ring, int fd, size_t size);
void bpf_ring_close(struct bpf_ring *ring);     /* harmless if it is not open */

/* Hands over all that is there; no system call unless the window has to slide. The record's bytes live until 'record' returns; a
 * negative answer ends the reading (the record counts as read). How many records, -EBADMSG if the ring cannot be what a kernel
 * writes, or another negative errno. */
int bpf_ring_read(struct bpf_ring *ring, int (*record)(void *context, struct bytes record), void *context);
