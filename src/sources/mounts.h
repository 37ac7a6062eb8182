/* mounts.h - the mount table: what was mounted where, and the trees in which something else is seen since. Of a file that is mounted
 * over another one, too. Who did it the table does not tell. */
#pragma once

#include "source.h"

extern const struct source source_mounts;
