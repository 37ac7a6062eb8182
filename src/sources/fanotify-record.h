/* fanotify-record.h - one event as fanotify writes it (fanotify(7), groups that report handles and names). Pure. */
#pragma once

#include "bytes.h"

/* A file as its filesystem calls it. */
struct fanotify_handle {
        uint64_t filesystem;            /* fsid, as statfs(2) has it */
        struct bytes id;                /* type and bytes of the handle; size 0: not told */
};

struct fanotify_record {
        uint64_t mask;
        int32_t pid;
        struct fanotify_handle directory, old_directory, object;
        const char *name, *old_name;    /* in the directories; NULL: not told */
};

/* Takes the first event off 'rest'. 1 and *ret, which points into the bytes; 0: there is none; -EBADMSG: not an event that we
 * understand, and what follows it cannot be found. */
int fanotify_record_next(struct bytes *rest, struct fanotify_record *ret);
