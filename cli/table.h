/* table.h - rows under titles, as wide as what stands in them. */
#pragma once

#include "output.h"

struct table_column {
        const char *title;              /* NULL ends the table */
        bool right;                     /* set at the right edge: numbers */
};

enum { TABLE_COLUMNS_MAX = 12 };

struct table {
        const struct table_column *columns; /* borrowed */
        struct buffer cells;            /* style, text, NUL each */
        size_t widths[TABLE_COLUMNS_MAX];
        size_t count, filled;           /* columns; cells in the last row */
};

/* At most TABLE_COLUMNS_MAX columns. */
void table_init(struct table *table, const struct table_column *columns);
void table_done(struct table *table);

/* The next cell, row by row. Made harmless. */
void table_cell(struct table *table, enum style style, struct bytes text);
static inline void table_text(struct table *table, enum style style, const char *text) {
        table_cell(table, style, bytes_of_string(text));
}

/* Appends titles and rows as lines. */
void table_write(const struct table *table, bool coloured, struct buffer *buffer);
