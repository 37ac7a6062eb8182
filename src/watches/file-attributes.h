/* file-attributes.h - what a file carries besides its content and its inode's numbers: extended attributes, and what the kernel
 * makes of some of them. Each of these moves the ctime of the file. */
#pragma once

#include <sys/stat.h>

#include "buffer.h"
#include "record.h"

/* Bounds of what is read of one file: whoever owns it may attach as many as the filesystem takes. */
enum { FILE_ATTRIBUTES_MAX = 256 };

/* In the words of record.h's FIELD_SET; empty: none. */
struct file_attributes {
        struct buffer capabilities;     /* file-capabilities.h */
        struct buffer acl;              /* posix-acl.h; "default:" before what a directory hands on */
        struct buffer others;           /* "user.name=" and 16 bytes of the BLAKE2b of its value, sorted by name; of more than
                                         * FILE_ATTRIBUTES_MAX the names alone are digested, together */
        struct buffer label;            /* of SELinux; text */
        struct buffer verity;           /* "sha256:" and the digest that fs-verity enforces; text */
        struct buffer names, value;     /* scratch */
};

#define FILE_ATTRIBUTES_NULL ((struct file_attributes){ .names = BUFFER_NULL })

void file_attributes_done(struct file_attributes *attributes);
void file_attributes_clear(struct file_attributes *attributes);         /* as of a file that has none */

/* Reads them of 'name' below directory ("." : itself), which may be of any type; no link is followed. Through /proc, for that asks one
 * call of a file without any. 0, or negative errno; a filesystem without extended attributes has none. */
int file_attributes_read(int directory, const char *name, struct file_attributes *ret);

/* What fs-verity says of a regular file of which statx() says STATX_ATTR_VERITY. 0 or negative errno. */
int file_attributes_measure(int directory, const char *name, struct file_attributes *ret);

/* Fills the record's values; their bytes are the buffers'. */
void file_attributes_put(const struct file_attributes *attributes, struct record *record);

/* The flags that matter of those that a statx() tells for nothing, as words: "immutable append-only". Static; NULL: none. */
const char *file_attributes_flags(const struct statx *stat);
