#include "sshsig.h"

#include <endian.h>
#include <errno.h>

#include "json.h"
#include "ssh-wire.h"

const char sshsig_begin[] = "-----BEGIN SSH SIGNATURE-----", sshsig_end[] = "-----END SSH SIGNATURE-----";

static const char magic[] = "SSHSIG", algorithm[] = "ssh-ed25519", hash_name[] = "sha512";
enum { VERSION = 1, MAGIC_SIZE = sizeof(magic) - 1 };

/* ---- what is in it: strings with their length before them ---- */

static bool is_text(struct bytes bytes, const char *text) {
        return bytes_equal(bytes, bytes_of_string(text));
}

/* Algorithm and value, nothing behind them. */
static int read_pair(struct bytes pair, void *ret, size_t size) {
        struct bytes name, value;

        if (!ssh_take_string(&pair, &name) || !ssh_take_string(&pair, &value) || pair.size)
                return -EBADMSG;
        if (!is_text(name, algorithm))
                return -ENOTSUP;
        if (value.size != size)
                return -EBADMSG;
        memcpy(ret, value.data, size);
        return 0;
}

static void put_pair(struct buffer *buffer, const void *value, size_t size) {
        _cleanup_buffer_ struct buffer pair = BUFFER_NULL;

        ssh_put_string(&pair, bytes_of_string(algorithm));
        ssh_put_string(&pair, bytes_of(value, size));
        if (buffer_error(&pair) < 0)
                buffer->failed = true;
        ssh_put_string(buffer, buffer_bytes(&pair));
}

/* ---- signatures ---- */

void sshsig_signed(struct buffer *buffer, const char *namespace, const uint8_t hash[SSHSIG_HASH_SIZE]) {
        buffer_append(buffer, magic, MAGIC_SIZE);
        ssh_put_string(buffer, bytes_of_string(namespace));
        ssh_put_string(buffer, BYTES_NULL);
        ssh_put_string(buffer, bytes_of_string(hash_name));
        ssh_put_string(buffer, bytes_of(hash, SSHSIG_HASH_SIZE));
}

void sshsig_append(struct buffer *buffer, const char *namespace, const struct sshsig *sshsig) {
        _cleanup_buffer_ struct buffer blob = BUFFER_NULL;
        uint32_t version = htobe32(VERSION);

        buffer_append(&blob, magic, MAGIC_SIZE);
        buffer_append(&blob, &version, sizeof(version));
        put_pair(&blob, sshsig->key, sizeof(sshsig->key));
        ssh_put_string(&blob, bytes_of_string(namespace));
        ssh_put_string(&blob, BYTES_NULL);
        ssh_put_string(&blob, bytes_of_string(hash_name));
        put_pair(&blob, sshsig->signature, sizeof(sshsig->signature));
        if (buffer_error(&blob) < 0)
                buffer->failed = true;
        base64_append(buffer, buffer_bytes(&blob));
}

/* What stands between the lines, if they are there. */
static struct bytes without_lines(struct bytes text) {
        const uint8_t *end;
        size_t begin = strlen(sshsig_begin);

        while (text.size && (text.data[0] == '\n' || text.data[0] == ' ' || text.data[0] == '\r'))
                text = bytes_of(text.data + 1, text.size - 1);
        if (!bytes_starts_with(text, bytes_of_string(sshsig_begin)))
                return text;
        text = bytes_of(text.data + begin, text.size - begin);
        end = text.size ? memmem(text.data, text.size, sshsig_end, strlen(sshsig_end)) : NULL;
        return end ? bytes_of(text.data, (size_t)(end - text.data)) : BYTES_NULL;
}

int sshsig_read(struct bytes text, const char *namespace, struct sshsig *ret) {
        _cleanup_buffer_ struct buffer blob = BUFFER_NULL;
        struct bytes rest, key, name, reserved, hash, signature;
        char found[MAGIC_SIZE];
        struct sshsig sshsig;
        uint32_t version;
        int r = ssh_base64_read(without_lines(text), &blob);

        if (r < 0)
                return r;
        rest = buffer_bytes(&blob);
        if (!ssh_take(&rest, found, sizeof(found)) || memcmp(found, magic, sizeof(found)) != 0 || !ssh_take(&rest, &version, sizeof(version)) ||
            be32toh(version) != VERSION || !ssh_take_string(&rest, &key) || !ssh_take_string(&rest, &name) || !ssh_take_string(&rest, &reserved) ||
            !ssh_take_string(&rest, &hash) || !ssh_take_string(&rest, &signature) || rest.size)
                return -EBADMSG;
        r = read_pair(key, sshsig.key, sizeof(sshsig.key));
        if (r == 0)
                r = read_pair(signature, sshsig.signature, sizeof(sshsig.signature));
        if (r < 0)
                return r;
        if (!is_text(name, namespace))
                return -EKEYREJECTED;
        if (!is_text(hash, hash_name) || reserved.size)
                return -ENOTSUP;
        *ret = sshsig;
        return 0;
}

/* ---- keys ---- */

void sshsig_key_append(struct buffer *buffer, const uint8_t key[SSHSIG_KEY_SIZE]) {
        _cleanup_buffer_ struct buffer blob = BUFFER_NULL;

        ssh_put_string(&blob, bytes_of_string(algorithm));
        ssh_put_string(&blob, bytes_of(key, SSHSIG_KEY_SIZE));
        if (buffer_error(&blob) < 0)
                buffer->failed = true;
        buffer_append_string(buffer, algorithm);
        buffer_append_byte(buffer, ' ');
        base64_append(buffer, buffer_bytes(&blob));
}

bool sshsig_key_read(struct bytes text, uint8_t ret[SSHSIG_KEY_SIZE]) {
        _cleanup_buffer_ struct buffer blob = BUFFER_NULL, again = BUFFER_NULL;
        size_t name = strlen(algorithm) + 1;
        uint8_t key[SSHSIG_KEY_SIZE];

        if (text.size <= name || ssh_base64_read(bytes_of(text.data + name, text.size - name), &blob) < 0 ||
            read_pair(buffer_bytes(&blob), key, sizeof(key)) < 0)
                return false;
        sshsig_key_append(&again, key);
        if (!bytes_equal(text, buffer_bytes(&again)))
                return false;
        memcpy(ret, key, sizeof(key));
        return true;
}

/* The next word of a line; what is quoted belongs to it. */
static struct bytes next_word(struct bytes *line) {
        struct bytes word;
        bool quoted = false;
        size_t size = 0;

        while (line->size && (line->data[0] == ' ' || line->data[0] == '\t'))
                *line = bytes_of(line->data + 1, line->size - 1);
        while (size < line->size && (quoted || (line->data[size] != ' ' && line->data[size] != '\t'))) {
                quoted ^= line->data[size] == '"';
                size++;
        }
        word = bytes_of(line->data, size);
        *line = bytes_of(line->data + size, line->size - size);
        return word;
}

static bool options_allow(struct bytes options, const char *namespace) {
        static const char mark[] = "namespaces=\"";
        struct bytes list, wanted = bytes_of_string(namespace);

        if (!bytes_starts_with(options, bytes_of_string(mark)) || options.data[options.size - 1] != '"' ||
            options.size <= sizeof(mark) - 1)
                return false;
        list = bytes_of(options.data + sizeof(mark) - 1, options.size - sizeof(mark));
        while (list.size) {
                const uint8_t *comma = memchr(list.data, ',', list.size);
                size_t size = comma ? (size_t)(comma - list.data) : list.size;

                if (bytes_equal(bytes_of(list.data, size), wanted))
                        return true;
                list = bytes_of(list.data + size + !!comma, list.size - size - !!comma);
        }
        return false;
}

static bool read_signer(struct bytes line, const char *namespace, uint8_t ret[SSHSIG_KEY_SIZE]) {
        struct bytes principals = next_word(&line), word = next_word(&line), blob;

        if (!principals.size || principals.data[0] == '#')
                return false;
        if (!is_text(word, algorithm)) {
                if (!options_allow(word, namespace))
                        return false;
                word = next_word(&line);
        }
        blob = next_word(&line);
        return is_text(word, algorithm) && blob.size && blob.data == word.data + word.size + 1 &&
               sshsig_key_read(bytes_of(word.data, word.size + 1 + blob.size), ret);
}

int sshsig_allowed_signers(struct bytes text, const char *namespace, int (*signer)(void *context, const uint8_t key[SSHSIG_KEY_SIZE]),
                           void *context) {
        int r = 0;

        while (text.size && r >= 0) {
                const uint8_t *end = memchr(text.data, '\n', text.size);
                size_t size = end ? (size_t)(end - text.data) : text.size;
                uint8_t key[SSHSIG_KEY_SIZE];

                if (read_signer(bytes_of(text.data, size), namespace, key))
                        r = signer(context, key);
                text = bytes_of(text.data + size + !!end, text.size - size - !!end);
        }
        return r < 0 ? r : 0;
}
