/* bpf-programs.h - the source "bpf": our own programs in the kernel (bpf/), which see every execve and exit, every TCP connection and
 * every kernel module, and say who. */
#pragma once

#include "source.h"

extern const struct source source_bpf;
