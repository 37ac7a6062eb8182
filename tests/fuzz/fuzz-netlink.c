/* fuzz-netlink.c - any bytes as a datagram of netlink messages, each full of attributes. */
#include <stdint.h>
#include <stdlib.h>

#include "netlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct bytes part, struct bytes whole) {
        if (part.size && (part.data < whole.data || part.data + part.size > whole.data + whole.size))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes whole = bytes_of(data, size), rest = whole;
        struct netlink_message message;

        for (size_t before = size; netlink_next(&rest, &message); before = rest.size) {
                struct bytes attributes = message.payload, payload;
                uint16_t type;

                check_within(message.payload, whole);
                if (rest.size >= before)
                        abort();
                for (size_t left = attributes.size; netlink_next_attribute(&attributes, &type, &payload);
                     left = attributes.size) {
                        check_within(payload, message.payload);
                        if (attributes.size >= left)
                                abort();
                }
        }
        return 0;
}
