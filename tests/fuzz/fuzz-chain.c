/* Whatever the line: a link that is read is one that is written again; an object gets one that can be read. */
#include <stdlib.h>

#include "chain.h"
#include "ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL, hex = BUFFER_NULL;
        struct bytes bytes = bytes_of(data, size);
        struct chain_link link = { .begins = CHAIN_BREAK }, again;
        uint8_t hash[CHAIN_HASH_SIZE];
        uint64_t sequence;

        (void)ledger_line_sequence(bytes, &sequence);
        chain_hash(bytes, hash);
        if (chain_read(bytes, &link) == 1) {
                chain_hex_append(&hex, link.prev);
                expect(chain_hex_read(buffer_bytes(&hex), hash) && memcmp(hash, link.prev, sizeof(hash)) == 0);
        } else if (chain_append(&line, bytes, &link) == 0) {
                expect(chain_read(buffer_bytes(&line), &again) == 1);
                expect(again.begins == link.begins && memcmp(again.prev, link.prev, sizeof(again.prev)) == 0);
        }
        return 0;
}
