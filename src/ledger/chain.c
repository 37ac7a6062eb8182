#include "chain.h"

#include <errno.h>
#include <sodium.h>

enum { HEX_SIZE = CHAIN_HASH_SIZE * 2 };

/* Quotes of a string's own are escaped in JSON, so these bytes are a key wherever they stand. */
static const char object_mark[] = "\"nephronix\":{", link_mark[] = "\"nephronix\":{\"chain\":{", prev_mark[] = "\"prev\":\"";
static const char genesis_mark[] = "\"begins\":\"genesis\",", break_mark[] = "\"begins\":\"break\",";

void chain_hash(struct bytes line, uint8_t ret[CHAIN_HASH_SIZE]) {
        crypto_generichash_state state;

        (void)crypto_generichash_init(&state, NULL, 0, CHAIN_HASH_SIZE);
        (void)crypto_generichash_update(&state, line.data, line.size);
        (void)crypto_generichash_update(&state, (const uint8_t *)"\n", 1);
        (void)crypto_generichash_final(&state, ret, CHAIN_HASH_SIZE);
}

void chain_hex_append(struct buffer *buffer, const uint8_t hash[CHAIN_HASH_SIZE]) {
        char text[HEX_SIZE + 1];

        (void)sodium_bin2hex(text, sizeof(text), hash, CHAIN_HASH_SIZE);
        buffer_append(buffer, text, HEX_SIZE);
}

bool chain_hex_read(struct bytes text, uint8_t ret[CHAIN_HASH_SIZE]) {
        uint8_t hash[CHAIN_HASH_SIZE];
        size_t size;

        if (text.size != HEX_SIZE ||
            sodium_hex2bin(hash, sizeof(hash), (const char *)text.data, text.size, NULL, &size, NULL) != 0 || size != sizeof(hash))
                return false;
        memcpy(ret, hash, sizeof(hash));
        return true;
}

int chain_append(struct buffer *buffer, struct bytes object, const struct chain_link *link) {
        const uint8_t *mark = object.size ? memmem(object.data, object.size, object_mark, sizeof(object_mark) - 1) : NULL;
        size_t before;
        bool alone;

        if (object.size < 2 || object.data[object.size - 1] != '}')
                return -EINVAL;
        before = mark ? (size_t)(mark - object.data) + sizeof(object_mark) - 1 : object.size - 1;
        buffer_append(buffer, object.data, before);
        if (!mark)
                buffer_append_string(buffer, object.size > 2 ? ",\"nephronix\":{" : "\"nephronix\":{");
        buffer_append_string(buffer, "\"chain\":{");
        buffer_append_string(buffer, link->begins == CHAIN_GENESIS ? genesis_mark : link->begins == CHAIN_BREAK ? break_mark : "");
        buffer_append_string(buffer, prev_mark);
        chain_hex_append(buffer, link->prev);
        alone = !mark || object.data[before] == '}';
        buffer_append_string(buffer, !mark ? "\"}}" : alone ? "\"}" : "\"},");
        buffer_append(buffer, object.data + before, object.size - before);
        return buffer_error(buffer);
}

static bool skip(struct bytes *rest, const char *mark) {
        if (!bytes_starts_with(*rest, bytes_of_string(mark)))
                return false;
        *rest = bytes_of(rest->data + strlen(mark), rest->size - strlen(mark));
        return true;
}

int chain_read(struct bytes line, struct chain_link *ret) {
        const uint8_t *mark = line.size ? memmem(line.data, line.size, link_mark, sizeof(link_mark) - 1) : NULL;
        struct chain_link link = { .begins = CHAIN_GOES_ON };
        struct bytes rest;

        if (!mark)
                return 0;
        mark += sizeof(link_mark) - 1;
        rest = bytes_of(mark, line.size - (size_t)(mark - line.data));
        if (skip(&rest, genesis_mark))
                link.begins = CHAIN_GENESIS;
        else if (skip(&rest, break_mark))
                link.begins = CHAIN_BREAK;
        if (!skip(&rest, prev_mark) || rest.size < HEX_SIZE + 2 || !chain_hex_read(bytes_of(rest.data, HEX_SIZE), link.prev) ||
            memcmp(rest.data + HEX_SIZE, "\"}", 2) != 0)
                return 0;
        *ret = link;
        return 1;
}
