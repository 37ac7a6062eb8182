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
