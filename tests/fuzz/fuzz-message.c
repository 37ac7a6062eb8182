/* A datagram is refused, or is byte for byte what encoding its message gives. */
#include <stdint.h>
#include <stdlib.h>

#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer again = BUFFER_NULL;
        struct message message;

        if (message_decode(bytes_of(data, size), &message) < 0)
                return 0;
        for (size_t i = 0; i < MESSAGE_TEXTS; i++)
                expect(message.texts[i].data >= data && message.texts[i].size <= size &&
                       (size_t)(message.texts[i].data - data) <= size - message.texts[i].size);
        expect(message_encode(&again, &message) == 0);
        expect(bytes_equal(buffer_bytes(&again), bytes_of(data, size)));
        return 0;
}
