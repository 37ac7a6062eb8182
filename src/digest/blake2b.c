#include "blake2b.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blake2b-lanes.h"
#include "ownership.h"

/* Larger reads than 256 KiB gain nothing. */
enum {
        STEP = 256 * 1024,
        SMALL = 16 * 1024,              /* most files are smaller: for them no memory is asked for */
};

static void take_in(struct blake2b_lane *lane) {
        while (lane->blocks)
                blake2b_lanes_step(blake2b_engine(), &lane, 1);
}

int blake2b_file(int fd, uint8_t ret[BLAKE2B_SIZE]) {
        return blake2b_file_prefix(fd, UINT64_MAX, ret);
}

int blake2b_file_prefix(int fd, uint64_t left, uint8_t ret[BLAKE2B_SIZE]) {
        uint8_t small[SMALL + BLAKE2B_BLOCK];
        _cleanup_free_ uint8_t *large = NULL;
        uint8_t *room = small;
        size_t step = SMALL, filled = 0;
        struct blake2b_lane lane;

        blake2b_lane_begin(&lane);
        for (;;) {
                size_t most = step - filled < left ? step - filled : (size_t)left;
                ssize_t n = read(fd, room + filled, most);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                filled += (size_t)n;
                left -= (size_t)n;
                if (filled < step)
                        continue;
                /* Whether a block is the last one is known when nothing follows. */
                lane.data = room;
                lane.blocks = step / BLAKE2B_BLOCK - 1;
                take_in(&lane);
                if (!large) {
                        large = malloc(STEP + BLAKE2B_BLOCK);
                        if (!large)
                                return -ENOMEM;
                        room = large;
                        step = STEP;
                }
                memcpy(room, lane.data, BLAKE2B_BLOCK);
                filled = BLAKE2B_BLOCK;
        }
        blake2b_lane_end(&lane, room, filled);
        take_in(&lane);
        blake2b_lane_digest(&lane, ret);
        return 0;
}

void blake2b_bytes(const void *data, uint64_t size, uint8_t ret[BLAKE2B_SIZE]) {
        uint8_t room[2 * BLAKE2B_BLOCK];
        struct blake2b_lane lane;

        blake2b_lane_begin(&lane);
        if (size > BLAKE2B_BLOCK) {
                lane.data = data;
                lane.blocks = (size - 1) / BLAKE2B_BLOCK;
                take_in(&lane);
                size -= lane.counted;
                data = lane.data;
        }
        if (size)
                memcpy(room, data, size);
        blake2b_lane_end(&lane, room, size);
        take_in(&lane);
        blake2b_lane_digest(&lane, ret);
}
