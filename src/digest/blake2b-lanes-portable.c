/* Plain C: for any processor, and the single stream of those whose vectors make none faster. */
#include "blake2b-kernels.h"

#include <endian.h>

#define LANES 1

typedef uint64_t word;

static inline word rotate_32(word x) {
        return x >> 32 | x << 32;
}

static inline word rotate_24(word x) {
        return x >> 24 | x << 40;
}

static inline word rotate_16(word x) {
        return x >> 16 | x << 48;
}

static inline word rotate_63(word x) {
        return x >> 63 | x << 1;
}

static inline void load_words(word to[8], const uint8_t *const from[LANES], size_t offset) {
        __builtin_memcpy(to, from[0] + offset, 8 * sizeof(*to));
        for (unsigned i = 0; i < 8; i++)
                to[i] = le64toh(to[i]);
}

#include "blake2b-side-by-side.inc"

void blake2b_one_portable(struct blake2b_lane *const lanes[], size_t blocks) {
        compress(lanes, blocks);
}
