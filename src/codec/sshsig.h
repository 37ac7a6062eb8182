/* sshsig.h - signatures as `ssh-keygen -Y sign` makes and `-Y verify` checks them (OpenSSH's PROTOCOL.sshsig), for Ed25519 keys and
 * SHA-512. Pure: what is signed is put together here, hashed and signed elsewhere. */
#pragma once

#include "buffer.h"

enum { SSHSIG_KEY_SIZE = 32, SSHSIG_SIGNATURE_SIZE = 64, SSHSIG_HASH_SIZE = 64 };

/* The list of sealed files is signed for this. */
#define SEALED_NAMESPACE "nephronix-sealed"

struct sshsig {
        uint8_t key[SSHSIG_KEY_SIZE], signature[SSHSIG_SIGNATURE_SIZE];
};

/* Appends the bytes that are signed for a message with this SHA-512. */
void sshsig_signed(struct buffer *buffer, const char *namespace, const uint8_t hash[SSHSIG_HASH_SIZE]);

/* Appends the signature, base64 without line breaks; between sshsig_begin and sshsig_end it is the file that ssh-keygen reads. */
void sshsig_append(struct buffer *buffer, const char *namespace, const struct sshsig *sshsig);
extern const char sshsig_begin[], sshsig_end[];         /* lines, without newline */

/* A signature with or without those lines, and line breaks where they like. 0; -EBADMSG: none, or damaged; -ENOTSUP: of another
 * kind of key or hash; -EKEYREJECTED: for another namespace; -ENOMEM. */
int sshsig_read(struct bytes text, const char *namespace, struct sshsig *ret);

/* "ssh-ed25519 AAAA..." */
void sshsig_key_append(struct buffer *buffer, const uint8_t key[SSHSIG_KEY_SIZE]);
bool sshsig_key_read(struct bytes text, uint8_t ret[SSHSIG_KEY_SIZE]);  /* exactly that */

/* Calls back for each Ed25519 key of an allowed_signers file that may sign for this namespace. Lines with options other than
 * namespaces= are for others. 0, or what the callback answered if negative. */
int sshsig_allowed_signers(struct bytes text, const char *namespace, int (*signer)(void *context, const uint8_t key[SSHSIG_KEY_SIZE]),
                           void *context);
