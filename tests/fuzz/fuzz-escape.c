/* What comes out of escaping is harmless, and what went in can be told from it. */
#include <stdint.h>
#include <stdlib.h>

#include "escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

static uint32_t hexadecimal(const uint8_t *data, size_t size) {
        uint32_t number = 0;

        for (size_t i = 0; i < size; i++) {
                uint8_t digit = data[i];

                expect((digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f'));
                number = number << 4 | ((uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10));
        }
        return number;
}

static void append_code_point(struct buffer *buffer, uint32_t code) {
        if (code < 0x800) {
                buffer_append_byte(buffer, (uint8_t)(0xc0 | code >> 6));
        } else {
                if (code < 0x10000) {
                        buffer_append_byte(buffer, (uint8_t)(0xe0 | code >> 12));
                } else {
                        buffer_append_byte(buffer, (uint8_t)(0xf0 | code >> 18));
                        buffer_append_byte(buffer, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
                }
                buffer_append_byte(buffer, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
        }
        buffer_append_byte(buffer, (uint8_t)(0x80 | (code & 0x3f)));
}

static void unescape(struct buffer *buffer, struct bytes in) {
        for (size_t i = 0; i < in.size;) {
                const uint8_t *end;

                if (in.data[i] != '\\') {
                        buffer_append_byte(buffer, in.data[i++]);
                        continue;
                }
                expect(in.size - i >= 2);
                switch (in.data[i + 1]) {
                case '\\':
                        buffer_append_byte(buffer, '\\');
                        i += 2;
                        break;
                case 'x':
                        expect(in.size - i >= 4);
                        buffer_append_byte(buffer, (uint8_t)hexadecimal(in.data + i + 2, 2));
                        i += 4;
                        break;
                case 'u':
                        expect(in.size - i >= 8 && in.data[i + 2] == '{');
                        end = memchr(in.data + i, '}', in.size - i);
                        expect(end && end - (in.data + i) <= 8);
                        append_code_point(buffer, hexadecimal(in.data + i + 3, (size_t)(end - (in.data + i)) - 3));
                        i = (size_t)(end - in.data) + 1;
                        break;
                default:
                        abort();
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer escaped = BUFFER_NULL, back = BUFFER_NULL;
        struct bytes in = bytes_of(data, size);
        size_t length;

        escape_append(&escaped, in);
        expect(escape_is_clean(buffer_bytes(&escaped)));
        for (size_t at = 0; at < escaped.size; at += length) {
                uint32_t code;

                length = utf8_sequence(bytes_of(escaped.data + at, escaped.size - at), &code);
                expect(length > 0 && code >= 0x20 && (code < 0x7f || code >= 0xa0));
                expect(code != 0x2028 && code != 0x202e && code != 0x2066 && code != 0xfeff);
        }
        unescape(&back, buffer_bytes(&escaped));
        expect(bytes_equal(buffer_bytes(&back), in));
        if (escape_is_clean(in) && (size == 0 || !memchr(data, '\\', size)))
                expect(bytes_equal(buffer_bytes(&escaped), in));
        return 0;
}
