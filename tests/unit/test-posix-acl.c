/* test-posix-acl.c - access lists in the words of getfacl. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "posix-acl.h"

#define DATA(text) text, sizeof(text) - 1
#define HEAD "\x02\0\0\0"
#define NOBODY "\xff\xff\xff\xff"

static void test_words(void **state) {
        static const struct {
                const char *what, *data;
                size_t size;
                const char *prefix, *expected;  /* NULL: refused */
        } cases[] = {
                { "nothing", DATA(""), "", NULL },
                { "a header alone", DATA(HEAD), "", "" },
                { "the usual one",
                  DATA(HEAD "\x01\0\x06\0" NOBODY "\x02\0\x07\0\xe8\x03\0\0" "\x04\0\x04\0" NOBODY "\x08\0\x05\0\x0a\0\0\0"
                            "\x10\0\x07\0" NOBODY "\x20\0\x00\0" NOBODY),
                  "", "user::rw- user:1000:rwx group::r-- group:10:r-x mask::rwx other::---" },
                { "a folder's", DATA(HEAD "\x01\0\x07\0" NOBODY "\x02\0\x02\0\xff\xff\xff\x7f"), "default:",
                  "default:user::rwx default:user:2147483647:-w-" },
                { "another version", DATA("\x01\0\0\0"), "", NULL },
                { "a cut header", DATA("\x02\0\0"), "", NULL },
                { "a cut entry", DATA(HEAD "\x01\0\x06\0\xff\xff\xff"), "", NULL },
                { "an unknown tag", DATA(HEAD "\x01\0\x06\0" NOBODY "\x40\0\x06\0" NOBODY), "", NULL },
                { "an unknown permission", DATA(HEAD "\x01\0\x08\0" NOBODY), "", NULL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                int r = posix_acl_append(&text, bytes_of(cases[i].data, cases[i].size), cases[i].prefix);

                if (r != (cases[i].expected ? 0 : -EBADMSG) ||
                    strcmp(buffer_string(&text), cases[i].expected ? cases[i].expected : "") != 0)
                        fail_msg("%s: %d \"%s\"", cases[i].what, r, buffer_string(&text));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_words) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
