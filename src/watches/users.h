/* users.h - who is logged in. */
#pragma once

#include "watch.h"

extern const struct watch watch_users;
