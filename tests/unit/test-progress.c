/* test-progress.c - how far a look at everything has come, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "progress.h"

static void test_table(void **state) {
        static const struct {
                uint64_t files, bytes, ms;
                const char *text;
        } table[] = {
                { 0, 0, 0, "0 files, 0 B so far" },
                { 1, 1, 99, "1 file, 1 B so far" },
                { 1, 1, 100, "1 file, 1 B, 10 B/s so far" },
                { 999, 1023, 1000, "999 files, 1023 B, 1023 B/s so far" },
                { 1000, 1024, 1000, "1,000 files, 1.0 KiB, 1.0 KiB/s so far" },
                { 41203, UINT64_C(2254857830), 7000, "41,203 files, 2.1 GiB, 307.2 MiB/s so far" },
                { 12345678, 0, 60000, "12,345,678 files, 0 B so far" },
                { UINT64_MAX, UINT64_MAX, 1000, "18,446,744,073,709,551,615 files, 16.0 EiB, 16.0 EiB/s so far" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                progress_append(&text, table[i].files, table[i].bytes, table[i].ms);
                assert_string_equal(buffer_string(&text), table[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
