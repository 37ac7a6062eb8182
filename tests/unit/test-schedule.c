/* test-schedule.c - when to look next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "schedule.h"

#define SECOND UINT64_C(1000000000)

static void test_interval(void **unused) {
        struct schedule schedule;

        (void)unused;
        schedule_init(&schedule, 2 * SECOND, 600 * SECOND);
        assert_true(schedule_due(&schedule, 0));
        assert_true(schedule_reconcile_due(&schedule, 0));
        schedule_looked(&schedule, 100 * SECOND, 0, true);
        assert_false(schedule_due(&schedule, 101 * SECOND));
        assert_true(schedule_due(&schedule, 102 * SECOND));
        /* the timer comes a moment early: this round, not the next */
        assert_true(schedule_due(&schedule, 102 * SECOND - SECOND / 10));
        assert_false(schedule_due(&schedule, 102 * SECOND - SECOND / 2));
}

static void test_reconcile(void **unused) {
        struct schedule schedule;

        (void)unused;
        schedule_init(&schedule, 2 * SECOND, 600 * SECOND);
        schedule_looked(&schedule, 100 * SECOND, 0, true);
        schedule_looked(&schedule, 102 * SECOND, 0, false);
        assert_false(schedule_reconcile_due(&schedule, 699 * SECOND));
        assert_true(schedule_reconcile_due(&schedule, 700 * SECOND));
}

static void test_hint(void **unused) {
        struct schedule schedule;

        (void)unused;
        schedule_init(&schedule, 2 * SECOND, 600 * SECOND);
        schedule_looked(&schedule, 100 * SECOND, 0, true);
        schedule_hint(&schedule);
        schedule_hint(&schedule);
        assert_true(schedule_due(&schedule, 100 * SECOND));
        schedule_looked(&schedule, 100 * SECOND, 0, false);
        assert_false(schedule_due(&schedule, 101 * SECOND));
}

static void test_rest(void **unused) {
        struct schedule schedule;

        (void)unused;
        schedule_init(&schedule, 2 * SECOND, 600 * SECOND);
        schedule_hint(&schedule);
        schedule_rest(&schedule, 100 * SECOND);
        assert_false(schedule_due(&schedule, 699 * SECOND));
        assert_true(schedule_due(&schedule, 700 * SECOND));
        schedule_hint(&schedule);
        assert_true(schedule_due(&schedule, 101 * SECOND));
}

/* A look may take a fiftieth of one core, whatever Interval= says. */
static void test_cadence(void **unused) {
        static const struct {
                uint64_t interval, cost, cadence;
        } cases[] = {
                { 2 * SECOND, 0, 2 * SECOND },
                { 2 * SECOND, SECOND / 1000, 2 * SECOND },
                { 2 * SECOND, SECOND / 25, 2 * SECOND },
                { 2 * SECOND, SECOND / 10, 5 * SECOND },
                { 2 * SECOND, 20 * SECOND, 1000 * SECOND },
                { 2 * SECOND, UINT64_MAX / 50, UINT64_MAX / 50 * 50 },
        };
        struct schedule schedule;

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_true(schedule_cadence(cases[i].interval, cases[i].cost) == cases[i].cadence);
        assert_true(schedule_cadence(1, UINT64_MAX) > 100 * 365 * (86400 * SECOND));

        schedule_init(&schedule, 2 * SECOND, 600 * SECOND);
        schedule_looked(&schedule, 100 * SECOND, 2 * SECOND, false);
        assert_false(schedule_due(&schedule, 199 * SECOND));
        assert_true(schedule_due(&schedule, 200 * SECOND));
        schedule_looked(&schedule, 200 * SECOND, UINT64_MAX, false); /* nothing runs over */
        assert_false(schedule_due(&schedule, 100000 * SECOND));
}

/* The slack is one of Interval=, however long the interval in force. */
static void test_slack(void **unused) {
        struct schedule schedule;

        (void)unused;
        schedule_init(&schedule, 2 * SECOND, 600 * SECOND);
        schedule_looked(&schedule, 100 * SECOND, 0, true);
        schedule_set_interval(&schedule, 600 * SECOND);
        assert_true(schedule_next(&schedule) == 700 * SECOND);
        assert_false(schedule_due(&schedule, 699 * SECOND));
        assert_true(schedule_due(&schedule, 700 * SECOND - SECOND / 4));
        schedule_looked(&schedule, 700 * SECOND, 0, true);
        assert_true(schedule_next(&schedule) == 1300 * SECOND);
        schedule_set_interval(&schedule, 2 * SECOND);
        assert_true(schedule_next(&schedule) == 702 * SECOND);
        schedule_rest(&schedule, 700 * SECOND);
        assert_true(schedule_next(&schedule) == 1300 * SECOND);
}

/* A look that is owed is not put off because sources see everything meanwhile. */
static void test_owed(void **unused) {
        struct schedule schedule;

        (void)unused;
        schedule_init(&schedule, 2 * SECOND, 600 * SECOND);
        schedule_looked(&schedule, 100 * SECOND, 0, true);
        schedule_set_interval(&schedule, 600 * SECOND);
        schedule_again(&schedule, 101 * SECOND, 2 * SECOND);
        assert_true(schedule_next(&schedule) == 103 * SECOND);
        schedule_set_interval(&schedule, 600 * SECOND);
        assert_true(schedule_next(&schedule) == 103 * SECOND);
        assert_true(schedule_due(&schedule, 103 * SECOND));
        schedule_looked(&schedule, 103 * SECOND, 0, true);
        assert_true(schedule_next(&schedule) == 703 * SECOND);
        schedule_set_interval(&schedule, 2 * SECOND);
        assert_true(schedule_next(&schedule) == 105 * SECOND);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_interval),
                cmocka_unit_test(test_reconcile),
                cmocka_unit_test(test_hint),
                cmocka_unit_test(test_rest),
                cmocka_unit_test(test_cadence),
                cmocka_unit_test(test_slack),
                cmocka_unit_test(test_owed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
