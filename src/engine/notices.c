#include "notices.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ownership.h"

int notices_add(struct notices *notices, const struct event *event) {
        struct waiting waiting = { .event = *event };

        if (notices->count == NOTICES_MAX)
                return -ENOBUFS;
        if (event->message) {
                waiting.message = strdup(event->message);
                if (!waiting.message)
                        return -ENOMEM;
                waiting.event.message = waiting.message;
        }
        notices->items[notices->count++] = waiting;
        return 0;
}

int notices_add_loss(struct notices *notices, const struct action *action, const struct loss *loss) {
        struct event event = { .action = action, .severity = action->severity };
        _cleanup_free_ char *message = NULL;
        int r;

        if (loss->counted)
                r = asprintf(&message, "%s: %llu lost (%s)", loss->source, (unsigned long long)loss->count, loss->reason);
        else
                r = asprintf(&message, "%s: an unknown number lost (%s)", loss->source, loss->reason);
        if (r < 0)
                message = NULL;
        event.message = message;
        event_add(&event, "nephronix.loss.source", FIELD_TEXT, value_string(loss->source));
        event_add(&event, "nephronix.loss.reason", FIELD_TEXT, value_string(loss->reason));
        if (loss->counted)
                event_add(&event, "nephronix.loss.count", FIELD_NUMBER, value_number(loss->count));
        return notices_add(notices, &event);
}

void notices_clear(struct notices *notices) {
        for (size_t i = 0; i < notices->count; i++)
                free(notices->items[i].message);
        notices->count = 0;
}
