/* new-file.h - a file that takes another one's place at once: written beside it, on disk, then renamed over it. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"

struct new_file {
        int directory;          /* borrowed */
        int fd;
        char *name, *temporary; /* owned */
        uint8_t *room;          /* what waits to be written */
        size_t used;
        int error;              /* the first that happened; told by finish */
};

#define NEW_FILE_NULL ((struct new_file){ .directory = -1, .fd = -1 })

/* Makes NAME.new in the directory (an old one is replaced). 0 or negative errno. */
int new_file_begin(struct new_file *file, int directory, const char *name, mode_t mode);
/* Buffered; an error is kept for new_file_finish(). */
void new_file_write(struct new_file *file, struct bytes bytes);
/* Writes what is left and, if 'sync', waits for the disk; the file is complete but has its temporary name. 0 or negative errno. */
int new_file_finish(struct new_file *file, int sync);
/* Puts it into place and ends. 0 or negative errno. */
int new_file_place(struct new_file *file);
/* Drops it if it was not placed. Harmless when nothing was begun; the cleanup of NEW_FILE_NULL. */
void new_file_drop(struct new_file *file);

/* write(2) until all of it is written. 0 or negative errno. */
int write_all(int fd, struct bytes bytes);
