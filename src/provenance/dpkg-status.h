/* dpkg-status.h - paragraphs in the format of dpkg's status file, one at a time.
 * Pure: bytes in, borrowed bytes out, nothing copied. Never fails: what cannot be a package is skipped and counted. */
#pragma once

#include "bytes.h"

enum dpkg_state {
        DPKG_NOT_INSTALLED,     /* also when there is no Status field: as dpkg has it */
        DPKG_CONFIG_FILES,
        DPKG_HALF_INSTALLED,
        DPKG_UNPACKED,
        DPKG_HALF_CONFIGURED,
        DPKG_TRIGGERS_AWAITED,
        DPKG_TRIGGERS_PENDING,
        DPKG_INSTALLED,
        DPKG_STATE_OTHER,       /* a word that dpkg does not know: rather shown than hidden */
};

enum { DPKG_ABBREVIATION_SIZE = 3 };

struct dpkg_paragraph {
        /* Borrowed from the text; size 0 when the field is missing or empty. */
        struct bytes package;           /* never empty; holds no NUL, nor does the architecture */
        struct bytes version, architecture;
        struct bytes status;            /* the three words: want, flag, state */
        struct bytes description;       /* its first line */
        struct bytes conffiles;         /* the lines of that field: dpkg-info.h takes them apart */
        enum dpkg_state state;
        char abbreviation[DPKG_ABBREVIATION_SIZE]; /* as in dpkg -l: "ii "; '?' for an unknown word; no NUL */
};

struct dpkg_status {
        struct bytes rest;      /* borrowed: what is still to be read */
        uint64_t nameless;      /* paragraphs so far that name no package (or one with a NUL in it) */
        uint64_t damaged;       /* lines so far that are no field */
};

static inline struct dpkg_status dpkg_status_of(struct bytes text) {
        return (struct dpkg_status){ .rest = text };
}

/* The next paragraph with a package name. False at the end, *ret is then as it was. */
bool dpkg_status_next(struct dpkg_status *reader, struct dpkg_paragraph *ret);

/* The third word of a Status field. */
enum dpkg_state dpkg_status_state(struct bytes status);
