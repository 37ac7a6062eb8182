/* ownership.h - who frees what, made visible: an owning local carries _cleanup_, a hand-over is TAKE_PTR. */
#pragma once

#include <stdlib.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

#define TAKE_PTR(pointer)                               \
        __extension__({                                 \
                __typeof__(pointer) *_place = &(pointer); \
                __typeof__(pointer) _taken = *_place;   \
                *_place = NULL;                         \
                _taken;                                 \
        })

static inline void free_pointer(void *place) {
        free(*(void **)place);
}

#define _cleanup_free_ _cleanup_(free_pointer)

#define container_of(pointer, type, member) \
        ((type *)((char *)(pointer) - offsetof(type, member)))

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
