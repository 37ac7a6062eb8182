/* folder.h - a folder held open, that somebody may remove or replace while we hold it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The folder's descriptor (the caller's), made with this mode if missing; mode 0: not made. Or negative errno. */
int folder_open(const char *path, mode_t mode);

/* Makes fd, in place, the folder that path names now. 1 if that is another one, 0 if not, negative errno if there is none. */
int folder_follow(int fd, const char *path, mode_t mode);

/* True if name in the folder is the file behind fd. */
bool folder_holds(int folder, const char *name, int fd);

/* True if nobody may write to it, not even root (chattr +i). */
bool folder_entry_is_immutable(int folder, const char *name);
