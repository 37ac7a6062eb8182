/* fuzz-kmsg.c - any bytes as a record of /dev/kmsg, and as its text and pattern. */
#include <stdint.h>
#include <stdlib.h>

#include "kernel-messages.h"
#include "ownership.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct kmsg_record record;
        _cleanup_free_ char *pattern = NULL;

        if (kmsg_parse(bytes_of(data, size), &record) < 0)
                return 0;
        if (record.text.size && (record.text.data < data || record.text.data + record.text.size > data + size))
                abort();
        if (record.priority > 7 || (record.text.size && memchr(record.text.data, '\n', record.text.size)))
                abort();
        (void)kmsg_matches(record.text, "module|bpf");

        /* a text holds itself */
        pattern = strndup((const char *)record.text.data, record.text.size);
        if (pattern && record.text.size && strlen(pattern) == record.text.size && !strchr(pattern, '|') &&
            !kmsg_matches(record.text, pattern))
                abort();
        return 0;
}
