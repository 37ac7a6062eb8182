/* chain.h - what ties each line of the ledger to the one before. Pure.
 *
 * A line's hash is BLAKE2b-256 of its bytes with the newline, as `b2sum -l 256` says it. Every line carries the hash of the line
 * before as the first member of its object "nephronix":
 *      {...,"nephronix":{"chain":{"prev":"9f0c..."},...}}
 * A line that does not follow on another says so: the very first one ("begins":"genesis"; its prev is random and names the chain),
 * and one whose predecessor is known but does not stand in the files any more ("begins":"break"; its prev is that one's hash). */
#pragma once

#include "buffer.h"

enum { CHAIN_HASH_SIZE = 32 };

enum chain_begins { CHAIN_GOES_ON, CHAIN_GENESIS, CHAIN_BREAK };

struct chain_link {
        uint8_t prev[CHAIN_HASH_SIZE];
        enum chain_begins begins;
};

/* Of a line without its newline, which is counted in. */
void chain_hash(struct bytes line, uint8_t ret[CHAIN_HASH_SIZE]);

/* Appends the JSON object with its link. It must have none yet. 0; -EINVAL: no object; -ENOMEM. */
int chain_append(struct buffer *buffer, struct bytes object, const struct chain_link *link);

/* 1 and the link of a line; 0: it has none, or one that is not as chain_append() writes it. Looks only at bytes that cannot stand
 * inside of a JSON string. */
int chain_read(struct bytes line, struct chain_link *ret);

void chain_hex_append(struct buffer *buffer, const uint8_t hash[CHAIN_HASH_SIZE]);
/* True for 64 digits, of either case. */
bool chain_hex_read(struct bytes text, uint8_t ret[CHAIN_HASH_SIZE]);
