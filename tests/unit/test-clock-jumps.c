/* test-clock-jumps.c - what is more than time between two readings of the clocks; and the wall clock of the running kernel, set by
 * some milliseconds and back. */
#include "listen.h"

#include <errno.h>
#include <sys/timex.h>

#include "clock-jumps.h"

#define MS INT64_C(1000000)

static void test_jumps(void **unused) {
        static const struct {
                int64_t wall, boot, monotonic;  /* passed on each, in ms */
                uint64_t set, slept;
                bool back;
        } cases[] = {
                { 5000, 5000, 5000, 0, 0, false },
                { 0, 0, 0, 0, 0, false },
                { 65000, 5000, 5000, 60000, 0, false },
                { -3595000, 5000, 5000, 3600000, 0, true },
                { 3605000, 3605000, 5000, 0, 3600000, false },          /* slept, the clock went on */
                { 3545000, 3605000, 5000, 60000, 3600000, true },       /* slept, and the clock was set back then */
                { 5000, 5000, 5001, 0, 0, false },                      /* no such thing */
        };
        static const struct clock_reading before = { .wall = UINT64_C(1700000000000000000), .boot = 700, .monotonic = 500 };

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct clock_reading after = before;
                struct clock_jump jump;

                after.wall += (uint64_t)(cases[i].wall * MS);
                after.boot += (uint64_t)(cases[i].boot * MS);
                after.monotonic += (uint64_t)(cases[i].monotonic * MS);
                jump = clock_jump_between(&before, &after);
                assert_true(jump.set_ns == cases[i].set * MS);
                assert_true(jump.slept_ns == cases[i].slept * MS);
                assert_int_equal(jump.set_back, cases[i].back);
        }
        {
                struct clock_reading after = { .wall = before.wall + 999999, .boot = before.boot, .monotonic = before.monotonic };

                assert_true(clock_jump_between(&before, &after).set_ns == 0);
        }
}

static bool step(long microseconds) {
        struct timex step = { .modes = ADJ_SETOFFSET };

        step.time.tv_sec = microseconds < 0 ? -1 : 0;
        step.time.tv_usec = microseconds < 0 ? 1000000 + microseconds : microseconds;
        return clock_adjtime(CLOCK_REALTIME, &step) >= 0;
}

static void test_set(void **unused) {
        struct listen told;
        uint64_t events, lost;

        (void)unused;
        listen_open_or_skip(&told, &source_clock, 1U << DELTA_INCIDENT);
        source_clock.check(told.state);
        assert_string_equal(buffer_string(&told.text), "");
        if (!step(5000)) {
                print_message("the clock may not be set\n");
                listen_close(&told);
                skip();
        }
        listen_for(&told, "appeared incident clock-set ");
        assert_true(step(-5000));
        listen_for(&told, " 1\n");
        source_clock.count(told.state, &events, &lost);
        assert_true(events == 2 && lost == 0);
        assert_false(listen_has(&told, "loss"));
        source_clock.check(told.state);
        assert_false(listen_has(&told, "ended"));
        {
                const char *first = strstr(buffer_string(&told.text), "clock-set ") + 10;
                unsigned long long set = strtoull(first, NULL, 10);

                assert_true(set > 4500000 && set < 5500000);
        }
        listen_close(&told);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_jumps),
                cmocka_unit_test(test_set),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
