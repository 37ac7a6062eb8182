/* perf-bpf.h - every load and unload of a BPF program, out of the kernel's perf rings. Needs CAP_PERFMON and no BPF. */
#pragma once

#include "source.h"

extern const struct source source_perf;
