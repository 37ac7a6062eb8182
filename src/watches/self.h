/* self.h - nephronix itself: the running binary, its configuration, what lies in lib/. */
#pragma once

#include "watch.h"

extern const struct watch watch_self;
