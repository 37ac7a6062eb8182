/* fuzz-perf-record.c - any bytes as a run of records in a perf ring. */
#include <stdint.h>
#include <stdlib.h>

#include "perf-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes rest = bytes_of(data, size);

        for (;;) {
                struct perf_record record;
                int length = perf_record_size(rest);

                if (length < 0)
                        return 0;
                if (length == 0 || (size_t)length > rest.size)
                        abort();
                if (perf_record_parse(bytes_of(rest.data, (size_t)length), &record) == 0 && record.name.size &&
                    (record.name.data < rest.data || record.name.data + record.name.size > rest.data + length))
                        abort();
                rest = bytes_of(rest.data + length, rest.size - (size_t)length);
        }
}
