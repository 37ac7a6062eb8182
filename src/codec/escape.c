#include "escape.h"

enum shape {
        SHAPE_PLAIN,            /* stays */
        SHAPE_BACKSLASH,
        SHAPE_BYTES,            /* \xNN for each byte */
        SHAPE_INVISIBLE,        /* \u{NNNN} */
};

/* Unicode 15's Default_Ignorable_Code_Point (what a display may draw as nothing: the bidirectional controls are among
 * them, and the variation selectors and tags that carry hidden text), the two separators that end a line, and the
 * interlinear annotation marks. Ascending. */
static const struct {
        uint32_t first, last;
} invisible[] = {
        { 0x00ad, 0x00ad },
        { 0x034f, 0x034f },
        { 0x061c, 0x061c },
        { 0x115f, 0x1160 },
        { 0x17b4, 0x17b5 },
        { 0x180b, 0x180f },
        { 0x200b, 0x200f },
        { 0x2028, 0x202e },
        { 0x2060, 0x206f },
        { 0x3164, 0x3164 },
        { 0xfe00, 0xfe0f },
        { 0xfeff, 0xfeff },
        { 0xffa0, 0xffa0 },
        { 0xfff0, 0xfffb },
        { 0x1bca0, 0x1bca3 },
        { 0x1d173, 0x1d17a },
        { 0xe0000, 0xe0fff },
};

size_t utf8_sequence(struct bytes bytes, uint32_t *ret_code_point) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t code;
        size_t length;

        if (bytes.size == 0)
                return 0;
        code = bytes.data[0];
        if (code < 0x80) {
                *ret_code_point = code;
                return 1;
        }
        if (code < 0xc2 || code > 0xf4)
                return 0;
        length = code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4;
        if (bytes.size < length)
                return 0;

        code &= 0x7fu >> length;
        for (size_t i = 1; i < length; i++) {
                if ((bytes.data[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (bytes.data[i] & 0x3fu);
        }
        if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
                return 0;
        *ret_code_point = code;
        return length;
}

static bool is_invisible(uint32_t code) {
        for (size_t i = 0; i < ELEMENTS(invisible) && code >= invisible[i].first; i++)
                if (code <= invisible[i].last)
                        return true;
        return false;
}

static bool is_plain_ascii(uint8_t byte) {
        return byte >= 0x20 && byte < 0x7f && byte != '\\';
}

/* What the first character is, at least one byte long; bytes is not empty. */
static enum shape look(struct bytes bytes, size_t *ret_length, uint32_t *ret_code) {
        uint8_t first = bytes.data[0];

        *ret_length = 1;
        if (first < 0x80) {
                if (first == '\\')
                        return SHAPE_BACKSLASH;
                return is_plain_ascii(first) ? SHAPE_PLAIN : SHAPE_BYTES;
        }
        *ret_length = utf8_sequence(bytes, ret_code);
        if (*ret_length == 0) {
                *ret_length = 1;
                return SHAPE_BYTES;
        }
        if (*ret_code < 0xa0)
                return SHAPE_BYTES;
        return is_invisible(*ret_code) ? SHAPE_INVISIBLE : SHAPE_PLAIN;
}

static void append_hex(struct buffer *buffer, uint32_t number, int digits) {
        while (digits-- > 0)
                buffer_append_byte(buffer, (uint8_t)"0123456789abcdef"[number >> (4 * digits) & 0xf]);
}

void escape_append(struct buffer *buffer, struct bytes bytes) {
        size_t start = 0, at = 0;

        while (at < bytes.size) {
                uint32_t code = 0;
                size_t length;
                enum shape shape;

                if (is_plain_ascii(bytes.data[at])) {
                        at++;
                        continue;
                }
                shape = look(bytes_of(bytes.data + at, bytes.size - at), &length, &code);
                if (shape != SHAPE_PLAIN) {
                        buffer_append(buffer, bytes.data + start, at - start);
                        start = at + length;
                }
                switch (shape) {
                case SHAPE_PLAIN:
                        break;
                case SHAPE_BACKSLASH:
                        buffer_append(buffer, "\\\\", 2);
                        break;
                case SHAPE_BYTES:
                        for (size_t i = at; i < at + length; i++) {
                                buffer_append(buffer, "\\x", 2);
                                append_hex(buffer, bytes.data[i], 2);
                        }
                        break;
                case SHAPE_INVISIBLE:
                        buffer_append(buffer, "\\u{", 3);
                        append_hex(buffer, code, code > 0xffff ? 5 : 4);
                        buffer_append_byte(buffer, '}');
                        break;
                }
                at += length;
        }
        if (start < bytes.size)
                buffer_append(buffer, bytes.data + start, bytes.size - start);
}

/* True only if all eight bytes are 0x20 to 0x7e: none has its high bit, or gets it from adding 1 or taking 0x20. */
static bool eight_are_plain(const uint8_t *data) {
        const uint64_t ones = 0x0101010101010101u;
        uint64_t eight;

        memcpy(&eight, data, sizeof(eight));
        return ((eight | (eight + ones) | (eight - 0x20 * ones)) & 0x80 * ones) == 0;
}

bool escape_is_clean(struct bytes bytes) {
        size_t length;

        for (size_t at = 0; at < bytes.size; at += length) {
                enum shape shape;
                uint32_t code;

                if (bytes.size - at >= 8 && eight_are_plain(bytes.data + at)) {
                        length = 8;
                        continue;
                }
                shape = look(bytes_of(bytes.data + at, bytes.size - at), &length, &code);
                if (shape == SHAPE_BYTES || shape == SHAPE_INVISIBLE)
                        return false;
        }
        return true;
}
