#include "buffer.h"

#include <errno.h>
#include <stdio.h>

void buffer_done(struct buffer *buffer) {
        free(buffer->data);
        *buffer = BUFFER_NULL;
}

void buffer_clear(struct buffer *buffer) {
        buffer->size = 0;
        buffer->failed = false;
}

static void turn_bad(struct buffer *buffer) {
        free(buffer->data);
        *buffer = (struct buffer){ .failed = true };
}

static bool reserve(struct buffer *buffer, size_t more) {
        size_t wanted, capacity;
        uint8_t *data;

        if (buffer->failed)
                return false;
        if (__builtin_add_overflow(buffer->size, more, &wanted))
                goto fail;
        if (wanted <= buffer->capacity)
                return true;

        capacity = buffer->capacity ? buffer->capacity : 64;
        while (capacity < wanted)
                if (__builtin_mul_overflow(capacity, (size_t)2, &capacity))
                        goto fail;
        data = realloc(buffer->data, capacity);
        if (!data)
                goto fail;
        buffer->data = data;
        buffer->capacity = capacity;
        return true;

fail:
        turn_bad(buffer);
        return false;
}

void buffer_append_growing(struct buffer *buffer, const void *data, size_t size) {
        if (!reserve(buffer, size))
                return;
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
}

uint8_t *buffer_room(struct buffer *buffer, size_t size) {
        return reserve(buffer, size) ? buffer->data + buffer->size : NULL;
}

void buffer_append_fill(struct buffer *buffer, uint8_t byte, size_t count) {
        if (count == 0 || !reserve(buffer, count))
                return;
        memset(buffer->data + buffer->size, byte, count);
        buffer->size += count;
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
        va_list arguments;
        int length;

        va_start(arguments, format);
        length = vsnprintf(NULL, 0, format, arguments);
        va_end(arguments);
        if (length < 0) { /* longer than an int can tell, or a character that the locale has not */
                turn_bad(buffer);
                return;
        }
        if (!reserve(buffer, (size_t)length + 1))
                return;

        va_start(arguments, format);
        (void)vsnprintf((char *)buffer->data + buffer->size, (size_t)length + 1, format, arguments);
        va_end(arguments);
        buffer->size += (size_t)length;
}

void buffer_truncate(struct buffer *buffer, size_t size) {
        if (size < buffer->size)
                buffer->size = size;
}

int buffer_error(const struct buffer *buffer) {
        return buffer->failed ? -ENOMEM : 0;
}

const char *buffer_string(struct buffer *buffer) {
        if (!reserve(buffer, 1))
                return "";
        buffer->data[buffer->size] = '\0';
        return (const char *)buffer->data;
}
