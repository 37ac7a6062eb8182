#include "note-op.h"

#include <endian.h>
#include <errno.h>

enum { PARTS = 3, HEAD = 1 + PARTS * sizeof(uint32_t) };

void note_op_encode(struct buffer *buffer, const struct note_op *op) {
        const struct bytes parts[PARTS] = { op->name, op->key, op->value };
        uint8_t head[HEAD] = { (uint8_t)op->kind };

        for (size_t i = 0; i < PARTS; i++) {
                uint32_t size = htobe32((uint32_t)parts[i].size);

                memcpy(head + 1 + i * sizeof(size), &size, sizeof(size));
        }
        buffer_append(buffer, head, sizeof(head));
        for (size_t i = 0; i < PARTS; i++)
                buffer_append_bytes(buffer, parts[i]);
}

int note_op_decode(struct bytes *rest, struct note_op *ret) {
        struct bytes parts[PARTS], left;
        uint8_t kind;

        if (rest->size == 0)
                return 0;
        if (rest->size < HEAD)
                return -EBADMSG;
        kind = rest->data[0];
        if (kind < NOTE_WATCH || kind > NOTE_ALERTED)
                return -EBADMSG;
        left = bytes_of(rest->data + HEAD, rest->size - HEAD);
        for (size_t i = 0; i < PARTS; i++) {
                uint32_t size;

                memcpy(&size, rest->data + 1 + i * sizeof(size), sizeof(size));
                size = be32toh(size);
                if (size > left.size)
                        return -EBADMSG;
                parts[i] = bytes_of(left.data, size);
                left = bytes_of(left.data + size, left.size - size);
        }
        *ret = (struct note_op){ .kind = (enum note_kind)kind, .name = parts[0], .key = parts[1], .value = parts[2] };
        *rest = left;
        return 1;
}
