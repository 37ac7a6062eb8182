/* courier.h - the role that talks to others: answers on the control socket (control-request.h), reading the ledger and the status page
 * as the user nephronix. Has no privilege. Runs as a child of the guard. */
#pragma once

#include "confinement.h"
#include "helper-user.h"

struct courier_options {
        const char *state_directory, *run_directory;
        int listener;                   /* the control socket, listening; borrowed */
        int channel;                    /* to the guard: each byte that comes is sent back, its end ends us; borrowed */
        struct helper_user user;
        enum confinement confinement;
        bool foreground;
};

enum {
        COURIER_CLIENTS_MAX = 16,       /* at a time; one more ends the one that has been silent for longest */
        COURIER_PATIENCE_S = 10,        /* for a client that sends no request, or takes no answer */
};

/* Until the guard is gone, or SIGTERM. The exit status of the process. */
int courier_run(const struct courier_options *options);

/* Makes RunDirectory=/control.sock for root and the user's group. Its descriptor, not blocking, or negative errno. */
int courier_listen(const char *run_directory, const struct helper_user *user);
