/* observer.h - the role that looks: sources, watches, engine, ledger. Runs as a child of the guard.
 * Owns: everything below StateDirectory= and the text log. Must not own: children, terminals, the network. */
#pragma once

#include <time.h>

#include "confinement.h"
#include "helper-user.h"
#include "sealed.h"
#include "settings.h"
#include "sink.h"
#include "source.h"
#include "watch.h"

struct observer_options {
        const struct settings *settings;
        const struct watch *const *watches;     /* registry; NULL-terminated */
        const struct source *const *sources;
        const struct sink *const *sinks;
        int socket;                     /* to the guard; borrowed */
        bool foreground, once;
        bool reloaded;                  /* this start follows a reload of the configuration */
        enum confinement confinement;
        struct helper_user helper_user; /* whose group may read what is written */
        struct sealed_state sealed;
        const char *version;
        const char *helper_program;     /* path of nephronix-pkgdb, for the watch of ourselves; NULL: none */
};

enum { OBSERVER_BEAT_S = 60 /* how often it says that it lives */ };

enum {
        OBSERVER_NO_CHANGE = 0,         /* exit statuses with 'once'; 0 is also a clean stop of the daemon */
        OBSERVER_CHANGES = 1,
        OBSERVER_TROUBLE = 2,
};

/* Runs until the guard says stop (or SIGTERM). The exit status of the process. */
int observer_run(const struct observer_options *options);
