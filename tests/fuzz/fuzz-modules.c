/* fuzz-modules.c - any bytes as a line of /proc/modules. */
#include <stdint.h>
#include <stdlib.h>

#include "modules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct bytes part, const uint8_t *data, size_t size) {
        if (part.size && (part.data < data || part.data + part.size > data + size))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct module_line line;

        if (module_parse_line(bytes_of(data, size), &line) < 0)
                return 0;
        if (line.name.size == 0 || line.state.size == 0)
                abort();
        check_within(line.name, data, size);
        check_within(line.state, data, size);
        check_within(line.taints, data, size);
        return 0;
}
