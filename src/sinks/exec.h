/* exec.h - a hook of the admin's own: a program in lib/ that gets the events as JSON on its standard input. */
#pragma once

#include "sink.h"

extern const struct sink sink_exec;
