/* package-changes.h - which packages went from which version to which, lately: what a comparison of files is explained with. As
 * bytes too, for whoever starts after us. Pure. */
#pragma once

#include "buffer.h"
#include "event.h"

enum {
        PACKAGE_CHANGES_MAX = 4096,             /* then the oldest goes */
        PACKAGE_CHANGES_BYTES_MAX = 48 * 1024,  /* encoded: what is beyond is left out */
};

struct package_change {
        struct event_package package;
        uint64_t at_ns;                 /* monotonic: when it was found */
        uint8_t run[TRANSACTION_ID_SIZE];
        bool in_run, unfinished;        /* unfinished: the files that go with it are not told yet */
        char *text;                     /* owned: the package's bytes */
};

struct package_changes {
        struct package_change *items;   /* owned; in the order in which they were found */
        size_t count, capacity;
};

void package_changes_done(struct package_changes *changes);
/* Copied; run NULL: not in one. 0 or -ENOMEM. */
int package_changes_add(struct package_changes *changes, const struct event_package *package, uint64_t at_ns,
                        const uint8_t *run);
/* The latest of this package since then, or NULL. */
const struct package_change *package_changes_find(const struct package_changes *changes, struct bytes name,
                                                  struct bytes architecture, uint64_t since_ns);

/* The unfinished ones. Appends nothing if there are none. */
void package_changes_encode(const struct package_changes *changes, struct buffer *buffer);
/* Adds them, found at 0 and unfinished. 0, -EBADMSG (those before the nonsense are added) or -ENOMEM. */
int package_changes_decode(struct package_changes *changes, struct bytes bytes);

/* "upgraded" for "package-upgraded"; NULL for a word that is no change of a package's files. Static. */
const char *package_changes_word(const char *action);
