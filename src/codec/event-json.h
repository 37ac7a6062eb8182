/* event-json.h - an event as the line the ledger keeps (DESIGN §5, ECOSYSTEM §3). */
#pragma once

#include "buffer.h"
#include "event.h"

struct json;

/* What is the same in every event of this host. Strings borrowed. */
struct event_host {
        const char *name, *machine_id, *boot_id;        /* boot_id in UUID form; NULL: not known */
        const char *version;                            /* of nephronix */
};

/* Appends the event as one JSON object without newline; json is scratch (cleared here). event.kind is "alert" from high
 * severity on, unless the event is quiet. 0 or -ENOMEM. */
int event_json_write(struct buffer *buffer, struct json *json, const struct event *event,
                     const struct event_host *host);
