/* A record is refused, or all its texts are within it or within the room it was given. */
#include <stdint.h>
#include <stdlib.h>

#include "bpf-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_within(struct bytes text, struct bytes one, struct bytes other) {
        if (text.size == 0)
                return;
        if (text.data >= one.data && text.size <= one.size && (size_t)(text.data - one.data) <= one.size - text.size)
                return;
        if (other.size == 0 || text.data < other.data || text.size > other.size ||
            (size_t)(text.data - other.data) > other.size - text.size)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        const struct bytes whole = bytes_of(data, size);
        struct delta delta;

        if (bpf_record_parse(whole, &room, &delta) < 0)
                return 0;
        switch (delta.subject) {
        case DELTA_PROCESS:
                expect_within(delta.process.name, whole, buffer_bytes(&room));
                expect_within(delta.process.executable, whole, buffer_bytes(&room));
                expect_within(delta.process.working_directory, whole, buffer_bytes(&room));
                expect_within(delta.process.command_line, whole, buffer_bytes(&room));
                break;
        case DELTA_MODULE:
                expect_within(delta.module.name, whole, buffer_bytes(&room));
                break;
        case DELTA_FILE:
        case DELTA_INCIDENT:
                expect_within(delta.incident.what, whole, buffer_bytes(&room));
                expect_within(delta.incident.where, whole, buffer_bytes(&room));
                break;
        case DELTA_CONNECTION:
                break;
        case DELTA_BPF_PROGRAM:
        case DELTA_SUBJECTS:
                abort();
        }
        return 0;
}
