/* incidents.h - what happened and left no state, in words. Pure. */
#pragma once

#include "buffer.h"
#include "event.h"

/* Fills the event's action, severity, seen_by, message and facts. The message lies in room, the facts borrow from facts and
 * room: both must live until the event is told. -EINVAL: there is no such kind; -ENOMEM. */
int incident_describe(const struct incident_facts *facts, struct event *event, struct buffer *room);
