/* blake2b.h - BLAKE2b-512 of a file, as b2sum(1) prints it. */
#pragma once

#include <stdint.h>

enum { BLAKE2B_SIZE = 64 };

/* Reads the descriptor from its offset to its end. 0 or negative errno. */
int blake2b_file(int fd, uint8_t ret[BLAKE2B_SIZE]);

/* At most so many bytes of it. */
int blake2b_file_prefix(int fd, uint64_t left, uint8_t ret[BLAKE2B_SIZE]);

/* Of one buffer. */
void blake2b_bytes(const void *data, uint64_t size, uint8_t ret[BLAKE2B_SIZE]);
