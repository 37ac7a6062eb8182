#include "ssh-private-key.h"

#include <errno.h>

#include "ssh-wire.h"

static const char begin_line[] = "-----BEGIN OPENSSH PRIVATE KEY-----", end_line[] = "-----END OPENSSH PRIVATE KEY-----";
static const char magic[] = "openssh-key-v1", algorithm[] = "ssh-ed25519"; /* the magic's NUL is part of it */

enum { PAIR_SIZE = SSH_PRIVATE_KEY_SEED_SIZE + SSHSIG_KEY_SIZE, BLOCK = 8 };

static bool is_text(struct bytes bytes, const char *text) {
        return bytes_equal(bytes, bytes_of_string(text));
}

/* What stands between the lines. */
static int find_body(struct bytes text, struct bytes *ret) {
        const uint8_t *begin = text.size ? memmem(text.data, text.size, begin_line, strlen(begin_line)) : NULL, *end;

        if (!begin)
                return -EBADMSG;
        begin += strlen(begin_line);
        end = memmem(begin, (size_t)(text.data + text.size - begin), end_line, strlen(end_line));
        if (!end)
                return -EBADMSG;
        *ret = bytes_of(begin, (size_t)(end - begin));
        return 0;
}

/* Two equal numbers (the check of a passphrase), the key, its comment, and 1, 2, 3... up to a whole block. */
static int read_secret(struct bytes rest, uint8_t ret_seed[SSH_PRIVATE_KEY_SEED_SIZE], uint8_t ret_key[SSHSIG_KEY_SIZE]) {
        uint32_t check, again;
        struct bytes name, key, pair, comment;

        if (rest.size % BLOCK || !ssh_take(&rest, &check, sizeof(check)) || !ssh_take(&rest, &again, sizeof(again)) || check != again ||
            !ssh_take_string(&rest, &name))
                return -EBADMSG;
        if (!is_text(name, algorithm))
                return -ENOTSUP;
        if (!ssh_take_string(&rest, &key) || !ssh_take_string(&rest, &pair) || !ssh_take_string(&rest, &comment) ||
            key.size != SSHSIG_KEY_SIZE || pair.size != PAIR_SIZE || rest.size >= BLOCK ||
            memcmp(pair.data + SSH_PRIVATE_KEY_SEED_SIZE, key.data, SSHSIG_KEY_SIZE) != 0)
                return -EBADMSG;
        for (size_t i = 0; i < rest.size; i++)
                if (rest.data[i] != i + 1)
                        return -EBADMSG;
        memcpy(ret_seed, pair.data, SSH_PRIVATE_KEY_SEED_SIZE);
        memcpy(ret_key, key.data, SSHSIG_KEY_SIZE);
        return 0;
}

static int read_blob(struct bytes rest, uint8_t ret_seed[SSH_PRIVATE_KEY_SEED_SIZE], uint8_t ret_key[SSHSIG_KEY_SIZE]) {
        static const uint8_t one[] = { 0, 0, 0, 1 };
        struct bytes cipher, derivation, options, public, secret;
        char found[sizeof(magic)];
        uint8_t count[sizeof(one)];

        if (!ssh_take(&rest, found, sizeof(found)) || memcmp(found, magic, sizeof(found)) != 0 || !ssh_take_string(&rest, &cipher) ||
            !ssh_take_string(&rest, &derivation) || !ssh_take_string(&rest, &options) || !ssh_take(&rest, count, sizeof(count)) ||
            memcmp(count, one, sizeof(count)) != 0 || !ssh_take_string(&rest, &public) || !ssh_take_string(&rest, &secret))
                return -EBADMSG;
        if (!is_text(cipher, "none") || !is_text(derivation, "none"))
                return -ENOKEY;
        return rest.size ? -EBADMSG : read_secret(secret, ret_seed, ret_key);
}

int ssh_private_key_read(struct bytes text, uint8_t ret_seed[SSH_PRIVATE_KEY_SEED_SIZE], uint8_t ret_key[SSHSIG_KEY_SIZE]) {
        _cleanup_buffer_ struct buffer blob = BUFFER_NULL;
        struct bytes body = BYTES_NULL;
        int r = find_body(text, &body);

        /* All at once: what grows leaves a secret behind. */
        if (r == 0 && !buffer_room(&blob, body.size))
                r = -ENOMEM;
        if (r == 0)
                r = ssh_base64_read(body, &blob);
        if (r == 0)
                r = read_blob(buffer_bytes(&blob), ret_seed, ret_key);
        if (blob.data)
                explicit_bzero(blob.data, blob.capacity);
        return r;
}
