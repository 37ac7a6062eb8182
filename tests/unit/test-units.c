/* test-units.c - times and sizes: what is read, what is refused, and that writing reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "units.h"

#define S UINT64_C(1000000000)

enum form { NUMBER, TIME, SIZE };

static const struct {
        enum form form;
        const char *text;
        int answer;
        uint64_t value;
        const char *written;    /* NULL: as the text */
} table[] = {
        { TIME, "2s", 0, 2 * S },
        { TIME, "10min", 0, 600 * S },
        { TIME, "600s", 0, 600 * S, "10min" },
        { TIME, "1w", 0, 7 * 24 * 3600 * S },
        { TIME, "7d", 0, 7 * 24 * 3600 * S, "1w" },
        { TIME, "90min", 0, 5400 * S },
        { TIME, "24h", 0, 24 * 3600 * S, "1d" },
        { TIME, "500ms", 0, S / 2 },
        { TIME, "1500ms", 0, S + S / 2 },
        { TIME, "7us", 0, 7000 },
        { TIME, "2 s", 0, 2 * S, "2s" },
        { TIME, "0s", 0, 0 },
        { TIME, "002s", 0, 2 * S, "2s" },
        { TIME, "2", -EINVAL },
        { TIME, "", -EINVAL },
        { TIME, "s", -EINVAL },
        { TIME, " 2s", -EINVAL },
        { TIME, "2s ", -EINVAL },
        { TIME, "-2s", -EINVAL },
        { TIME, "+2s", -EINVAL },
        { TIME, "1.5s", -EINVAL },
        { TIME, "1e3s", -EINVAL },
        { TIME, "0x10s", -EINVAL },
        { TIME, "2S", -EINVAL },
        { TIME, "2sec", -EINVAL },
        { TIME, "2m", -EINVAL },
        { TIME, "2 parsecs", -EINVAL },
        { TIME, "1h30min", -EINVAL },
        { TIME, "2K", -EINVAL },
        { TIME, "30500w", 0, UINT64_C(30500) * 7 * 24 * 3600 * S },
        { TIME, "30501w", -ERANGE },
        { TIME, "99999999999999999999s", -ERANGE },
        { TIME, "99999999999999999999 apples", -EINVAL },
        { SIZE, "100000", 0, 100000 },
        { SIZE, "0", 0, 0 },
        { SIZE, "1K", 0, 1024 },
        { SIZE, "1024", 0, 1024, "1K" },
        { SIZE, "2M", 0, 2 << 20 },
        { SIZE, "1G", 0, 1 << 30 },
        { SIZE, "1024G", 0, UINT64_C(1) << 40, "1T" },
        { SIZE, "16777215T", 0, UINT64_C(16777215) << 40 },
        { SIZE, "16777216T", -ERANGE },
        { SIZE, "18446744073709551615", 0, UINT64_MAX },
        { SIZE, "18446744073709551616", -ERANGE },
        { SIZE, "99999999999999999999", -ERANGE },
        { SIZE, "-1", -EINVAL },
        { SIZE, "1k", -EINVAL },
        { SIZE, "1KB", -EINVAL },
        { SIZE, "1GiB", -EINVAL },
        { SIZE, "2s", -EINVAL },
        { SIZE, "G", -EINVAL },
        { NUMBER, "30", 0, 30 },
        { NUMBER, "18446744073709551615", 0, UINT64_MAX },
        { NUMBER, "18446744073709551616", -ERANGE },
        { NUMBER, "30d", -EINVAL },
        { NUMBER, "", -EINVAL },
        { NUMBER, "-30", -EINVAL },
};

static void test_table(void **unused) {
        (void)unused;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer written = BUFFER_NULL;
                const char *text = table[i].text;
                uint64_t value = 12345;
                int r;

                if (table[i].form == NUMBER)
                        r = units_read_number(text, &value);
                else
                        r = table[i].form == TIME ? units_read_time(text, &value) : units_read_size(text, &value);
                if (r != table[i].answer)
                        fail_msg("\"%s\" was answered %d, not %d", text, r, table[i].answer);
                assert_int_equal(value, r == 0 ? table[i].value : 12345);
                if (r < 0 || table[i].form == NUMBER)
                        continue;
                if (table[i].form == TIME)
                        units_write_time(&written, value);
                else
                        units_write_size(&written, value);
                assert_string_equal(buffer_string(&written), table[i].written ? table[i].written : text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
