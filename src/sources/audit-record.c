#include "audit-record.h"

#include <errno.h>

static bool take_text(struct bytes *text, const char *expected) {
        struct bytes start = bytes_of_string(expected);

        if (!bytes_starts_with(*text, start))
                return false;
        *text = bytes_of(text->data + start.size, text->size - start.size);
        return true;
}

static bool take_number(struct bytes *text, uint64_t most, uint64_t *ret) {
        uint64_t number = 0;
        size_t i;

        for (i = 0; i < text->size && text->data[i] >= '0' && text->data[i] <= '9'; i++)
                if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
                    __builtin_add_overflow(number, (uint64_t)(text->data[i] - '0'), &number) || number > most)
                        return false;
        if (i == 0)
                return false;
        *text = bytes_of(text->data + i, text->size - i);
        *ret = number;
        return true;
}

int audit_record_parse(struct bytes text, struct audit_record *ret) {
        static const char mark[] = "msg='";
        struct audit_record record = { 0 };
        uint64_t seconds, milliseconds, serial;
        const uint8_t *at = NULL;

        if (!take_text(&text, "audit(") || !take_number(&text, UINT64_MAX / 1000000000 - 1, &seconds) || !take_text(&text, ".") ||
            !take_number(&text, 999, &milliseconds) || !take_text(&text, ":") || !take_number(&text, UINT32_MAX, &serial) ||
            !take_text(&text, "):"))
                return -EBADMSG;
        while (text.size && (text.data[text.size - 1] == '\0' || text.data[text.size - 1] == '\n'))
                text.size--;
        record.at_ns = seconds * 1000000000 + milliseconds * 1000000;
        record.serial = (uint32_t)serial;
        record.fields = text;
        if (text.size)
                at = memmem(text.data, text.size, mark, sizeof(mark) - 1);
        if (at) {
                size_t start = (size_t)(at - text.data);

                record.fields = bytes_of(text.data, start);
                start += sizeof(mark) - 1;
                record.message = bytes_of(text.data + start, text.size - start);
                if (record.message.size && record.message.data[record.message.size - 1] == '\'')
                        record.message.size--;
        }
        *ret = record;
        return 0;
}

static bool is_blank(uint8_t byte) {
        return byte == ' ' || byte == '\t' || byte == '\n';
}

bool audit_field(struct bytes fields, const char *name, struct audit_value *ret) {
        struct bytes wanted = bytes_of_string(name);
        size_t at = 0;

        while (at < fields.size) {
                struct audit_value value = { .quoted = false };
                size_t start, end, name_end;

                while (at < fields.size && is_blank(fields.data[at]))
                        at++;
                start = at;
                while (at < fields.size && fields.data[at] != '=' && !is_blank(fields.data[at]))
                        at++;
                name_end = at;
                if (at >= fields.size || fields.data[at] != '=')
                        continue;
                at++;
                if (at < fields.size && fields.data[at] == '"') {
                        const uint8_t *quote = memchr(fields.data + at + 1, '"', fields.size - at - 1);

                        value.quoted = quote != NULL;
                        end = quote ? (size_t)(quote - fields.data) : fields.size;
                        value.bytes = bytes_of(fields.data + at + 1, end - at - 1);
                        at = quote ? end + 1 : end;
                } else {
                        for (end = at; end < fields.size && !is_blank(fields.data[end]);)
                                end++;
                        value.bytes = bytes_of(fields.data + at, end - at);
                        at = end;
                }
                if (bytes_equal(bytes_of(fields.data + start, name_end - start), wanted)) {
                        *ret = value;
                        return true;
                }
        }
        return false;
}

bool audit_number(struct bytes fields, const char *name, uint32_t *ret) {
        struct audit_value value;
        uint64_t number;

        if (!audit_field(fields, name, &value) || !take_number(&value.bytes, UINT32_MAX, &number) || value.bytes.size)
                return false;
        *ret = (uint32_t)number;
        return true;
}

static int hex_digit(uint8_t byte) {
        if (byte >= '0' && byte <= '9')
                return byte - '0';
        byte |= 0x20;
        return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

void audit_text(const struct audit_value *value, struct buffer *text) {
        struct bytes bytes = value->bytes;
        bool hex = !value->quoted && bytes.size && bytes.size % 2 == 0;

        if (bytes_equal(bytes, bytes_of_string("?")) || bytes_equal(bytes, bytes_of_string("(null)")))
                return;
        for (size_t i = 0; i < bytes.size && hex; i++)
                hex = hex_digit(bytes.data[i]) >= 0;
        if (!hex) {
                buffer_append_bytes(text, bytes);
                return;
        }
        for (size_t i = 0; i < bytes.size; i += 2)
                buffer_append_byte(text, (uint8_t)(hex_digit(bytes.data[i]) << 4 | hex_digit(bytes.data[i + 1])));
}
