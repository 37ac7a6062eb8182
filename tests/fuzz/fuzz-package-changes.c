/* fuzz-package-changes.c - whatever the baseline hands over as packages that changed: what is read comes out the same when it is
 * written and read again. */
#include <stdlib.h>

#include "package-changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
        if (!holds)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer bytes = BUFFER_NULL, again = BUFFER_NULL;
        struct package_changes changes = { .items = NULL }, other = { .items = NULL };

        if (size > PACKAGE_CHANGES_BYTES_MAX)
                return 0;
        (void)package_changes_decode(&changes, bytes_of(data, size));
        package_changes_encode(&changes, &bytes);
        check(buffer_error(&bytes) == 0 && bytes.size <= size);
        check(package_changes_decode(&other, buffer_bytes(&bytes)) == 0 && other.count == changes.count);
        package_changes_encode(&other, &again);
        check(bytes_equal(buffer_bytes(&bytes), buffer_bytes(&again)));
        package_changes_done(&changes);
        package_changes_done(&other);
        return 0;
}
