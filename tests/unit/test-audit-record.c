/* test-audit-record.c - records of the kernel's audit and of those who write into it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit-record.h"

static struct audit_record parse(const char *text) {
        struct audit_record record;

        assert_int_equal(audit_record_parse(bytes_of_string(text), &record), 0);
        return record;
}

static void expect(struct bytes fields, const char *name, const char *expected) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct audit_value value;

        assert_int_equal(audit_field(fields, name, &value), expected != NULL);
        if (!expected)
                return;
        audit_text(&value, &text);
        assert_string_equal(buffer_string(&text), expected);
}

static void test_a_login(void **unused) {
        struct audit_record record = parse("audit(1700000000.123:456): pid=77 uid=0 auid=1000 ses=3 subj=unconfined "
                                           "msg='op=PAM:session_open grantors=a,b acct=\"alice\" exe=\"/usr/sbin/sshd\" "
                                           "hostname=1.2.3.4 addr=1.2.3.4 terminal=ssh pid=1 res=success'");
        uint32_t number;

        (void)unused;
        assert_true(record.at_ns == 1700000000123000000);
        assert_int_equal(record.serial, 456);
        assert_true(audit_number(record.fields, "pid", &number) && number == 77);
        assert_true(audit_number(record.fields, "ses", &number) && number == 3);
        assert_false(audit_number(record.fields, "subj", &number));
        expect(record.fields, "res", NULL); /* what a process says is not among what the kernel says */
        expect(record.message, "acct", "alice");
        expect(record.message, "addr", "1.2.3.4");
        expect(record.message, "res", "success");
        expect(record.message, "cct", NULL);
}

static void test_values(void **unused) {
        static const char text[] = "audit(1.0:1): a=\"61 62=x\" b=616c696365 c=61z d= e=\"open f=? g=(null) h=4294967295 i=4294967296 "
                                   "word =x b=2";
        struct audit_record record = parse(text);
        uint32_t number;

        (void)unused;
        expect(record.fields, "a", "61 62=x");
        expect(record.fields, "62", NULL);
        expect(record.fields, "b", "alice");
        expect(record.fields, "c", "61z");
        expect(record.fields, "d", "");
        expect(record.fields, "e", "open f=? g=(null) h=4294967295 i=4294967296 word =x b=2"); /* no end: all of it */
        record = parse("audit(1.0:1): f=? g=(null) h=4294967295 i=4294967296 word =x j=2\n");
        expect(record.fields, "f", "");
        expect(record.fields, "g", "");
        assert_true(audit_number(record.fields, "h", &number) && number == UINT32_MAX);
        assert_false(audit_number(record.fields, "i", &number));
        expect(record.fields, "word", NULL);
        expect(record.fields, "", "x");
        expect(record.fields, "j", "2");
}

static void test_no_records(void **unused) {
        static const char *const cases[] = {
                "", "audit(", "audit(1:2): a=b", "audit(1.2): a", "audit(1.1000:2): a", "audit(1.2:4294967296): a", "audit(a.2:3): a",
                "audit(18446744073709551615.0:1): a", "audit(1.2:3) a", "type=1 audit(1.2:3): a",
        };
        struct audit_record record;

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(audit_record_parse(bytes_of_string(cases[i]), &record), -EBADMSG);
        record = parse("audit(1.2:3):");
        assert_int_equal(record.fields.size, 0);
        record = parse("audit(1.2:3): msg='");
        assert_int_equal(record.message.size, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_login),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_no_records),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
