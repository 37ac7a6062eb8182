/* test-ssh-private-key.c - keys as ssh-keygen writes them, made once for this test, and nothing that only looks like one. Whether
 * ssh-keygen takes what is signed with them is tried in tests/system/sealed.test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "json.h"
#include "ssh-private-key.h"
#include "ssh-wire.h"

/* ssh-keygen -t ed25519; with a passphrase; -t ecdsa. */
static const char plain[] =
        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
        "QyNTUxOQAAACBORwiYpxdQJKGJPK9b/ipTrevqc23UZypnBrAjW5GbhgAAAJBLZQA6S2UA\n"
        "OgAAAAtzc2gtZWQyNTUxOQAAACBORwiYpxdQJKGJPK9b/ipTrevqc23UZypnBrAjW5Gbhg\n"
        "AAAEBkTwCEF2MOAPrZOUMbi4+g03k5lz42fm7PelY44uMuHU5HCJinF1AkoYk8r1v+KlOt\n"
        "6+pzbdRnKmcGsCNbkZuGAAAACWEgY29tbWVudAECAwQ=\n"
        "-----END OPENSSH PRIVATE KEY-----\n";
static const char locked[] =
        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABB4e+8MgA\n"
        "We5rpT/NXZfhfEAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAII2JF53ttefkAHwA\n"
        "Dk4/IO9KBeSzir+QhehDFqJSfQoMAAAAkFSHH6A3E5oYJzr6nHrr+sh2/F5CWP5penRsxc\n"
        "ny6AK+SpZESS8K7QpgBtuT8/mbysLr9kEmp+WbtS4qFFa8k0NJQZGaQugLCvFK6oL2ZAB0\n"
        "WrjthM+rW+7DA4UI/aEAoEmNUc4aCRl22R3JsXnhL3TyoGhj1NNv+FFaSu+DUyrLMQeI9I\n"
        "g51vWuO8UNvYriUg==\n"
        "-----END OPENSSH PRIVATE KEY-----\n";
static const char ecdsa[] =
        "-----BEGIN OPENSSH PRIVATE KEY-----\n"
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n"
        "1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQQJ3Nx0rRlkKz9hP9OwZIdD9H6hTyPA\n"
        "ohfcd00/p8J21vK5SKnDPo9bq0TGBvi29BzFS7nTMhJIhpMfEAK+EFpTAAAAoDwQGF48EB\n"
        "heAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAnc3HStGWQrP2E/\n"
        "07Bkh0P0fqFPI8CiF9x3TT+nwnbW8rlIqcM+j1urRMYG+Lb0HMVLudMyEkiGkx8QAr4QWl\n"
        "MAAAAhAJnysuY6HV8VOTTNgLDIOpeoDS9suO+baGe26/wYDx9iAAAAAWMBAgMEBQY=\n"
        "-----END OPENSSH PRIVATE KEY-----\n";
static const char public[] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5HCJinF1AkoYk8r1v+KlOt6+pzbdRnKmcGsCNbkZuG";

static void test_read(void **unused) {
        uint8_t seed[SSH_PRIVATE_KEY_SEED_SIZE], key[SSHSIG_KEY_SIZE], expected[SSHSIG_KEY_SIZE];
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        (void)unused;
        assert_true(sshsig_key_read(bytes_of_string(public), expected));
        assert_int_equal(ssh_private_key_read(bytes_of_string(plain), seed, key), 0);
        assert_memory_equal(key, expected, sizeof(key));
        assert_int_equal(seed[0], 0x64);
        assert_int_equal(seed[31], 0x1d);
        buffer_printf(&text, "\n%s\n", plain);
        assert_int_equal(ssh_private_key_read(buffer_bytes(&text), seed, key), 0);
        assert_int_equal(ssh_private_key_read(bytes_of_string(locked), seed, key), -ENOKEY);
        assert_int_equal(ssh_private_key_read(bytes_of_string(ecdsa), seed, key), -ENOTSUP);
        assert_int_equal(ssh_private_key_read(bytes_of_string(public), seed, key), -EBADMSG);
        assert_int_equal(ssh_private_key_read(BYTES_NULL, seed, key), -EBADMSG);
}

/* Every byte but the two that say nothing: the public key before the secret part, and the comment. */
static void test_damaged(void **unused) {
        static const char head[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n", tail[] = "\n-----END OPENSSH PRIVATE KEY-----\n";
        uint8_t seed[SSH_PRIVATE_KEY_SEED_SIZE], key[SSHSIG_KEY_SIZE];
        _cleanup_buffer_ struct buffer blob = BUFFER_NULL, text = BUFFER_NULL;
        size_t body = sizeof(plain) - 1 - (sizeof(head) - 1) - (sizeof(tail) - 1), accepted = 0;

        (void)unused;
        assert_int_equal(ssh_base64_read(bytes_of((const uint8_t *)plain + sizeof(head) - 1, body), &blob), 0);
        for (size_t i = 0; i < blob.size; i++) {
                blob.data[i] ^= 0x55;
                buffer_clear(&text);
                buffer_append_string(&text, head);
                base64_append(&text, buffer_bytes(&blob));
                buffer_append_string(&text, tail);
                if (ssh_private_key_read(buffer_bytes(&text), seed, key) == 0)
                        accepted++;
                blob.data[i] ^= 0x55;
        }
        /* public blob, secret (nothing says here to which public key it belongs), comment */
        assert_int_equal(accepted, 51 + SSH_PRIVATE_KEY_SEED_SIZE + strlen("a comment"));
        for (size_t cut = 0; cut < blob.size; cut++) {
                buffer_clear(&text);
                buffer_append_string(&text, head);
                base64_append(&text, bytes_of(blob.data, cut));
                buffer_append_string(&text, tail);
                assert_true(ssh_private_key_read(buffer_bytes(&text), seed, key) < 0);
        }
        for (size_t cut = 0; cut < sizeof(plain) - 2; cut++)
                assert_true(ssh_private_key_read(bytes_of(plain, cut), seed, key) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_damaged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
