/* socket-destroy.h - connections that close, by sock_diag's destroy groups. */
#pragma once

#include "source.h"

extern const struct source source_socket_destroy;
