#include "uuid.h"

#include "timestamp.h"

static void set_version(uint8_t id[UUID_SIZE], uint8_t version) {
        id[6] = (uint8_t)((id[6] & 0x0f) | version << 4);
        id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

void uuid_make_v4(uint8_t id[UUID_SIZE]) {
        set_version(id, 4);
}

void uuid_make_v7(uint8_t id[UUID_SIZE], const struct timespec *at) {
        uint64_t milliseconds = timestamp_to_ns(at) / 1000000u;

        for (int i = 0; i < 6; i++)
                id[i] = (uint8_t)(milliseconds >> (40 - 8 * i));
        set_version(id, 7);
}

void uuid_format(const uint8_t id[UUID_SIZE], char ret[UUID_TEXT_SIZE]) {
        for (int i = 0; i < UUID_SIZE; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *ret++ = '-';
                *ret++ = "0123456789abcdef"[id[i] >> 4];
                *ret++ = "0123456789abcdef"[id[i] & 0xf];
        }
        *ret = '\0';
}
