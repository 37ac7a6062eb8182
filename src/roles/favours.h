/* favours.h - what the observer may ask of the guard: the asking side. The answering side, which checks every request again,
 * is guard.c. */
#pragma once

#include "host.h"
#include "message.h"
#include "sink.h"

struct favours_channel {
        struct favours favours;         /* for sinks */
        struct host_helper helper;      /* for watches */
        int socket;                     /* borrowed; -1: nobody to ask */
        const struct host *host;        /* borrowed: where package databases are looked for */
        uint32_t next_id;
        bool asked;                     /* a package database is on its way */
        int answer;                     /* memfd that came, owned; -1 */
        int answer_error;               /* negative errno of the last answer */
        char *why;                      /* owned; what the helper said of it */
        struct {
                bool asked;             /* a question about files is on its way */
                int answer;             /* memfd that came, owned; -1 */
                int error;              /* negative errno of the last answer */
        } files;
};

void favours_init(struct favours_channel *channel, int socket, const struct host *host);
void favours_done(struct favours_channel *channel);

/* Sends a message, with a descriptor or -1 (NOT consumed). 0 or negative errno. */
int favours_send(int socket, const struct message *message, int fd);

/* The guard's answer about a package database: takes the descriptor. */
void favours_package_database(struct favours_channel *channel, const struct message *message, int fd);

/* Likewise about files. */
void favours_package_files(struct favours_channel *channel, const struct message *message, int fd);

/* Where an rpm database may lie below the host's root; the guard runs nephronix-pkgdb for these and no others. NULL ends. */
extern const char *const favours_rpm_folders[];
