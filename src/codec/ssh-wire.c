#include "ssh-wire.h"

#include <endian.h>
#include <errno.h>

void ssh_put_string(struct buffer *buffer, struct bytes string) {
        uint32_t size = htobe32((uint32_t)string.size);

        buffer_append(buffer, &size, sizeof(size));
        buffer_append_bytes(buffer, string);
}

bool ssh_take(struct bytes *rest, void *ret, size_t size) {
        if (rest->size < size)
                return false;
        memcpy(ret, rest->data, size);
        *rest = bytes_of(rest->data + size, rest->size - size);
        return true;
}

bool ssh_take_string(struct bytes *rest, struct bytes *ret) {
        uint32_t size;

        if (!ssh_take(rest, &size, sizeof(size)) || be32toh(size) > rest->size)
                return false;
        size = be32toh(size);
        *ret = bytes_of(rest->data, size);
        *rest = bytes_of(rest->data + size, rest->size - size);
        return true;
}

static int digit_of(uint8_t c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int ssh_base64_read(struct bytes text, struct buffer *ret) {
        uint32_t bits = 0;
        unsigned digits = 0, pads = 0;

        for (size_t i = 0; i < text.size; i++) {
                uint8_t c = text.data[i];
                int digit = digit_of(c);

                if (c == '\n' || c == '\r' || c == ' ' || c == '\t')
                        continue;
                if (c == '=') {
                        pads++;
                        continue;
                }
                if (digit < 0 || pads)
                        return -EBADMSG;
                bits = bits << 6 | (uint32_t)digit;
                if (++digits % 4 == 0) {
                        const uint8_t bytes[] = { (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits };

                        buffer_append(ret, bytes, sizeof(bytes));
                        bits = 0;
                }
        }
        if (pads != (4 - digits % 4) % 4 || digits % 4 == 1)
                return -EBADMSG;
        if (digits % 4 >= 2)
                buffer_append_byte(ret, (uint8_t)(digits % 4 == 2 ? bits >> 4 : bits >> 10));
        if (digits % 4 == 3)
                buffer_append_byte(ret, (uint8_t)(bits >> 2));
        return buffer_error(ret);
}
