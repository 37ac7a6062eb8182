#include "blake2b-kernels.h"

/* These ask for what the kernel keeps when it switches threads (XGETBV), too. */
static bool has_avx512(void) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}

static bool has_avx2(void) {
        return __builtin_cpu_supports("avx2");
}

static bool always(void) {
        return true;
}

static const struct blake2b_engine avx512 = {
        "avx512", has_avx512, 8, { { 1, blake2b_one_avx512 }, { 4, blake2b_four_avx512 }, { 8, blake2b_eight_avx512 } },
};
static const struct blake2b_engine avx2 = {
        "avx2", has_avx2, 4, { { 1, blake2b_one_avx2 }, { 4, blake2b_four_avx2 } },
};
static const struct blake2b_engine portable = { "portable", always, 1, { { 1, blake2b_one_portable } } };

const struct blake2b_engine *const blake2b_engines[] = { &avx512, &avx2, &portable, NULL };
