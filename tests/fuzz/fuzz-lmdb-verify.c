/* fuzz-lmdb-verify.c - whatever lies in data.mdb: the check before it is mapped ends, and stays within the file. */
#include <sys/mman.h>
#include <unistd.h>

#include "lmdb-verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer problem = BUFFER_NULL;
        static int file = -1;
        uint64_t transaction;

        if (file < 0)
                file = memfd_create("data.mdb", MFD_CLOEXEC);
        if (file < 0 || ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size)
                return 0;
        if (lmdb_verify_head(file, &transaction, &problem) == 0)
                (void)lmdb_verify_tree(file, transaction, &problem);
        return 0;
}
