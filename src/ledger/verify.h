/* verify.h - is the ledger in these files what was written and sealed? From the files alone, so on another machine too. Reads them once, in
 * order, with a few lines in memory, and stops at the first record that is not as it should be. Every byte may be hostile. */
#pragma once

#include <time.h>

#include "buffer.h"
#include "chain.h"

enum verify_kind {
        VERIFY_FINE,
        VERIFY_EDITED,          /* a record is not what was written */
        VERIFY_REMOVED,         /* records are missing, others follow */
        VERIFY_INSERTED,        /* a record that the chain does not know */
        VERIFY_REORDERED,       /* a record that stands elsewhere in the chain */
        VERIFY_TRUNCATED,       /* the newest records are missing */
        VERIFY_SWAPPED,         /* a file holds records of another one, or of another ledger */
        VERIFY_DAMAGED,         /* a packed file cannot be read */
        VERIFY_JOINED,          /* another chain begins in the middle */
        VERIFY_REWRITTEN,       /* the records fit together, but are not what was sealed */
        VERIFY_LATER_KEY,       /* a seal is signed with the key of a later one */
        VERIFY_UNKNOWN_KEY,     /* a seal is signed with a key that nobody vouches for */
        VERIFY_SEAL_EDITED,     /* a seal is not what was signed, or does not go on where the one before ended */
        VERIFY_SEAL_REMOVED,    /* seals are missing */
};

/* A head that somebody noted elsewhere. */
struct verify_anchor {
        uint64_t sequence;              /* 0: not known */
        uint8_t head[CHAIN_HASH_SIZE];
        bool found;                     /* out */
};

struct verify_options {
        const char *folder;
        const char *since;              /* as "@timestamp" has it; NULL: from the first record. What is older is not judged */
        const char *allowed_signers;    /* the file of the keys that may sign the first seal; NULL: the one in the folder */
        struct verify_anchor *anchors;
        size_t n_anchors;
};

struct verify_result {
        enum verify_kind kind;
        uint64_t bad_first, bad_last;   /* the records concerned; bad_first is 0 if no number can be named */
        struct buffer text;             /* what is wrong, a sentence without a full stop, harmless; "" if nothing is */

        uint64_t first, last, records;  /* that were found to be right */
        uint64_t unchained;             /* from before there was a chain; not judged */
        uint64_t breaks;                /* records that state a break where nothing is missing */
        uint8_t head[CHAIN_HASH_SIZE];  /* hash of the last one, if records > 0 */
        uint64_t seals, sealed;         /* how many were right; up to which record */
        struct timespec sealed_at;      /* wall clock of the last one */
        bool own_signers;               /* the key of the first one was vouched for by the folder itself */
        bool genesis;                   /* the first one begins the chain; else what came before has expired, or is not judged */
};

const char *verify_kind_name(enum verify_kind kind);    /* "edited", ... */

/* -EINVAL: allowed_signers names no key; -ENOENT and the like for it are told as -ENOKEY. Else 0 and *ret (to be released by verify_result_done() in any case), or negative errno if the folder cannot be read. */
int verify_ledger(const struct verify_options *options, struct verify_result *ret);
void verify_result_done(struct verify_result *result);
