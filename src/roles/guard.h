/* guard.h - the parent: starts the observer and starts it again, does the few things that need privilege. After its own start it
 * parses nothing but the typed messages of message.h, and checks each of them again. */
#pragma once

#include "buffer.h"
#include "configuration.h"
#include "observer.h"

struct guard_options {
        struct settings *settings;              /* replaced at a reload; freed by guard_run */
        struct configuration_options configuration;
        struct observer_options observer;       /* settings and socket are filled in per start */
        struct buffer sealed, wrong;            /* the list of sealed files and what observer.sealed says is wrong (sealed.h); freed
                                                 * by guard_run */
        bool foreground, once;
        unsigned beat_s;                        /* for tests: the observer's, if it is not OBSERVER_BEAT_S; 0 else */
        int ready;                              /* a byte is written here when the observer is ready, then it is closed; or -1 */
};

/* Runs until told to stop. The exit status of the program. */
int guard_run(struct guard_options *options);
