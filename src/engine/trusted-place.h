/* trusted-place.h - is a program what its name says? Only where nobody but root puts programs. Pure. */
#pragma once

#include <stdbool.h>

#include "bytes.h"

/* What follows the last '/'. */
struct bytes path_base(struct bytes path);
/* Below a folder of the system's own programs (/usr/bin, /usr/lib, ...), with no ".." on the way. */
bool path_is_trusted(struct bytes path);
