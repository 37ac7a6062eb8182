#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "b2sum-list.h"

#define DIGEST "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce"

struct seen {
        struct buffer text;
        int answer;
};

static int gather(void *context, const uint8_t digest[B2SUM_DIGEST_SIZE], struct bytes name) {
        struct seen *seen = context;

        buffer_printf(&seen->text, "%02x..%02x ", digest[0], digest[B2SUM_DIGEST_SIZE - 1]);
        buffer_append_bytes(&seen->text, name);
        buffer_append_byte(&seen->text, '|');
        return seen->answer;
}

static void test_lines(void **state) {
        static const struct {
                const char *text;
                int answer;
                unsigned line;
                const char *seen;
        } cases[] = {
                { "", 0, 0, "" },
                { "\n# a note\n\n", 0, 0, "" },
                { DIGEST "  /bin/a\n" DIGEST " */bin/b", 0, 0, "78..ce /bin/a|78..ce /bin/b|" },
                { "\\" DIGEST "  /a\\nb\\\\c\\rd\n", 0, 0, "78..ce /a\nb\\c\rd|" },
                { DIGEST "  /a\\nb\n", 0, 0, "78..ce /a\\nb|" },       /* not led by a backslash: as it stands */
                { DIGEST "  /a\n" DIGEST " /b\n", -EBADMSG, 2, "78..ce /a|" },
                { DIGEST "  \n", -EBADMSG, 1, "" },
                { DIGEST "\n", -EBADMSG, 1, "" },
                { "\\" DIGEST "  /a\\t\n", -EBADMSG, 1, "" },
                { "\\" DIGEST "  /a\\", -EBADMSG, 1, "" },
                { "\\", -EBADMSG, 1, "" },
                { "\n\n786A02  /upper\n", -EBADMSG, 3, "" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct seen seen = { .text = BUFFER_NULL };
                unsigned line = 0;

                assert_int_equal(b2sum_list_parse(bytes_of_string(cases[i].text), gather, &seen, &line), cases[i].answer);
                assert_int_equal(line, cases[i].line);
                assert_string_equal(buffer_string(&seen.text), cases[i].seen);
                buffer_done(&seen.text);
        }
}

static void test_nul_and_stop(void **state) {
        static const char nul[] = DIGEST "  /a\0b\n";
        struct seen seen = { .text = BUFFER_NULL, .answer = -EKEYREJECTED };
        unsigned line = 0;

        (void)state;
        assert_int_equal(b2sum_list_parse(bytes_of(nul, sizeof(nul) - 1), gather, &seen, &line), -EBADMSG);
        assert_int_equal(seen.text.size, 0);
        assert_int_equal(b2sum_list_parse(bytes_of_string("\n" DIGEST "  /a\n" DIGEST "  /b\n"), gather, &seen, &line), -EKEYREJECTED);
        assert_int_equal(line, 2);
        assert_string_equal(buffer_string(&seen.text), "78..ce /a|");
        buffer_done(&seen.text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_nul_and_stop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
