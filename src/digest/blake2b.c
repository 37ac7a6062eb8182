#include "blake2b.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "ownership.h"

/* LIMITS §3: larger reads than 256 KiB gain nothing. */
enum {
        STEP = 256 * 1024,
        SMALL = 16 * 1024,              /* most files are smaller: for them no memory is asked for */
};

int blake2b_file(int fd, uint8_t ret[BLAKE2B_SIZE]) {
        uint8_t small[SMALL];
        _cleanup_free_ uint8_t *large = NULL;
        uint8_t *room = small;
        size_t step = SMALL;
        crypto_generichash_state state;

        (void)crypto_generichash_init(&state, NULL, 0, BLAKE2B_SIZE);
        for (;;) {
                ssize_t n = read(fd, room, step);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                (void)crypto_generichash_update(&state, room, (unsigned long long)n);
                if ((size_t)n == SMALL && !large) {
                        large = malloc(STEP);
                        if (!large)
                                return -ENOMEM;
                        room = large;
                        step = STEP;
                }
        }
        (void)crypto_generichash_final(&state, ret, BLAKE2B_SIZE);
        return 0;
}

void blake2b_bytes(const void *data, uint64_t size, uint8_t ret[BLAKE2B_SIZE]) {
        (void)crypto_generichash(ret, BLAKE2B_SIZE, data, size, NULL, 0);
}
