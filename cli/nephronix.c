/* nephronix - tells what nephronixd knows and found. */
#include <stddef.h>

#include "registry.h"
#include "verb.h"

static const struct verb *const verbs[] = {
        &verb_status, &verb_events, &verb_inventory, &verb_diff, &verb_verify, &verb_seal, &verb_check_config, NULL,
};

int main(int argc, char **argv) {
        const struct command tables = {
                .watches = registry_watches,
                .sources = registry_sources,
                .alert_kinds = registry_alert_kinds,
        };

        return command_main(&tables, verbs, argc, argv);
}
