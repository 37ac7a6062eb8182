/* fd.h - descriptors have owners: they start at -1, are O_CLOEXEC, and close themselves. */
#pragma once

#include <errno.h>
#include <unistd.h>

#include "ownership.h"

/* Closes and returns -1; keeps errno. EINTR is not retried: Linux has closed it (close(2)). */
static inline int fd_close(int fd) {
        if (fd >= 0) {
                int kept = errno;
                (void)close(fd);
                errno = kept;
        }
        return -1;
}

static inline void fd_close_place(int *place) {
        *place = fd_close(*place);
}

#define _cleanup_close_ _cleanup_(fd_close_place)

#define TAKE_FD(fd)                             \
        __extension__({                         \
                int *_place = &(fd);            \
                int _taken = *_place;           \
                *_place = -1;                   \
                _taken;                         \
        })
