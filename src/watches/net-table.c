#include "net-table.h"

#include <errno.h>
#include <netinet/in.h>

enum { STATE_ESTABLISHED = 1, WORD = 4, WORD_DIGITS = 8 };

static void skip_blanks(struct bytes *line) {
        while (line->size > 0 && (line->data[0] == ' ' || line->data[0] == '\t'))
                *line = bytes_of(line->data + 1, line->size - 1);
}

/* The bytes up to the next blank. */
static bool take_word(struct bytes *line, struct bytes *ret) {
        size_t length = 0;

        skip_blanks(line);
        while (length < line->size && line->data[length] != ' ' && line->data[length] != '\t')
                length++;
        if (length == 0)
                return false;
        *ret = bytes_of(line->data, length);
        *line = bytes_of(line->data + length, line->size - length);
        return true;
}

static int hexadecimal(uint8_t digit) {
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        if (digit >= 'A' && digit <= 'F')
                return digit - 'A' + 10;
        if (digit >= 'a' && digit <= 'f')
                return digit - 'a' + 10;
        return -1;
}

static bool parse_hexadecimal(struct bytes text, uint32_t *ret) {
        uint32_t value = 0;

        if (text.size == 0 || text.size > WORD_DIGITS)
                return false;
        for (size_t i = 0; i < text.size; i++) {
                int digit = hexadecimal(text.data[i]);
                if (digit < 0)
                        return false;
                value = value << 4 | (uint32_t)digit;
        }
        *ret = value;
        return true;
}

static bool parse_decimal(struct bytes text, uint32_t *ret) {
        uint64_t value = 0;

        if (text.size == 0)
                return false;
        for (size_t i = 0; i < text.size; i++) {
                if (text.data[i] < '0' || text.data[i] > '9')
                        return false;
                value = value * 10 + (uint64_t)(text.data[i] - '0');
                if (value > UINT32_MAX)
                        return false;
        }
        *ret = (uint32_t)value;
        return true;
}

/* "0100007F:0016": the address as words in the order of this machine, the port in plain order. */
static bool parse_end(struct bytes text, uint8_t family, uint8_t *address, uint8_t *port) {
        size_t words = family == CONNECTION_IPV4 ? 1 : 4, digits = words * WORD_DIGITS;
        uint32_t value;

        if (text.size < digits + 2 || text.data[digits] != ':')
                return false;
        for (size_t i = 0; i < words; i++) {
                if (!parse_hexadecimal(bytes_of(text.data + i * WORD_DIGITS, WORD_DIGITS), &value))
                        return false;
                memcpy(address + i * WORD, &value, WORD);
        }
        if (!parse_hexadecimal(bytes_of(text.data + digits + 1, text.size - digits - 1), &value) || value > UINT16_MAX)
                return false;
        connection_put(port, 0, 2, value);
        return true;
}

/* sl local remote st tx:rx tr:when retrnsmt uid timeout inode ... */
static bool parse_line(struct bytes line, uint8_t protocol, uint8_t family, struct connection *connection) {
        enum { SLOT, LOCAL, REMOTE, STATE, QUEUES, TIMER, RETRIES, USER, TIMEOUT, INODE, WORDS };
        struct bytes words[WORDS];
        uint32_t state;

        for (size_t i = 0; i < WORDS; i++)
                if (!take_word(&line, &words[i]))
                        return false;
        if (!parse_end(words[LOCAL], family, connection->key + CONNECTION_LOCAL,
                       connection->key + CONNECTION_LOCAL_PORT) ||
            !parse_end(words[REMOTE], family, connection->key + CONNECTION_REMOTE,
                       connection->key + CONNECTION_REMOTE_PORT) ||
            !parse_hexadecimal(words[STATE], &state) || state != STATE_ESTABLISHED ||
            !parse_decimal(words[USER], &connection->user) || !parse_decimal(words[INODE], &connection->inode))
                return false;
        /* A UDP socket has its inode from the start, and two of them may share their addresses. */
        if (protocol == IPPROTO_UDP)
                connection_put(connection->key, CONNECTION_IDENTITY, 8, connection->inode);
        return true;
}

int net_table_parse(struct bytes text, uint8_t protocol, uint8_t family, uint64_t namespace_inode,
                    struct connection_list *list) {
        while (text.size > 0) {
                const uint8_t *end = memchr(text.data, '\n', text.size);
                size_t length = end ? (size_t)(end - text.data) : text.size;
                struct connection connection = { 0 };

                connection_put(connection.key, CONNECTION_NAMESPACE, 8, namespace_inode);
                connection.key[CONNECTION_PROTOCOL] = protocol;
                connection.key[CONNECTION_FAMILY] = family;
                if (parse_line(bytes_of(text.data, length), protocol, family, &connection) &&
                    connection_list_add(list, &connection) < 0)
                        return -ENOMEM;
                length += end ? 1 : 0;
                text = bytes_of(text.data + length, text.size - length);
        }
        return 0;
}
