#include "file-digests.h"

#include <errno.h>
#include <md5.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "ownership.h"

enum { PIECE = 128 * 1024 };

int file_digests(int fd, unsigned wanted, struct file_digests *ret) {
        crypto_generichash_state blake2b;
        crypto_hash_sha256_state sha256;
        MD5_CTX md5;
        _cleanup_free_ uint8_t *data = malloc(PIECE);
        off_t offset = 0;

        if (!data)
                return -ENOMEM;
        (void)crypto_generichash_init(&blake2b, NULL, 0, BLAKE2B_SIZE);
        (void)crypto_hash_sha256_init(&sha256);
        MD5Init(&md5);
        for (;;) {
                ssize_t n = pread(fd, data, PIECE, offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if (wanted & FILE_DIGEST_BLAKE2B)
                        (void)crypto_generichash_update(&blake2b, data, (unsigned long long)n);
                if (wanted & FILE_DIGEST_SHA256)
                        (void)crypto_hash_sha256_update(&sha256, data, (unsigned long long)n);
                if (wanted & FILE_DIGEST_MD5)
                        MD5Update(&md5, data, (size_t)n);
                offset += n;
        }
        if (wanted & FILE_DIGEST_BLAKE2B)
                (void)crypto_generichash_final(&blake2b, ret->blake2b, BLAKE2B_SIZE);
        if (wanted & FILE_DIGEST_SHA256)
                (void)crypto_hash_sha256_final(&sha256, ret->sha256);
        if (wanted & FILE_DIGEST_MD5)
                MD5Final(ret->md5, &md5);
        return 0;
}
