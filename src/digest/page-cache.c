#include "page-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.5; the headers of many a distribution do not know it. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct range {
        uint64_t offset, size;          /* of nothing: all there is */
};

struct cached {
        uint64_t pages, dirty, in_writeback, evicted, recently_evicted;
};

/* A piece of a file, for mincore(): a byte for each page. */
enum { PIECE_PAGES = 4096 };

static long cached_pages(int fd, uint64_t offset, uint64_t size) {
        struct range range = { offset, size };
        struct cached cached;

        if (syscall(SYS_cachestat, fd, &range, &cached, 0) < 0)
                return -errno;
        return (long)cached.pages;
}

/* Before there was cachestat(): of a mapping that is never touched, so that a file that gets shorter does no harm. */
static uint64_t present_by_mapping(int fd, uint64_t size, uint64_t window, uint64_t page) {
        uint64_t present = 0;

        for (uint64_t offset = 0; offset < size; offset += PIECE_PAGES * page) {
                uint64_t length = size - offset < PIECE_PAGES * page ? size - offset : PIECE_PAGES * page;
                unsigned char pages[PIECE_PAGES];
                void *mapping = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)offset);
                bool seen = mapping != MAP_FAILED && mincore(mapping, length, pages) == 0;

                if (mapping != MAP_FAILED)
                        (void)munmap(mapping, length);
                if (!seen)
                        return UINT64_MAX;
                for (uint64_t i = 0; i * page < length; i++)
                        if (pages[i] & 1)
                                present |= UINT64_C(1) << (offset + i * page) / window;
        }
        return present;
}

struct page_cache page_cache_look(int fd, uint64_t size) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), windows, all;
        struct page_cache cache = { .window = page };
        long cached = size ? cached_pages(fd, 0, 0) : 0;

        if (!size)
                return cache;
        while (cache.window < UINT64_C(1) << 62 && cache.window * PAGE_CACHE_WINDOWS < size)
                cache.window *= 2;
        windows = (size + cache.window - 1) / cache.window;
        all = windows < PAGE_CACHE_WINDOWS ? (UINT64_C(1) << windows) - 1 : UINT64_MAX;
        if (cached == -ENOSYS)
                cache.absent = all & ~present_by_mapping(fd, size, cache.window, page);
        else if (cached == 0)
                cache.absent = all;
        else if (cached > 0 && (uint64_t)cached < (size + page - 1) / page)
                for (uint64_t i = 0; i < windows; i++)
                        if (cached_pages(fd, i * cache.window, cache.window) == 0)
                                cache.absent |= UINT64_C(1) << i;
        cache.undropped = cache.absent;
        return cache;
}

void page_cache_ask(int fd, const struct page_cache *cache, uint64_t from, uint64_t to) {
        if (cache->absent)
                (void)posix_fadvise(fd, (off_t)from, (off_t)(to - from), POSIX_FADV_WILLNEED);
}

void page_cache_drop(int fd, struct page_cache *cache, uint64_t to) {
        for (unsigned first = 0, n; first < PAGE_CACHE_WINDOWS && cache->undropped; first += n ? n : 1) {
                for (n = 0; first + n < PAGE_CACHE_WINDOWS && (first + n + 1) * cache->window <= to; n++) {
                        if (!(cache->undropped >> (first + n) & 1))
                                break;
                        cache->undropped &= ~(UINT64_C(1) << (first + n));
                }
                if (n)
                        (void)posix_fadvise(fd, (off_t)(first * cache->window), (off_t)(n * cache->window),
                                            POSIX_FADV_DONTNEED);
        }
}
