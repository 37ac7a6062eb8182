#include "blake2b-kernels.h"

#include <asm/hwcap.h>
#include <sys/auxv.h>

static bool has_neon(void) {
        return getauxval(AT_HWCAP) & HWCAP_ASIMD;
}

static bool always(void) {
        return true;
}

static const struct blake2b_engine neon = {
        "neon", has_neon, 2, { { 1, blake2b_one_portable }, { 2, blake2b_two_neon } },
};
static const struct blake2b_engine portable = { "portable", always, 1, { { 1, blake2b_one_portable } } };

const struct blake2b_engine *const blake2b_engines[] = { &neon, &portable, NULL };
