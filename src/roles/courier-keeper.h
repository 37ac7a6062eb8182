/* courier-keeper.h - what the guard does for the courier: starts it, sees that it lives, starts it again. */
#pragma once

#include "courier.h"
#include "loop.h"

struct courier_keeper;

struct courier_keeper_options {
        const char *state_directory, *run_directory; /* copied */
        struct helper_user user;                /* its own */
        enum confinement confinement;
        bool foreground;
        /* It ended by itself, or was ended (why, static; NULL: it was not) because it no longer answered; it is started again. */
        void (*ended)(void *context, pid_t pid, int status, const char *why);
        void (*in_child)(void *context);        /* in the courier, before it begins: closes what is the guard's */
        void *context;
};

/* Makes the control socket and starts it. 0 and *ret, or negative errno. */
int courier_keeper_new(struct loop *loop, const struct courier_keeper_options *options, struct courier_keeper **ret);

/* To be called once a minute. Asks whether its loop advances; one that has not answered since the last time is ended. */
void courier_keeper_ask(struct courier_keeper *keeper);

/* In another child of the guard: closes what it has no business with. Takes NULL. */
void courier_keeper_leave(struct courier_keeper *keeper);

/* Ends it, and removes the socket. Takes NULL; returns NULL. */
struct courier_keeper *courier_keeper_free(struct courier_keeper *keeper);
