/* wall.h - a notice on every terminal somebody is logged in at. */
#pragma once

#include "sink.h"

extern const struct sink sink_wall;
