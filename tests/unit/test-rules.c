/* test-rules.c - how bad a change is, what it is called, whom it wakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules.h"

static void test_severity(void **unused) {
        static const enum severity expected[][3] = {
                /* at low, at high, fixed */
                [SEVERITY_INFO] = { SEVERITY_INFO, SEVERITY_HIGH, SEVERITY_INFO },
                [SEVERITY_LOW] = { SEVERITY_LOW, SEVERITY_HIGH, SEVERITY_LOW },
                [SEVERITY_MEDIUM] = { SEVERITY_LOW, SEVERITY_HIGH, SEVERITY_MEDIUM },
                [SEVERITY_HIGH] = { SEVERITY_LOW, SEVERITY_HIGH, SEVERITY_HIGH },
                [SEVERITY_CRITICAL] = { SEVERITY_LOW, SEVERITY_CRITICAL, SEVERITY_CRITICAL },
        };

        (void)unused;
        for (enum severity severity = SEVERITY_INFO; severity <= SEVERITY_CRITICAL; severity++) {
                struct action action = { .severity = severity };

                assert_int_equal(rules_severity(&action, PRIORITY_LOW), expected[severity][0]);
                assert_int_equal(rules_severity(&action, PRIORITY_HIGH), expected[severity][1]);
                action.fixed_severity = true;
                assert_int_equal(rules_severity(&action, PRIORITY_LOW), expected[severity][2]);
                assert_int_equal(rules_severity(&action, PRIORITY_HIGH), expected[severity][2]);
        }
}

static void test_alerts(void **unused) {
        struct event event = { .severity = SEVERITY_HIGH };

        (void)unused;
        assert_true(rules_alerts(&event, SEVERITY_HIGH));
        assert_true(rules_alerts(&event, SEVERITY_LOW));
        assert_false(rules_alerts(&event, SEVERITY_CRITICAL));
        event.quiet = true;
        assert_false(rules_alerts(&event, SEVERITY_INFO));
}

static const struct action upgraded = { .action = "upgraded" };

static const struct action *only_changes(const struct change *change) {
        return change->kind == CHANGE_CHANGED ? &upgraded : NULL;
}

static void test_action(void **unused) {
        struct watch watch = { .kind = "test" };
        struct change appeared = { .kind = CHANGE_APPEARED }, vanished = { .kind = CHANGE_VANISHED };
        struct change changed = { .kind = CHANGE_CHANGED };

        (void)unused;
        assert_ptr_equal(rules_action(&watch, &appeared), &watch.appeared);
        assert_ptr_equal(rules_action(&watch, &vanished), &watch.vanished);
        assert_ptr_equal(rules_action(&watch, &changed), &watch.changed);
        watch.classify = only_changes;
        assert_ptr_equal(rules_action(&watch, &appeared), &watch.appeared);
        assert_ptr_equal(rules_action(&watch, &vanished), &watch.vanished);
        assert_ptr_equal(rules_action(&watch, &changed), &upgraded);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_severity),
                cmocka_unit_test(test_alerts),
                cmocka_unit_test(test_action),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
