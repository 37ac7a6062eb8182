#include "b2sum-list.h"

#include <errno.h>

static int hex_value(uint8_t digit) {
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        if (digit >= 'a' && digit <= 'f')
                return digit - 'a' + 10;
        return -1;
}

static int take_digest(struct bytes *line, uint8_t digest[B2SUM_DIGEST_SIZE]) {
        if (line->size < 2 * B2SUM_DIGEST_SIZE)
                return -EBADMSG;
        for (size_t i = 0; i < B2SUM_DIGEST_SIZE; i++) {
                int high = hex_value(line->data[2 * i]), low = hex_value(line->data[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EBADMSG;
                digest[i] = (uint8_t)(high << 4 | low);
        }
        line->data += 2 * B2SUM_DIGEST_SIZE;
        line->size -= 2 * B2SUM_DIGEST_SIZE;
        return 0;
}

static int take_name(struct bytes line, bool escaped, struct buffer *name) {
        buffer_clear(name);
        for (size_t i = 0; i < line.size; i++) {
                uint8_t byte = line.data[i];

                if (byte == '\0')
                        return -EBADMSG;
                if (escaped && byte == '\\') {
                        if (++i == line.size)
                                return -EBADMSG;
                        byte = line.data[i] == 'n' ? '\n' : line.data[i] == 'r' ? '\r' : line.data[i] == '\\' ? '\\' : 0;
                        if (!byte)
                                return -EBADMSG;
                }
                buffer_append_byte(name, byte);
        }
        if (name->size == 0)
                return -EBADMSG;
        return buffer_error(name);
}

static int parse_line(struct bytes line, uint8_t digest[B2SUM_DIGEST_SIZE], struct buffer *name) {
        bool escaped = line.data[0] == '\\';
        int r;

        if (escaped) {
                line.data++;
                line.size--;
        }
        r = take_digest(&line, digest);
        if (r < 0)
                return r;
        if (line.size < 3 || line.data[0] != ' ' || (line.data[1] != ' ' && line.data[1] != '*'))
                return -EBADMSG;
        return take_name(bytes_of(line.data + 2, line.size - 2), escaped, name);
}

int b2sum_list_parse(struct bytes text, int (*entry)(void *context, const uint8_t digest[B2SUM_DIGEST_SIZE], struct bytes name),
                     void *context, unsigned *ret_line) {
        _cleanup_buffer_ struct buffer name = BUFFER_NULL;
        uint8_t digest[B2SUM_DIGEST_SIZE];
        unsigned number = 0;

        while (text.size > 0) {
                const uint8_t *end = memchr(text.data, '\n', text.size);
                struct bytes line = bytes_of(text.data, end ? (size_t)(end - text.data) : text.size);
                size_t step = line.size + (end ? 1 : 0);

                text.data += step;
                text.size -= step;
                number++;
                if (line.size > 0 && line.data[0] != '#') {
                        int r = parse_line(line, digest, &name);

                        if (r == 0) {
                                size_t size = name.size;

                                (void)buffer_string(&name);
                                r = buffer_error(&name) < 0 ? -ENOMEM : entry(context, digest, bytes_of(name.data, size));
                        }
                        if (r < 0) {
                                *ret_line = number;
                                return r;
                        }
                }
        }
        return 0;
}
