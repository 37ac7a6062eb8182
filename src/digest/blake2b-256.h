/* blake2b-256.h - registers of 256 bits: four lanes, or the four columns of a single stream. Compiled once for AVX2 and once for
 * AVX-512VL, which has twice as many registers and rotates and permutes in one instruction. */
#pragma once

#include <immintrin.h>
#include <stdint.h>

#define LANES 4

typedef uint64_t word __attribute__((vector_size(32)));

#ifdef __AVX512VL__
static inline word rotate_32(word x) {
        return (word)_mm256_ror_epi64((__m256i)x, 32);
}

static inline word rotate_24(word x) {
        return (word)_mm256_ror_epi64((__m256i)x, 24);
}

static inline word rotate_16(word x) {
        return (word)_mm256_ror_epi64((__m256i)x, 16);
}

static inline word rotate_63(word x) {
        return (word)_mm256_ror_epi64((__m256i)x, 63);
}
#else
static inline word rotate_32(word x) {
        return (word)_mm256_shuffle_epi32((__m256i)x, _MM_SHUFFLE(2, 3, 0, 1));
}

static inline word rotate_24(word x) {
        const __m256i bytes = _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12,
                                               13, 14, 15, 8, 9, 10);

        return (word)_mm256_shuffle_epi8((__m256i)x, bytes);
}

static inline word rotate_16(word x) {
        const __m256i bytes = _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11,
                                               12, 13, 14, 15, 8, 9);

        return (word)_mm256_shuffle_epi8((__m256i)x, bytes);
}

static inline word rotate_63(word x) {
        return x >> 63 | (x + x);
}
#endif

static inline void transpose(word to[4], const uint8_t *const from[LANES], size_t offset) {
        __m256i a = _mm256_loadu_si256((const void *)(from[0] + offset)), b = _mm256_loadu_si256((const void *)(from[1] + offset)),
                c = _mm256_loadu_si256((const void *)(from[2] + offset)), d = _mm256_loadu_si256((const void *)(from[3] + offset));
        __m256i ab02 = _mm256_unpacklo_epi64(a, b), ab13 = _mm256_unpackhi_epi64(a, b), cd02 = _mm256_unpacklo_epi64(c, d),
                cd13 = _mm256_unpackhi_epi64(c, d);

        to[0] = (word)_mm256_permute2x128_si256(ab02, cd02, 0x20);
        to[1] = (word)_mm256_permute2x128_si256(ab13, cd13, 0x20);
        to[2] = (word)_mm256_permute2x128_si256(ab02, cd02, 0x31);
        to[3] = (word)_mm256_permute2x128_si256(ab13, cd13, 0x31);
}

static inline void load_words(word to[8], const uint8_t *const from[LANES], size_t offset) {
        transpose(to, from, offset);
        transpose(to + 4, from, offset + 4 * sizeof(uint64_t));
}

#include "blake2b-side-by-side.h"

/* The words for one half of a round of a single stream: the first of each column's two, and the second. */
#ifdef __AVX512VL__
struct message {
        __m512i low, high;
};

ALWAYS_INLINE struct message message_of(const uint8_t *data) {
        return (struct message){ _mm512_loadu_si512(data), _mm512_loadu_si512(data + BLAKE2B_BLOCK / 2) };
}

ALWAYS_INLINE void pick(word *x, word *y, struct message m, unsigned a, unsigned b, unsigned c, unsigned d, const uint8_t s[16]) {
        __m512i places = _mm512_setr_epi64(s[a], s[b], s[c], s[d], s[a + 1], s[b + 1], s[c + 1], s[d + 1]);
        __m512i both = _mm512_permutex2var_epi64(m.low, places, m.high);

        *x = (word)_mm512_castsi512_si256(both);
        *y = (word)_mm512_extracti64x4_epi64(both, 1);
}
#else
struct message {
        uint64_t words[16];
};

ALWAYS_INLINE struct message message_of(const uint8_t *data) {
        struct message m;

        memcpy(&m, data, sizeof(m));
        return m;
}

ALWAYS_INLINE void pick(word *x, word *y, struct message m, unsigned a, unsigned b, unsigned c, unsigned d, const uint8_t s[16]) {
        *x = (word){ m.words[s[a]], m.words[s[b]], m.words[s[c]], m.words[s[d]] };
        *y = (word){ m.words[s[a + 1]], m.words[s[b + 1]], m.words[s[c + 1]], m.words[s[d + 1]] };
}
#endif

ALWAYS_INLINE word shift_columns(word row, int order) {
        switch (order) {
        case 1: return (word)_mm256_permute4x64_epi64((__m256i)row, _MM_SHUFFLE(0, 3, 2, 1));
        case 2: return (word)_mm256_permute4x64_epi64((__m256i)row, _MM_SHUFFLE(1, 0, 3, 2));
        default: return (word)_mm256_permute4x64_epi64((__m256i)row, _MM_SHUFFLE(2, 1, 0, 3));
        }
}

/* For the diagonals three rows are moved. The second one stays, because it is the last that is known. */
ALWAYS_INLINE void turn_columns(word v[4], struct message m, const uint8_t s[16]) {
        word x, y;

        pick(&x, &y, m, 0, 2, 4, 6, s);
        mix(&v[0], &v[1], &v[2], &v[3], x, y);
        v[0] = shift_columns(v[0], 3);
        v[2] = shift_columns(v[2], 1);
        v[3] = shift_columns(v[3], 2);
        pick(&x, &y, m, 14, 8, 10, 12, s);
        mix(&v[0], &v[1], &v[2], &v[3], x, y);
        v[0] = shift_columns(v[0], 1);
        v[2] = shift_columns(v[2], 3);
        v[3] = shift_columns(v[3], 2);
}

static void compress_one(struct blake2b_lane *lane, size_t blocks) {
        bool is_last = lane->ends && blocks == lane->blocks;
        word h[2], v[4];

        memcpy(h, lane->h, sizeof(h));
        for (size_t block = 1; block <= blocks; block++) {
                struct message m = message_of(lane->data);
                bool end = is_last && block == blocks;

                lane->counted += end ? lane->last : BLAKE2B_BLOCK;
                lane->data += BLAKE2B_BLOCK;
                v[0] = h[0];
                v[1] = h[1];
                memcpy(&v[2], blake2b_iv, 2 * sizeof(word));
                v[3] ^= (word){ lane->counted, 0, end ? UINT64_MAX : 0, 0 };
                turn_columns(v, m, blake2b_sigma[0]);
                turn_columns(v, m, blake2b_sigma[1]);
                turn_columns(v, m, blake2b_sigma[2]);
                turn_columns(v, m, blake2b_sigma[3]);
                turn_columns(v, m, blake2b_sigma[4]);
                turn_columns(v, m, blake2b_sigma[5]);
                turn_columns(v, m, blake2b_sigma[6]);
                turn_columns(v, m, blake2b_sigma[7]);
                turn_columns(v, m, blake2b_sigma[8]);
                turn_columns(v, m, blake2b_sigma[9]);
                turn_columns(v, m, blake2b_sigma[10]);
                turn_columns(v, m, blake2b_sigma[11]);
                h[0] ^= v[0] ^ v[2];
                h[1] ^= v[1] ^ v[3];
        }
        memcpy(lane->h, h, sizeof(h));
        lane->blocks -= blocks;
}
