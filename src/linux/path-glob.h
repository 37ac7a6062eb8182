/* path-glob.h - Path= of a watch may hold patterns: which places that means on this host now. */
#pragma once

#include "host.h"
#include "settings.h"

enum { PATH_GLOB_MOST = 4096 }; /* places of one list: who may make folders in /home must not fill our memory */

/* True if the path has a part that is a pattern (glob(7)). */
bool path_is_glob(const char *path);

/* Appends what the paths stand for: one without pattern itself, there or not; of one with patterns each place for which its parts up
 * to the last pattern are there. Ordered as their keys are (record.h, FIELD_KEY_PATH), and with a pattern among them none twice and none below
 * another. 0, -ENOSPC
 * (what was found so far is there) or -ENOMEM. */
int path_glob_expand(const struct host *host, const struct strings *paths, struct strings *ret);
void path_glob_done(struct strings *list);      /* frees what was appended; the list may be used again */

/* Order of the keys: '/' before every other character. */
int path_compare(const char *left, const char *right);
