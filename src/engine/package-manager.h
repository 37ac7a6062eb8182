/* package-manager.h - is this process a package manager at work? Pure. */
#pragma once

#include "delta.h"

/* By its executable, or by its script if that is an interpreter; from a place where only root puts programs, and as root:
 * others can install nothing, and a user namespace could show them any path. */
bool package_manager_is(const struct process_facts *facts);
