/* found-file.h - the file that lies at a path, to be compared with what a package ships. */
#pragma once

#include <sys/stat.h>

#include "file-digests.h"
#include "buffer.h"

struct host;

struct found_file {
        const struct host *host;        /* borrowed */
        struct buffer path;             /* owned; as it was asked for */
        bool present;                   /* what the asker says */
        bool looked;
        struct statx stat;
        unsigned have;                  /* enum file_digest: what was read */
        struct file_digests digests;
};

#define FOUND_FILE_NULL ((struct found_file){ .host = NULL })

void found_file_done(struct found_file *file);
int found_file_init(struct found_file *file, const struct host *host, struct bytes path, bool present);

/* Fills 'stat', once. The last component is not followed. 0; -ENOENT: it is gone; negative errno. */
int found_file_look(struct found_file *file);
/* Fills these digests of a regular file. 0; -ENOENT or -ESTALE: it is gone, is another one now, or changed while it was read;
 * -EFBIG: so large, and so much of it a hole, that it is not read; negative errno. */
int found_file_read(struct found_file *file, unsigned wanted);
/* Where a symbolic link leads, appended. 0; -ESTALE: it is none any more; negative errno. */
int found_file_target(struct found_file *file, struct buffer *ret);
/* Whether a regular file has capabilities. 0 or negative errno, as for found_file_read(). */
int found_file_has_capabilities(struct found_file *file, bool *ret);
