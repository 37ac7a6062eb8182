/* kernel-log.h - /dev/kmsg: the kernel said something. */
#pragma once

#include "source.h"

extern const struct source source_kernel_log;
