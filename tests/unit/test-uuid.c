#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uuid.h"

static void formats(void **state) {
        static const uint8_t id[UUID_SIZE] = { 0x00, 0x01, 0x02, 0x03, 0x44, 0x55, 0x66, 0x77,
                                               0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
        char text[UUID_TEXT_SIZE];

        (void)state;
        uuid_format(id, text);
        assert_string_equal(text, "00010203-4455-6677-8899-aabbccddeeff");
}

static void makes_v4(void **state) {
        uint8_t zeros[UUID_SIZE] = { 0 }, ones[UUID_SIZE];
        char text[UUID_TEXT_SIZE];

        (void)state;
        uuid_make_v4(zeros);
        uuid_format(zeros, text);
        assert_string_equal(text, "00000000-0000-4000-8000-000000000000");

        memset(ones, 0xff, sizeof(ones));
        uuid_make_v4(ones);
        uuid_format(ones, text);
        assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

/* The example of RFC 9562 appendix A.6. */
static void makes_v7(void **state) {
        const struct timespec at = { .tv_sec = 1645557742, .tv_nsec = 0 };
        uint8_t id[UUID_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0c, 0xc3,
                                  0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f };
        char text[UUID_TEXT_SIZE];

        (void)state;
        uuid_make_v7(id, &at);
        uuid_format(id, text);
        assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(formats),
                cmocka_unit_test(makes_v4),
                cmocka_unit_test(makes_v7),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
