/* bpf.h - loaded BPF programs, maps and links, by id. */
#pragma once

#include "watch.h"

extern const struct watch watch_bpf;
