/* control-request.h - what may be asked over the control socket: one JSON object on one line,
 *
 *     {"verb":"status"}
 *     {"verb":"events","after":4711,"watch":"boot","severity":3,"limit":100}
 *
 * where all but the verb may be left out. Nothing that changes anything. Pure. */
#pragma once

#include "bytes.h"

enum control_verb { CONTROL_STATUS = 1, CONTROL_EVENTS };

enum { CONTROL_REQUEST_MAX = 4096 };

struct control_request {
        enum control_verb verb;
        uint64_t after;                 /* event.sequence: only what came after it */
        struct bytes watch;             /* borrowed; empty: any */
        uint64_t severity;              /* at least; 0: any */
        uint64_t limit;                 /* so many lines at most; UINT64_MAX: all */
};

/* The line without its end. 0, or -EBADMSG and in *ret_why (static) what is wrong with it. */
int control_request_parse(struct bytes line, struct control_request *ret, const char **ret_why);

/* True if the ledger's line is one that was asked for. */
bool control_request_wants(const struct control_request *request, struct bytes line);
