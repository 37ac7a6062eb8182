/* fuzz-process-event.c - any bytes as a message of the process connector. */
#include <stdint.h>
#include <stdlib.h>

#include "process-event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct process_event event = { .cpu = 77 };

        if (process_event_parse(bytes_of(data, size), &event) < 0 && event.cpu != 77)
                abort();
        return 0;
}
