/* fuzz-dpkg-status.c - any bytes as dpkg's status: every paragraph lies within them, its version compares both ways. */
#include <stdlib.h>

#include "dpkg-status.h"
#include "package-version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct bytes part, const uint8_t *data, size_t size) {
        if (part.size && (part.data < data || part.size > size || part.data > data + size - part.size))
                abort();
}

static int sign(int order) {
        return (order > 0) - (order < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct dpkg_status reader = dpkg_status_of(bytes_of(data, size));
        struct bytes before = BYTES_NULL;
        struct dpkg_paragraph is;
        size_t count = 0;

        while (dpkg_status_next(&reader, &is)) {
                within(is.package, data, size);
                within(is.version, data, size);
                within(is.architecture, data, size);
                within(is.status, data, size);
                within(is.description, data, size);
                within(is.conffiles, data, size);
                if (is.package.size == 0 || memchr(is.package.data, '\0', is.package.size) ||
                    is.state != dpkg_status_state(is.status) || memchr(is.abbreviation, '\0', sizeof(is.abbreviation)))
                        abort();
                if (sign(package_version_compare_deb(before, is.version)) !=
                            -sign(package_version_compare_deb(is.version, before)) ||
                    sign(package_version_compare_rpm(before, is.version)) !=
                            -sign(package_version_compare_rpm(is.version, before)))
                        abort();
                before = is.version;
                count++;
        }
        if (reader.rest.size || count > size)
                abort();
        return 0;
}
