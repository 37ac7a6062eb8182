/* test-user-table.c - the table of effective users against a plain array, through growth and removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user-table.h"

static void test_against_an_array(void **unused) {
        enum { PIDS = 3000 };
        static int64_t expected[PIDS]; /* -1: not there */
        struct user_table table = { .entries = NULL };
        uint32_t seed = 1, user;
        size_t count = 0;

        (void)unused;
        for (int i = 0; i < PIDS; i++)
                expected[i] = -1;
        assert_false(user_table_find(&table, 1, &user));
        user_table_remove(&table, 1);
        for (int i = 0; i < 200000; i++) {
                uint32_t pid;

                seed = seed * 1103515245 + 12345;
                pid = 1 + (seed >> 8) % (PIDS - 1);
                if (seed >> 30 & 1) {
                        assert_true(user_table_put(&table, pid, seed));
                        expected[pid] = seed;
                } else {
                        user_table_remove(&table, pid);
                        expected[pid] = -1;
                }
                if (i % 1000 == 0)
                        for (uint32_t p = 1; p < PIDS; p++) {
                                assert_int_equal(user_table_find(&table, p, &user), expected[p] >= 0);
                                if (expected[p] >= 0)
                                        assert_int_equal(user, expected[p]);
                        }
        }
        for (uint32_t p = 1; p < PIDS; p++)
                count += expected[p] >= 0;
        assert_int_equal(table.count, count);
        assert_false(user_table_put(&table, 0, 1));
        user_table_clear(&table);
        assert_int_equal(table.count, 0);
        assert_false(user_table_find(&table, 7, &user));
        user_table_done(&table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_an_array),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
