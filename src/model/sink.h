/* sink.h - where a finished notice goes. A sink asks nothing back. */
#pragma once

#include "bytes.h"
#include "settings.h"

struct host;

/* What one round has to say to people: several changes of a round are one notice. */
struct notice {
        enum severity severity;         /* the highest of its events */
        size_t events;
        struct bytes text;              /* a few plain lines, escaped, each ended by '\n' */
        struct bytes json;              /* the events, one JSON object a line */
};

/* Things a sink may ask of the privileged parent; it checks each again. */
struct favours {
        /* Writes text to these terminals (names below /dev, NUL-separated). 0 when the request was taken. */
        int (*wall)(struct favours *favours, struct bytes terminals, struct bytes text);
        /* Runs lib/HOOK with the JSON on its standard input. */
        int (*hook)(struct favours *favours, const char *hook, uint64_t time_limit_ns, struct bytes json);
};

enum {
        SINK_SENT = 0,
        SINK_E_NOBODY = 1,              /* nobody to tell: no terminal is open */
};

struct sink {
        const char *kind;               /* Kind= of an [Alert] */
        int (*send)(const struct alert_settings *settings, const struct host *host, struct favours *favours,
                    const struct notice *notice);
};
