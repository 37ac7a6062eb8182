/* privileges.h - giving away for good what a role does not need. What is left stands in a table of the role's, a reason each. */
#pragma once

#include <sys/types.h>

/* number: CAP_*. A table of them ends with a NULL in why. */
struct capability {
        unsigned number;
        const char *why;
};

/* Keeps these and no others: effective, permitted, bounding. Nothing is inheritable or ambient. What this process does not
 * have is not given to it. 0 or negative errno; then some may be left. */
int privileges_keep(const struct capability *kept);

/* For good this user and group, without others; capabilities are gone after it. 0 or negative errno. */
int privileges_become(uid_t user, gid_t group);

/* No program that is started gets more than we have, none of our memory is writable and executable (where the kernel knows that),
 * and no core is written: it would hold what we have read. 0 or negative errno. */
int privileges_no_new(void);
