/* uevent.h - modules that come and go, by the kernel's messages about its objects. */
#pragma once

#include "source.h"

extern const struct source source_uevent;
