/* Whatever the text: a key is read or it is not. One that is has a secret. */
#include <stdlib.h>

#include "ssh-private-key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t seed[SSH_PRIVATE_KEY_SEED_SIZE] = { 0 }, key[SSHSIG_KEY_SIZE] = { 0 };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (ssh_private_key_read(bytes_of(data, size), seed, key) == 0) {
                uint8_t again[SSH_PRIVATE_KEY_SEED_SIZE], other[SSHSIG_KEY_SIZE];

                buffer_append_string(&text, "what stands before it counts for nothing\n");
                buffer_append(&text, data, size);
                if (ssh_private_key_read(buffer_bytes(&text), again, other) != 0 || memcmp(seed, again, sizeof(seed)) != 0 ||
                    memcmp(key, other, sizeof(key)) != 0)
                        abort();
        }
        return 0;
}
