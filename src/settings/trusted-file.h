/* trusted-file.h - configuration is read only where nobody but root could have written it: owned by root, not writable
 * by group or others, a regular file (no symbolic link, FIFO, device), of bounded size. Checked on the open file. */
#pragma once

#include "buffer.h"
#include "settings.h"

enum { TRUSTED_FILE_SIZE_MAX = 1024 * 1024, TRUSTED_FOLDER_FILES_MAX = 256 };

/* 'shown' is the name in messages. Appends the bytes to 'text'. 0, or negative errno and a message in 'error': -EPERM
 * refused, else why it could not be read. any_owner leaves owner and mode unchecked, nothing else. */
int trusted_file_read(int directory, const char *name, const char *shown, bool any_owner, struct buffer *text,
                      struct buffer *error);

/* Opens a folder and lists the names in it that end with 'suffix' and do not start with '.', in byte order. 0 and the
 * descriptor and names (the caller's, string_list_done()); -ENOENT without a message if there is no such folder; other
 * negative errno with one. */
int trusted_folder_open(int directory, const char *name, const char *shown, const char *suffix, bool any_owner,
                        int *ret_fd, struct strings *ret_names, struct buffer *error);
