#include "blake2b-kernels.h"

static bool always(void) {
        return true;
}

static const struct blake2b_engine portable = { "portable", always, 1, { { 1, blake2b_one_portable } } };

const struct blake2b_engine *const blake2b_engines[] = { &portable, NULL };
