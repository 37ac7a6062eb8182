#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "timestamp.h"

/* A zone with a half hour and no summer time; POSIX form, so that no zone files are needed. */
#define ZONE "TST-05:30"

static int set_zone(void **state) {
        (void)state;
        if (setenv("TZ", ZONE, 1) < 0)
                return -1;
        tzset();
        return 0;
}

static void writes_moments(void **state) {
        static const struct {
                struct timespec at;
                const char *utc, *local, *classic, *compact;
        } table[] = {
                { { 0, 0 }, "1970-01-01T00:00:00.000000Z", "1970-01-01T05:30:00", "19700101-05:30:00",
                  "19700101053000" },
                { { 1795473243, 123456789 }, "2026-11-23T22:34:03.123456Z", "2026-11-24T04:04:03", "20261124-04:04:03",
                  "20261124040403" },
                { { 951782399, 999999999 }, "2000-02-28T23:59:59.999999Z", "2000-02-29T05:29:59", "20000229-05:29:59",
                  "20000229052959" },
                { { -1, 0 }, "1969-12-31T23:59:59.000000Z", "1970-01-01T05:29:59", "19700101-05:29:59",
                  "19700101052959" },
                /* The last nanosecond that FIELD_TIME can hold. */
                { { 18446744073, 709551615 }, "2554-07-21T23:34:33.709551Z", "2554-07-22T05:04:33",
                  "25540722-05:04:33", "25540722050433" },
                /* No year of four digits. */
                { { INT64_MAX, 0 }, "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00", "19700101-00:00:00",
                  "19700101000000" },
                { { INT64_MIN, 0 }, "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00", "19700101-00:00:00",
                  "19700101000000" },
                { { 253402300800, 0 }, "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00", "19700101-00:00:00",
                  "19700101000000" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                timestamp_utc(&buffer, &table[i].at);
                assert_string_equal(buffer_string(&buffer), table[i].utc);
                buffer_clear(&buffer);
                timestamp_local(&buffer, &table[i].at);
                assert_string_equal(buffer_string(&buffer), table[i].local);
                buffer_clear(&buffer);
                timestamp_classic(&buffer, &table[i].at);
                assert_string_equal(buffer_string(&buffer), table[i].classic);
                buffer_clear(&buffer);
                timestamp_compact(&buffer, &table[i].at);
                assert_string_equal(buffer_string(&buffer), table[i].compact);
        }
}

static void nanoseconds_and_back(void **state) {
        static const uint64_t table[] = { 0, 1, 999999999, 1000000000, 1795473243123456789u, UINT64_MAX };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                struct timespec at = timestamp_of_ns(table[i]);

                assert_true(at.tv_nsec >= 0 && at.tv_nsec < 1000000000);
                assert_true(timestamp_to_ns(&at) == table[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(writes_moments),
                cmocka_unit_test(nanoseconds_and_back),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
