#include "bpf-ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WINDOW_SIZE = 256 * 1024 };

int bpf_ring_open(struct bpf_ring *ring, int fd, size_t size) {
        struct bpf_ring opened = { .fd = fd, .page = (size_t)sysconf(_SC_PAGESIZE), .size = size };
        void *consumer, *producer;
        int r;

        consumer = mmap(NULL, opened.page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (consumer == MAP_FAILED)
                return -errno;
        producer = mmap(NULL, opened.page, PROT_READ, MAP_SHARED, fd, (off_t)opened.page);
        if (producer == MAP_FAILED) {
                r = -errno;
                (void)munmap(consumer, opened.page);
                return r;
        }
        opened.consumer = consumer;
        opened.producer = producer;
        *ring = opened;
        return 0;
}

void bpf_ring_close(struct bpf_ring *ring) {
        if (ring->window)
                (void)munmap(ring->window, ring->window_size);
        if (ring->consumer) {
                (void)munmap(ring->consumer, ring->page);
                (void)munmap((void *)(uintptr_t)ring->producer, ring->page);
        }
        *ring = BPF_RING_NULL;
}

/* The kernel maps the ring twice, one behind the other, so that no record is torn: a window may begin anywhere in the first. */
static int slide(struct bpf_ring *ring, uint64_t at) {
        uint64_t start = at & ~(uint64_t)(ring->page - 1);
        size_t whole = ring->size + ring->page; /* the last record may begin just before its end */
        size_t size = whole < WINDOW_SIZE ? whole : WINDOW_SIZE;
        off_t offset = (off_t)(2 * ring->page + (start & (ring->size - 1)));
        void *window = mmap(ring->window, size, PROT_READ, MAP_SHARED | (ring->window ? MAP_FIXED : 0), ring->fd, offset);

        if (window == MAP_FAILED)
                return -errno;
        ring->window = window;
        ring->window_at = start;
        ring->window_size = size;
        return 0;
}

/* The bytes [at, at + size) of the ring. */
static int look(struct bpf_ring *ring, uint64_t at, size_t size, const uint8_t **ret) {
        int r;

        if (ring->window_size == 0 || at < ring->window_at || at + size > ring->window_at + ring->window_size) {
                r = slide(ring, at);
                if (r < 0)
                        return r;
                if (at + size > ring->window_at + ring->window_size)
                        return -EBADMSG;
        }
        *ret = ring->window + (at - ring->window_at);
        return 0;
}

int bpf_ring_read(struct bpf_ring *ring, int (*record)(void *context, struct bytes record), void *context) {
        uint64_t at = *ring->consumer, end;
        int count = 0, r = 0;

        while (r >= 0 && count < INT_MAX && at < (end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE))) {
                const uint8_t *header, *data;
                uint32_t word, size;
                size_t step;

                if (end - at > ring->size)
                        return -EBADMSG;
                r = look(ring, at, BPF_RINGBUF_HDR_SZ, &header);
                if (r < 0)
                        return r;
                word = __atomic_load_n((const uint32_t *)(const void *)header, __ATOMIC_ACQUIRE);
                if (word & BPF_RINGBUF_BUSY_BIT)
                        break;
                size = word & ~BPF_RINGBUF_DISCARD_BIT;
                step = ((size_t)size + BPF_RINGBUF_HDR_SZ + 7) & ~(size_t)7;
                if (step > end - at)
                        return -EBADMSG;
                if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
                        r = look(ring, at + BPF_RINGBUF_HDR_SZ, size, &data);
                        if (r < 0)
                                return r;
                        r = record(context, bytes_of(data, size));
                        count++;
                }
                at += step;
                __atomic_store_n(ring->consumer, at, __ATOMIC_RELEASE);
        }
        return r < 0 ? r : count;
}
