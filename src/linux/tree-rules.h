/* tree-rules.h - what of a file tree is watched: the same for those who walk it and for those who are told by the kernel. */
#pragma once

#include <stdbool.h>

#include "settings.h"

/* True if a pattern matches the whole path or its last component. */
bool tree_excludes(const struct strings *patterns, const char *path, const char *name);

/* True if the directory lies in a kernel interface that is shaped like files (/proc, /sys): what reading them does is not ours
 * to find out, and their content moves by itself. The descriptor may be one of O_PATH. */
bool tree_is_kernel_filesystem(int fd);

/* True if the directory lies on a filesystem that keeps no inode numbers (vfat, as on every EFI partition): the kernel makes them
 * up when it first sees a file after mounting, so that they say nothing of the file. */
bool tree_makes_up_inodes(int fd);
