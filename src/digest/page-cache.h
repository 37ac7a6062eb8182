/* page-cache.h - what the kernel holds of a file: to be asked for early, and left as it was found. */
#pragma once

#include <stdint.h>

enum { PAGE_CACHE_WINDOWS = 64 };

/* A file in up to 64 windows of one size, which is a power of two and at least a page. */
struct page_cache {
        uint64_t window;                /* bytes */
        uint64_t absent;                /* a bit for each window of which nothing was in memory */
        uint64_t undropped;             /* of these, those that page_cache_drop() has not dropped yet */
};

/* Looks before anything is read. What cannot be found out counts as present, and is left there. */
struct page_cache page_cache_look(int fd, uint64_t size);

/* Has the kernel begin to read what was absent between two offsets; does not wait for it. */
void page_cache_ask(int fd, const struct page_cache *cache, uint64_t from, uint64_t to);

/* Drops the windows that were absent and end at or before the offset, once each. */
void page_cache_drop(int fd, struct page_cache *cache, uint64_t to);
