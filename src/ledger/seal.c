#include "seal.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "timestamp.h"

_Static_assert((int)SEAL_SEED_SIZE == (int)crypto_sign_SEEDBYTES, "a seed of libsodium");
_Static_assert((int)SSHSIG_HASH_SIZE == (int)crypto_hash_sha512_BYTES, "a hash of libsodium");

void seal_key(const uint8_t seed[SEAL_SEED_SIZE], uint8_t ret[SSHSIG_KEY_SIZE]) {
        uint8_t secret[crypto_sign_SECRETKEYBYTES];

        (void)crypto_sign_seed_keypair(ret, secret, seed);
        sodium_memzero(secret, sizeof(secret));
}

static void to_sign(struct buffer *buffer, const char *namespace, struct bytes message) {
        uint8_t hash[SSHSIG_HASH_SIZE];

        (void)crypto_hash_sha512(hash, message.data, message.size);
        sshsig_signed(buffer, namespace, hash);
}

bool seal_signature_holds(const struct sshsig *sshsig, const char *namespace, struct bytes message) {
        _cleanup_buffer_ struct buffer bytes = BUFFER_NULL;

        to_sign(&bytes, namespace, message);
        return buffer_error(&bytes) == 0 && crypto_sign_verify_detached(sshsig->signature, bytes.data, bytes.size, sshsig->key) == 0;
}

void seal_sign(struct buffer *buffer, const char *namespace, struct bytes message, const uint8_t seed[SEAL_SEED_SIZE]) {
        _cleanup_buffer_ struct buffer bytes = BUFFER_NULL;
        uint8_t secret[crypto_sign_SECRETKEYBYTES];
        struct sshsig sshsig;

        to_sign(&bytes, namespace, message);
        (void)crypto_sign_seed_keypair(sshsig.key, secret, seed);
        (void)crypto_sign_detached(sshsig.signature, NULL, bytes.data, bytes.size, secret);
        sodium_memzero(secret, sizeof(secret));
        if (buffer_error(&bytes) < 0)
                buffer->failed = true;
        sshsig_append(buffer, namespace, &sshsig);
}

int seal_append(struct buffer *buffer, const struct seal *seal, const uint8_t seed[SEAL_SEED_SIZE]) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        size_t body;

        buffer_printf(&text, "{\"seal\":%llu,\"reason\":\"%s\",\"first\":%llu,\"last\":%llu,\"head\":\"", (unsigned long long)seal->number,
                      seal->reason, (unsigned long long)seal->first, (unsigned long long)seal->last);
        chain_hex_append(&text, seal->head);
        buffer_printf(&text, "\",\"boot_id\":\"%s\",\"boot_ns\":%llu,\"time\":\"", seal->boot_id, (unsigned long long)seal->boot_ns);
        timestamp_utc(&text, &seal->at);
        buffer_append_string(&text, "\",\"next\":\"");
        sshsig_key_append(&text, seal->next);
        buffer_append_byte(&text, '"');
        body = text.size;
        buffer_append_string(&text, "}\n");
        if (buffer_error(&text) < 0)
                return -ENOMEM;
        buffer_append(buffer, text.data, body);
        buffer_append_string(buffer, ",\"signature\":\"");
        seal_sign(buffer, SEAL_NAMESPACE, buffer_bytes(&text), seed);
        buffer_append_string(buffer, "\"}\n");
        return buffer_error(buffer);
}

/* ---- reading: what is not written exactly so is none ---- */

static bool skip(struct bytes *rest, const char *text) {
        if (!bytes_starts_with(*rest, bytes_of_string(text)))
                return false;
        *rest = bytes_of(rest->data + strlen(text), rest->size - strlen(text));
        return true;
}

static bool take_number(struct bytes *rest, uint64_t *ret) {
        uint64_t value = 0;
        size_t size = 0;

        for (; size < rest->size && rest->data[size] >= '0' && rest->data[size] <= '9'; size++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t)(rest->data[size] - '0'), &value))
                        return false;
        *rest = bytes_of(rest->data + size, rest->size - size);
        *ret = value;
        return size > 0;
}

/* Up to the next quote. */
static bool take_text(struct bytes *rest, struct bytes *ret) {
        const uint8_t *end = rest->size ? memchr(rest->data, '"', rest->size) : NULL;

        if (!end)
                return false;
        *ret = bytes_of(rest->data, (size_t)(end - rest->data));
        *rest = bytes_of(end, rest->size - ret->size);
        return true;
}

/* "2026-11-23T22:34:03.123456Z" */
static bool read_time(struct bytes text, struct timespec *ret) {
        char room[32];
        unsigned micros;
        struct tm tm = { 0 };
        int used = 0;

        if (text.size >= sizeof(room))
                return false;
        memcpy(room, text.data, text.size);
        room[text.size] = 0;
        if (sscanf(room, "%4d-%2d-%2dT%2d:%2d:%2d.%6uZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
                   &micros, &used) != 7 ||
            (size_t)used != text.size)
                return false;
        tm.tm_year -= 1900;
        tm.tm_mon--;
        ret->tv_sec = timegm(&tm);
        ret->tv_nsec = micros * 1000l;
        return true;
}

static bool read_body(struct bytes rest, struct seal *seal, struct bytes *ret_signature) {
        struct bytes text, head, boot_id, at, next;

        if (!skip(&rest, "{\"seal\":") || !take_number(&rest, &seal->number) || !skip(&rest, ",\"reason\":\"") || !take_text(&rest, &text) ||
            !skip(&rest, "\",\"first\":") || !take_number(&rest, &seal->first) || !skip(&rest, ",\"last\":") ||
            !take_number(&rest, &seal->last) || !skip(&rest, ",\"head\":\"") || !take_text(&rest, &head) ||
            !skip(&rest, "\",\"boot_id\":\"") || !take_text(&rest, &boot_id) || !skip(&rest, "\",\"boot_ns\":") ||
            !take_number(&rest, &seal->boot_ns) || !skip(&rest, ",\"time\":\"") || !take_text(&rest, &at) ||
            !skip(&rest, "\",\"next\":\"") || !take_text(&rest, &next) || !skip(&rest, "\",\"signature\":\"") ||
            !take_text(&rest, ret_signature) || !skip(&rest, "\"}") || rest.size || boot_id.size > SEAL_BOOT_ID_SIZE)
                return false;
        memcpy(seal->boot_id, boot_id.data, boot_id.size);
        return chain_hex_read(head, seal->head) && read_time(at, &seal->at) && sshsig_key_read(next, seal->next);
}

int seal_read(struct bytes line, struct seal *ret, uint8_t ret_key[SSHSIG_KEY_SIZE]) {
        static const char mark[] = ",\"signature\":\"";
        _cleanup_buffer_ struct buffer message = BUFFER_NULL;
        struct seal seal = { .number = 0 };
        struct bytes signature;
        struct sshsig sshsig;
        int r;

        if (line.size > SEAL_LINE_MAX || !read_body(line, &seal, &signature))
                return -EBADMSG;
        r = sshsig_read(signature, SEAL_NAMESPACE, &sshsig);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        buffer_append(&message, line.data, (size_t)(signature.data - line.data) - (sizeof(mark) - 1));
        buffer_append_string(&message, "}\n");
        if (buffer_error(&message) < 0)
                return -ENOMEM;
        *ret = seal;
        memcpy(ret_key, sshsig.key, sizeof(sshsig.key));
        return seal_signature_holds(&sshsig, SEAL_NAMESPACE, buffer_bytes(&message)) ? 0 : -EKEYREJECTED;
}
