#include "control-request.h"

#include <errno.h>

#include "json-walk.h"

static bool is(struct bytes bytes, const char *text) {
        return bytes_equal(bytes, bytes_of_string(text));
}

static const char *take_verb(struct control_request *request, struct bytes value) {
        struct bytes name;

        if (request->verb)
                return "\"verb\" is there twice";
        if (json_walk_text(value, &name) && is(name, "status"))
                request->verb = CONTROL_STATUS;
        else if (json_walk_text(value, &name) && is(name, "events"))
                request->verb = CONTROL_EVENTS;
        else
                return "\"verb\" is none of \"status\", \"events\"";
        return NULL;
}

static const char *take_member(struct control_request *request, struct bytes key, struct bytes value) {
        if (is(key, "verb"))
                return take_verb(request, value);
        if (is(key, "after"))
                return json_walk_number(value, &request->after) ? NULL : "\"after\" takes a sequence number";
        if (is(key, "watch"))
                return json_walk_text(value, &request->watch) ? NULL : "\"watch\" takes the name of a watch";
        if (is(key, "severity"))
                return json_walk_number(value, &request->severity) && request->severity <= 5 ? NULL : "\"severity\" takes 0 to 5";
        if (is(key, "limit"))
                return json_walk_number(value, &request->limit) ? NULL : "\"limit\" takes a number";
        return "only \"verb\", \"after\", \"watch\", \"severity\" and \"limit\" are known";
}

int control_request_parse(struct bytes line, struct control_request *ret, const char **ret_why) {
        struct control_request request = { .limit = UINT64_MAX };
        struct bytes key, value;
        struct json_walk walk;
        int r = json_walk_open(&walk, line);

        *ret_why = "a request is one JSON object on one line";
        if (r < 0)
                return r;
        while ((r = json_walk_next(&walk, &key, &value)) > 0) {
                const char *why = take_member(&request, key, value);

                if (why) {
                        *ret_why = why;
                        return -EBADMSG;
                }
        }
        if (r < 0)
                return r;
        *ret_why = "\"verb\" is missing";
        if (!request.verb)
                return -EBADMSG;
        *ret = request;
        return 0;
}

bool control_request_wants(const struct control_request *request, struct bytes line) {
        struct bytes value, name;
        uint64_t number;

        if (request->after && json_walk_find(line, "event.sequence", &value) && json_walk_number(value, &number) &&
            number <= request->after)
                return false;
        if (request->severity && (!json_walk_find(line, "event.severity", &value) || !json_walk_number(value, &number) ||
                                  number < request->severity))
                return false;
        return request->watch.size == 0 || (json_walk_find(line, "nephronix.watch", &value) && json_walk_text(value, &name) &&
                                            bytes_equal(name, request->watch));
}
