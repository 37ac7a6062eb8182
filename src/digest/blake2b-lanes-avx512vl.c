#include "blake2b-kernels.h"

#include "blake2b-256.inc"

void blake2b_four_avx512(struct blake2b_lane *const lanes[], size_t blocks) {
        compress(lanes, blocks);
}

void blake2b_one_avx512(struct blake2b_lane *const lanes[], size_t blocks) {
        compress_one(lanes[0], blocks);
}
