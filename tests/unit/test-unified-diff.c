#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "unified-diff.h"

static void assert_diff(const char *before, const char *after, const char *expected) {
        _cleanup_buffer_ struct buffer diff = BUFFER_NULL;

        assert_int_equal(unified_diff_append(&diff, bytes_of_string(before), bytes_of_string(after)), 0);
        assert_string_equal(buffer_string(&diff), expected);
}

/* As diff -U3 has it, without its first two lines. */
static void test_small(void **unused) {
        (void)unused;
        assert_diff("", "", "");
        assert_diff("a\nb\n", "a\nb\n", "");
        assert_diff("", "a\n", "@@ -0,0 +1 @@\n+a\n");
        assert_diff("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n");
        assert_diff("a\n", "b\n", "@@ -1 +1 @@\n-a\n+b\n");
        assert_diff("a\nb\nc\n", "a\nx\nb\nc\n", "@@ -1,3 +1,4 @@\n a\n+x\n b\n c\n");
        assert_diff("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
                    "@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n");
        assert_diff("\n\n", "\n", "@@ -1,2 +1 @@\n \n-\n");
}

static void test_last_line(void **unused) {
        (void)unused;
        assert_diff("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
        assert_diff("a\nb", "x\nb", "@@ -1,2 +1,2 @@\n-a\n+x\n b\n\\ No newline at end of file\n");
}

static void test_context(void **unused) {
        (void)unused;
        assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "@@ -6,3 +6,4 @@\n 6\n 7\n 8\n+9\n");
        /* six lines between two changes are one hunk, seven are not */
        assert_diff("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
                    "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
        assert_diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
                    "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

/* Too many differences to look for: all between is replaced, and what is the same around it is not. */
static void test_many(void **unused) {
        _cleanup_buffer_ struct buffer before = BUFFER_NULL, after = BUFFER_NULL, diff = BUFFER_NULL;
        uint64_t more;
        struct bytes cut;

        (void)unused;
        buffer_append_string(&before, "first\n");
        buffer_append_string(&after, "first\n");
        for (int i = 0; i < 1000; i++) {
                buffer_printf(&before, "same\n-%d\n", i);
                buffer_printf(&after, "same\n+%d\n", i);
        }
        assert_int_equal(unified_diff_append(&diff, buffer_bytes(&before), buffer_bytes(&after)), 0);
        cut = unified_diff_cut(buffer_bytes(&diff), 4, 1000, &more);
        assert_string_equal(buffer_string(&diff) + cut.size - 5, strstr(buffer_string(&diff), " same\n--0\n") + 5);
        assert_int_equal(more, 3 + 1999 + 1999 - 4);
}

static void test_cut(void **unused) {
        static const char text[] = "@@ -1 +1 @@\n-aaaa\n+b\n";
        _cleanup_buffer_ struct buffer diff = BUFFER_NULL;
        uint64_t more;

        (void)unused;
        assert_int_equal(unified_diff_cut(bytes_of_string(text), 3, 21, &more).size, 21);
        assert_int_equal(more, 0);
        assert_int_equal(unified_diff_cut(bytes_of_string(text), 2, 100, &more).size, 18);
        assert_int_equal(more, 1);
        assert_int_equal(unified_diff_cut(bytes_of_string(text), 3, 17, &more).size, 12);
        assert_int_equal(more, 2); /* the short one behind the long one, too */
        assert_int_equal(unified_diff_cut(BYTES_NULL, 0, 0, &more).size, 0);
        assert_int_equal(more, 0);
        buffer_append_string(&diff, text);
        unified_diff_more(&diff, 40);
        assert_int_equal(unified_diff_cut(buffer_bytes(&diff), 100, 1000, &more).size, 21);
        assert_int_equal(more, 40);
        assert_int_equal(unified_diff_cut(buffer_bytes(&diff), 2, 1000, &more).size, 18);
        assert_int_equal(more, 41);
        buffer_clear(&diff);
        unified_diff_more(&diff, 1);
        assert_string_equal(buffer_string(&diff), "... 1 more line\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_small), cmocka_unit_test(test_last_line), cmocka_unit_test(test_context),
                cmocka_unit_test(test_many),  cmocka_unit_test(test_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
