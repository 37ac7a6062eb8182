/* file-digests.h - several digests of one open file in one pass: for a file that changed, where others want to look it up. */
#pragma once

#include "blake2b.h"

enum { SHA256_SIZE = 32, MD5_SIZE = 16 };

enum file_digest {
        FILE_DIGEST_BLAKE2B = 1 << 0,
        FILE_DIGEST_SHA256 = 1 << 1,    /* threat feeds, rpm's file lists */
        FILE_DIGEST_MD5 = 1 << 2,       /* dpkg's lists know nothing better */
};

struct file_digests {
        uint8_t blake2b[BLAKE2B_SIZE];
        uint8_t sha256[SHA256_SIZE];
        uint8_t md5[MD5_SIZE];
};

/* Reads the file from its beginning to its end, wherever the descriptor's offset is, and fills what is wanted (bits of enum
 * file_digest); the others keep what they held. Whether the file changed meanwhile is the caller's to find out. 0 or negative
 * errno. */
int file_digests(int fd, unsigned wanted, struct file_digests *ret);
