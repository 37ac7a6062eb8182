/* archive.h - what was written, packed and put away, and thrown away when its time has come. */
#pragma once

#include <stdint.h>
#include <time.h>

/* Packs FROM (in from_folder) as gzip -9 into TO (in to_folder), on disk before FROM is removed. An interrupted one is done
 * again from the start by calling it again. 0 or negative errno. */
int archive_pack(int from_folder, const char *from, int to_folder, const char *to);

struct archive_folder {
        int fd;                         /* borrowed */
        const char *prefix, *suffix;    /* of the names that are ours to remove: digits between them */
};

/* Removes files older than keep_ns, then the oldest while the folders' files take more than max_use bytes together. 'live' is
 * what the files still being written take. Returns how many were removed, or negative errno. */
int archive_expire(const struct archive_folder *folders, size_t n_folders, uint64_t keep_ns, uint64_t max_use,
                   uint64_t live, uint64_t now_ns);
