/* Whatever the text: a signature or key that is read is one that is written again; a file of signers is read without harm. */
#include <stdlib.h>

#include "sshsig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

static int signer(void *context, const uint8_t key[SSHSIG_KEY_SIZE]) {
        (void)context;
        return key[0] == 255 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct bytes bytes = bytes_of(data, size);
        struct sshsig sshsig, again;
        uint8_t key[SSHSIG_KEY_SIZE], other[SSHSIG_KEY_SIZE];

        (void)sshsig_allowed_signers(bytes, "nephronix-seal", signer, NULL);
        if (sshsig_key_read(bytes, key)) {
                sshsig_key_append(&text, key);
                expect(sshsig_key_read(buffer_bytes(&text), other) && memcmp(key, other, sizeof(key)) == 0);
        }
        buffer_clear(&text);
        if (sshsig_read(bytes, "file", &sshsig) == 0) {
                sshsig_append(&text, "file", &sshsig);
                expect(sshsig_read(buffer_bytes(&text), "file", &again) == 0 && memcmp(&sshsig, &again, sizeof(again)) == 0);
        }
        return 0;
}
