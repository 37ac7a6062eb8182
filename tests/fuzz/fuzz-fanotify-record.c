/* Events as fanotify writes them. */
#include <stdlib.h>

#include "fanotify-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touch(struct bytes bytes) {
        size_t sum = 0;

        for (size_t i = 0; i < bytes.size; i++)
                sum += bytes.data[i];
        return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes rest = bytes_of(data, size);
        struct fanotify_record record;
        size_t before = rest.size, sum = 0;

        while (fanotify_record_next(&rest, &record) > 0) {
                if (rest.size >= before)
                        abort();
                before = rest.size;
                sum += touch(record.directory.id) + touch(record.old_directory.id) + touch(record.object.id);
                sum += record.name ? strlen(record.name) : 0;
                sum += record.old_name ? strlen(record.old_name) : 0;
        }
        return sum == SIZE_MAX ? -1 : 0;
}
