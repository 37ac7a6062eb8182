#include "trouble.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "diagnostics.h"
#include "engine.h"
#include "ownership.h"

const struct action trouble_begins = { "recording-blocked", "host", "error", SEVERITY_HIGH, true, NULL };
static const struct action trouble_ends = { "recording-resumed", "host", "info", SEVERITY_LOW, true, NULL };

static const char *describe(int error) {
        const char *text = strerrordesc_np(-error);

        return text ? text : "unknown error";
}

void trouble_note(struct trouble *trouble, struct engine *engine, int error) {
        struct event event = { .action = error ? &trouble_begins : &trouble_ends };
        uint64_t now_ns = clock_ns(CLOCK_REALTIME);
        _cleanup_free_ char *message = NULL;
        bool begins = error && !trouble->error, ends = !error && trouble->error;
        int r;

        trouble->error = error;
        if (!begins && !ends)
                return;
        if (begins) {
                trouble->since_ns = now_ns;
                diagnostics_error(error, "%s", trouble->words->begins);
                r = asprintf(&message, "%s: %s", trouble->words->begins, describe(error));
        } else {
                diagnostics_info("%s", trouble->words->ends);
                r = asprintf(&message, "%s, after %llu s", trouble->words->ends,
                             (unsigned long long)((now_ns - trouble->since_ns) / 1000000000u));
        }
        if (r < 0)
                message = NULL;
        if (!engine)
                return;
        event.message = message ? message : trouble->words->begins;
        event.severity = event.action->severity;
        event_add(&event, "nephronix.blocked.since", FIELD_TIME, value_number(trouble->since_ns));
        if (ends)
                event_add(&event, "nephronix.blocked.until", FIELD_TIME, value_number(now_ns));
        (void)engine_notice(engine, &event);
}
