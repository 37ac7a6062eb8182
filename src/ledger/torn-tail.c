#include "torn-tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ownership.h"

enum { STEP = 64 * 1024 };

int torn_tail_find(int fd, uint64_t size, uint64_t *ret) {
        _cleanup_free_ uint8_t *room = malloc(STEP);
        uint64_t line = 0; /* where the line begins that we are in */

        if (!room)
                return -ENOMEM;
        for (uint64_t at = 0; at < size;) {
                ssize_t n = pread(fd, room, STEP, (off_t)at);
                const uint8_t *zero, *end;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                zero = memchr(room, '\0', (size_t)n);
                end = memrchr(room, '\n', zero ? (size_t)(zero - room) : (size_t)n);
                if (end)
                        line = at + (uint64_t)(end + 1 - room);
                if (zero) {
                        *ret = line;
                        return 0;
                }
                at += (uint64_t)n;
        }
        *ret = line;
        return 0;
}
