#include "rules.h"

enum severity rules_severity(const struct action *action, enum priority priority) {
        if (action->fixed_severity)
                return action->severity;
        if (priority == PRIORITY_HIGH)
                return action->severity > SEVERITY_HIGH ? action->severity : SEVERITY_HIGH;
        return action->severity < SEVERITY_LOW ? action->severity : SEVERITY_LOW;
}

bool rules_alerts(const struct event *event, enum severity minimum) {
        return !event->quiet && event->severity >= minimum;
}

const struct action *rules_action(const struct watch *watch, const struct change *change) {
        const struct action *action = watch->classify ? watch->classify(change) : NULL;

        if (action)
                return action;
        switch (change->kind) {
        case CHANGE_APPEARED:
                return &watch->appeared;
        case CHANGE_VANISHED:
                return &watch->vanished;
        case CHANGE_CHANGED:
                return &watch->changed;
        }
        return &watch->changed;
}
