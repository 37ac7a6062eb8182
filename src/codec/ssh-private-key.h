/* ssh-private-key.h - a secret Ed25519 key as ssh-keygen(1) writes it (OpenSSH's PROTOCOL.key), without a passphrase. Pure. */
#pragma once

#include "sshsig.h"

enum { SSH_PRIVATE_KEY_SEED_SIZE = 32, SSH_PRIVATE_KEY_FILE_MAX = 64 * 1024 };

/* 0, and the secret with the public key that the file says is its own; -EBADMSG: no such file, or damaged; -ENOKEY: it has a
 * passphrase; -ENOTSUP: another kind of key; -ENOMEM. */
int ssh_private_key_read(struct bytes text, uint8_t ret_seed[SSH_PRIVATE_KEY_SEED_SIZE], uint8_t ret_key[SSHSIG_KEY_SIZE]);
