#include "blake2b-kernels.h"

#include <immintrin.h>

#define LANES 8

typedef uint64_t word __attribute__((vector_size(64)));

static inline word rotate_32(word x) {
        return (word)_mm512_ror_epi64((__m512i)x, 32);
}

static inline word rotate_24(word x) {
        return (word)_mm512_ror_epi64((__m512i)x, 24);
}

static inline word rotate_16(word x) {
        return (word)_mm512_ror_epi64((__m512i)x, 16);
}

static inline word rotate_63(word x) {
        return (word)_mm512_ror_epi64((__m512i)x, 63);
}

/* A matrix of 8 by 8 numbers is turned over: pairs of numbers, pairs of those, pairs of those. */
static inline void load_words(word to[8], const uint8_t *const from[LANES], size_t offset) {
        __m512i rows[8], pairs[8], quads[8];

        for (unsigned i = 0; i < 8; i++)
                rows[i] = _mm512_loadu_si512(from[i] + offset);
        for (unsigned i = 0; i < 4; i++) {
                pairs[2 * i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
                pairs[2 * i + 1] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
        }
        for (unsigned i = 0; i < 2; i++) {
                quads[i] = _mm512_shuffle_i64x2(pairs[i], pairs[i + 2], 0x88);
                quads[i + 2] = _mm512_shuffle_i64x2(pairs[i], pairs[i + 2], 0xdd);
                quads[i + 4] = _mm512_shuffle_i64x2(pairs[i + 4], pairs[i + 6], 0x88);
                quads[i + 6] = _mm512_shuffle_i64x2(pairs[i + 4], pairs[i + 6], 0xdd);
        }
        for (unsigned i = 0; i < 4; i++) {
                to[i] = (word)_mm512_shuffle_i64x2(quads[i], quads[i + 4], 0x88);
                to[i + 4] = (word)_mm512_shuffle_i64x2(quads[i], quads[i + 4], 0xdd);
        }
}

#include "blake2b-side-by-side.inc"

void blake2b_eight_avx512(struct blake2b_lane *const lanes[], size_t blocks) {
        compress(lanes, blocks);
}
