#include "verify-seals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fd.h"
#include "timestamp.h"

enum { SIGNERS_MOST = 1000, SIGNERS_SIZE_MAX = 1 << 20 };

struct verify_seals {
        FILE *stream;                   /* owned; NULL: there are none */
        struct buffer signers;          /* keys, one after the other */
        const char *since;              /* borrowed */
        struct verify_seal next;
        bool have, ended;
        struct seal before;
        bool any;
};

static int read_text(int folder, const char *name, struct buffer *ret) {
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat stat;
        ssize_t n;

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -errno;
        if (!S_ISREG(stat.st_mode) || stat.st_size > SIGNERS_SIZE_MAX)
                return -EINVAL;
        do {
                uint8_t *room = buffer_room(ret, 4096);

                n = room ? read(fd, room, 4096) : -1;
                if (n > 0)
                        ret->size += (size_t)n;
        } while (n > 0 && ret->size <= SIGNERS_SIZE_MAX);
        return buffer_error(ret) < 0 ? -ENOMEM : n < 0 ? -errno : 0;
}

static int on_signer(void *context, const uint8_t key[SSHSIG_KEY_SIZE]) {
        struct buffer *signers = context;

        if (signers->size < SIGNERS_MOST * SSHSIG_KEY_SIZE)
                buffer_append(signers, key, SSHSIG_KEY_SIZE);
        return buffer_error(signers);
}

int verify_seals_open(const char *folder, const char *allowed_signers, const char *since, struct verify_seals **ret) {
        _cleanup_close_ int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file = -1;
        struct verify_seals *seals = calloc(1, sizeof(*seals));
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        int r = -ENOMEM;

        if (!seals || directory < 0) {
                r = seals ? -errno : -ENOMEM;
                goto fail;
        }
        seals->since = since;
        r = read_text(allowed_signers ? AT_FDCWD : directory, allowed_signers ? allowed_signers : SEAL_SIGNERS, &text);
        if (r < 0 && (allowed_signers || r == -ENOMEM)) {
                r = r == -ENOMEM ? r : -ENOKEY;
                goto fail;
        }
        r = sshsig_allowed_signers(buffer_bytes(&text), SEAL_NAMESPACE, on_signer, &seals->signers);
        if (r == 0 && allowed_signers && !seals->signers.size)
                r = -EINVAL;
        if (r < 0)
                goto fail;
        file = openat(directory, SEAL_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        r = file < 0 && errno != ENOENT ? -errno : 0;
        if (r < 0)
                goto fail;
        seals->stream = file < 0 ? NULL : fdopen(file, "re");
        if (seals->stream)
                TAKE_FD(file);
        *ret = seals;
        return 0;
fail:
        (void)verify_seals_close(seals);
        return r;
}

struct verify_seals *verify_seals_close(struct verify_seals *seals) {
        if (!seals)
                return NULL;
        if (seals->stream)
                (void)fclose(seals->stream);
        buffer_done(&seals->signers);
        buffer_done(&seals->next.text);
        free(seals);
        return NULL;
}

static bool is_allowed(const struct verify_seals *seals, const uint8_t key[SSHSIG_KEY_SIZE]) {
        for (size_t at = 0; at < seals->signers.size; at += SSHSIG_KEY_SIZE)
                if (memcmp(seals->signers.data + at, key, SSHSIG_KEY_SIZE) == 0)
                        return true;
        return false;
}

/* A line without its newline: its size; -1 at the end; SEAL_LINE_MAX + 1 for one that is too long. One without an end is being
 * written, and is none. */
static ssize_t read_line(FILE *stream, uint8_t room[SEAL_LINE_MAX + 1]) {
        ssize_t size = 0;
        int c;

        while ((c = getc_unlocked(stream)) != EOF && c != '\n') {
                if (size <= SEAL_LINE_MAX)
                        room[size] = (uint8_t)c;
                size += size <= SEAL_LINE_MAX;
        }
        return c == EOF ? -1 : size;
}

/* Reads on to see whether the key is one of a later seal. */
static bool is_later(struct verify_seals *seals, const uint8_t key[SSHSIG_KEY_SIZE]) {
        uint8_t room[SEAL_LINE_MAX + 1], signer[SSHSIG_KEY_SIZE];
        struct seal seal;
        ssize_t size;

        if (memcmp(seals->next.seal.next, key, SSHSIG_KEY_SIZE) == 0)
                return true;
        while ((size = read_line(seals->stream, room)) >= 0) {
                int r = size > SEAL_LINE_MAX ? -EBADMSG : seal_read(bytes_of(room, (size_t)size), &seal, signer);

                if (r == 0 && (memcmp(seal.next, key, SSHSIG_KEY_SIZE) == 0 || memcmp(signer, key, SSHSIG_KEY_SIZE) == 0))
                        return true;
        }
        return false;
}

static void wrong(struct verify_seals *seals, enum verify_kind kind, const char *text) {
        struct verify_seal *next = &seals->next;

        next->kind = kind;
        buffer_printf(&next->text, "seal %llu %s", (unsigned long long)next->seal.number, text);
}

static void judge(struct verify_seals *seals, const uint8_t key[SSHSIG_KEY_SIZE]) {
        const struct seal *seal = &seals->next.seal, *before = &seals->before;
        bool named = seals->any && memcmp(key, before->next, SSHSIG_KEY_SIZE) == 0, allowed = is_allowed(seals, key);
        uint64_t expected = seals->any ? before->number + 1 : 0;

        if (!named && allowed && seal->number == 0)
                return; /* a key of its own: the first one, or after the one before was lost */
        if (!named && seal->number > expected) {
                seals->next.kind = VERIFY_SEAL_REMOVED;
                if (seal->number - 1 == expected)
                        buffer_printf(&seals->next.text, "seal %llu is missing", (unsigned long long)expected);
                else
                        buffer_printf(&seals->next.text, "seals %llu to %llu are missing", (unsigned long long)expected,
                                      (unsigned long long)seal->number - 1);
        } else if (!named && is_later(seals, key)) {
                wrong(seals, VERIFY_LATER_KEY, "is signed with the key of a later one");
        } else if (!named) {
                wrong(seals, VERIFY_UNKNOWN_KEY, seals->any ? "is signed with a key that the one before does not name"
                                                            : "is signed with a key that is none of the allowed signers'");
        } else if (seal->number != expected || seal->first != before->last + 1 || seal->last < before->last) {
                wrong(seals, VERIFY_SEAL_EDITED, "does not go on where the one before ended");
        } else if (strcmp(seal->boot_id, before->boot_id) == 0 && seal->boot_ns < before->boot_ns) {
                wrong(seals, VERIFY_SEAL_EDITED, "was made before the one before it");
        }
}

static bool is_older(const struct verify_seals *seals) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (!seals->since)
                return false;
        timestamp_utc(&text, &seals->next.seal.at);
        return strcmp(buffer_string(&text), seals->since) < 0;
}

int verify_seals_peek(struct verify_seals *seals, const struct verify_seal **ret) {
        uint8_t room[SEAL_LINE_MAX + 1], key[SSHSIG_KEY_SIZE];
        struct seal seal;
        ssize_t size;
        int r;

        if (seals->have || seals->ended) {
                *ret = &seals->next;
                return seals->have;
        }
        size = seals->stream ? read_line(seals->stream, room) : -1;
        if (size < 0) {
                seals->ended = true;
                return seals->stream && ferror(seals->stream) ? -EIO : 0;
        }
        r = size > SEAL_LINE_MAX ? -EBADMSG : seal_read(bytes_of(room, (size_t)size), &seal, key);
        if (r == -ENOMEM)
                return r;
        buffer_clear(&seals->next.text);
        seals->next.kind = VERIFY_FINE;
        if (r == -EBADMSG) {
                seals->next.seal = (struct seal){ .number = seals->any ? seals->before.number + 1 : 0, .last = seals->before.last };
                seals->next.seal.first = seals->before.last + 1;
                wrong(seals, VERIFY_SEAL_EDITED, "is none");
        } else {
                seals->next.seal = seal;
                if (r < 0)
                        wrong(seals, VERIFY_SEAL_EDITED, "is not what was signed");
                else
                        judge(seals, key);
                /* What is older than asked for is followed only. */
                if (is_older(seals)) {
                        seals->next.kind = VERIFY_FINE;
                        buffer_clear(&seals->next.text);
                }
        }
        seals->before = seals->next.seal;
        seals->any = seals->have = true;
        *ret = &seals->next;
        return buffer_error(&seals->next.text) < 0 ? -ENOMEM : 1;
}

void verify_seals_take(struct verify_seals *seals) {
        seals->have = false;
}
