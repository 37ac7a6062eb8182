/* test-coverage-text.c - how a watch learns of changes, and what it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "coverage-text.h"
#include "ownership.h"

#define SECOND UINT64_C(1000000000)

static const struct {
        struct watch_coverage coverage;
        const char *expected;
} table[] = {
        { { "boot", false, COVERAGE_FULL, "fanotify inode marks", "writes through a mapping are seen when it is unmapped", NULL,
            600 * SECOND },
          "boot: watched by fanotify inode marks; writes through a mapping are seen when it is unmapped" },
        { { "modules", false, COVERAGE_FULL, "bpf", "", NULL, 600 * SECOND }, "modules: watched by bpf" },
        { { "users", false, COVERAGE_MOST, "inotify", "one\ntwo\n", "fanotify: EPERM", 30 * SECOND },
          "users: watched for the most part by inotify: fanotify: EPERM; one; two" },
        { { "connections", false, COVERAGE_WAKES, NULL, NULL, "bpf is not available: EPERM", 2 * SECOND },
          "connections: polled every 2 s: bpf is not available: EPERM" },
        { { "connections", false, COVERAGE_WAKES, "netlink destroy groups", NULL, NULL, SECOND / 2 },
          "connections: polled every 500 ms, woken by netlink destroy groups" },
        /* a level without a mechanism is none */
        { { "connections", false, COVERAGE_FULL, "", NULL, NULL, 2 * SECOND }, "connections: polled every 2 s" },
        { { "packages", true, COVERAGE_FULL, "fanotify", "x", NULL, 2 * SECOND }, "packages: not on this host" },
};

static void states_coverage(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                coverage_sentence(&buffer, &table[i].coverage);
                assert_string_equal(buffer_string(&buffer), table[i].expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(states_coverage),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
