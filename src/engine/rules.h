/* rules.h - how bad is it. Pure. */
#pragma once

#include "event.h"

/* The severity of an action in a watch of this priority: a high watch's changes are at least high, a low one's at most low;
 * an action with a severity of its own keeps it. */
enum severity rules_severity(const struct action *action, enum priority priority);

/* True if people should be told at once. */
bool rules_alerts(const struct event *event, enum severity minimum);

/* What this change is called: the watch's own word for it, else by kind. */
const struct action *rules_action(const struct watch *watch, const struct change *change);
