#include "hunks.h"

#include <errno.h>
#include <stdlib.h>

#include "dat.h"

/* Lines gathered for a side, each ended by '\n'. */
struct side {
        struct buffer text;
        uint64_t first, count;          /* number of the first gathered line, how many */
        uint64_t line;                  /* lines passed so far */
};

struct hunks {
        struct hunks_out *out;
        struct side before, now;
        struct buffer old_line, new_line;
        const char *header, *header_if; /* borrowed */
        bool had_before, begun;
};

static void gather(struct side *side, struct bytes line) {
        side->line++;
        if (side->count++ == 0)
                side->first = side->line;
        buffer_append_bytes(&side->text, line);
        buffer_append_byte(&side->text, '\n');
}

static int give(int (*to)(struct hunks_out *, struct bytes), struct hunks_out *out, struct bytes line) {
        return to ? to(out, line) : 0;
}

static int add_new(struct hunks *hunks, struct bytes line) {
        gather(&hunks->now, line);
        return give(hunks->out->now, hunks->out, line);
}

static int add_old(struct hunks *hunks, struct bytes line) {
        gather(&hunks->before, line);
        return give(hunks->out->before, hunks->out, line);
}

static void range(struct buffer *buffer, uint64_t first, uint64_t count) {
        if (count > 1)
                buffer_printf(buffer, "%llu,%llu", (unsigned long long)first, (unsigned long long)(first + count - 1));
        else
                buffer_printf(buffer, "%llu", (unsigned long long)first);
}

static int give_side(struct hunks *hunks, struct side *side, const char *mark) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        size_t at = 0;

        if (buffer_error(&side->text) < 0)
                return -ENOMEM;
        while (at < side->text.size) {
                const uint8_t *start = side->text.data + at, *end = memchr(start, '\n', side->text.size - at);
                size_t length = (size_t)(end - start);
                int r;

                buffer_clear(&line);
                buffer_append_string(&line, mark);
                buffer_append(&line, start, length);
                r = buffer_error(&line);
                if (r == 0)
                        r = hunks->out->diff(hunks->out, buffer_bytes(&line));
                if (r < 0)
                        return r;
                at += length + 1;
        }
        return 0;
}

static int flush(struct hunks *hunks) {
        _cleanup_buffer_ struct buffer head = BUFFER_NULL;
        struct side *before = &hunks->before, *now = &hunks->now;
        int r;

        if (before->count == 0 && now->count == 0)
                return 0;
        if (before->count)
                range(&head, before->first, before->count);
        else
                range(&head, before->line, 1);
        buffer_append_byte(&head, before->count == 0 ? 'a' : now->count == 0 ? 'd' : 'c');
        if (now->count)
                range(&head, now->first, now->count);
        else
                range(&head, now->line, 1);
        r = buffer_error(&head);
        if (r == 0)
                r = hunks->out->diff(hunks->out, buffer_bytes(&head));
        if (r == 0)
                r = give_side(hunks, before, "< ");
        if (r == 0 && before->count && now->count)
                r = hunks->out->diff(hunks->out, bytes_of_string("---"));
        if (r == 0)
                r = give_side(hunks, now, "> ");
        before->count = now->count = 0;
        buffer_clear(&before->text);
        buffer_clear(&now->text);
        return r;
}

static int same(struct hunks *hunks, struct bytes line) {
        int r = flush(hunks);

        hunks->before.line++;
        hunks->now.line++;
        if (r == 0)
                r = give(hunks->out->before, hunks->out, line);
        return r < 0 ? r : give(hunks->out->now, hunks->out, line);
}

struct hunks *hunks_new(struct hunks_out *out, const char *header, const char *header_if, bool had_before) {
        struct hunks *hunks = calloc(1, sizeof(*hunks));

        if (!hunks)
                return NULL;
        hunks->out = out;
        hunks->header = header;
        hunks->header_if = header_if;
        hunks->had_before = had_before;
        return hunks;
}

/* Once, before the first line: the header of either side, where it has one. */
static int begin(struct hunks *hunks, bool old_has, bool new_has) {
        const char *header = hunks->header;
        int r = 0;

        if (hunks->begun)
                return 0;
        hunks->begun = true;
        old_has = old_has && hunks->had_before;
        while (header && *header && r == 0) {
                const char *end = strchr(header, '\n');
                struct bytes line = bytes_of(header, end ? (size_t)(end - header) : strlen(header));

                if (old_has && new_has)
                        r = same(hunks, line);
                else if (old_has)
                        r = add_old(hunks, line);
                else if (new_has)
                        r = add_new(hunks, line);
                header += line.size + (end ? 1 : 0);
        }
        return r;
}

static bool wants_header(const struct hunks *hunks, const struct field *fields, int have, const struct record *record) {
        int place;

        if (!hunks->header_if)
                return true;
        place = fields_find(fields, hunks->header_if);
        return have > 0 && place >= 0 && record->values[place].present;
}

struct hunks *hunks_free(struct hunks *hunks) {
        if (!hunks)
                return NULL;
        buffer_done(&hunks->before.text);
        buffer_done(&hunks->now.text);
        buffer_done(&hunks->old_line);
        buffer_done(&hunks->new_line);
        free(hunks);
        return NULL;
}

static int one_sided(struct hunks *hunks, const struct document *document, const struct field *fields,
                     const struct record *record, bool is_new) {
        struct buffer *line = is_new ? &hunks->new_line : &hunks->old_line;

        buffer_clear(line);
        if (!dat_line(line, document, fields, record))
                return 0;
        return is_new ? add_new(hunks, buffer_bytes(line)) : add_old(hunks, buffer_bytes(line));
}

static int both_sides(struct hunks *hunks, const struct document *document, const struct field *fields,
                      const struct record *old, const struct record *new) {
        bool had, has;
        int r = 0;

        buffer_clear(&hunks->old_line);
        buffer_clear(&hunks->new_line);
        had = dat_line(&hunks->old_line, document, fields, old);
        has = dat_line(&hunks->new_line, document, fields, new);
        if (had && has && bytes_equal(buffer_bytes(&hunks->old_line), buffer_bytes(&hunks->new_line)))
                return same(hunks, buffer_bytes(&hunks->new_line));
        if (had)
                r = add_old(hunks, buffer_bytes(&hunks->old_line));
        if (r == 0 && has)
                r = add_new(hunks, buffer_bytes(&hunks->new_line));
        return r;
}

static int compare_text(const void *a, const void *b) {
        return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* The values of all records on one line, sorted, a blank between them: as users(1) prints. */
static int join(struct buffer *line, const struct document *document, const struct field *fields, struct stream *stream) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, ends = BUFFER_NULL;
        _cleanup_free_ struct bytes *parts = NULL;
        struct record record;
        size_t count = 0, start = 0;
        int r;

        while ((r = stream_next(stream, &record)) > 0) {
                if (!dat_line(&text, document, fields, &record))
                        continue;
                buffer_append(&ends, &text.size, sizeof(text.size));
                count++;
        }
        if (r < 0)
                return r;
        if (buffer_error(&text) < 0 || buffer_error(&ends) < 0)
                return -ENOMEM;
        parts = calloc(count + 1, sizeof(*parts));
        if (!parts)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                size_t end;

                memcpy(&end, ends.data + i * sizeof(end), sizeof(end));
                parts[i] = bytes_of(text.data + start, end - start);
                start = end;
        }
        qsort(parts, count, sizeof(*parts), compare_text);
        for (size_t i = 0; i < count; i++) {
                if (i)
                        buffer_append_byte(line, ' ');
                buffer_append_bytes(line, parts[i]);
        }
        return buffer_error(line);
}

static int joined_section(struct hunks *hunks, const struct document *document, const struct field *fields,
                          struct stream *before, struct stream *now) {
        int r;

        buffer_clear(&hunks->old_line);
        buffer_clear(&hunks->new_line);
        r = join(&hunks->old_line, document, fields, before);
        if (r == 0)
                r = join(&hunks->new_line, document, fields, now);
        if (r < 0)
                return r;
        if (!hunks->had_before)
                return add_new(hunks, buffer_bytes(&hunks->new_line));
        if (bytes_equal(buffer_bytes(&hunks->old_line), buffer_bytes(&hunks->new_line)))
                return same(hunks, buffer_bytes(&hunks->new_line));
        r = add_old(hunks, buffer_bytes(&hunks->old_line));
        return r < 0 ? r : add_new(hunks, buffer_bytes(&hunks->new_line));
}

int hunks_section(struct hunks *hunks, const struct document *document, const struct field *fields, struct stream *before,
                  struct stream *now) {
        struct record old, new;
        int have_old, have_new, r = 0;

        if (document->joined) {
                r = begin(hunks, true, true);
                return r < 0 ? r : joined_section(hunks, document, fields, before, now);
        }

        have_old = stream_next(before, &old);
        have_new = stream_next(now, &new);
        r = begin(hunks, wants_header(hunks, fields, have_old, &old), wants_header(hunks, fields, have_new, &new));
        if (r < 0)
                return r;
        while (have_old > 0 || have_new > 0) {
                int order = have_old <= 0 ? 1 : have_new <= 0 ? -1 : bytes_compare(old.key, new.key);

                if (order < 0)
                        r = one_sided(hunks, document, fields, &old, false);
                else if (order > 0)
                        r = one_sided(hunks, document, fields, &new, true);
                else
                        r = both_sides(hunks, document, fields, &old, &new);
                if (r < 0)
                        return r;
                if (order <= 0)
                        have_old = stream_next(before, &old);
                if (order >= 0)
                        have_new = stream_next(now, &new);
                if (have_old < 0 || have_new < 0)
                        break;
        }
        return have_old < 0 ? have_old : have_new < 0 ? have_new : 0;
}

int hunks_end(struct hunks *hunks) {
        return flush(hunks);
}
