/* process-connector.h - processes by the kernel's process connector: what executes, exits and changes its user. */
#pragma once

#include "source.h"

extern const struct source source_process_connector;
