/* test-losses.c - what was lost and what came of it; and the words for spans and counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "durations.h"
#include "losses.h"
#include "ownership.h"

#define T1 UINT64_C(1795473243123456789)
#define T2 UINT64_C(1795473303000000000)

static const char *const names[] = { "boot", "processes", "users" };

static const struct {
        struct loss loss;
        struct loss_outcome outcome;
        const char *expected;
} table[] = {
        { { "fanotify", "overflow", true, 4312, NULL, NULL, .since_ns = T1 }, { names, 2, T2, 8123456, 1 },
          "fanotify lost 4,312 events (overflow) between 2026-11-23T22:34:03 and 2026-11-23T22:35:03; "
          "rescanned boot and processes in 8 ms, found 1 change" },
        { { "kmsg", "overrun", true, 1, NULL, NULL, .since_ns = T1 }, { names, 1, 0, 420000, 0 },
          "kmsg lost 1 event (overrun) after 2026-11-23T22:34:03; rescanned boot in 420 us, found 0 changes" },
        { { "bpf", "ring full", false, 0, NULL, NULL, .since_ns = 0 }, { names, 3, T2, 12400000000, 1200 },
          "bpf lost an unknown number of events (ring full); "
          "rescanned boot, processes and users in 12.4 s, found 1,200 changes" },
        { { "netlink", "ENOBUFS", false, 0, NULL, NULL, .since_ns = 0 }, { NULL, 0, 0, 0, 0 },
          "netlink lost an unknown number of events (ENOBUFS); nothing was rescanned" },
};

static void says_what_was_lost(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                loss_sentence(&buffer, &table[i].loss, &table[i].outcome);
                assert_string_equal(buffer_string(&buffer), table[i].expected);
        }
}

static void spans(void **state) {
        static const struct {
                uint64_t ns;
                const char *expected;
        } spans[] = {
                { 0, "0 us" }, { 999, "less than 1 us" }, { 1000, "1 us" }, { 999999, "999 us" }, { 1000000, "1 ms" },
                { 999999999, "999 ms" }, { 1000000000, "1 s" }, { 1099999999, "1 s" }, { 1100000000, "1.1 s" },
                { 59999999999, "59.9 s" }, { 60000000000, "1 min" }, { 61000000000, "1 min 1 s" }, { 600000000000, "10 min" },
                { 3600000000000, "1 h" }, { 3660000000000, "1 h 1 min" }, { 48 * 3600000000000, "2 days" },
                { 49 * 3600000000000, "2 days 1 h" }, { UINT64_MAX, "213503 days 23 h" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(spans); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                duration_append(&buffer, spans[i].ns);
                assert_string_equal(buffer_string(&buffer), spans[i].expected);
        }
}

static void counts(void **state) {
        static const struct {
                uint64_t count;
                const char *expected;
        } counts[] = {
                { 0, "0" }, { 7, "7" }, { 999, "999" }, { 1000, "1,000" }, { 12034, "12,034" }, { 1000001, "1,000,001" },
                { UINT64_MAX, "18,446,744,073,709,551,615" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(counts); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                count_append(&buffer, counts[i].count);
                assert_string_equal(buffer_string(&buffer), counts[i].expected);
        }
}

static int set_zone(void **state) {
        (void)state;
        if (setenv("TZ", "UTC0", 1) < 0)
                return -1;
        tzset();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(says_what_was_lost),
                cmocka_unit_test(spans),
                cmocka_unit_test(counts),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
