/* message.h - what guard and observer say to each other: a closed list of typed, length-checked messages, one datagram
 * each (SOCK_SEQPACKET). A descriptor may go along. */
#pragma once

#include "buffer.h"

enum message_type {
        /* observer to guard */
        MESSAGE_READY = 1,              /* first round done; text: one line of state */
        MESSAGE_WALL,                   /* texts: terminals (NUL-separated names below /dev), text */
        MESSAGE_HOOK,                   /* id, number = time limit ns, texts: hook name; JSON goes along as a memfd */
        MESSAGE_PACKAGE_DATABASE,       /* id; texts: path of the database below the host root */
        MESSAGE_STOPPED,                /* clean end */
        MESSAGE_ROLE_NOTED,             /* id: pid; that it ended stands in the ledger */
        MESSAGE_PACKAGE_FILES,          /* id; texts: as PACKAGE_DATABASE; the paths go along as a sealed memfd */
        MESSAGE_BEAT,                   /* the loop advances */
        /* guard to observer */
        MESSAGE_STOP = 64,
        MESSAGE_RELOAD,
        MESSAGE_HOOK_DONE,              /* id, number = wait status, texts: hook name, captured output */
        MESSAGE_PACKAGE_DATABASE_DONE,  /* id, number = wait status, texts: error text; the memfd goes along if it
                                         * worked */
        MESSAGE_ROLE_ENDED,             /* number = wait status, id = pid, texts: role, why the guard ended it (empty: it did
                                         * not); when it ended in at_ns */
        MESSAGE_HOOK_REFUSED,           /* id, texts: hook name, why it was not run */
        MESSAGE_PACKAGE_FILES_DONE,     /* as PACKAGE_DATABASE_DONE */
        MESSAGE_HOOK_KILLED,            /* as HOOK_DONE, but number = how many ns it may run: it ran longer */
};

enum { MESSAGE_SIZE_MAX = 96 * 1024, MESSAGE_TEXTS = 2 };

struct message {
        enum message_type type;
        uint32_t id;
        uint64_t number, at_ns;
        struct bytes texts[MESSAGE_TEXTS];      /* borrowed */
};

/* Appends the datagram. 0, -EMSGSIZE if it would be over MESSAGE_SIZE_MAX, -EINVAL for a type not in the list, or
 * -ENOMEM. */
int message_encode(struct buffer *buffer, const struct message *message);
/* 0, or -EBADMSG for anything message_encode() could not have written, unknown types too. Texts point into data. */
int message_decode(struct bytes data, struct message *ret);
