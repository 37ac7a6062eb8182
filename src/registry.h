/* registry.h - what there is: the tables that the roles are given. A new watch is one file, one line in registry.c, one
 * fixture folder and one section in the man page. */
#pragma once

#include "sink.h"
#include "source.h"
#include "watch.h"

extern const struct watch *const registry_watches[];    /* in the order of a classic round; NULL ends each table */
extern const struct source *const registry_sources[];
extern const struct sink *const registry_sinks[];
extern const char *const registry_alert_kinds[];
