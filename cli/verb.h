/* verb.h - what the command nephronix can be told to do: one file each, one row each in nephronix.c.
 * Verbs put data on standard output and talk on standard error. They read what the daemon wrote and change
 * nothing; 'seal' writes a file beside the configuration. */
#pragma once

#include "command.h"

enum {
        VERB_FINE = 0,                  /* or: no difference */
        VERB_DIFFERENCES = 1,           /* or: something is wrong with the host or the daemon */
        VERB_TROUBLE = 2,               /* usage, or what was asked for could not be told */
};

struct verb {
        const char *name;
        const char *synopsis;           /* what follows the name */
        const char *summary;            /* one line of --help */
        const char *options;            /* the lines of NAME --help, each ended by '\n' */
        /* argv[0] is the verb. Answers the exit status. */
        int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct verb verb_status, verb_events, verb_inventory, verb_diff, verb_verify, verb_seal, verb_check_config;
