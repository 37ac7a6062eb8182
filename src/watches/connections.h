/* connections.h - the watch "connections": established TCP and connected UDP, and who holds them.
 * A connection that is half closed or waits out its end is none. */
#pragma once

#include "watch.h"

extern const struct watch watch_connections;
