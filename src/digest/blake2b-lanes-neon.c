#include "blake2b-kernels.h"

#include <arm_neon.h>

#define LANES 2

typedef uint64_t word __attribute__((vector_size(16)));

static inline word rotate_32(word x) {
        return (word)vrev64q_u32((uint32x4_t)x);
}

static inline word rotate_24(word x) {
        return (word)vsriq_n_u64(vshlq_n_u64((uint64x2_t)x, 40), (uint64x2_t)x, 24);
}

static inline word rotate_16(word x) {
        return (word)vsriq_n_u64(vshlq_n_u64((uint64x2_t)x, 48), (uint64x2_t)x, 16);
}

static inline word rotate_63(word x) {
        return (word)vsriq_n_u64(vshlq_n_u64((uint64x2_t)x, 1), (uint64x2_t)x, 63);
}

static inline void load_words(word to[8], const uint8_t *const from[LANES], size_t offset) {
        for (unsigned i = 0; i < 8; i += 2) {
                uint64x2_t a = (uint64x2_t)vld1q_u8(from[0] + offset + i * sizeof(uint64_t)),
                           b = (uint64x2_t)vld1q_u8(from[1] + offset + i * sizeof(uint64_t));

                to[i] = (word)vtrn1q_u64(a, b);
                to[i + 1] = (word)vtrn2q_u64(a, b);
        }
}

#include "blake2b-side-by-side.inc"

void blake2b_two_neon(struct blake2b_lane *const lanes[], size_t blocks) {
        compress(lanes, blocks);
}
