/* session-entry.h - by which door a session came in: the program that starts sessions and is a session's parent. Pure. */
#pragma once

#include "delta.h"

/* ECS process.entry_leader.entry_meta.type of the sessions that this process begins: "sshd", "terminal", "cron", "init",
 * "container", ...; static; NULL: it is none that does. */
const char *session_entry_type(const struct process_facts *parent);
