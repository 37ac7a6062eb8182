/* inotify.h - file trees, package databases and sessions, without telling who: for hosts where fanotify is not to be had. */
#pragma once

#include "source.h"

extern const struct source source_inotify;
