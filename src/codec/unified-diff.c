/* unified-diff.c - the shortest way from one text to the other (E. Myers, "An O(ND) Difference Algorithm and Its Variations"), as
 * long as it is short: whoever writes the texts must not choose how long we work. */
#include "unified-diff.h"

#include <errno.h>
#include <stdlib.h>

enum {
        CONTEXT = 3,
        EDITS_MAX = 256,                /* time and memory grow with it times the lines, and with its square */
};

/* Lines with their newline, so that a last one without is another line. */
struct text {
        struct bytes *lines;            /* owned */
        bool *moved;                    /* owned; gone from this text, or new in it */
        size_t count;
};

static void text_done(struct text *text) {
        free(text->lines);
        free(text->moved);
}

static bool take_line(struct bytes *rest, struct bytes *ret) {
        const uint8_t *end = rest->size ? memchr(rest->data, '\n', rest->size) : NULL;
        size_t size = end ? (size_t)(end - rest->data) + 1 : rest->size;

        if (rest->size == 0)
                return false;
        *ret = bytes_of(rest->data, size);
        *rest = bytes_of(rest->data + size, rest->size - size);
        return true;
}

static int split(struct text *text, struct bytes bytes) {
        struct bytes rest = bytes, line;
        size_t count = 0;

        while (take_line(&rest, &line))
                count++;
        text->lines = calloc(count + 1, sizeof(*text->lines));
        text->moved = calloc(count + 1, sizeof(*text->moved));
        if (!text->lines || !text->moved)
                return -ENOMEM;
        while (take_line(&bytes, &line))
                text->lines[text->count++] = line;
        return 0;
}

/* What lies between the lines that both texts begin and end with. */
struct middle {
        struct text *before, *after;
        size_t first;                   /* in both */
        int n, m;                       /* lines of it in each */
};

static bool same_line(const struct middle *middle, int x, int y) {
        return bytes_equal(middle->before->lines[middle->first + (size_t)x], middle->after->lines[middle->first + (size_t)y]);
}

/* Where the d-th edit leads on the diagonal k = x - y, and whether it is a line that came. The furthest points after d - 1 edits lie
 * one after the other in 'row', for the diagonals -(d - 1) to d - 1. */
static int start_of(const int *row, int d, int k, bool *ret_came) {
        row += d - 1;
        *ret_came = k == -d || (k != d && row[k - 1] < row[k + 1]);
        return *ret_came ? row[k + 1] : row[k - 1] + 1;
}

/* Rows follow each other: that of d has 2d + 1 places and begins at d * d. */
static void walk_back(struct middle *middle, const int *rows, int d) {
        int x = middle->n, y = middle->m;

        for (; d > 0; d--) {
                bool came;
                int k = x - y, start = start_of(rows + (d - 1) * (d - 1), d, k, &came);

                x = came ? start : start - 1;
                y = came ? start - k - 1 : start - k;
                if (came)
                        middle->after->moved[middle->first + (size_t)y] = true;
                else
                        middle->before->moved[middle->first + (size_t)x] = true;
        }
}

/* 1: found and marked; 0: it takes more than EDITS_MAX. */
static int find_edits(struct middle *middle) {
        int most = middle->n + middle->m < EDITS_MAX ? middle->n + middle->m : EDITS_MAX;
        _cleanup_free_ int *rows = calloc((size_t)(most + 1) * (size_t)(most + 1), sizeof(*rows));

        if (!rows)
                return -ENOMEM;
        for (int d = 0; d <= most; d++) {
                int *row = rows + d * d;

                for (int k = -d; k <= d; k += 2) {
                        bool came;
                        int x = d ? start_of(rows + (d - 1) * (d - 1), d, k, &came) : 0, y = x - k;

                        while (x < middle->n && y < middle->m && same_line(middle, x, y))
                                x++, y++;
                        row[d + k] = x;
                        if (x >= middle->n && y >= middle->m && x - y == middle->n - middle->m) {
                                walk_back(middle, rows, d);
                                return 1;
                        }
                }
        }
        return 0;
}

static int mark(struct text *before, struct text *after) {
        size_t first = 0, last = 0;
        size_t shorter = before->count < after->count ? before->count : after->count;
        struct middle middle = { .before = before, .after = after };
        int r;

        while (first < shorter && bytes_equal(before->lines[first], after->lines[first]))
                first++;
        while (last < shorter - first &&
               bytes_equal(before->lines[before->count - 1 - last], after->lines[after->count - 1 - last]))
                last++;
        if (before->count - first - last > INT32_MAX / 4 || after->count - first - last > INT32_MAX / 4)
                return -ENOMEM;
        middle.first = first;
        middle.n = (int)(before->count - first - last);
        middle.m = (int)(after->count - first - last);
        r = middle.n && middle.m ? find_edits(&middle) : 0;
        for (int i = 0; r == 0 && i < middle.n; i++)
                before->moved[first + (size_t)i] = true;
        for (int i = 0; r == 0 && i < middle.m; i++)
                after->moved[first + (size_t)i] = true;
        return r < 0 ? r : 0;
}

static void append_line(struct buffer *buffer, char mark, struct bytes line) {
        buffer_append_byte(buffer, (uint8_t)mark);
        buffer_append_bytes(buffer, line);
        if (line.data[line.size - 1] != '\n')
                buffer_append_string(buffer, "\n\\ No newline at end of file\n");
}

static void append_range(struct buffer *buffer, char mark, size_t first, size_t count) {
        buffer_printf(buffer, "%c%zu", mark, count ? first + 1 : first);
        if (count != 1)
                buffer_printf(buffer, ",%zu", count);
}

struct place {
        size_t before, after;
};

/* Past the lines that moved at the place. */
static struct place skip_moved(const struct text *before, const struct text *after, struct place place) {
        while (place.before < before->count && before->moved[place.before])
                place.before++;
        while (place.after < after->count && after->moved[place.after])
                place.after++;
        return place;
}

/* Past those that stayed, at most so many. */
static size_t count_same(const struct text *before, const struct text *after, struct place place, size_t most) {
        size_t count = 0;

        while (count < most && place.before + count < before->count && !before->moved[place.before + count] &&
               place.after + count < after->count && !after->moved[place.after + count])
                count++;
        return count;
}

static void append_hunk(struct buffer *buffer, const struct text *before, const struct text *after, struct place from,
                        struct place to) {
        buffer_append_string(buffer, "@@ ");
        append_range(buffer, '-', from.before, to.before - from.before);
        buffer_append_byte(buffer, ' ');
        append_range(buffer, '+', from.after, to.after - from.after);
        buffer_append_string(buffer, " @@\n");
        while (from.before < to.before || from.after < to.after) {
                while (from.before < to.before && before->moved[from.before])
                        append_line(buffer, '-', before->lines[from.before++]);
                while (from.after < to.after && after->moved[from.after])
                        append_line(buffer, '+', after->lines[from.after++]);
                while (from.before < to.before && !before->moved[from.before] && from.after < to.after && !after->moved[from.after]) {
                        append_line(buffer, ' ', before->lines[from.before++]);
                        from.after++;
                }
        }
}

int unified_diff_append(struct buffer *buffer, struct bytes before_bytes, struct bytes after_bytes) {
        _cleanup_(text_done) struct text before = { 0 }, after = { 0 };
        struct place place = { 0 };
        int r = split(&before, before_bytes);

        if (r == 0)
                r = split(&after, after_bytes);
        if (r == 0)
                r = mark(&before, &after);
        if (r < 0)
                return r;
        for (;;) {
                size_t same = count_same(&before, &after, place, SIZE_MAX), lead = same < CONTEXT ? same : CONTEXT;
                struct place from = { place.before + same - lead, place.after + same - lead };

                place = (struct place){ place.before + same, place.after + same };
                if (place.before == before.count && place.after == after.count)
                        return buffer_error(buffer);
                for (;;) {
                        place = skip_moved(&before, &after, place);
                        same = count_same(&before, &after, place, 2 * CONTEXT + 1);
                        /* what lies further apart is another hunk, and so is the end */
                        if (same > 2 * CONTEXT || (place.before + same == before.count && place.after + same == after.count))
                                break;
                        place = (struct place){ place.before + same, place.after + same };
                }
                same = same < CONTEXT ? same : CONTEXT;
                place = (struct place){ place.before + same, place.after + same };
                append_hunk(buffer, &before, &after, from, place);
        }
}

static const char cut_mark[] = "... ";

static uint64_t number_in(struct bytes line) {
        uint64_t number = 0;

        for (size_t i = strlen(cut_mark); i < line.size && line.data[i] >= '0' && line.data[i] <= '9' && number < UINT32_MAX; i++)
                number = number * 10 + (uint64_t)(line.data[i] - '0');
        return number;
}

struct bytes unified_diff_cut(struct bytes diff, size_t lines, size_t bytes, uint64_t *ret_more) {
        struct bytes rest = diff, line;
        size_t shown = 0;

        *ret_more = 0;
        while (take_line(&rest, &line)) {
                if (lines > 0 && *ret_more == 0 && line.size <= bytes && !bytes_starts_with(line, bytes_of_string(cut_mark))) {
                        lines--;
                        bytes -= line.size;
                        shown += line.size;
                        continue;
                }
                if (bytes_starts_with(line, bytes_of_string(cut_mark))) { /* no line of a diff begins so */
                        *ret_more += number_in(line);
                        continue;
                }
                ++*ret_more;
        }
        return bytes_of(diff.data, shown);
}

void unified_diff_more(struct buffer *buffer, uint64_t more) {
        buffer_printf(buffer, "%s%llu more line%s\n", cut_mark, (unsigned long long)more, more == 1 ? "" : "s");
}
