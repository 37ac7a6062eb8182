#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ownership.h"
#include "package-version.h"

struct pair {
        const char *a, *b;
        int order;
};

/* Checked against dpkg --compare-versions, but for the empty ones, which it takes for no version. */
static const struct pair deb[] = {
        { "1.0", "1.0", 0 },          { "1.0", "1.00", 0 },            { "0:1.0", "1.0", 0 },
        { "1.0", "1.0-0", 0 },        { "1.0-1", "1.0-2", -1 },        { "2.10-3", "2.9-9", 1 },
        { "1:1", "2", 1 },            { "1.0~rc1", "1.0", -1 },        { "1.0~~", "1.0~", -1 },
        { "1.0+b1", "1.0", 1 },       { "1.0a", "1.0+", -1 },          { "1.0a", "1.0.1", -1 },
        { "1.0-1", "1.0-1~deb12u1", 1 }, { "1.0-1+deb12u2", "1.0-1+deb12u10", -1 }, { "1-2-3", "1-2-4", -1 },
        { "", "0", 0 },               { "", "~", 1 },                  { "a", "", 1 },
        { "99999999999999999999999", "100000000000000000000000", -1 }, { "000000000000000000000000001", "1", 0 },
};

/* Checked against rpm --eval '%{lua:print(rpm.ver("A") < rpm.ver("B"))}'. */
static const struct pair rpm[] = {
        { "1.0-1", "1.0-1", 0 },      { "1.0-1", "1.0-2", -1 },        { "2:1.0-1", "3.0-1", 1 },
        { "1.0", "1_0", 0 },          { "1.0", "1.0-5", -1 },          { "1.0a", "1.0.1", -1 },
        { "1.0~rc1-1", "1.0-1", -1 }, { "1.0^git1-1", "1.0-1", 1 },    { "1.0^git1", "1.0.1", -1 },
        { "1.0^a", "1.0^b", -1 },     { "1.0~rc1^git", "1.0~rc1", 1 }, { "abc", "1", -1 },
        { "1.0.", "1.0", 0 },         { "1.a", "1", 1 },               { "010", "10", 0 },
        { "6.1.0-9.fc40", "6.1.0-10.fc40", -1 }, { "fd431d51-4ae0493b", "fd431d51-4ae0493c", -1 }, { "", "", 0 },
};

static void check(const struct pair *pairs, size_t count, int (*compare)(struct bytes a, struct bytes b)) {
        for (size_t i = 0; i < count; i++) {
                struct bytes a = bytes_of_string(pairs[i].a), b = bytes_of_string(pairs[i].b);
                int there = compare(a, b), back = compare(b, a);

                print_message("%s and %s\n", pairs[i].a, pairs[i].b);
                assert_int_equal((there > 0) - (there < 0), pairs[i].order);
                assert_int_equal((back > 0) - (back < 0), -pairs[i].order);
        }
}

static void test_deb(void **context) {
        (void)context;
        check(deb, ELEMENTS(deb), package_version_compare_deb);
}

static void test_rpm(void **context) {
        (void)context;
        check(rpm, ELEMENTS(rpm), package_version_compare_rpm);
}

/* Every byte, NUL too, alone and among others: an end, and an answer that can be turned round. */
static void test_any_bytes(void **context) {
        (void)context;
        for (unsigned i = 0; i < 256; i++)
                for (unsigned j = 0; j < 256; j++) {
                        uint8_t left[] = { '1', (uint8_t)i, '0' }, right[] = { '1', (uint8_t)j, (uint8_t)i };
                        struct bytes a = bytes_of(left, sizeof(left)), b = bytes_of(right, sizeof(right));
                        int there = package_version_compare_deb(a, b), back = package_version_compare_deb(b, a);

                        assert_int_equal((there > 0) - (there < 0), (back < 0) - (back > 0));
                        there = package_version_compare_rpm(a, b);
                        back = package_version_compare_rpm(b, a);
                        assert_int_equal((there > 0) - (there < 0), (back < 0) - (back > 0));
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_deb),
                cmocka_unit_test(test_rpm),
                cmocka_unit_test(test_any_bytes),
        };

        return cmocka_run_group_tests_name("package-version", tests, NULL, NULL);
}
