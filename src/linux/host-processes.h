/* host-processes.h - the host's answers to model/process-lookup.h, out of /proc. */
#pragma once

#include "account.h"
#include "host.h"
#include "process-lookup.h"

struct host_processes {
        struct process_lookup lookup;   /* what is handed to those who ask */
        const struct host *host;        /* borrowed */
        struct account_names accounts;
        struct buffer text, joined;     /* owned; for one question at a time */
};

/* host: borrowed, must outlive it. */
void host_processes_init(struct host_processes *processes, const struct host *host);
void host_processes_done(struct host_processes *processes);
