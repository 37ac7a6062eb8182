/* sealer.h - signs the ledger's head, each time with another key (seal.h).
 *
 * The secret of the next seal lies in a folder of its own, mode 0600; the one before is overwritten before it is replaced. A crash
 * between the two steps is finished at the next start. The seals lie beside the ledger in seals.jsonl: all of them, for ever, since
 * they are the way from the first key to the one of today (about 100 kB a day). */
#pragma once

#include "seal.h"

struct sealer;

enum sealer_standing {
        SEALER_STANDS,
        SEALER_BEGUN,           /* a first key was made: the admin should keep its public half elsewhere */
        SEALER_SEALS_LOST,      /* the seals do not lead to the key: some were removed or edited */
        SEALER_KEY_LOST,        /* the key is gone or damaged: another first key was made */
};

/* key_folder is made if it is missing. enum sealer_standing and *ret, or negative errno. */
int sealer_open(const char *ledger_folder, const char *key_folder, struct sealer **ret);
struct sealer *sealer_close(struct sealer *sealer);     /* takes NULL; returns NULL */

/* The public key that signs next: after SEALER_BEGUN and SEALER_KEY_LOST the first one. */
void sealer_key(const struct sealer *sealer, uint8_t ret[SSHSIG_KEY_SIZE]);

/* Whether seals.jsonl still stands as it was left; false once for each time that it does not. What comes next goes to the end of whatever
 * is there. */
bool sealer_stands(struct sealer *sealer);

/* Number of the next seal, and the last record that one covers; 0: none. */
uint64_t sealer_number(const struct sealer *sealer);
uint64_t sealer_last(const struct sealer *sealer);
/* The boot in which the last seal was made; "": none, or the kernel did not say. Borrowed. */
const char *sealer_boot(const struct sealer *sealer);

/* Signs that the records up to 'last', whose hash is 'head', are on disk, and goes on to the next key. 0, or negative errno: the key
 * is still the old one. */
int sealer_seal(struct sealer *sealer, uint64_t last, const uint8_t head[CHAIN_HASH_SIZE], const char *boot_id, const char *reason);
