/* verify-seals.h - the seals of a ledger's folder in order, each with what is wrong with it: verify.c asks for the next one as it
 * comes to the records that it covers. */
#pragma once

#include "seal.h"
#include "verify.h"

struct verify_seals;

struct verify_seal {
        struct seal seal;
        enum verify_kind kind;          /* VERIFY_FINE: signed with the key that the one before names */
        struct buffer text;             /* what is wrong */
};

/* allowed_signers: a file's name; NULL: the one in the folder, if there is one. 'since' as in verify_options. 0 and *ret, -EINVAL if no
 * key is named there, -ENOKEY if the file that was asked for cannot be read, or negative errno. */
int verify_seals_open(const char *folder, const char *allowed_signers, const char *since, struct verify_seals **ret);
struct verify_seals *verify_seals_close(struct verify_seals *seals);    /* takes NULL; returns NULL */

/* The next one, until it is taken: 1 and *ret (borrowed), 0 if there are no more, or negative errno. Behind a wrong one nothing comes. */
int verify_seals_peek(struct verify_seals *seals, const struct verify_seal **ret);
void verify_seals_take(struct verify_seals *seals);
