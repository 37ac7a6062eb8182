/* setuid.h - the files that give whoever runs them another's rights, wherever on this machine they lie. */
#pragma once

#include "watch.h"

extern const struct watch watch_setuid;
