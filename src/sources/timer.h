/* timer.h - the source that needs nothing of the kernel but its clock: says "look" when its time has come. */
#pragma once

#include "source.h"

extern const struct source source_timer;

/* When it is to go off, on CLOCK_MONOTONIC; once. 0: never. 'data' is the state that its open() gave. 0 or negative errno. */
int timer_set(void *data, uint64_t at_ns);
