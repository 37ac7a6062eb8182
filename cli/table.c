#include "table.h"

#include <ctype.h>

/* A cell longer than this runs over its column instead of moving all others to the right. */
enum { WIDTH_MAX = 40 };

static size_t code_points(const char *text) {
        size_t count = 0;

        for (; *text; text++)
                count += ((uint8_t)*text & 0xc0) != 0x80;
        return count;
}

static void widen(struct table *table, size_t column, size_t width) {
        if (width > WIDTH_MAX)
                width = WIDTH_MAX;
        if (width > table->widths[column])
                table->widths[column] = width;
}

void table_init(struct table *table, const struct table_column *columns) {
        *table = (struct table){ .columns = columns };
        while (table->count < TABLE_COLUMNS_MAX && columns[table->count].title) {
                widen(table, table->count, strlen(columns[table->count].title));
                table->count++;
        }
}

void table_done(struct table *table) {
        buffer_done(&table->cells);
}

void table_cell(struct table *table, enum style style, struct bytes text) {
        size_t start;

        buffer_append_byte(&table->cells, (uint8_t)style);
        start = table->cells.size;
        output_safe(&table->cells, text);
        buffer_append_byte(&table->cells, '\0');
        if (buffer_error(&table->cells) < 0)
                return;
        widen(table, table->filled, code_points((const char *)table->cells.data + start));
        table->filled = (table->filled + 1) % table->count;
}

/* Blanks behind the last column would only make lines wrap. */
static void write_cell(const struct table *table, size_t column, bool coloured, enum style style, const char *text,
                       struct buffer *buffer) {
        size_t shown = code_points(text), wanted = table->widths[column];
        size_t blanks = shown < wanted ? wanted - shown : 0;
        bool last = column + 1 == table->count;

        if (table->columns[column].right)
                buffer_append_fill(buffer, ' ', blanks);
        output_styled(buffer, coloured, style, bytes_of_string(text));
        if (!table->columns[column].right && !last)
                buffer_append_fill(buffer, ' ', blanks);
        buffer_append_string(buffer, last ? "\n" : "  ");
}

static void write_titles(const struct table *table, bool coloured, struct buffer *buffer) {
        for (size_t i = 0; i < table->count; i++) {
                _cleanup_buffer_ struct buffer title = BUFFER_NULL;

                for (const char *at = table->columns[i].title; *at; at++)
                        buffer_append_byte(&title, *at == '_' ? ' ' : (uint8_t)toupper((unsigned char)*at));
                write_cell(table, i, coloured, STYLE_STRONG, buffer_string(&title), buffer);
        }
}

void table_write(const struct table *table, bool coloured, struct buffer *buffer) {
        size_t column = 0;

        write_titles(table, coloured, buffer);
        for (size_t at = 0; at < table->cells.size; column = (column + 1) % table->count) {
                enum style style = (enum style)table->cells.data[at];
                const char *text = (const char *)table->cells.data + at + 1;

                write_cell(table, column, coloured, style, text, buffer);
                at += 1 + strlen(text) + 1;
        }
        if (buffer_error(&table->cells) < 0)
                buffer->failed = true;
}
