/* provenance.h - what a package says of a file: whose it is, and whether what lies there is what the package ships.
 * Implemented in provenance/; the engine asks through this interface when a file has changed. */
#pragma once

#include "bytes.h"

enum provenance_verdict {
        PROVENANCE_NONE,        /* no package owns this path */
        PROVENANCE_MATCHES,     /* owned, and as packaged in all that the package tells: 'told' says what that is */
        PROVENANCE_DIFFERS,     /* owned, and not what the package ships: 'why' says in what */
        PROVENANCE_CONFIGURATION, /* owned, a configuration file that the admin may change or remove, and it is not the shipped
                                   * one: 'why' says in what */
        PROVENANCE_UNPROVEN,    /* owned, but the package gives nothing to compare with: a symbolic link of dpkg's, a package
                                 * without a list of digests */
        PROVENANCE_UNKNOWN,     /* the package database cannot be read, is being written now, or its answer is on its way: ask
                                 * again when the generation has moved, but not for ever: a package manager's lock may be held
                                 * for hours (an open aptitude), and by anybody who is root */
};

/* What of a file a package tells. A match proves these and nothing else: dpkg knows no modes (but for statoverride), so that a
 * set-user-id bit on a file whose content matches is proven by nothing. */
enum provenance_aspect {
        PROVENANCE_TYPE         = 1 << 0,
        PROVENANCE_CONTENT      = 1 << 1, /* of a regular file; where a symbolic link leads */
        PROVENANCE_MODE         = 1 << 2, /* permission, set-id and sticky bits */
        PROVENANCE_OWNER        = 1 << 3, /* user and group */
        PROVENANCE_CAPABILITIES = 1 << 4, /* file capabilities, their absence too */
};

/* All bytes are valid until the next call on the same object. */
struct provenance_answer {
        enum provenance_verdict verdict;
        unsigned told;                  /* enum provenance_aspect: what was compared */
        const char *manager;            /* "dpkg" or "rpm"; static; NULL when no package owns it */
        struct bytes package, version, architecture; /* of the owner; of several the one whose file it is, else the first.
                                                      * Empty: the database does not say */
        bool soon;                      /* UNKNOWN, and it will be known: the database is being written, the answer is on its way, the
                                         * file changed meanwhile. Else no asking again helps, but a repair */
        const char *why;                /* one of a few static texts: "missing", "type", "content", "mode", "owner",
                                         * "capabilities"; or, for UNKNOWN and UNPROVEN, a reason in words; or NULL */
};

/* Something in the database that no package manager leaves behind. */
struct provenance_finding {
        const char *manager;            /* static */
        struct bytes package;           /* as the database's file names have it: "bash", "libc6:amd64"; may be empty */
        struct bytes path;              /* absolute: the file of the database that is wrong */
        const char *why;                /* static, a clause that follows the path: "is newer than the package's other files" */
};

struct provenance_findings {
        /* 0, or negative: stop and return that. The finding lives until this returns. */
        int (*finding)(struct provenance_findings *findings, const struct provenance_finding *finding);
};

struct provenance {
        const struct provenance_ops *ops;
};

struct provenance_ops {
        /* These paths will be asked for next: one question instead of many where a question is dear (rpm). Never needed for a
         * right answer; without it the first ask() of an rpm package's path is UNKNOWN. May be called again before all were
         * asked. 0 or negative errno. */
        int (*prepare)(struct provenance *provenance, const struct bytes *paths, size_t count);
        /* Whose is the file of this absolute path, and is it as packaged? 'present' false: the path is gone (MATCHES then means:
         * no package owns it any more, so its removal is as packaged; DIFFERS: a package still ships it). Reads the file for the
         * package's own kind of digest. 0 or negative errno (no memory, the file cannot be read); trouble with the database is
         * the verdict UNKNOWN, not an error. A file that is gone, or changes, while it is read is UNKNOWN as well. */
        int (*ask)(struct provenance *provenance, struct bytes path, bool present, struct provenance_answer *ret);
        /* A number that changes when the package database does, when a package manager begins and ends to write it, and when an
         * answer that was on its way is there: an answer about a file that stands still holds as long as this does. A few system
         * calls: may be asked for every batch. Never 0; means nothing to another process. */
        uint64_t (*generation)(struct provenance *provenance);
        /* Looks for signs that somebody else than a package manager wrote to the database: digest lists older or newer than their
         * package, lists without a package. Says nothing while a package manager writes it (returns 1: again when the generation
         * has moved). Some milliseconds: once per generation, and with each full look, because writing into a list moves no
         * generation (ask() looks at those that it uses). 0, 1 or negative errno. */
        int (*check)(struct provenance *provenance, struct provenance_findings *findings);
        /* Nothing was asked for a while: gives all memory back. The next ask() pays for it anew. */
        void (*release)(struct provenance *provenance);
};
