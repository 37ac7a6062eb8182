/* buffer.h - bytes that grow.
 * Appending never fails on the spot: when memory ends the buffer turns bad, drops what it held and stays empty, so a
 * writer checks once, at the end, with buffer_error(). */
#pragma once

#include <stdarg.h>

#include "bytes.h"
#include "ownership.h"

struct buffer {
        uint8_t *data;          /* owned */
        size_t size, capacity;
        bool failed;
};

#define BUFFER_NULL ((struct buffer){ .data = NULL })
#define _cleanup_buffer_ _cleanup_(buffer_done)

void buffer_done(struct buffer *buffer);                /* frees; the buffer may be used again */
void buffer_clear(struct buffer *buffer);               /* forgets the bytes and the failure, keeps the memory */
void buffer_append_growing(struct buffer *buffer, const void *data, size_t size); /* what buffer_append() does without room */

/* Here, because lines are put together from hundreds of small pieces. */
static inline void buffer_append(struct buffer *buffer, const void *data, size_t size) {
        if (size == 0)
                return;
        if (buffer->capacity - buffer->size < size) { /* a failed one has no room */
                buffer_append_growing(buffer, data, size);
                return;
        }
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
}

static inline void buffer_append_bytes(struct buffer *buffer, struct bytes bytes) {
        buffer_append(buffer, bytes.data, bytes.size);
}

static inline void buffer_append_string(struct buffer *buffer, const char *text) {
        buffer_append(buffer, text, strlen(text));
}

static inline void buffer_append_byte(struct buffer *buffer, uint8_t byte) {
        buffer_append(buffer, &byte, 1);
}

/* Room for so many bytes behind what is there, to be written to by the caller, who then adds what it wrote to 'size'. NULL: no
 * memory, and the buffer has failed. */
uint8_t *buffer_room(struct buffer *buffer, size_t size);
void buffer_append_fill(struct buffer *buffer, uint8_t byte, size_t count);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_truncate(struct buffer *buffer, size_t size);

/* 0, or -ENOMEM if any append since the last clear failed. */
int buffer_error(const struct buffer *buffer);

/* The bytes so far; valid until the next append. */
static inline struct bytes buffer_bytes(const struct buffer *buffer) {
        return bytes_of(buffer->data, buffer->size);
}

/* The bytes as a NUL-terminated string (the NUL is not counted in size); "" when the buffer failed or is empty. */
const char *buffer_string(struct buffer *buffer);
