/* blake2b-side-by-side.h - the compression function over lanes, once for all widths. To be included when these stand:
 *   LANES                             how many
 *   word                              a 64-bit number in each lane; +, ^ and = work on it as on a plain number
 *   rotate_32(), _24(), _16(), _63()  of a word, to the right
 *   load_words()                      eight little-endian numbers from each lane's place: word i holds the lanes' number i
 * Gives compress(), a blake2b_compress. */
#pragma once

#include <string.h>

#include "blake2b-constants.h"
#include "blake2b-lanes.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void mix(word *a, word *b, word *c, word *d, word x, word y) {
        *a = *a + x + *b;
        *d = rotate_32(*d ^ *a);
        *c += *d;
        *b = rotate_24(*b ^ *c);
        *a = *a + y + *b;
        *d = rotate_16(*d ^ *a);
        *c += *d;
        *b = rotate_63(*b ^ *c);
}

/* Inlined with a constant schedule, so that all indices are known when it is compiled. */
ALWAYS_INLINE void turn(word v[16], const word m[16], const uint8_t s[16]) {
        mix(&v[0], &v[4], &v[8], &v[12], m[s[0]], m[s[1]]);
        mix(&v[1], &v[5], &v[9], &v[13], m[s[2]], m[s[3]]);
        mix(&v[2], &v[6], &v[10], &v[14], m[s[4]], m[s[5]]);
        mix(&v[3], &v[7], &v[11], &v[15], m[s[6]], m[s[7]]);
        mix(&v[0], &v[5], &v[10], &v[15], m[s[8]], m[s[9]]);
        mix(&v[1], &v[6], &v[11], &v[12], m[s[10]], m[s[11]]);
        mix(&v[2], &v[7], &v[8], &v[13], m[s[12]], m[s[13]]);
        mix(&v[3], &v[4], &v[9], &v[14], m[s[14]], m[s[15]]);
}

ALWAYS_INLINE word word_of(const uint64_t numbers[LANES]) {
        word ret;

        memcpy(&ret, numbers, sizeof(ret));
        return ret;
}

static void compress(struct blake2b_lane *const lanes[], size_t blocks) {
        uint64_t counts[LANES], lasts[LANES], ends[LANES], room[8][LANES];
        const uint8_t *from[LANES];
        word h[8], m[16], v[16], counted, last, end;
        const word zero = { 0 };

        for (unsigned i = 0; i < LANES; i++) {
                bool is_last = blocks == lanes[i]->blocks;

                counts[i] = lanes[i]->counted;
                lasts[i] = is_last ? lanes[i]->last : BLAKE2B_BLOCK;
                ends[i] = is_last && lanes[i]->ends ? UINT64_MAX : 0;
                for (unsigned j = 0; j < 8; j++)
                        room[j][i] = lanes[i]->h[j];
                from[i] = lanes[i]->data;
        }
        counted = word_of(counts);
        last = word_of(lasts);
        end = word_of(ends);
        for (unsigned j = 0; j < 8; j++)
                h[j] = word_of(room[j]);

        for (size_t block = 1; block <= blocks; block++) {
                load_words(m, from, 0);
                load_words(m + 8, from, BLAKE2B_BLOCK / 2);
                counted += block == blocks ? last : zero + BLAKE2B_BLOCK;
                for (unsigned j = 0; j < 8; j++) {
                        v[j] = h[j];
                        v[8 + j] = zero + blake2b_iv[j];
                }
                v[12] ^= counted;
                if (block == blocks)
                        v[14] ^= end;
                turn(v, m, blake2b_sigma[0]);
                turn(v, m, blake2b_sigma[1]);
                turn(v, m, blake2b_sigma[2]);
                turn(v, m, blake2b_sigma[3]);
                turn(v, m, blake2b_sigma[4]);
                turn(v, m, blake2b_sigma[5]);
                turn(v, m, blake2b_sigma[6]);
                turn(v, m, blake2b_sigma[7]);
                turn(v, m, blake2b_sigma[8]);
                turn(v, m, blake2b_sigma[9]);
                turn(v, m, blake2b_sigma[10]);
                turn(v, m, blake2b_sigma[11]);
                for (unsigned j = 0; j < 8; j++)
                        h[j] ^= v[j] ^ v[8 + j];
                for (unsigned i = 0; i < LANES; i++)
                        from[i] += BLAKE2B_BLOCK;
        }

        for (unsigned j = 0; j < 8; j++)
                memcpy(room[j], &h[j], sizeof(room[j]));
        memcpy(counts, &counted, sizeof(counts));
        for (unsigned i = 0; i < LANES; i++) {
                for (unsigned j = 0; j < 8; j++)
                        lanes[i]->h[j] = room[j][i];
                lanes[i]->counted = counts[i];
                lanes[i]->data = from[i];
                lanes[i]->blocks -= blocks;
        }
}
