/* kernel-messages.h - messages of the kernel log that match a pattern. */
#pragma once

#include "watch.h"

extern const struct watch watch_kernel_messages;

/* One record of /dev/kmsg; the text points into it. */
struct kmsg_record {
        uint64_t sequence, microseconds; /* after boot, on the kernel's log clock */
        uint32_t priority, facility;     /* facility 0 is the kernel's own; user space cannot claim it */
        struct bytes text;               /* as the kernel wrote it: control bytes stand as \xNN */
};

/* "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,...];TEXT" and, after a newline, what is left out: the message's properties.
 * 0, or -EBADMSG and *ret untouched. */
int kmsg_parse(struct bytes record, struct kmsg_record *ret);

/* Whether the text holds one of the alternatives ("module|bpf"), upper and lower case alike. An empty one matches
 * nothing. */
bool kmsg_matches(struct bytes text, const char *alternatives);
