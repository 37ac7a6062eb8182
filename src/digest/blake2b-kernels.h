/* blake2b-kernels.h - the compression functions that an engine is made of: number of lanes, instruction set. Each is compiled for
 * its instruction set and must not be called where that is not. */
#pragma once

#include "blake2b-lanes.h"

blake2b_compress blake2b_one_portable;

blake2b_compress blake2b_one_avx2;
blake2b_compress blake2b_four_avx2;

blake2b_compress blake2b_one_avx512;
blake2b_compress blake2b_four_avx512;
blake2b_compress blake2b_eight_avx512;

blake2b_compress blake2b_two_neon;
