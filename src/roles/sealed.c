#include "sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "b2sum-list.h"
#include "blake2b.h"
#include "escape.h"
#include "fd.h"
#include "seal.h"
#include "sshsig.h"
#include "trusted-file.h"

enum { WRONG_MAX = 16 /* told one by one */ };

struct check {
        struct buffer *said;
        const char *ending;
        size_t count, wrong;
        bool all;
};

static int rejected(struct check *check) {
        return check->all && ++check->wrong ? 0 : -EKEYREJECTED;
}

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

        if (check->wrong >= WRONG_MAX && (r < 0 || memcmp(digest, expected, sizeof(digest)) != 0))
                return rejected(check);
        if (r < 0) {
                buffer_append_string(check->said, "the sealed file ");
                escape_append(check->said, name);
                buffer_printf(check->said, " cannot be read: %s%s", strerrordesc_np(-r), check->ending);
                return rejected(check);
        }
        if (memcmp(digest, expected, sizeof(digest)) != 0) {
                buffer_append_string(check->said, "unknown hash ");
                append_hex(check->said, digest);
                buffer_append_string(check->said, " of ");
                escape_append(check->said, name);
                buffer_append_string(check->said, check->ending);
                return rejected(check);
        }
        check->count++;
        return 0;
}

/* A file beside the configuration. 1, 0: there is none, or negative errno, said. */
static int read_beside(const char *configuration_file, const char *name, struct buffer *text, struct check *check) {
        const char *slash = strrchr(configuration_file, '/');
        _cleanup_buffer_ struct buffer path = BUFFER_NULL, problem = BUFFER_NULL;
        int r;

        buffer_printf(&path, "%.*s/%s", slash ? (int)(slash - configuration_file) : 1, slash ? configuration_file : ".", name);
        r = trusted_file_read(AT_FDCWD, buffer_string(&path), buffer_string(&path), false, text, &problem);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                buffer_printf(check->said, "%s%s", buffer_string(&problem), check->ending);
        return r < 0 ? r : 1;
}

struct signer {
        const struct sshsig *sshsig;
        bool found;
};

static int on_signer(void *context, const uint8_t key[SSHSIG_KEY_SIZE]) {
        struct signer *signer = context;

        signer->found |= memcmp(signer->sshsig->key, key, SSHSIG_KEY_SIZE) == 0;
        return 0;
}

/* Without signers everybody who is root can seal. */
static int check_signature(const char *configuration_file, struct bytes list, struct check *check) {
        _cleanup_buffer_ struct buffer signers = BUFFER_NULL, signature = BUFFER_NULL;
        struct sshsig sshsig;
        struct signer signer = { .sshsig = &sshsig };
        int r = read_beside(configuration_file, "allowed_signers", &signers, check);

        if (r <= 0)
                return r;
        r = read_beside(configuration_file, "sealed.sig", &signature, check);
        if (r < 0)
                return r;
        if (r == 1 && sshsig_read(buffer_bytes(&signature), SEALED_NAMESPACE, &sshsig) == 0)
                (void)sshsig_allowed_signers(buffer_bytes(&signers), SEALED_NAMESPACE, on_signer, &signer);
        if (signer.found && seal_signature_holds(&sshsig, SEALED_NAMESPACE, list))
                return 0;
        buffer_printf(check->said, "the list of sealed files is not signed by one of the allowed signers%s", check->ending);
        return -EKEYREJECTED;
}

int sealed_check(const char *configuration_file, bool all, const char *ending, struct buffer *list, struct buffer *said,
                 size_t *ret_count) {
        struct check check = { .said = said, .ending = ending, .all = all };
        unsigned line = 0;
        int r;

        *ret_count = 0;
        buffer_clear(list);
        r = read_beside(configuration_file, "sealed", list, &check);
        if (r < 0)
                return r;
        r = check_signature(configuration_file, buffer_bytes(list), &check);
        if (r < 0)
                return r;
        r = b2sum_list_parse(buffer_bytes(list), check_file, &check, &line);
        if (r == -EBADMSG)
                buffer_printf(said, "the list of sealed files, line %u: not a line of b2sum(1)%s", line, ending);
        if (r < 0)
                return r;
        *ret_count = check.count;
        if (check.wrong > WRONG_MAX)
                buffer_printf(said, "and %zu more%s", check.wrong - WRONG_MAX, ending);
        return check.wrong ? -EKEYREJECTED : buffer_error(said);
}

void sealed_look(const char *configuration_file, struct buffer *list, struct buffer *wrong, size_t *ret_count) {
        static const char separator[] = "; ";
        int r;

        buffer_clear(wrong);
        r = sealed_check(configuration_file, true, separator, list, wrong, ret_count);
        if (r < 0 && wrong->size <= strlen(separator))
                buffer_printf(wrong, "what was sealed cannot be checked: %s%s", strerrordesc_np(-r), separator);
        if (r < 0 && buffer_error(wrong) == 0)
                buffer_truncate(wrong, wrong->size - strlen(separator));
}

struct hook {
        const char *folder, *name;
        uint8_t digest[BLAKE2B_SIZE];
        bool known, holds;              /* the list has files of the folder; it has this one, as it is */
};

static int on_sealed(void *context, const uint8_t expected[B2SUM_DIGEST_SIZE], struct bytes path) {
        struct hook *hook = context;
        size_t size = strlen(hook->folder);
        const char *rest;

        if (path.size <= size + 1 || memcmp(path.data, hook->folder, size) != 0 || path.data[size] != '/')
                return 0;
        rest = (const char *)path.data + size + 1;
        hook->known = true;
        hook->holds |= strcmp(rest, hook->name) == 0 && memcmp(expected, hook->digest, sizeof(hook->digest)) == 0;
        return 0;
}

bool sealed_allows(struct bytes list, const char *folder, const char *name, int fd) {
        struct hook hook = { .folder = folder, .name = name };
        unsigned line;

        if (list.size == 0)
                return true;
        if (blake2b_file(fd, hook.digest) < 0 || lseek(fd, 0, SEEK_SET) < 0 || b2sum_list_parse(list, on_sealed, &hook, &line) < 0)
                return false;
        return hook.holds || !hook.known;
}
