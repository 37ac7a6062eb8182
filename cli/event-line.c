#include "event-line.h"

#include "moment.h"
#include "sentence.h"
#include "timestamp.h"

enum {
        KEY_SIZE = 128,                 /* of what is asked for: our own paths and names of watches */
        SEVERITY_WIDTH = 8,
        WATCH_WIDTH = 15,
};

#define BEYOND_64_BITS 18446744073709551616.0

json_t *event_line_parse(struct bytes line, const char **ret_why) {
        json_error_t error;
        json_t *root;

        root = json_loadb((const char *)line.data, line.size, JSON_ALLOW_NUL, &error);
        /* jansson ends at 2^63, our numbers at 2^64: rather a little inexact than not at all */
        if (!root && json_error_code(&error) == json_error_numeric_overflow)
                root = json_loadb((const char *)line.data, line.size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
        if (root && json_is_object(root))
                return root;
        *ret_why = root ? "it is not an object" :
                   json_error_code(&error) == json_error_out_of_memory ? "out of memory" : "it is not JSON";
        json_decref(root);
        return NULL;
}

const json_t *event_line_get(const json_t *line, const char *path) {
        while (line && *path) {
                size_t length = strcspn(path, ".");
                char key[KEY_SIZE];

                if (length >= sizeof(key))
                        return NULL;
                memcpy(key, path, length);
                key[length] = '\0';
                line = json_object_get(line, key);
                path += length + (path[length] == '.');
        }
        return line;
}

bool event_line_text(const json_t *line, const char *path, struct bytes *ret) {
        const json_t *value = event_line_get(line, path);

        if (!json_is_string(value))
                return false;
        *ret = bytes_of(json_string_value(value), json_string_length(value));
        return true;
}

bool event_line_is(const json_t *line, const char *path, const char *text) {
        struct bytes value;

        return event_line_text(line, path, &value) && bytes_equal(value, bytes_of_string(text));
}

uint64_t event_line_number(const json_t *line, const char *path) {
        const json_t *value = event_line_get(line, path);
        double real;

        if (json_is_integer(value))
                return json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
        /* as one that jansson cannot hold makes all others of its line */
        real = json_is_real(value) ? json_real_value(value) : 0;
        return real >= BEYOND_64_BITS ? UINT64_MAX : real > 0 ? (uint64_t)real : 0;
}

bool event_line_time(const json_t *line, struct timespec *ret) {
        struct bytes text;

        return event_line_text(line, "@timestamp", &text) && moment_parse_utc(text, ret);
}

void event_line_value(struct buffer *buffer, const json_t *value) {
        _cleanup_free_ char *dump = NULL;

        if (json_is_string(value)) {
                output_safe(buffer, bytes_of(json_string_value(value), json_string_length(value)));
                return;
        }
        dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        output_safe(buffer, bytes_of_string(dump ? dump : "?"));
}

static enum style severity_style(uint64_t severity) {
        static const enum style styles[] = {
                [SEVERITY_INFO] = STYLE_FAINT,   [SEVERITY_LOW] = STYLE_PLAIN,      [SEVERITY_MEDIUM] = STYLE_WARNING,
                [SEVERITY_HIGH] = STYLE_BAD,     [SEVERITY_CRITICAL] = STYLE_ALARM,
        };

        return severity < ELEMENTS(styles) ? styles[severity] : STYLE_PLAIN;
}

static void pad(struct buffer *buffer, size_t shown, size_t width) {
        buffer_append_fill(buffer, ' ', 1 + (shown < width ? width - shown : 0));
}

void event_line_write(struct buffer *buffer, bool coloured, const json_t *line) {
        uint64_t severity = event_line_number(line, "event.severity");
        const char *name = severity_name((enum severity)(severity <= SEVERITY_CRITICAL ? severity : 0));
        struct bytes text;
        struct timespec at;

        if (event_line_time(line, &at))
                timestamp_local(buffer, &at);
        else
                buffer_append_string(buffer, "(no time stamp)    ");
        buffer_append_byte(buffer, ' ');
        output_styled(buffer, coloured, severity_style(severity), bytes_of_string(name));
        pad(buffer, strlen(name), SEVERITY_WIDTH);
        if (!event_line_text(line, "nephronix.watch", &text))
                text = bytes_of_string("nephronix");
        output_safe(buffer, text);
        pad(buffer, text.size, WATCH_WIDTH);
        if (!event_line_text(line, "message", &text) && !event_line_text(line, "event.action", &text))
                text = bytes_of_string("(no message)");
        output_styled(buffer, coloured, severity >= SEVERITY_HIGH ? STYLE_STRONG : STYLE_PLAIN, text);
        if (event_line_text(line, "nephronix.actor", &text)) {
                buffer_append_string(buffer, " (who: ");
                output_styled(buffer, coloured, STYLE_FAINT, text);
                buffer_append_byte(buffer, ')');
        }
        buffer_append_byte(buffer, '\n');
}

static void write_side(struct buffer *buffer, const json_t *difference, const char *side) {
        const json_t *value = json_object_get(difference, side);

        if (value)
                event_line_value(buffer, value);
        else
                buffer_append_string(buffer, "(absent)");
}

void event_line_write_changes(struct buffer *buffer, const json_t *line) {
        const json_t *changes = event_line_get(line, "nephronix.change");
        const char *field;
        json_t *difference;

        if (!json_is_object(changes))
                return;
        json_object_foreach((json_t *)(uintptr_t)changes, field, difference) {
                if (!json_is_object(difference))
                        continue;
                buffer_append_string(buffer, "    ");
                output_safe(buffer, bytes_of_string(field));
                buffer_append_string(buffer, ": ");
                write_side(buffer, difference, "before");
                buffer_append_string(buffer, " -> ");
                write_side(buffer, difference, "after");
                buffer_append_byte(buffer, '\n');
        }
}
