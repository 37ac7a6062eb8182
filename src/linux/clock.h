/* clock.h - the kernel's clocks as numbers. */
#pragma once

#include <stdint.h>
#include <time.h>

uint64_t clock_ns(clockid_t clock);
/* How coarse the stamps of files are: CLOCK_REALTIME_COARSE's resolution. */
uint64_t clock_tick_ns(void);
/* Bytes nobody can guess; ends the process if the kernel has none to give. */
void clock_random(void *ret, size_t size);
