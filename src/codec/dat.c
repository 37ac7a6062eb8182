#include "dat.h"

#include "escape.h"
#include "sentence.h"

/* Appends the name as b2sum(1) does; *led becomes true if its line has to begin with a backslash. */
static void append_b2sum_name(struct buffer *buffer, struct bytes name, bool *led) {
        for (size_t i = 0; i < name.size; i++) {
                char letter = name.data[i] == '\n' ? 'n' : name.data[i] == '\r' ? 'r' : name.data[i] == '\\' ? '\\' : 0;

                if (letter) {
                        buffer_append_byte(buffer, '\\');
                        buffer_append_byte(buffer, (uint8_t)letter);
                        *led = true;
                } else {
                        buffer_append_byte(buffer, name.data[i]);
                }
        }
}

static void insert_byte(struct buffer *buffer, size_t place, uint8_t byte) {
        buffer_append_byte(buffer, 0);
        if (buffer_error(buffer) < 0)
                return;
        memmove(buffer->data + place + 1, buffer->data + place, buffer->size - 1 - place);
        buffer->data[place] = byte;
}

static size_t code_points(struct bytes text) {
        size_t count = 0;

        for (size_t i = 0; i < text.size; i++)
                count += (text.data[i] & 0xc0) != 0x80;
        return count;
}

/* Fills what was appended from start on to the column's width. */
static void pad(struct buffer *buffer, size_t start, int width) {
        size_t wanted = width < 0 ? 0u - (size_t)width : (size_t)width, shown, blanks;

        if (buffer_error(buffer) < 0)
                return;
        shown = code_points(bytes_of(buffer->data + start, buffer->size - start));
        if (shown >= wanted)
                return;
        blanks = wanted - shown;
        buffer_append_fill(buffer, ' ', blanks);
        if (width > 0 || buffer_error(buffer) < 0)
                return;
        memmove(buffer->data + start + blanks, buffer->data + start, buffer->size - blanks - start);
        memset(buffer->data + start, ' ', blanks);
}

static void append_column(struct buffer *buffer, const struct column *column, const struct field *field,
                          const struct value *value, bool *led) {
        size_t start;

        if (!value->present && !column->absent)
                return;
        if (column->before)
                buffer_append_string(buffer, column->before);
        start = buffer->size;
        if (!value->present)
                buffer_append_string(buffer, column->absent);
        else if (column->b2sum_name && field->kind == FIELD_TEXT)
                append_b2sum_name(buffer, value->bytes, led);
        else
                sentence_value(buffer, field, value);
        if (column->width)
                pad(buffer, start, column->width);
        if (column->after)
                buffer_append_string(buffer, column->after);
}

static bool has_field(const struct field *fields, const struct record *record, const char *name) {
        int place = fields_find(fields, name);

        return place >= 0 && record->values[place].present;
}

bool dat_line(struct buffer *buffer, const struct document *document, const struct field *fields,
              const struct record *record) {
        size_t start = buffer->size;
        bool led = false;

        if (document->line_if && !has_field(fields, record, document->line_if))
                return false;
        for (const struct column *column = document->columns; column->before || column->field; column++) {
                int place = column->field ? fields_find(fields, column->field) : -1;

                if (column->only_if && !has_field(fields, record, column->only_if))
                        continue;
                if (place >= 0)
                        append_column(buffer, column, &fields[place], &record->values[place], &led);
                else if (!column->field)
                        buffer_append_string(buffer, column->before);
        }
        if (led)
                insert_byte(buffer, start, '\\');
        return true;
}
