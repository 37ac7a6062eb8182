/* fanotify.h - file trees, package databases and sessions: which name in which directory, and whose process it was.
 * A large tree has a mark on its filesystem, a small one a mark on each directory and file; where neither can be, and the
 * configuration allows inotify, that. So a host on which this opens needs the source inotify no more. */
#pragma once

#include "source.h"

extern const struct source source_fanotify;
