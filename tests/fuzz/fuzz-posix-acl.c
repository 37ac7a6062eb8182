/* fuzz-posix-acl.c - any bytes as the extended attribute: words of printable characters with a blank between them, or nothing. */
#include <stdlib.h>

#include "posix-acl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        int r = posix_acl_append(&text, bytes_of(data, size), "default:");

        if (r < 0 && text.size)
                abort();
        for (size_t i = 0; i < text.size; i++)
                if (text.data[i] < ' ' || text.data[i] > '~' || (text.data[i] == ' ' && (i == 0 || text.data[i - 1] == ' ')))
                        abort();
        if (text.size && text.data[text.size - 1] == ' ')
                abort();
        return 0;
}
