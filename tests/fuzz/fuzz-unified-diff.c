/* Two texts with a NUL between them: their diff makes the second of the first. */
#include <stdlib.h>

#include "unified-diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

static struct bytes line_of(struct bytes *rest) {
        const uint8_t *end = rest->size ? memchr(rest->data, '\n', rest->size) : NULL;
        struct bytes line = bytes_of(rest->data, end ? (size_t)(end - rest->data) + 1 : rest->size);

        *rest = bytes_of(rest->data + line.size, rest->size - line.size);
        return line;
}

/* The line of a text, or one that the text ends with and that has no newline of its own. */
static struct bytes content_of(struct bytes line, struct bytes rest) {
        line = bytes_of(line.data + 1, line.size - 1);
        if (rest.size && rest.data[0] == '\\')
                line.size--;
        return line;
}

static void apply(struct bytes before, struct bytes diff, struct buffer *ret) {
        size_t at = 1;

        while (diff.size) {
                struct bytes line = line_of(&diff);

                if (line.data[0] == '@') {
                        size_t first = strtoul((const char *)line.data + 4, NULL, 10);
                        const char *comma = memchr(line.data, ',', line.size), *plus = memchr(line.data, '+', line.size);

                        if (comma && comma < plus && comma[1] == '0')
                                first++;
                        for (; at < first; at++)
                                buffer_append_bytes(ret, line_of(&before));
                } else if (line.data[0] == '+') {
                        buffer_append_bytes(ret, content_of(line, diff));
                } else if (line.data[0] != '\\') {
                        struct bytes known = line_of(&before);

                        expect((line.data[0] == ' ' || line.data[0] == '-') && bytes_equal(known, content_of(line, diff)));
                        at++;
                        if (line.data[0] == ' ')
                                buffer_append_bytes(ret, known);
                }
        }
        buffer_append_bytes(ret, before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *middle = size ? memchr(data, 0, size) : NULL;
        size_t first = middle ? (size_t)(middle - data) : size;
        struct bytes before = bytes_of(data, first), after = middle ? bytes_of(middle + 1, size - first - 1) : BYTES_NULL, cut;
        _cleanup_buffer_ struct buffer diff = BUFFER_NULL, made = BUFFER_NULL;
        uint64_t more;

        if (unified_diff_append(&diff, before, after) < 0)
                return 0;
        buffer_append_byte(&diff, 0); /* for strtoul */
        buffer_truncate(&diff, diff.size - 1);
        apply(before, buffer_bytes(&diff), &made);
        expect(bytes_equal(buffer_bytes(&made), after));
        expect((diff.size == 0) == bytes_equal(before, after));
        cut = unified_diff_cut(buffer_bytes(&diff), size % 7, 20, &more);
        expect(cut.size <= 20 && (more > 0) == (cut.size < diff.size));
        return 0;
}
