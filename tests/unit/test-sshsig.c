/* test-sshsig.c - signatures and keys as ssh-keygen has them, and nothing that only looks like one. Whether ssh-keygen itself agrees
 * is tried in tests/system/verify.test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sshsig.h"

/* ssh-keygen -Y sign -n file: made once, of the message "hello\n". */
static const char key_text[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHCJgPE80djZaiKWTxh1BtzAAvrSli8RHv0syRqv8Ked";
static const char signature_text[] = 
        "-----BEGIN SSH SIGNATURE-----\n"
        "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgcImA8TzR2NlqIpZPGHUG3MAC+t\n"
        "KWLxEe/SzJGq/wp50AAAAEZmlsZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUx\n"
        "OQAAAEA+cFxCu7mVIf6cCdNzAqcfbsu7XqvbzgxT1W9Bbw0m27p884m4aVPZwKG3p05N0m\n"
        "I6nsvY2c7sas5bmWr6SNwL\n"
        "-----END SSH SIGNATURE-----\n";

static void test_read(void **unused) {
        struct sshsig sshsig, again;
        uint8_t key[SSHSIG_KEY_SIZE];
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, armoured = BUFFER_NULL;

        (void)unused;
        assert_true(sshsig_key_read(bytes_of_string(key_text), key));
        assert_int_equal(sshsig_read(bytes_of_string(signature_text), "file", &sshsig), 0);
        assert_memory_equal(sshsig.key, key, sizeof(key));
        assert_int_equal(sshsig_read(bytes_of_string(signature_text), "nephronix-seal", &again), -EKEYREJECTED);

        sshsig_append(&text, "file", &sshsig);
        assert_int_equal(sshsig_read(buffer_bytes(&text), "file", &again), 0);
        assert_memory_equal(&again, &sshsig, sizeof(again));
        buffer_printf(&armoured, "%s\n", sshsig_begin);
        for (size_t at = 0; at < text.size; at += 70)
                buffer_printf(&armoured, "%.70s\n", buffer_string(&text) + at);
        buffer_printf(&armoured, "%s\n", sshsig_end);
        assert_string_equal(buffer_string(&armoured), signature_text);

        for (size_t cut = 0; cut < text.size; cut++)
                assert_true(sshsig_read(bytes_of(text.data, cut), "file", &again) < 0);
        buffer_append_string(&text, "AAAA");
        assert_int_equal(sshsig_read(buffer_bytes(&text), "file", &again), -EBADMSG);
}

static int count(void *context, const uint8_t key[SSHSIG_KEY_SIZE]) {
        unsigned *n = context;

        (void)key;
        return (int)++*n > 100 ? -E2BIG : 0;
}

static void test_allowed_signers(void **unused) {
        static const struct {
                const char *before, *behind;
                unsigned expected;
        } cases[] = {
                { "admin ", "", 1 },
                { "admin  ", " a comment", 1 },
                { "\"a b\"\t", "", 1 },
                { "admin namespaces=\"nephronix-seal\" ", "", 1 },
                { "admin namespaces=\"git,nephronix-seal\" ", " me", 1 },
                { "admin namespaces=\"git\" ", "", 0 },
                { "admin namespaces=\"nephronix-seal ", "", 0 },
                { "admin namespaces=\" ", "", 0 },
                { "admin cert-authority ", "", 0 },
                { "admin valid-before=\"20200101\" ", "", 0 },
                { "# admin ", "", 0 },
                { "#", "", 0 },
                { "", "", 0 },          /* no principals */
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                unsigned n = 0;

                for (size_t line = 0; line < 2; line++)
                        buffer_printf(&text, "\n%s%s%s%s", cases[i].before, key_text, cases[i].behind, line ? "" : "\n");
                assert_int_equal(sshsig_allowed_signers(buffer_bytes(&text), "nephronix-seal", count, &n), 0);
                if (n != 2 * cases[i].expected)
                        fail_msg("%s: %u", cases[i].before, n);
        }
}

static void test_not_a_key(void **unused) {
        static const char *const texts[] = { "", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 AAAA", "ssh-rsa AAAA", "ssh-ed25519 !" };
        uint8_t key[SSHSIG_KEY_SIZE];
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_false(sshsig_key_read(bytes_of_string(texts[i]), key));
        buffer_printf(&text, "%s ", key_text);
        assert_false(sshsig_key_read(buffer_bytes(&text), key));
        assert_true(sshsig_key_read(bytes_of(text.data, text.size - 1), key));
        assert_false(sshsig_key_read(bytes_of(text.data, text.size - 2), key));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_allowed_signers),
                cmocka_unit_test(test_not_a_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
