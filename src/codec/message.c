#include "message.h"

#include <errno.h>

/* The datagram, little-endian: type 4, id 4, number 8, at_ns 8, the texts' sizes 4 each, then the texts. */
enum { HEADER_SIZE = 4 + 4 + 8 + 8 + 4 * MESSAGE_TEXTS };

static bool known(uint64_t type) {
        switch (type) {
        case MESSAGE_READY:
        case MESSAGE_WALL:
        case MESSAGE_HOOK:
        case MESSAGE_PACKAGE_DATABASE:
        case MESSAGE_STOPPED:
        case MESSAGE_ROLE_NOTED:
        case MESSAGE_PACKAGE_FILES:
        case MESSAGE_BEAT:
        case MESSAGE_STOP:
        case MESSAGE_RELOAD:
        case MESSAGE_HOOK_DONE:
        case MESSAGE_PACKAGE_DATABASE_DONE:
        case MESSAGE_ROLE_ENDED:
        case MESSAGE_HOOK_REFUSED:
        case MESSAGE_PACKAGE_FILES_DONE:
        case MESSAGE_HOOK_KILLED:
                return true;
        default:
                return false;
        }
}

static void put(struct buffer *buffer, uint64_t number, size_t size) {
        for (size_t i = 0; i < size; i++)
                buffer_append_byte(buffer, (uint8_t)(number >> (8 * i)));
}

static uint64_t take(const uint8_t **at, size_t size) {
        uint64_t number = 0;

        for (size_t i = 0; i < size; i++)
                number |= (uint64_t)(*at)[i] << (8 * i);
        *at += size;
        return number;
}

int message_encode(struct buffer *buffer, const struct message *message) {
        size_t room = MESSAGE_SIZE_MAX - HEADER_SIZE;

        if (!known((uint64_t)message->type))
                return -EINVAL;
        for (size_t i = 0; i < MESSAGE_TEXTS; i++) {
                if (message->texts[i].size > room)
                        return -EMSGSIZE;
                room -= message->texts[i].size;
        }

        put(buffer, (uint64_t)message->type, 4);
        put(buffer, message->id, 4);
        put(buffer, message->number, 8);
        put(buffer, message->at_ns, 8);
        for (size_t i = 0; i < MESSAGE_TEXTS; i++)
                put(buffer, message->texts[i].size, 4);
        for (size_t i = 0; i < MESSAGE_TEXTS; i++)
                buffer_append_bytes(buffer, message->texts[i]);
        return buffer_error(buffer);
}

int message_decode(struct bytes data, struct message *ret) {
        struct message message = { .id = 0 };
        const uint8_t *at = data.data;
        uint64_t type;
        size_t left;

        if (data.size < HEADER_SIZE || data.size > MESSAGE_SIZE_MAX)
                return -EBADMSG;
        type = take(&at, 4);
        if (!known(type))
                return -EBADMSG;
        message.type = (enum message_type)type;
        message.id = (uint32_t)take(&at, 4);
        message.number = take(&at, 8);
        message.at_ns = take(&at, 8);

        left = data.size - HEADER_SIZE;
        for (size_t i = 0; i < MESSAGE_TEXTS; i++) {
                uint64_t size = take(&at, 4);

                if (size > left)
                        return -EBADMSG;
                message.texts[i].size = (size_t)size;
                left -= (size_t)size;
        }
        if (left != 0)
                return -EBADMSG;
        for (size_t i = 0; i < MESSAGE_TEXTS; i++) {
                message.texts[i].data = at;
                at += message.texts[i].size;
        }
        *ret = message;
        return 0;
}
