/* process-event.h - messages of the kernel's process connector (linux/cn_proc.h). */
#pragma once

#include "bytes.h"

enum process_event_kind {
        PROCESS_EVENT_OTHER,            /* well-formed, and of no use here */
        PROCESS_EVENT_ACKNOWLEDGED,     /* of what was asked for */
        PROCESS_EVENT_FORKED,
        PROCESS_EVENT_EXECUTED,
        PROCESS_EVENT_USERS_CHANGED,
        PROCESS_EVENT_RENAMED,
        PROCESS_EVENT_EXITED,
};

struct process_event {
        enum process_event_kind kind;
        uint32_t sequence;              /* counts the events of that CPU, also those that we did not get */
        uint32_t cpu;                   /* UINT32_MAX: none */
        uint64_t time;                  /* monotonic, ns */
        uint32_t task, process;         /* ids of thread and process; of the child for a fork */
        uint32_t parent;                /* forks: process of the parent */
        uint32_t user, effective_user;  /* users changed: now */
        uint32_t error;                 /* acknowledged: positive errno or 0 */
        int exit_status;                /* as wait(2) encodes it */
};

/* Pure: the payload of one netlink message. 0, or -EBADMSG and *ret untouched. */
int process_event_parse(struct bytes payload, struct process_event *ret);
