#include "blake2b-lanes.h"

#include <endian.h>
#include <string.h>

#include "blake2b-constants.h"

const struct blake2b_engine *blake2b_engine(void) {
        const struct blake2b_engine *const *engine = blake2b_engines;

        while (!(*engine)->usable())
                engine++;
        return *engine;
}

void blake2b_lane_begin(struct blake2b_lane *lane) {
        *lane = (struct blake2b_lane){ .last = BLAKE2B_BLOCK };
        memcpy(lane->h, blake2b_iv, sizeof(lane->h));
        lane->h[0] ^= 0x01010000 | BLAKE2B_SIZE; /* the parameter block: depth and fan-out 1, no key */
}

void blake2b_lane_end(struct blake2b_lane *lane, uint8_t *data, size_t size) {
        size_t rest = size % BLAKE2B_BLOCK;

        lane->data = data;
        lane->blocks = size / BLAKE2B_BLOCK;
        lane->ends = true;
        lane->last = BLAKE2B_BLOCK;
        if (rest || !size) { /* a stream of no bytes is one block of zeros */
                memset(data + size, 0, BLAKE2B_BLOCK - rest);
                lane->blocks++;
                lane->last = (uint8_t)rest;
        }
}

void blake2b_lanes_step(const struct blake2b_engine *engine, struct blake2b_lane *const lanes[], unsigned count) {
        struct blake2b_lane *filled[BLAKE2B_MOST_LANES], idle;
        size_t blocks = SIZE_MAX;
        unsigned kernel = 0;

        for (unsigned i = 0; i < count; i++) {
                filled[i] = lanes[i];
                if (lanes[i]->blocks < blocks)
                        blocks = lanes[i]->blocks;
        }
        while (engine->kernels[kernel].lanes < count)
                kernel++;
        if (count < engine->kernels[kernel].lanes) {
                idle = *lanes[0];
                idle.ends = false;
                for (unsigned i = count; i < engine->kernels[kernel].lanes; i++)
                        filled[i] = &idle;
        }
        engine->kernels[kernel].compress(filled, blocks);
}

void blake2b_lane_digest(const struct blake2b_lane *lane, uint8_t ret[BLAKE2B_SIZE]) {
        uint64_t h[8];

        for (unsigned i = 0; i < 8; i++)
                h[i] = htole64(lane->h[i]);
        memcpy(ret, h, sizeof(h));
}
