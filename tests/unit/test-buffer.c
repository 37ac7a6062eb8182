/* test-buffer.c - bytes that grow: what is appended, what a failure leaves, what is kept for reuse. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>
#include <cmocka.h>

#include "buffer.h"

static void test_appended(void **unused) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

        (void)unused;
        assert_string_equal(buffer_string(&buffer), "");
        buffer_append(&buffer, "ab", 2);
        buffer_append(&buffer, NULL, 0);
        buffer_append_bytes(&buffer, BYTES_NULL);
        buffer_append_bytes(&buffer, bytes_of("c\0d", 3));
        buffer_append_string(&buffer, "");
        buffer_append_string(&buffer, "ef");
        buffer_append_byte(&buffer, '\n');
        buffer_append_fill(&buffer, '-', 3);
        buffer_append_fill(&buffer, '-', 0);
        assert_int_equal(buffer_error(&buffer), 0);
        assert_true(bytes_equal(buffer_bytes(&buffer), bytes_of("abc\0def\n---", 11)));
        assert_memory_equal(buffer_string(&buffer), "abc\0def\n---", 12);
        assert_int_equal(buffer.size, 11);
}

/* The NUL behind the text must be there whatever the size is: at every size round the steps in which memory grows. */
static void test_sizes(void **unused) {
        (void)unused;
        for (size_t size = 0; size < 300; size++) {
                _cleanup_buffer_ struct buffer one = BUFFER_NULL, many = BUFFER_NULL, printed = BUFFER_NULL;

                buffer_append_fill(&one, 'x', size);
                for (size_t i = 0; i < size; i++)
                        buffer_append_byte(&many, 'x');
                buffer_printf(&printed, "%s", buffer_string(&one));
                assert_int_equal(strlen(buffer_string(&many)), size);
                assert_true(bytes_equal(buffer_bytes(&one), buffer_bytes(&many)));
                assert_true(bytes_equal(buffer_bytes(&one), buffer_bytes(&printed)));
        }
}

static void test_printed(void **unused) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

        (void)unused;
        buffer_printf(&buffer, "%s", "");
        assert_int_equal(buffer.size, 0);
        buffer_printf(&buffer, "%d,%0*d", 7, 500, 1);
        buffer_printf(&buffer, "%c", '!');
        assert_int_equal(buffer_error(&buffer), 0);
        assert_int_equal(buffer.size, 503);
        assert_memory_equal(buffer.data, "7,000", 5);
        assert_memory_equal(buffer.data + 500, "01!", 3);
}

static void test_truncated_and_cleared(void **unused) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
        const uint8_t *data;

        (void)unused;
        buffer_append_string(&buffer, "abcdef");
        buffer_truncate(&buffer, 6);
        buffer_truncate(&buffer, 100);
        assert_string_equal(buffer_string(&buffer), "abcdef");
        buffer_truncate(&buffer, 3);
        assert_string_equal(buffer_string(&buffer), "abc");
        data = buffer.data;
        buffer_clear(&buffer);
        assert_string_equal(buffer_string(&buffer), "");
        buffer_append_string(&buffer, "xyz");
        assert_ptr_equal(buffer.data, data);
        buffer_done(&buffer);
        buffer_append_string(&buffer, "again");
        assert_string_equal(buffer_string(&buffer), "again");
}

static void fail_size(struct buffer *buffer) {
        buffer_append_fill(buffer, 0, SIZE_MAX);
}

static void fail_half(struct buffer *buffer) {
        buffer_append_fill(buffer, 0, SIZE_MAX / 2 + 2);
}

static void fail_format(struct buffer *buffer) {
        buffer_printf(buffer, "%lc", (wint_t)0x20ac); /* no such character in the C locale: vsnprintf(3) answers -1 */
}

/* A failure is seen at the end, whatever came behind it; what was there is gone, so that nobody takes a part for all. */
static void test_failed(void **unused) {
        static void (*const ways[])(struct buffer *buffer) = { fail_size, fail_half, fail_format };

        (void)unused;
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                buffer_append_string(&buffer, "before");
                ways[i](&buffer);
                assert_int_equal(buffer_error(&buffer), -ENOMEM);
                buffer_append_string(&buffer, "after");
                buffer_append_byte(&buffer, 'x');
                buffer_append_fill(&buffer, 'x', 2);
                buffer_printf(&buffer, "%d", 3);
                buffer_truncate(&buffer, 1);
                assert_int_equal(buffer.size, 0);
                assert_string_equal(buffer_string(&buffer), "");
                assert_int_equal(buffer_error(&buffer), -ENOMEM);

                buffer_clear(&buffer);
                buffer_append_string(&buffer, "new");
                assert_int_equal(buffer_error(&buffer), 0);
                assert_string_equal(buffer_string(&buffer), "new");
        }
}

/* Bytes: the order of every stream. */
static void test_order(void **unused) {
        static const struct bytes sorted[] = {
                { .data = NULL, .size = 0 },
                { .data = (const uint8_t *)"\0", .size = 1 },
                { .data = (const uint8_t *)"\0\0", .size = 2 },
                { .data = (const uint8_t *)"a", .size = 1 },
                { .data = (const uint8_t *)"a\0x", .size = 3 },
                { .data = (const uint8_t *)"a-b", .size = 3 },
                { .data = (const uint8_t *)"b", .size = 1 },
                { .data = (const uint8_t *)"\x7f", .size = 1 },
                { .data = (const uint8_t *)"\x80", .size = 1 },
                { .data = (const uint8_t *)"\xff", .size = 1 },
        };
        const size_t count = sizeof(sorted) / sizeof(sorted[0]);

        (void)unused;
        for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < count; k++) {
                        int order = bytes_compare(sorted[i], sorted[k]);

                        assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
                        assert_int_equal(bytes_equal(sorted[i], sorted[k]), i == k);
                }
        assert_true(bytes_starts_with(sorted[4], sorted[3]));
        assert_true(bytes_starts_with(sorted[4], sorted[0]));
        assert_false(bytes_starts_with(sorted[3], sorted[4]));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_appended),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_printed),
                cmocka_unit_test(test_truncated_and_cleared),
                cmocka_unit_test(test_failed),
                cmocka_unit_test(test_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
