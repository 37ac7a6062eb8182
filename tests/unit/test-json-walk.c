#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json-walk.h"
#include "ownership.h"

/* Members until the end: how many, or -EBADMSG. */
static int count(const char *text) {
        struct json_walk walk;
        struct bytes key, value;
        int n = 0, r = json_walk_open(&walk, bytes_of_string(text));

        if (r < 0)
                return r;
        while ((r = json_walk_next(&walk, &key, &value)) > 0)
                n++;
        return r < 0 ? r : n;
}

static void walks_what_is_json(void **state) {
        static const struct {
                const char *text;
                int members;
        } cases[] = {
                { "{}", 0 },
                { " { } \n", 0 },
                { "{\"a\":1}", 1 },
                { "{\"a\" : -0.5e+10 , \"b\":[1,[],{}], \"c\":{\"d\":null}}", 3 },
                { "{\"a\":\"\\u00e9\\n\\\"\",\"b\":true,\"c\":false}", 3 },
                { "", -EBADMSG },
                { "[]", -EBADMSG },
                { "{", -EBADMSG },
                { "{}x", -EBADMSG },
                { "{\"a\"}", -EBADMSG },
                { "{\"a\":}", -EBADMSG },
                { "{\"a\":1,}", -EBADMSG },
                { "{,\"a\":1}", -EBADMSG },
                { "{\"a\":1 \"b\":2}", -EBADMSG },
                { "{\"a\":01}", -EBADMSG },
                { "{\"a\":1.}", -EBADMSG },
                { "{\"a\":+1}", -EBADMSG },
                { "{\"a\":\"\\x\"}", -EBADMSG },
                { "{\"a\":\"\n\"}", -EBADMSG },
                { "{\"a\":\"\\u12\"}", -EBADMSG },
                { "{\"a\":nul}", -EBADMSG },
                { "{\"a\":[1,]}", -EBADMSG },
                { "{a:1}", -EBADMSG },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                if (count(cases[i].text) != cases[i].members)
                        print_error("%s\n", cases[i].text);
                assert_int_equal(count(cases[i].text), cases[i].members);
        }
}

static void depth_has_an_end(void **state) {
        char text[200];

        (void)state;
        for (int depth = 1; depth < 80; depth++) {
                memset(text, 0, sizeof(text));
                memcpy(text, "{\"a\":", 5);
                memset(text + 5, '[', (size_t)depth);
                memset(text + 5 + depth, ']', (size_t)depth);
                text[5 + 2 * depth] = '}';
                assert_int_equal(count(text), depth < JSON_DEPTH_MAX ? 1 : -EBADMSG);
        }
}

static void finds_a_path(void **state) {
        const struct bytes text = bytes_of_string("{\"event\":{\"action\":\"x\",\"severity\":4},\"a\":{\"event\":{\"severity\":9}},"
                                                  "\"said\":\"\\\"severity\\\":1\"}");
        struct bytes value;
        uint64_t number;

        (void)state;
        assert_true(json_walk_find(text, "event.severity", &value));
        assert_true(json_walk_number(value, &number));
        assert_int_equal(number, 4);
        assert_true(json_walk_find(text, "event.action", &value));
        assert_true(json_walk_text(value, &value));
        assert_true(bytes_equal(value, bytes_of_string("x")));
        assert_false(json_walk_find(text, "severity", &value));
        assert_false(json_walk_find(text, "event.action.more", &value));
        assert_true(json_walk_find(text, "said", &value));
        assert_false(json_walk_text(value, &value)); /* with escapes */
}

static void numbers_are_whole(void **state) {
        static const char *const none[] = { "", "-1", "1.0", "1e3", "\"1\"", "18446744073709551616", "99999999999999999999" };
        uint64_t number;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(none); i++)
                assert_false(json_walk_number(bytes_of_string(none[i]), &number));
        assert_true(json_walk_number(bytes_of_string("9999999999999999999"), &number));
        assert_true(number == UINT64_C(9999999999999999999));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(walks_what_is_json),
                cmocka_unit_test(depth_has_an_end),
                cmocka_unit_test(finds_a_path),
                cmocka_unit_test(numbers_are_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
