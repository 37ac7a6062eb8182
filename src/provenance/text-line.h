/* text-line.h - a text, line by line. */
#pragma once

#include "bytes.h"

/* The next line without its newline; the last one needs none. False at the end. */
static inline bool text_line_next(struct bytes *rest, struct bytes *ret) {
        const uint8_t *end;
        size_t size;

        if (rest->size == 0)
                return false;
        end = memchr(rest->data, '\n', rest->size);
        size = end ? (size_t)(end - rest->data) : rest->size;
        *ret = bytes_of(rest->data, size);
        if (end)
                size++;
        *rest = bytes_of(rest->data + size, rest->size - size);
        return true;
}
