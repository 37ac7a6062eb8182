/* fuzz-destroy-message.c - any bytes as a message of a socket that is gone. */
#include <stdint.h>
#include <stdlib.h>

#include "destroy-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct connection_facts facts = { .family = 77 };
        int r = destroy_message_parse(bytes_of(data, size), &facts);

        if (r == 1 ? (facts.family != 4 && facts.family != 6) || facts.remote_port == 0 : facts.family != 77)
                abort();
        return 0;
}
