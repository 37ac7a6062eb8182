/* actor.h - who did it: one process, those it comes from, the login and the person behind it. Filled by the engine from its
 * table of processes; all bytes are borrowed and live until the event was handed over. */
#pragma once

#include "delta.h"

enum { ACTOR_ANCESTORS_MAX = 8, TRANSACTION_ID_SIZE = 16 };

/* One run of a package manager: all that its descendants do belongs to it. */
struct transaction {
        uint8_t id[TRANSACTION_ID_SIZE]; /* a UUID, the same for all events of the run */
        const struct process_facts *process; /* the outermost package manager */
};

struct actor {
        struct process_facts process;
        struct process_facts ancestors[ACTOR_ANCESTORS_MAX]; /* parent first, up to the session leader or as far as known */
        size_t n_ancestors;
        const struct process_facts *entry_leader; /* the process with which the session began (ECS process.entry_leader):
                                                   * points into process or ancestors; NULL: not known */
        const char *entry_type;         /* ECS process.entry_leader.entry_meta.type: "sshd", "terminal", "init", ...; NULL */
        struct bytes remote_address;    /* of an ssh login; empty: none or not known */
        struct bytes container, unit;   /* out of the cgroup; empty: none */
        struct bytes user_name, login_name; /* of process.user and process.login_user; empty: not known */
        bool in_transaction;
        struct transaction transaction;
};
