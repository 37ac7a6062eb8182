/* Whatever the text: names are whole, free of NUL and terminated, and the line of an error is there. */
#include <errno.h>
#include <stdlib.h>

#include "b2sum-list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

static int entry(void *context, const uint8_t digest[B2SUM_DIGEST_SIZE], struct bytes name) {
        unsigned *sum = context;

        for (size_t i = 0; i < B2SUM_DIGEST_SIZE; i++)
                *sum += digest[i];
        expect(name.size > 0 && strlen((const char *)name.data) == name.size);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        unsigned sum = 0, line = 0, lines = 1;
        int r = b2sum_list_parse(bytes_of(data, size), entry, &sum, &line);

        for (size_t i = 0; i < size; i++)
                lines += data[i] == '\n';
        expect(r == 0 || r == -EBADMSG || r == -ENOMEM);
        if (r == -EBADMSG)
                expect(line >= 1 && line <= lines);
        return 0;
}
