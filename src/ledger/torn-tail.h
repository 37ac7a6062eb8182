/* torn-tail.h - what a power cut leaves of a file that was being appended to. */
#pragma once

#include <stdint.h>

/* Zeros stand where the file had grown and its bytes were not on the disk yet; what we write holds none. From the line on in which
 * the first of them stands nothing was synced; nor was a last line without its end. 0 and where such a line begins, or the size if
 * there is none; or negative errno. The whole file is read once. */
int torn_tail_find(int fd, uint64_t size, uint64_t *ret);
