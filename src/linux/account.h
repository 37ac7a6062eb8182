/* account.h - the names of users, from the host's own etc/passwd.
 * Not by getpwuid(): that may load libraries and ask the network from inside a root daemon, and knows only one root. */
#pragma once

#include "buffer.h"

struct host;
struct account;

struct account_names {
        struct account *accounts;       /* owned; sorted by user id, unique */
        size_t count;
        struct buffer text;
        uint64_t stamp[6];              /* of the file that was read */
        bool known;
};

#define ACCOUNT_NAMES_NULL ((struct account_names){ .accounts = NULL })

void account_names_done(struct account_names *names);

/* Reads the file again if it is another than last time. Without a readable file there are no names. 0 or -ENOMEM. */
int account_names_refresh(struct account_names *names, const struct host *host);

/* The first name of that id, as getpwuid() would say; empty if there is none. Valid until the next refresh. */
struct bytes account_name(const struct account_names *names, uint32_t user);
