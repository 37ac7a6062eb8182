/* blake2b-lanes.h - BLAKE2b-512 (RFC 7693, no key) of several streams side by side, one in each lane of a vector register. A
 * single stream cannot be faster than its chain of dependent operations; eight of them take hardly longer than one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blake2b.h"

enum {
        BLAKE2B_BLOCK = 128,
        BLAKE2B_MOST_LANES = 8,
};

/* One stream. Whoever drives it sets data, blocks, last and ends when blocks is 0, and leaves the rest alone. */
struct blake2b_lane {
        uint64_t h[8];
        uint64_t counted;               /* bytes taken in */

        const uint8_t *data;            /* what is next, and how many whole blocks of it; both are moved on */
        size_t blocks;
        bool ends;                      /* the stream ends with these blocks, */
        uint8_t last;                   /* of the last one of which so many bytes are its own; those behind them are zeros */
};

/* Takes in that many blocks of each of its lanes. */
typedef void blake2b_compress(struct blake2b_lane *const lanes[], size_t blocks);

/* What one kind of processor can do. */
struct blake2b_engine {
        const char *name;
        bool (*usable)(void);           /* by this processor and this kernel */
        unsigned lanes;                 /* at most */
        struct {
                unsigned lanes;
                blake2b_compress *compress;
        } kernels[4];                   /* by rising number of lanes */
};

/* All that were compiled in, the best first, ends with NULL; the last one before it is usable everywhere. */
extern const struct blake2b_engine *const blake2b_engines[];

/* The best that is usable. */
const struct blake2b_engine *blake2b_engine(void);

void blake2b_lane_begin(struct blake2b_lane *lane);

/* Gives the lane the last bytes of its stream, which may be none. Room for BLAKE2B_BLOCK bytes more follows them: it is filled up
 * with zeros. */
void blake2b_lane_end(struct blake2b_lane *lane, uint8_t *data, size_t size);

/* Takes in as many blocks of each lane as the one with the fewest has, at least one: each has some. At most engine->lanes of them.
 * A wide kernel with empty lanes is slow, so the narrowest that holds them all is taken. */
void blake2b_lanes_step(const struct blake2b_engine *engine, struct blake2b_lane *const lanes[], unsigned count);

/* Of a stream that has ended and of which no block is left. */
void blake2b_lane_digest(const struct blake2b_lane *lane, uint8_t ret[BLAKE2B_SIZE]);
