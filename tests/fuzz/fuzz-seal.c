/* Whatever the line: it is read without harm, and a seal whose signature holds is one that can be written. */
#include <errno.h>
#include <stdlib.h>

#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t seed[SEAL_SEED_SIZE] = { 1 };
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        uint8_t key[SSHSIG_KEY_SIZE];
        struct seal seal, again;
        int r = seal_read(bytes_of(data, size), &seal, key);

        if (r == -EBADMSG)
                return 0;
        if (memchr(seal.boot_id, '"', strlen(seal.boot_id)) || strlen(seal.boot_id) > SEAL_BOOT_ID_SIZE)
                abort();
        seal.reason = "test";
        if (seal.at.tv_sec < 0 || seal.at.tv_sec > INT64_C(253402300799)) /* to the year 9999 */
                return 0;
        if (seal_append(&line, &seal, seed) != 0 || seal_read(bytes_of(line.data, line.size - 1), &again, key) != 0)
                abort();
        if (seal.number != again.number || memcmp(seal.head, again.head, sizeof(seal.head)) != 0)
                abort();
        return 0;
}
