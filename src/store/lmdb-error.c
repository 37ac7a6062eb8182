#include "lmdb-error.h"

#include <errno.h>
#include <stdint.h>
#include <sys/statvfs.h>

enum { FULL_DISK = 1 << 20 };  /* bytes left */

int lmdb_error(int rc) {
        if (rc >= 0)
                return -rc;

        switch (rc) {
        case MDB_NOTFOUND:
                return -ENOENT;
        case MDB_MAP_FULL:
                return -EFBIG;
        case MDB_TXN_FULL:
                return -ENOSPC;
        case MDB_DBS_FULL:
                return -EMFILE;
        case MDB_READERS_FULL:
                return -EAGAIN;
        case MDB_BAD_TXN:
                return -ECANCELED;
        case MDB_PANIC:
                return -EIO;
        case MDB_MAP_RESIZED:
                return -ENOMEM;
        case MDB_BAD_DBI:
        case MDB_BAD_RSLOT:
        case MDB_BAD_VALSIZE:
        case MDB_CORRUPTED:
        case MDB_CURSOR_FULL:
        case MDB_INCOMPATIBLE:
        case MDB_INVALID:
        case MDB_PAGE_FULL:
        case MDB_PAGE_NOTFOUND:
        case MDB_VERSION_MISMATCH:
                return -EBADMSG;
        default:
                return -EIO;
        }
}

int lmdb_error_of_disk(MDB_env *env, int r) {
        struct statvfs disk;
        int fd;

        if (r != -EIO || !env || mdb_env_get_fd(env, &fd) || fstatvfs(fd, &disk) < 0)
                return r;
        return (uint64_t)disk.f_bavail * disk.f_frsize < FULL_DISK ? -ENOSPC : r;
}
