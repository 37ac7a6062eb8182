#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "dat.h"
#include "hostile.h"

enum { DIGEST, PATH, USER, PID, START, TTY };

static const struct field fields[] = {
        [DIGEST] = { "digest", NULL, FIELD_DIGEST, 0 },
        [PATH] = { "path", "file.path", FIELD_TEXT, 0 },
        [USER] = { "user", "user.name", FIELD_TEXT, 0 },
        [PID] = { "pid", "process.pid", FIELD_NUMBER, 0 },
        [START] = { "start", "process.start", FIELD_TIME, 0 },
        [TTY] = { "tty", NULL, FIELD_TEXT, 0 },
        { NULL },
};

static const struct document sums = {
        .name = "bootchk",
        .columns = (const struct column[]){ { .field = "digest" },
                                            { .before = "  ", .field = "path", .b2sum_name = true },
                                            { 0 } },
        .line_if = "digest",
};

static const struct document table = {
        .name = "procoll",
        .columns = (const struct column[]){ { .field = "user", .width = 8, .absent = "?" },
                                            { .before = " ", .field = "pid", .width = -7 },
                                            { .before = " on ", .field = "tty", .after = "," },
                                            { .before = " ", .field = "start", .width = 19, .absent = "-" },
                                            { .before = " end" },
                                            { .field = "nosuch", .before = "<", .absent = "?" },
                                            { 0 } },
};

static int set_zone(void **state) {
        (void)state;
        if (setenv("TZ", "TST-05:30", 1) < 0)
                return -1;
        tzset();
        return 0;
}

static void assert_line(const struct document *document, const struct record *record, const char *expected) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

        buffer_append_string(&buffer, "line before\n");
        assert_int_equal(dat_line(&buffer, document, fields, record), expected != NULL);
        assert_memory_equal(buffer_string(&buffer), "line before\n", 12);
        assert_string_equal(buffer_string(&buffer) + 12, expected ? expected : "");
}

static void columns(void **state) {
        struct record record = { 0 };

        (void)state;
        assert_line(&table, &record, "?        -                   end");
        record.values[USER] = value_string("root");
        record.values[PID] = value_number(4242);
        record.values[TTY] = value_string("pts/0");
        record.values[START] = value_number(1795473243000000000u);
        assert_line(&table, &record, "root        4242 on pts/0, 2026-11-24T04:04:03 end");
        /* Wider than the column, exactly as wide, empty. */
        record.values[USER] = value_string("systemd-network");
        record.values[PID] = value_number(12345678);
        assert_line(&table, &record, "systemd-network 12345678 on pts/0, 2026-11-24T04:04:03 end");
        record.values[USER] = value_string("12345678");
        record.values[PID] = value_number(1234567);
        record.values[TTY] = value_string("");
        assert_line(&table, &record, "12345678 1234567 on , 2026-11-24T04:04:03 end");
        /* Width counts what is seen, not bytes. */
        record.values[USER] = value_string("gr\xc3\xbc\xc3\x9f" "e");
        assert_line(&table, &record, "gr\xc3\xbc\xc3\x9f" "e    1234567 on , 2026-11-24T04:04:03 end");
        record.values[USER] = value_string("\x1b[m");
        assert_line(&table, &record, "\\x1b[m   1234567 on , 2026-11-24T04:04:03 end");
}

static void hostile_values(void **state) {
        static const struct column column[] = { { .before = "<", .field = "user", .after = ">" }, { 0 } };
        static const struct document one = { .columns = column };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer expected = BUFFER_NULL;
                struct record record = { 0 };

                record.values[USER] = value_bytes(hostile_table[i].in);
                buffer_printf(&expected, "<%s>", hostile_table[i].escaped);
                assert_line(&one, &record, buffer_string(&expected));
        }
}

static void line_if(void **state) {
        static const struct column column[] = { { .field = "path" }, { 0 } };
        static const struct document never = { .columns = column, .line_if = "nosuch" };
        struct record record = { 0 };

        (void)state;
        record.values[PATH] = value_string("/boot/d");
        assert_line(&sums, &record, NULL);
        assert_line(&never, &record, NULL);
        record.values[DIGEST] = value_bytes(bytes_of("\x0a\xbc", 2));
        assert_line(&sums, &record, "0abc  /boot/d");
}

/* As b2sum of coreutils 9.1 prints them. */
static void b2sum_names(void **state) {
        static const struct {
                const char *name, *expected;
        } names[] = {
                { "/boot/x", "0abc  /boot/x" },
                { "/boot/a b ", "0abc  /boot/a b " },
                { "/boot/a\nb", "\\0abc  /boot/a\\nb" },
                { "/boot/a\rb", "\\0abc  /boot/a\\rb" },
                { "/boot/a\\b", "\\0abc  /boot/a\\\\b" },
                { "/boot/\\n", "\\0abc  /boot/\\\\n" },
                { "/boot/\xff\x1b[31m\xe2\x80\xae", "0abc  /boot/\xff\x1b[31m\xe2\x80\xae" },
                { "/boot/x\n0000  /etc/shadow", "\\0abc  /boot/x\\n0000  /etc/shadow" },
        };
        _cleanup_buffer_ struct buffer name = BUFFER_NULL, expected = BUFFER_NULL;
        struct record record = { 0 };

        (void)state;
        record.values[DIGEST] = value_bytes(bytes_of("\x0a\xbc", 2));
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                record.values[PATH] = value_string(names[i].name);
                assert_line(&sums, &record, names[i].expected);
        }
        buffer_append_fill(&name, '\n', 4096);
        buffer_append_string(&expected, "\\0abc  ");
        for (int i = 0; i < 4096; i++)
                buffer_append_string(&expected, "\\n");
        record.values[PATH] = value_bytes(buffer_bytes(&name));
        assert_line(&sums, &record, buffer_string(&expected));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(columns),
                cmocka_unit_test(hostile_values),
                cmocka_unit_test(line_if),
                cmocka_unit_test(b2sum_names),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
