/* timer.h - the source that needs nothing of the kernel but its clock: says "look" every Interval=. */
#pragma once

#include "source.h"

extern const struct source source_timer;
