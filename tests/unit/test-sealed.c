/* test-sealed.c - which hooks may be run; starts, reloads and signatures are tried in tests/system/sealed.test. */
#include "tree.h"

#include "sealed.h"

static const char digest_of_hook[] = "e6fbc0183443acda3acef4500a8ea677928b5b5933f1313e9c49da76040db54904e385f2012f5b4df6db430880f428409d28094b2a854bc7b41feb85f2e5d2ce";

static void test_hooks(void **unused) {
        static const struct {
                const char *list, *name;
                bool expected;
        } cases[] = {
                { "", "hook", true },                   /* nobody sealed anything */
                { "DIGEST  /lib/hook\n", "hook", true },
                { "DIGEST  /lib/hook\n", "other", false },      /* added since */
                { "OTHER  /lib/hook\n", "hook", false },
                { "OTHER  /lib/hook\nDIGEST  /lib/hook\n", "hook", true },
                { "OTHER  /etc/nephronix.conf\n", "hook", true }, /* no list of hooks */
                { "OTHER  /library/hook\n", "hook", true },
                { "DIGEST  /lib/sub/hook\n", "hook", false },
                { "no list", "hook", false },
        };
        struct tree tree;
        _cleanup_free_ char *path = NULL;

        (void)unused;
        tree_make(&tree);
        tree_text(&tree, "hook", "#!/bin/sh\n");
        path = tree_path(&tree, "hook");
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer list = BUFFER_NULL;
                int fd = open(path, O_RDONLY | O_CLOEXEC);

                for (const char *at = cases[i].list; *at;) {
                        bool right = strncmp(at, "DIGEST", 6) == 0, wrong = strncmp(at, "OTHER", 5) == 0;

                        if (right)
                                buffer_append_string(&list, digest_of_hook);
                        else if (wrong)
                                buffer_append_fill(&list, 'a', 128);
                        else
                                buffer_append_byte(&list, (uint8_t)*at);
                        at += right ? 6 : wrong ? 5 : 1;
                }
                assert_true(fd >= 0);
                if (sealed_allows(buffer_bytes(&list), "/lib", cases[i].name, fd) != cases[i].expected)
                        fail_msg("%s: %s", cases[i].list, cases[i].name);
                assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
                (void)close(fd);
        }
        tree_remove(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hooks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
