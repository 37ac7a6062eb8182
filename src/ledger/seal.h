/* seal.h - what a seal of the ledger says, and its line in seals.jsonl.
 *
 *      {"seal":7,"reason":"time","first":812,"last":840,"head":"3f9c...","boot_id":"...","boot_ns":1,"time":"...",
 *       "next":"ssh-ed25519 AAAA..."}
 *
 * is one line, and what is signed, its newline included. In the file it also has "signature" as its last member: an SSHSIG of the
 * namespace nephronix-seal, base64, made with the key that the seal before names as the next one. So each key signs one seal, and who
 * takes the key of today can sign nothing of yesterday. Seal 0 is signed with a key whose public half the admin keeps elsewhere. */
#pragma once

#include <time.h>

#include "buffer.h"
#include "chain.h"
#include "sshsig.h"

#define SEAL_NAMESPACE "nephronix-seal"
#define SEAL_FILE "seals.jsonl"
#define SEAL_SIGNERS "allowed_signers"

enum { SEAL_SEED_SIZE = 32, SEAL_BOOT_ID_SIZE = 36, SEAL_LINE_MAX = 2048 };

struct seal {
        uint64_t number;
        uint64_t first, last;           /* the records it covers; first is last + 1 if there are no new ones */
        uint8_t head[CHAIN_HASH_SIZE];  /* hash of record last */
        char boot_id[SEAL_BOOT_ID_SIZE + 1];
        uint64_t boot_ns;               /* CLOCK_BOOTTIME */
        struct timespec at;             /* wall clock: to be read, not to go by */
        const char *reason;             /* static; NULL as read */
        uint8_t next[SSHSIG_KEY_SIZE];
};

/* The public half of a secret. */
void seal_key(const uint8_t seed[SEAL_SEED_SIZE], uint8_t ret[SSHSIG_KEY_SIZE]);

/* Appends the line with its newline. 0 or -ENOMEM. */
int seal_append(struct buffer *buffer, const struct seal *seal, const uint8_t seed[SEAL_SEED_SIZE]);

/* A line without its newline, as seal_append() writes it: 0 and what it says and by which key it is signed; -EBADMSG if it is none.
 * The signature is checked: -EKEYREJECTED if it does not hold (*ret and *ret_key are written then, too). */
int seal_read(struct bytes line, struct seal *ret, uint8_t ret_key[SSHSIG_KEY_SIZE]);

/* Whether the signature is that of these bytes. */
bool seal_signature_holds(const struct sshsig *sshsig, const char *namespace, struct bytes message);
/* Appends a signature of these bytes, base64. */
void seal_sign(struct buffer *buffer, const char *namespace, struct bytes message, const uint8_t seed[SEAL_SEED_SIZE]);
