/* audit.h - logins, and loads of BPF programs with the person's login, out of the kernel's audit where that is switched on. */
#pragma once

#include "source.h"

extern const struct source source_audit;
