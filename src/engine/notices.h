/* notices.h - what nephronix has to say of itself, until a round stands that tells it. */
#pragma once

#include "event.h"

enum { NOTICES_MAX = 64 };

/* An event that waits, with the text it owns. */
struct waiting {
        struct event event;
        char *message;
};

struct notices {
        struct waiting items[NOTICES_MAX];
        size_t count;
};

/* Copies the event and its message; its other strings must live until it is told. -ENOBUFS if too many wait. */
int notices_add(struct notices *notices, const struct event *event);

/* "SOURCE: N lost (REASON)". The loss's strings must live until it is told. */
int notices_add_loss(struct notices *notices, const struct action *action, const struct loss *loss);

void notices_clear(struct notices *notices);
