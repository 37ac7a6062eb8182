/* packages.h - which packages dpkg and rpm have on record.
 * dpkg's database is text and read here; rpm's is read by nephronix-pkgdb (host_helper) and comes as such text too. */
#pragma once

#include "watch.h"

extern const struct watch watch_packages;
