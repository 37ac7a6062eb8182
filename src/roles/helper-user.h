/* helper-user.h - who the roles without privilege run as. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define HELPER_USER_NAME "nephronix"

struct helper_user {
        uid_t user;
        gid_t group;
        bool own;               /* false: this host has no such user, and these are nobody's, which others may use too */
};

/* From /etc/passwd itself: asking the name service may load libraries and use the network, as root. */
struct helper_user helper_user_find(void);

/* Kills a process of that user's, and its process group if it leads one: as that user if it is out of our own reach (CAP_KILL). */
void helper_user_kill(const struct helper_user *user, pid_t pid);

/* Lets its group into StateDirectory= and RunDirectory=, and at the ledger, if they are still of group root. Modes say what it may. */
void helper_user_share(const struct helper_user *user, const char *state_directory, const char *run_directory);
