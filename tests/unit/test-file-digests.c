/* test-file-digests.c - BLAKE2b, SHA-256 and MD5 of one descriptor in one pass. */
#include "tree.h"

#include <errno.h>

#include "buffer.h"
#include "fd.h"
#include "file-digests.h"

struct published {
        const char *text, *blake2b, *sha256, *md5;
};

/* RFC 7693 appendix A, RFC 6234 / FIPS 180-2 appendix B.1, RFC 1321 appendix A.5; of nothing: what b2sum, sha256sum, md5sum say. */
static const struct published published[] = {
        { "abc",
          "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
          "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "900150983cd24fb0d6963f7d28e17f72" },
        { "",
          "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
          "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "d41d8cd98f00b204e9800998ecf8427e" },
};

static void check_hex(const uint8_t *digest, size_t size, const char *wanted) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        for (size_t i = 0; i < size; i++)
                buffer_printf(&text, "%02x", digest[i]);
        assert_string_equal(buffer_string(&text), wanted);
}

static int file_of(const void *data, size_t size) {
        FILE *file = tmpfile();
        int fd;

        assert_non_null(file);
        assert_int_equal(fwrite(data, 1, size, file), size);
        assert_int_equal(fflush(file), 0);
        fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(fclose(file), 0);
        return fd;
}

static void test_published(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(published); i++) {
                _cleanup_close_ int fd = file_of(published[i].text, strlen(published[i].text));
                struct file_digests digests;

                /* the offset stands at the end of what was written: it says nothing */
                assert_int_equal(
                        file_digests(fd, FILE_DIGEST_BLAKE2B | FILE_DIGEST_SHA256 | FILE_DIGEST_MD5, &digests), 0);
                check_hex(digests.blake2b, sizeof(digests.blake2b), published[i].blake2b);
                check_hex(digests.sha256, sizeof(digests.sha256), published[i].sha256);
                check_hex(digests.md5, sizeof(digests.md5), published[i].md5);
        }
}

/* Several pieces, and a last one that is not whole. */
static void test_large(void **state) {
        size_t size = 1000003;
        _cleanup_free_ uint8_t *data = malloc(size);
        struct file_digests digests;
        int fd;

        (void)state;
        assert_non_null(data);
        for (size_t i = 0; i < size; i++)
                data[i] = (uint8_t)(i % 251);
        fd = file_of(data, size);
        assert_int_equal(file_digests(fd, FILE_DIGEST_BLAKE2B | FILE_DIGEST_SHA256 | FILE_DIGEST_MD5, &digests), 0);
        fd = fd_close(fd);
        /* what Python's hashlib says */
        check_hex(digests.blake2b, sizeof(digests.blake2b),
                  "55ca194d5ccd0ea2c89597f038955d318c6edb7d6151102ab15e8c6d10d44337"
                  "f85a1f6eb26b8207bb8570df7f4511a6949bd43fff0a62ef36ed32f5628cdbc0");
        check_hex(digests.sha256, sizeof(digests.sha256),
                  "a7c4bea888022868c93104055fd56077cc81fe9eb624820fe2f717f313188782");
        check_hex(digests.md5, sizeof(digests.md5), "c767382bbc15b14aff5ccfad14bdd82e");
}

static void test_wanted_alone_is_filled(void **state) {
        _cleanup_close_ int fd = file_of("abc", 3);

        (void)state;
        for (unsigned wanted = 0; wanted < 8; wanted++) {
                struct file_digests digests;
                static const uint8_t untouched[BLAKE2B_SIZE];

                memset(&digests, 0, sizeof(digests));
                assert_int_equal(file_digests(fd, wanted, &digests), 0);
                assert_int_equal(!!memcmp(digests.blake2b, untouched, sizeof(digests.blake2b)), !!(wanted & FILE_DIGEST_BLAKE2B));
                assert_int_equal(!!memcmp(digests.sha256, untouched, sizeof(digests.sha256)), !!(wanted & FILE_DIGEST_SHA256));
                assert_int_equal(!!memcmp(digests.md5, untouched, sizeof(digests.md5)), !!(wanted & FILE_DIGEST_MD5));
        }
}

static void test_errors(void **state) {
        _cleanup_close_ int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct file_digests digests;

        (void)state;
        assert_int_equal(file_digests(-1, FILE_DIGEST_MD5, &digests), -EBADF);
        assert_int_equal(file_digests(folder, FILE_DIGEST_MD5, &digests), -EISDIR);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_published),
                cmocka_unit_test(test_large),
                cmocka_unit_test(test_wanted_alone_is_filled),
                cmocka_unit_test(test_errors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
