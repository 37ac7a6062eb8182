/* fuzz-uevent.c - any bytes as a message about a kernel object. */
#include <stdint.h>
#include <stdlib.h>

#include "uevent-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct bytes part, const uint8_t *data, size_t size) {
        if (part.size && (part.data < data || part.data + part.size > data + size))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct uevent event;
        struct bytes name;

        if (uevent_parse(bytes_of(data, size), &event) < 0)
                return 0;
        name = uevent_module(&event);
        check_within(event.action, data, size);
        check_within(event.path, data, size);
        check_within(event.subsystem, data, size);
        check_within(name, data, size);
        if (name.size && memchr(name.data, '/', name.size))
                abort();
        return 0;
}
