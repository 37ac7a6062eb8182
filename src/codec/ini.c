#include "ini.h"

#include <errno.h>

#include "escape.h"

struct parser {
        struct bytes rest;              /* what is not read yet */
        unsigned line;                  /* of the physical line read last */
        struct buffer section, label;   /* of the header above */
        bool in_section, has_label;
        struct buffer key, value;
        struct ini_error *error;
};

static int refuse(struct parser *parser, unsigned line, const char *text) {
        *parser->error = (struct ini_error){ .line = line, .text = text };
        return -EBADMSG;
}

/* Not isblank() and isalnum(): what a configuration means must not depend on the locale. */
static bool is_blank(uint8_t byte) {
        return byte == ' ' || byte == '\t';
}

static bool is_word(struct bytes word) {
        for (size_t i = 0; i < word.size; i++) {
                uint8_t byte = word.data[i], lower = byte | 0x20;

                if (!(byte >= '0' && byte <= '9') && !(lower >= 'a' && lower <= 'z'))
                        return false;
        }
        return word.size > 0;
}

static struct bytes strip(struct bytes text) {
        while (text.size > 0 && is_blank(text.data[0]))
                text = bytes_of(text.data + 1, text.size - 1);
        while (text.size > 0 && is_blank(text.data[text.size - 1]))
                text.size--;
        return text;
}

static int check_bytes(struct parser *parser, struct bytes text) {
        while (text.size > 0) {
                uint32_t code_point;
                size_t size = utf8_sequence(text, &code_point);

                if (size == 0)
                        return refuse(parser, parser->line, "the line holds bytes that are not UTF-8");
                if (code_point == 0)
                        return refuse(parser, parser->line, "the line holds a NUL byte");
                if ((code_point < 0x20 && code_point != '\t') || (code_point >= 0x7f && code_point < 0xa0))
                        return refuse(parser, parser->line, "the line holds a control character");
                text = bytes_of(text.data + size, text.size - size);
        }
        return 0;
}

/* The next physical line without its end and outer blanks. 1, or 0 at the end. */
static int next_line(struct parser *parser, struct bytes *ret) {
        const uint8_t *end;
        struct bytes line;
        int r;

        if (parser->rest.size == 0)
                return 0;
        end = memchr(parser->rest.data, '\n', parser->rest.size);
        line = bytes_of(parser->rest.data, end ? (size_t)(end - parser->rest.data) : parser->rest.size);
        parser->rest = bytes_of(parser->rest.data + line.size, parser->rest.size - line.size);
        if (end)
                parser->rest = bytes_of(parser->rest.data + 1, parser->rest.size - 1);
        parser->line++;

        if (line.size > 0 && line.data[line.size - 1] == '\r')
                line.size--;
        r = check_bytes(parser, line);
        if (r < 0)
                return r;
        *ret = strip(line);
        return 1;
}

static bool is_comment(struct bytes line) {
        return line.size > 0 && (line.data[0] == '#' || line.data[0] == ';');
}

static int read_header(struct parser *parser, struct bytes line) {
        static const char shape[] = "a section is [Name] or [Name \"label\"], alone on its line";
        struct bytes inside, name, label;

        if (line.size < 2 || line.data[line.size - 1] != ']')
                return refuse(parser, parser->line, shape);
        inside = strip(bytes_of(line.data + 1, line.size - 2));
        name = inside;
        name.size = 0;
        while (name.size < inside.size && !is_blank(inside.data[name.size]) && inside.data[name.size] != '"')
                name.size++;
        if (!is_word(name))
                return refuse(parser, parser->line, shape);

        label = strip(bytes_of(inside.data + name.size, inside.size - name.size));
        parser->has_label = label.size > 0;
        buffer_clear(&parser->label);
        if (parser->has_label) {
                if (label.size < 2 || label.data[0] != '"' || label.data[label.size - 1] != '"')
                        return refuse(parser, parser->line, shape);
                label = bytes_of(label.data + 1, label.size - 2);
                if (memchr(label.data, '"', label.size))
                        return refuse(parser, parser->line, shape);
                buffer_append_bytes(&parser->label, label);
        }
        buffer_clear(&parser->section);
        buffer_append_bytes(&parser->section, name);
        parser->in_section = true;
        return 0;
}

static int read_value(struct parser *parser, unsigned line, struct bytes text) {
        bool quoted = text.size > 0 && text.data[0] == '"';

        if (quoted) {
                if (text.size < 2 || text.data[text.size - 1] != '"')
                        return refuse(parser, line, "the value starts with a double quote and does not end with one");
                text = bytes_of(text.data + 1, text.size - 2);
                if (text.size > 0 && memchr(text.data, '"', text.size))
                        return refuse(parser, line, "a double quote inside a quoted value");
        }
        for (size_t i = 1; !quoted && i < text.size; i++)
                if (is_blank(text.data[i - 1]) && (text.data[i] == '#' || text.data[i] == ';'))
                        return refuse(parser, line,
                                      "a comment stands on a line of its own (or put the value in double quotes)");
        buffer_clear(&parser->value);
        buffer_append_bytes(&parser->value, text);
        return 0;
}

static int read_assignment(struct parser *parser, struct bytes first) {
        _cleanup_buffer_ struct buffer whole = BUFFER_NULL;
        unsigned line = parser->line;
        struct bytes text = first, key;
        const uint8_t *equals;
        int r;

        while (text.size > 0 && text.data[text.size - 1] == '\\') {
                buffer_append_bytes(&whole, strip(bytes_of(text.data, text.size - 1)));
                buffer_append_byte(&whole, ' ');
                do {
                        r = next_line(parser, &text);
                        if (r < 0)
                                return r;
                        if (r == 0)
                                return refuse(parser, line, "the file ends where the line was to go on");
                } while (is_comment(text));
        }
        buffer_append_bytes(&whole, text);
        if (buffer_error(&whole) < 0)
                return -ENOMEM;

        text = buffer_bytes(&whole);
        equals = text.size > 0 ? memchr(text.data, '=', text.size) : NULL;
        if (!equals)
                return refuse(parser, line, "neither a [section], nor Key=value, nor a comment");
        key = strip(bytes_of(text.data, (size_t)(equals - text.data)));
        if (!is_word(key))
                return refuse(parser, line, "a key is made of letters and digits");
        if (!parser->in_section)
                return refuse(parser, line, "a key before the first [section]");
        buffer_clear(&parser->key);
        buffer_append_bytes(&parser->key, key);
        return read_value(parser, line, strip(bytes_of(equals + 1, (size_t)(text.data + text.size - (equals + 1)))));
}

static int tell(struct parser *parser, unsigned line, bool header,
                int (*entry)(void *context, const struct ini_entry *entry), void *context) {
        struct ini_entry found = {
                .line = line,
                .section = buffer_string(&parser->section),
                .label = parser->has_label ? buffer_string(&parser->label) : NULL,
                .key = header ? NULL : buffer_string(&parser->key),
                .value = header ? NULL : buffer_string(&parser->value),
        };

        if (buffer_error(&parser->section) < 0 || buffer_error(&parser->label) < 0 || buffer_error(&parser->key) < 0 ||
            buffer_error(&parser->value) < 0)
                return -ENOMEM;
        return entry(context, &found);
}

int ini_parse(struct bytes text, int (*entry)(void *context, const struct ini_entry *entry), void *context,
              struct ini_error *ret_error) {
        struct parser parser = { .rest = text, .error = ret_error };
        struct bytes line;
        int r;

        *ret_error = (struct ini_error){ .text = NULL };
        for (;;) {
                unsigned first;
                bool header;

                r = next_line(&parser, &line);
                if (r <= 0)
                        break;
                if (line.size == 0 || is_comment(line))
                        continue;
                first = parser.line;
                header = line.data[0] == '[';
                r = header ? read_header(&parser, line) : read_assignment(&parser, line);
                if (r == 0)
                        r = tell(&parser, first, header, entry, context);
                if (r < 0)
                        break;
        }
        buffer_done(&parser.section);
        buffer_done(&parser.label);
        buffer_done(&parser.key);
        buffer_done(&parser.value);
        return r;
}
