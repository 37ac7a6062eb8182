#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"

static const char *const style_codes[] = {
        [STYLE_PLAIN] = "",
        [STYLE_STRONG] = "\033[1m",
        [STYLE_FAINT] = "\033[2m",
        [STYLE_GOOD] = "\033[32m",
        [STYLE_WARNING] = "\033[33m",
        [STYLE_BAD] = "\033[31m",
        [STYLE_ALARM] = "\033[1;31m",
};

bool output_is_coloured(void) {
        const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

        if (!isatty(STDOUT_FILENO) || (no_colour && *no_colour))
                return false;
        return terminal && strcmp(terminal, "dumb") != 0;
}

void output_safe(struct buffer *buffer, struct bytes bytes) {
        if (escape_is_clean(bytes))
                buffer_append_bytes(buffer, bytes);
        else
                escape_append(buffer, bytes);
}

void output_styled(struct buffer *buffer, bool coloured, enum style style, struct bytes bytes) {
        bool codes = coloured && style != STYLE_PLAIN;

        if (codes)
                buffer_append_string(buffer, style_codes[style]);
        output_safe(buffer, bytes);
        if (codes)
                buffer_append_string(buffer, "\033[0m");
}

/* One character of a JSON text that may not stand there as it is. */
static void append_as_escape(struct buffer *buffer, struct bytes character) {
        uint32_t code = 0;

        if (character.size == 1 && (*character.data == '\t' || *character.data == '\r'))
                buffer_append_byte(buffer, ' '); /* stands between values: inside of strings JSON has none */
        else if (utf8_sequence(character, &code) == 0)
                escape_append(buffer, character); /* no JSON to begin with */
        else if (code > 0xffff)
                buffer_printf(buffer, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
                              (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
        else
                buffer_printf(buffer, "\\u%04x", (unsigned)code);
}

void output_json_harmless(struct buffer *buffer, struct bytes line) {
        size_t length;

        if (escape_is_clean(line)) {
                buffer_append_bytes(buffer, line);
                return;
        }
        for (size_t at = 0; at < line.size; at += length) {
                struct bytes character = bytes_of(line.data + at, line.size - at);
                uint32_t code;

                length = utf8_sequence(character, &code);
                if (length == 0)
                        length = 1;
                character.size = length;
                if (escape_is_clean(character))
                        buffer_append_bytes(buffer, character);
                else
                        append_as_escape(buffer, character);
        }
}

void output_json(struct bytes line) {
        _cleanup_buffer_ struct buffer harmless = BUFFER_NULL;

        if (isatty(STDOUT_FILENO)) {
                output_json_harmless(&harmless, line);
                if (buffer_error(&harmless) < 0) {
                        output_say("out of memory");
                        return;
                }
                line = buffer_bytes(&harmless);
        }
        if (line.size)
                (void)fwrite(line.data, 1, line.size, stdout);
        (void)putchar('\n');
}

int output_flush(struct buffer *buffer) {
        int r = buffer_error(buffer);

        if (r < 0)
                output_say("out of memory");
        else if (buffer->size)
                (void)fwrite(buffer->data, 1, buffer->size, stdout);
        buffer_clear(buffer);
        return r;
}

__attribute__((format(printf, 1, 0)))
static void say(const char *format, va_list arguments, const char *why, const char *advice) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        _cleanup_free_ char *message = NULL;

        if (vasprintf(&message, format, arguments) < 0)
                message = NULL;
        output_safe(&text, bytes_of_string(message ? message : "out of memory"));
        (void)fflush(stdout); /* so that both stand in order where they go to the same place */
        (void)fprintf(stderr, "nephronix: %s%s%s%s\n", buffer_string(&text), why ? ": " : "", why ? why : "", advice);
}

void output_say(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments, NULL, "");
        va_end(arguments);
}

void output_say_why(int error, const char *format, ...) {
        const char *why = strerrordesc_np(error < 0 ? -error : error);
        bool denied = error == -EACCES || error == -EPERM;
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments, why ? why : "unknown error",
            denied && geteuid() != 0 ? " (only root may read this)" : "");
        va_end(arguments);
}
