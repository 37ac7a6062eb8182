#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_ns(clockid_t clock) {
        struct timespec at = { 0 };

        (void)clock_gettime(clock, &at);
        return (uint64_t)at.tv_sec * NS_PER_S + (uint64_t)at.tv_nsec;
}

uint64_t clock_tick_ns(void) {
        struct timespec tick = { .tv_nsec = 10000000 };

        (void)clock_getres(CLOCK_REALTIME_COARSE, &tick);
        return (uint64_t)tick.tv_sec * NS_PER_S + (uint64_t)tick.tv_nsec;
}

void clock_random(void *ret, size_t size) {
        uint8_t *at = ret;

        while (size > 0) {
                ssize_t n = getrandom(at, size, 0);

                if (n < 0 && errno != EINTR)
                        abort(); /* getrandom(2) fails so only on a kernel without it: before 3.17 */
                if (n > 0) {
                        at += n;
                        size -= (size_t)n;
                }
        }
}
