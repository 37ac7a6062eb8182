/* fuzz-rpm-files.c - an answer about files is refused, or is byte for byte what encoding its records gives; a question is paths and
 * nothing else. */
#include <stdlib.h>

#include "rpm-files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct bytes whole = bytes_of(data, size);
        struct rpm_files reader = rpm_files_of(whole);
        struct bytes rest = whole, path;
        struct buffer again = BUFFER_NULL;
        struct rpm_file file;
        uint32_t paths = 0;
        size_t used = 0;
        int r;

        rpm_files_begin(&again);
        while ((r = rpm_files_next(&reader, &file, &paths)) > 0)
                rpm_files_append(&again, &file);
        rpm_files_end(&again, paths);
        if (buffer_error(&again) < 0 || (r == 0 && !bytes_equal(buffer_bytes(&again), whole)))
                abort();
        buffer_done(&again);

        while (rpm_files_question_next(&rest, &path)) {
                if (path.size == 0 || path.data[0] != '/' || path.data[path.size] != '\0' || memchr(path.data, '\0', path.size))
                        abort();
                used += path.size + 1;
        }
        if (used + rest.size != size)
                abort();
        return 0;
}
