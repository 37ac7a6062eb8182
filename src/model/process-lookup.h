/* process-lookup.h - how the engine, which sees no file, asks the host about a process that lives. */
#pragma once

#include "buffer.h"
#include "delta.h"

struct process_lookup {
        /* What is known of a living process (or of one that its parent has not waited for: then little). Replaces what
         * 'room' holds; the bytes of *ret live in it. pid, parent and start_ticks are always told, all else as far as the
         * host lets us. 0; -ESRCH: nobody has this pid; another negative errno. */
        int (*read)(struct process_lookup *lookup, uint32_t pid, struct buffer *room, struct process_facts *ret);
        /* From where somebody came in by ssh: an address as text, without port, replacing what 'ret' holds. server: the
         * sshd process that serves the session, whose connection is the kernel's word; leader: the session's first process,
         * whose environment is its user's word and is asked only when the former cannot be.
         * 0, -ENOENT: neither tells, another negative errno. NULL: nobody can tell. */
        int (*remote_address)(struct process_lookup *lookup, uint32_t server, uint32_t leader, struct buffer *ret);
        /* Appends the name of a user, or nothing if it has none. NULL: nobody can tell. */
        void (*user_name)(struct process_lookup *lookup, uint32_t user, struct buffer *ret);
};
