#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "buffer.h"
#include "dpkg-status.h"

/* Every paragraph as "package|version|architecture|status|abbreviation|state|description\n", then the counts if any. */
static void write_all(struct buffer *out, struct bytes text) {
        struct dpkg_status reader = dpkg_status_of(text);
        struct dpkg_paragraph is;

        while (dpkg_status_next(&reader, &is)) {
                const struct bytes parts[] = {
                        is.package, is.version, is.architecture, is.status,
                        bytes_of(is.abbreviation, sizeof(is.abbreviation)),
                };

                for (size_t i = 0; i < ELEMENTS(parts); i++) {
                        buffer_append_bytes(out, parts[i]);
                        buffer_append_byte(out, '|');
                }
                buffer_printf(out, "%d|", (int)is.state);
                buffer_append_bytes(out, is.description);
                buffer_append_byte(out, '\n');
        }
        if (reader.nameless || reader.damaged)
                buffer_printf(out, "nameless %llu damaged %llu\n", (unsigned long long)reader.nameless,
                              (unsigned long long)reader.damaged);
        assert_int_equal(reader.rest.size, 0);
}

/* With the length known, so that a case may hold NULs; memory of that very size shows the sanitizer a step too far. */
#define CASE(title, text, expected) { title, text, sizeof(text) - 1, expected, sizeof(expected) - 1 }

static const struct {
        const char *title, *text;
        size_t size;
        const char *expected;
        size_t expected_size;
} cases[] = {
        CASE("nothing", "", ""),
        CASE("only blank lines", "\n\n \n\t\r\n\n", ""),
        CASE("an ordinary paragraph",
             "Package: hello\nStatus: install ok installed\nPriority: optional\nArchitecture: amd64\nMulti-Arch: foreign\n"
             "Version: 2.10-3\nDescription: example package\n This is the long one.\n .\n Package: not me\n\n",
             "hello|2.10-3|amd64|install ok installed|ii |7|example package\n"),
        CASE("two paragraphs, many blank lines between, no newline at the end",
             "\n\nPackage: a\nStatus: install ok unpacked\n\n\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 1",
             "a|||install ok unpacked|iU |3|\nb|1||deinstall ok config-files|rc |1|\n"),
        CASE("every state and flag",
             "Package: a\nStatus: unknown ok not-installed\n\nPackage: b\nStatus: hold reinstreq half-installed\n\n"
             "Package: c\nStatus: purge ok half-configured\n\nPackage: d\nStatus: install ok triggers-awaited\n\n"
             "Package: e\nStatus: install ok triggers-pending\n",
             "a|||unknown ok not-installed|un |0|\nb|||hold reinstreq half-installed|hHR|2|\n"
             "c|||purge ok half-configured|pF |4|\nd|||install ok triggers-awaited|iW |5|\n"
             "e|||install ok triggers-pending|it |6|\n"),
        CASE("no status is not installed", "Package: a\nVersion: 1\n", "a|1|||un |0|\n"),
        CASE("words nobody knows are shown", "Package: a\nStatus: grow fat and lazy\n", "a|||grow fat and lazy|???|8|\n"),
        CASE("a status cut short", "Package: a\nStatus: install ok inst", "a|||install ok inst|i? |8|\n"),
        CASE("a status of one word", "Package: a\nStatus: install\n", "a|||install|i??|8|\n"),
        CASE("cut in the middle of a field name", "Package: a\nStatus: install ok installed\nVers",
             "a|||install ok installed|ii |7|\nnameless 0 damaged 1\n"),
        CASE("names in any case, blanks round everything, carriage returns",
             "PACKAGE :\ta \r\nstatus:  install  ok\tinstalled \r\nVersion:1\r\n\r\n",
             "a|1||install  ok\tinstalled|ii |7|\n"),
        CASE("the first of two equal fields counts", "Package: a\nPackage: b\nVersion: 1\nVersion: 2\n", "a|1|||un |0|\n"),
        CASE("a paragraph without a name is passed over",
             "Status: install ok installed\nVersion: 1\n\nPackage: b\nVersion: 2\n\nPackage:\nVersion: 3\n",
             "b|2|||un |0|\nnameless 2 damaged 0\n"),
        CASE("lines that are no fields", "no colon here\n: no name\nPackage: a\n\x01\x02\xff\n",
             "a||||un |0|\nnameless 0 damaged 3\n"),
        CASE("a continuation of nothing", " lost\n\nPackage: a\n", "a||||un |0|\nnameless 1 damaged 0\n"),
        CASE("a name with a NUL would be somebody else's key",
             "Package: a\0b\n\nPackage: a\nArchitecture: x\0y\n\nPackage: c\nVersion: 1\0002\n",
             "c|1\0002|||un |0|\nnameless 2 damaged 0\n"),
        CASE("escape sequences and wrong UTF-8 go through as they are", "Package: \x1b[31m\xff\xfe\nDescription: \xc3(\n",
             "\x1b[31m\xff\xfe||||un |0|\xc3(\n"),
        CASE("a NUL where a line should be", "\0\nPackage: a\n", "a||||un |0|\nnameless 0 damaged 1\n"),
};

static void test_cases(void **context) {
        (void)context;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer out = BUFFER_NULL;
                _cleanup_free_ char *copy = malloc(cases[i].size ? cases[i].size : 1);

                print_message("%s\n", cases[i].title);
                assert_non_null(copy);
                memcpy(copy, cases[i].text, cases[i].size);
                write_all(&out, bytes_of(copy, cases[i].size));
                assert_int_equal(out.size, cases[i].expected_size);
                if (out.size)
                        assert_memory_equal(out.data, cases[i].expected, out.size);
        }
}

/* Cut anywhere, what stood whole before the cut is read, and nothing is read twice. */
static void test_truncated(void **context) {
        static const char text[] = "Package: first\nStatus: install ok installed\nVersion: 1\n\n"
                                   "Package: second\nStatus: install ok installed\nVersion: 2\nDescription: d\n more\n\n";

        (void)context;
        for (size_t size = 0; size < sizeof(text); size++) {
                _cleanup_free_ char *copy = malloc(size + 1);
                struct dpkg_status reader;
                struct dpkg_paragraph is;
                size_t count = 0;

                assert_non_null(copy);
                memcpy(copy, text, size);
                reader = dpkg_status_of(bytes_of(copy, size));
                while (dpkg_status_next(&reader, &is))
                        if (count++ == 0 && size > 60)
                                assert_true(bytes_equal(is.version, bytes_of_string("1")));
                assert_true(count <= 2);
                if (size > 80)
                        assert_int_equal(count, 2);
        }
}

/* Lines of megabytes, and a name of one. */
static void test_huge(void **context) {
        enum { HUGE = 8 * 1024 * 1024 };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct dpkg_status reader;
        struct dpkg_paragraph is;
        size_t count = 0;

        (void)context;
        buffer_append_string(&text, "Package: ");
        buffer_append_fill(&text, 'a', HUGE);
        buffer_append_string(&text, "\nDescription: ");
        buffer_append_fill(&text, ' ', HUGE);
        buffer_append_string(&text, "\n\nPackage: b\nStatus: install ok installed\n");
        for (size_t i = 0; i < 100000; i++)
                buffer_append_string(&text, " a conffile\n");
        reader = dpkg_status_of(buffer_bytes(&text));
        assert_true(dpkg_status_next(&reader, &is));
        assert_int_equal(is.package.size, HUGE);
        assert_int_equal(is.description.size, 0);
        assert_true(dpkg_status_next(&reader, &is));
        assert_int_equal(is.state, DPKG_INSTALLED);
        assert_false(dpkg_status_next(&reader, &is));

        buffer_clear(&text);
        for (size_t i = 0; i < 200000; i++)
                buffer_append_string(&text, "Package:a\n\n");
        reader = dpkg_status_of(buffer_bytes(&text));
        while (dpkg_status_next(&reader, &is))
                count++;
        assert_int_equal(count, 200000);
}

static void test_state(void **context) {
        (void)context;
        assert_int_equal(dpkg_status_state(BYTES_NULL), DPKG_NOT_INSTALLED);
        assert_int_equal(dpkg_status_state(bytes_of_string("  ")), DPKG_NOT_INSTALLED);
        assert_int_equal(dpkg_status_state(bytes_of_string("deinstall ok config-files")), DPKG_CONFIG_FILES);
        assert_int_equal(dpkg_status_state(bytes_of_string("install ok")), DPKG_STATE_OTHER);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_huge),
                cmocka_unit_test(test_state),
        };

        return cmocka_run_group_tests_name("dpkg-status", tests, NULL, NULL);
}
