/* test-file-capabilities.c - capabilities of files in words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "file-capabilities.h"
#include "record.h"

#define DATA(text) text, sizeof(text) - 1
#define NONE "\0\0\0\0"

static void test_words(void **state) {
        static const struct {
                const char *what, *data;
                size_t size;
                const char *expected;   /* NULL: refused */
        } cases[] = {
                { "nothing", DATA(""), NULL },
                { "a cut number", DATA("\x01\0\0"), NULL },
                { "ping's", DATA("\x01\0\0\x02" "\0\x20\0\0" NONE NONE NONE), "cap_net_raw+ep" },
                { "not effective at once", DATA("\0\0\0\x02" "\0\x20\0\0" NONE NONE NONE), "cap_net_raw+p" },
                { "of each kind", DATA("\x01\0\0\x02" "\x01\0\0\0" "\x03\0\0\0" NONE NONE), "cap_chown+eip cap_dac_override+ei" },
                { "of the upper half", DATA("\0\0\0\x02" NONE NONE "\x80\x01\0\x80" NONE), "cap_bpf+p cap_checkpoint_restore+p cap_63+p" },
                { "first revision", DATA("\0\0\0\x01" "\x00\x00\x20\x00" NONE), "cap_sys_admin+p" },
                { "of a namespace", DATA("\x01\0\0\x03" "\0\x20\0\0" NONE NONE NONE "\xa0\x86\x01\0"), "cap_net_raw+ep rootid:100000" },
                { "of the first namespace", DATA("\x01\0\0\x03" "\0\x20\0\0" NONE NONE NONE NONE), "cap_net_raw+ep" },
                { "none at all", DATA("\x01\0\0\x02" NONE NONE NONE NONE), "none" },
                { "none, of a namespace", DATA("\0\0\0\x03" NONE NONE NONE NONE "\x01\0\0\0"), "none rootid:1" },
                { "too short", DATA("\0\0\0\x02" NONE NONE), NULL },
                { "too long", DATA("\0\0\0\x02" NONE NONE NONE NONE NONE), NULL },
                { "a revision to come", DATA("\0\0\0\x04" NONE NONE NONE NONE NONE), NULL },
                { "a flag to come", DATA("\x02\0\0\x02" NONE NONE NONE NONE), NULL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                int r = file_capabilities_append(&text, bytes_of(cases[i].data, cases[i].size));

                if (r != (cases[i].expected ? 0 : -EBADMSG) ||
                    strcmp(buffer_string(&text), cases[i].expected ? cases[i].expected : "") != 0)
                        fail_msg("%s: %d \"%s\"", cases[i].what, r, buffer_string(&text));
        }
}

/* The kernel's names, in their order. */
static void test_all(void **state) {
        static const char every[] = "\0\0\0\x02" "\xff\xff\xff\xff" NONE "\xff\x01\0\0" NONE;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct bytes rest, word = BYTES_NULL;
        size_t count = 0;

        (void)state;
        assert_int_equal(file_capabilities_append(&text, bytes_of(DATA(every))), 0);
        rest = buffer_bytes(&text);
        while (words_next(&rest, &word)) {
                count++;
                if (count == 22)
                        assert_true(bytes_equal(word, bytes_of_string("cap_sys_admin+p")));
                if (count == 38)
                        assert_true(bytes_equal(word, bytes_of_string("cap_audit_read+p")));
        }
        assert_int_equal(count, 41);
        assert_true(bytes_equal(word, bytes_of_string("cap_checkpoint_restore+p")));
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_words), cmocka_unit_test(test_all) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
