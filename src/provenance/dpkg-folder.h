/* dpkg-folder.h - dpkg's database on disk: where it lies, whether it is being written, whether it is another than before. */
#pragma once

#include <sys/stat.h>

#include "buffer.h"

struct host;

#define DPKG_FOLDER "var/lib/dpkg"

/* The folder's descriptor (O_PATH), or negative errno. */
int dpkg_folder_open(const struct host *host);

/* Who has locked the database now: bits. dpkg holds both for as long as it runs. A front end (apt, aptitude) holds the second from
 * its plan to its end, and the first while it does not run dpkg. */
enum { DPKG_LOCK = 1 << 0, DPKG_LOCK_FRONTEND = 1 << 1 };
unsigned dpkg_folder_locks(int folder);

/* What a killed dpkg has written of its last steps: paragraphs that stand in place of those in status until the next dpkg
 * merges them. Appended, each after an empty line; 'limit' for the whole buffer. While dpkg is at work they are steps on the
 * way. 0 or negative errno. */
int dpkg_folder_read_updates(int folder, size_t limit, struct buffer *text);

/* A regular file of the folder, not through a symbolic link, that is no larger than the limit, appended. ret_stat: of what was
 * read. 0; -ENOENT; -EINVAL: not a regular file; -EFBIG; negative errno. */
int dpkg_folder_read(int folder, const char *path, size_t limit, struct buffer *text, struct stat *ret_stat);
