#include "sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "b2sum-list.h"
#include "blake2b.h"
#include "escape.h"
#include "fd.h"
#include "trusted-file.h"

struct check {
        struct buffer *said;
        size_t count;
};

static void append_hex(struct buffer *buffer, const uint8_t digest[B2SUM_DIGEST_SIZE]) {
        for (size_t i = 0; i < B2SUM_DIGEST_SIZE; i++)
                buffer_printf(buffer, "%02x", digest[i]);
}

static int check_file(void *context, const uint8_t expected[B2SUM_DIGEST_SIZE], struct bytes name) {
        struct check *check = context;
        uint8_t digest[BLAKE2B_SIZE];
        _cleanup_close_ int fd = open((const char *)name.data, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat stat;
        int r = fd < 0 || fstat(fd, &stat) < 0 ? -errno : S_ISREG(stat.st_mode) ? blake2b_file(fd, digest) : -EINVAL;

        if (r < 0) {
                buffer_append_string(check->said, "the sealed file ");
                escape_append(check->said, name);
                buffer_printf(check->said, " cannot be read: %s! Exiting...\n", strerrordesc_np(-r));
                return -EKEYREJECTED;
        }
        if (memcmp(digest, expected, sizeof(digest)) != 0) {
                buffer_append_string(check->said, "unknown hash ");
                append_hex(check->said, digest);
                buffer_append_string(check->said, " of ");
                escape_append(check->said, name);
                buffer_append_string(check->said, "! Exiting...\n");
                return -EKEYREJECTED;
        }
        check->count++;
        return 0;
}

int sealed_check(const char *configuration_file, struct buffer *said, size_t *ret_count) {
        const char *slash = strrchr(configuration_file, '/');
        _cleanup_buffer_ struct buffer path = BUFFER_NULL, text = BUFFER_NULL, problem = BUFFER_NULL;
        struct check check = { .said = said };
        unsigned line = 0;
        int r;

        *ret_count = 0;
        buffer_printf(&path, "%.*s/sealed", slash ? (int)(slash - configuration_file) : 1, slash ? configuration_file : ".");
        r = trusted_file_read(AT_FDCWD, buffer_string(&path), buffer_string(&path), false, &text, &problem);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                buffer_printf(said, "%s\n", buffer_string(&problem));
                return r;
        }
        r = b2sum_list_parse(buffer_bytes(&text), check_file, &check, &line);
        if (r == -EBADMSG)
                buffer_printf(said, "%s:%u: not a line of b2sum(1)\n", buffer_string(&path), line);
        if (r < 0)
                return r;
        *ret_count = check.count;
        if (check.count)
                buffer_printf(said, "hashes of %zu sealed files are as expected.\n", check.count);
        return buffer_error(said);
}
