/* test-ini.c - the grammar: what is an entry, what is refused and on which line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "ini.h"

#define TEXT(literal) { .data = (const uint8_t *)(literal), .size = sizeof(literal) - 1 }

static int gather(void *context, const struct ini_entry *entry) {
        struct buffer *found = context;

        buffer_printf(found, "%u %s", entry->line, entry->section);
        if (entry->label)
                buffer_printf(found, " '%s'", entry->label);
        if (entry->key)
                buffer_printf(found, " %s='%s'", entry->key, entry->value);
        buffer_append_string(found, "\n");
        return 0;
}

static const struct {
        struct bytes text;
        const char *found;
} good[] = {
        { TEXT(""), "" },
        { TEXT("\n\n# a comment\n  ; another\n"), "" },
        { TEXT("[A]\nKey=value"), "1 A\n2 A Key='value'\n" },
        { TEXT("  [ A ]  \n \t Key \t = \t value \t \n"), "1 A\n2 A Key='value'\n" },
        { TEXT("[A]\r\nKey=value\r\n"), "1 A\n2 A Key='value'\n" },
        { TEXT("[Watch \"boot\"]\nPath=/boot\nPath=/efi\n"),
          "1 Watch 'boot'\n2 Watch 'boot' Path='/boot'\n3 Watch 'boot' Path='/efi'\n" },
        { TEXT("[Watch\t\"a ] b\"]\nX1=1\n[B]\nY=\n"), "1 Watch 'a ] b'\n2 Watch 'a ] b' X1='1'\n3 B\n4 B Y=''\n" },
        { TEXT("[A \"\"]\n"), "1 A ''\n" },
        { TEXT("[A\"b\"]\n"), "1 A 'b'\n" },
        { TEXT("[A]\nKey=\"  blanks  \"\n"), "1 A\n2 A Key='  blanks  '\n" },
        { TEXT("[A]\nKey=\"\"\nKey=\"a # b ; c\"\n"), "1 A\n2 A Key=''\n3 A Key='a # b ; c'\n" },
        { TEXT("[A]\nKey=say \"hello\"\nKey=a=b\nKey=a#b;c\nKey=#x\n"),
          "1 A\n2 A Key='say \"hello\"'\n3 A Key='a=b'\n4 A Key='a#b;c'\n5 A Key='#x'\n" },
        { TEXT("[A]\nKey=one \\\n   two\\\n\tthree\nNext=1\n"), "1 A\n2 A Key='one two three'\n5 A Next='1'\n" },
        { TEXT("[A]\nKey=one\\\n# in between\n two\n"), "1 A\n2 A Key='one two'\n" },
        { TEXT("[A]\nKey=one\\\n\nNext=1\n"), "1 A\n2 A Key='one'\n4 A Next='1'\n" },
        { TEXT("[A]\nKey\\\n=1\n"), "1 A\n2 A Key='1'\n" },
        { TEXT("[A]\nKey=\"ends in \\\"\n"), "1 A\n2 A Key='ends in \\'\n" },
        { TEXT("[A]\n# a comment does not go on \\\nKey=1\n"), "1 A\n3 A Key='1'\n" },
        { TEXT("[A]\nKey=gr\xc3\xbc\xc3\x9f" "e\ttab\n"), "1 A\n2 A Key='gr\xc3\xbc\xc3\x9f" "e\ttab'\n" },
};

static void test_good(void **unused) {
        (void)unused;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                _cleanup_buffer_ struct buffer found = BUFFER_NULL;
                struct ini_error error = { .line = 99, .text = "left over" };

                assert_int_equal(ini_parse(good[i].text, gather, &found, &error), 0);
                assert_null(error.text);
                assert_string_equal(buffer_string(&found), good[i].found);
        }
}

static const struct {
        struct bytes text;
        unsigned line;
        const char *words;      /* part of the message */
} bad[] = {
        { TEXT("Key=1\n"), 1, "before the first" },
        { TEXT("[A]\njust words\n"), 2, "neither" },
        { TEXT("[A]\n\n=1\n"), 3, "a key is made of" },
        { TEXT("[A]\nA key=1\n"), 2, "a key is made of" },
        { TEXT("[A]\nK\xc3\xa9y=1\n"), 2, "a key is made of" },
        { TEXT("\xef\xbb\xbf[A]\n"), 1, "neither" },
        { TEXT("[A\n"), 1, "a section is" },
        { TEXT("["), 1, "a section is" },
        { TEXT("[]\n"), 1, "a section is" },
        { TEXT("[ \"x\"]\n"), 1, "a section is" },
        { TEXT("[A] # why\n"), 1, "a section is" },
        { TEXT("[A b]\n"), 1, "a section is" },
        { TEXT("[A \"b]\n"), 1, "a section is" },
        { TEXT("[A \"]\n"), 1, "a section is" },
        { TEXT("[A \"b\" \"c\"]\n"), 1, "a section is" },
        { TEXT("[A-B]\n"), 1, "a section is" },
        { TEXT("[A]\nKey=\"open\n"), 2, "double quote" },
        { TEXT("[A]\nKey=\"\n"), 2, "double quote" },
        { TEXT("[A]\nKey=\"a\" b \"c\"\n"), 2, "double quote" },
        { TEXT("[A]\nKey=full    # or light\n"), 2, "a comment stands" },
        { TEXT("[A]\nKey=/boot\t; mine\n"), 2, "a comment stands" },
        { TEXT("[A]\nKey=1\\"), 2, "the file ends" },
        { TEXT("[A]\nKey=1\\\n"), 2, "the file ends" },
        { TEXT("[A]\nKey=1\\\n#\n"), 2, "the file ends" },
        { TEXT("[A]\nKey=1\\\n[B]\nKey=a\0b\n"), 4, "NUL" },
        { TEXT("[A]\nKey=1\\\n\x01\n"), 3, "control character" },
        { TEXT("[A]\nKey=a\0b\n"), 2, "NUL" },
        { TEXT("# \0\n"), 1, "NUL" },
        { TEXT("[A]\nKey=\x1b[31m\n"), 2, "control character" },
        { TEXT("[A]\nKey=a\rb\n"), 2, "control character" },
        { TEXT("[A]\nKey=\xc2\x9b" "31m\n"), 2, "control character" },
        { TEXT("[A]\nKey=\x7f\n"), 2, "control character" },
        { TEXT("[A]\nKey=caf\xe9\n"), 2, "not UTF-8" },
        { TEXT("[A]\nKey=\xc0\xaf\n"), 2, "not UTF-8" },
        { TEXT("[A]\nKey=\xed\xa0\x80\n"), 2, "not UTF-8" },
        { TEXT("\x7f" "ELF"), 1, "control character" },
};

static void test_bad(void **unused) {
        (void)unused;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                _cleanup_buffer_ struct buffer found = BUFFER_NULL;
                struct ini_error error;

                assert_int_equal(ini_parse(bad[i].text, gather, &found, &error), -EBADMSG);
                assert_non_null(error.text);
                if (error.line != bad[i].line || !strstr(error.text, bad[i].words))
                        fail_msg("case %zu: line %u: %s", i, error.line, error.text);
        }
}

static int stop_at_b(void *context, const struct ini_entry *entry) {
        (*(unsigned *)context)++;
        return entry->key && strcmp(entry->key, "B") == 0 ? -ECANCELED : 0;
}

static void test_callback_stops(void **unused) {
        const struct bytes text = TEXT("[S]\nA=1\nB=2\nC=3\n\x01");
        struct ini_error error;
        unsigned calls = 0;

        (void)unused;
        assert_int_equal(ini_parse(text, stop_at_b, &calls, &error), -ECANCELED);
        assert_int_equal(calls, 3);
        assert_null(error.text);
}

static int measure(void *context, const struct ini_entry *entry) {
        if (entry->value)
                *(size_t *)context = strlen(entry->value);
        return 0;
}

static void test_huge_line(void **unused) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct ini_error error;
        size_t size = 0;

        (void)unused;
        buffer_append_string(&text, "[A]\nKey=");
        buffer_append_fill(&text, 'x', 4000000);
        assert_int_equal(ini_parse(buffer_bytes(&text), measure, &size, &error), 0);
        assert_int_equal(size, 4000000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_callback_stops),
                cmocka_unit_test(test_huge_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
