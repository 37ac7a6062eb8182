/* Whatever is asked, the request that is taken has values in their bounds; and any line can be judged by it. */
#include <stdint.h>
#include <stdlib.h>

#include "control-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct control_request strict = { .verb = CONTROL_EVENTS, .after = 1, .severity = 2, .watch = bytes_of_string("boot") };
        struct control_request request;
        const char *why = NULL;

        if (control_request_parse(bytes_of(data, size), &request, &why) == 0) {
                if (request.severity > 5 || (request.verb != CONTROL_STATUS && request.verb != CONTROL_EVENTS) ||
                    (request.watch.size && (request.watch.data < data || request.watch.data + request.watch.size > data + size)))
                        abort();
                (void)control_request_wants(&request, bytes_of(data, size));
        } else if (!why) {
                abort();
        }
        (void)control_request_wants(&strict, bytes_of(data, size));
        return 0;
}
