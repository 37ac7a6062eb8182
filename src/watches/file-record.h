/* file-record.h - one file as a record: the fields that files and self share, and how they are read. */
#pragma once

#include <sys/stat.h>

#include "buffer.h"
#include "digest-pool.h"
#include "file-digests.h"
#include "record.h"

enum file_field {
        FILE_PATH,
        FILE_TYPE,
        FILE_SIZE,
        FILE_MODE,
        FILE_USER,
        FILE_GROUP,
        FILE_MTIME,
        FILE_CTIME,
        FILE_INODE,
        FILE_DEVICE,
        FILE_LINKS,
        FILE_TARGET,
        FILE_FLAGS,
        FILE_FOLDER_CTIME,
        FILE_DIGEST,
        FILE_CAPABILITIES,
        FILE_ACL,
        FILE_LABEL,
        FILE_ATTRIBUTES,
        FILE_VERITY,
        FILE_ERROR,
        FILE_TEXT,
        FILE_SHA256,
        FILE_FINDING,
        FILE_LOOKED,
        FILE_FIELDS,
};

struct file_attributes;

#define FILE_SHA256_MOST (UINT64_C(64) << 20)

enum { FILE_TEXT_MAX = 64 * 1024 };

/* What is not there any more has no state to be told: an answer of those below that says so. */
enum { FILE_RECORD_GONE = 2 };

extern const struct field file_fields[];        /* FILE_FIELDS rows and the end */

/* Fills everything but path, target, digest and looked from a statx of the file. Type names are static. */
void file_record_fill(struct record *record, const struct statx *stat);

/* The digest of the regular file 'name' below directory, which must be the file that the record describes: reads it without
 * following a link, without moving its access time where the kernel lets us, and again if it changed meanwhile. 0 and
 * FILE_DIGEST filled (bytes in 'room'), or FILE_ERROR filled with the error's name when the file cannot be read: only lack of
 * memory or descriptors is a negative answer. Of a small file that takes one pass with its SHA-256, which is in 'room' then, too:
 * 1 is answered. FILE_RECORD_GONE: it has no name any more. */
int file_record_digest(int directory, const char *name, struct record *record, struct file_digests *room);

/* The same out of the pool's answer; the digest's bytes are the job's. 0, FILE_RECORD_GONE or negative errno. */
int file_record_take_digest(struct record *record, const struct digest_job *job);

/* Fills FILE_SHA256 of the regular file that the record describes, if it still has the content of FILE_DIGEST and is not larger than
 * FILE_SHA256_MOST; else nothing. Bytes in 'room'. */
void file_record_sha256(int directory, const char *name, struct record *record, struct file_digests *room);

/* Fills FILE_TEXT of the regular file that the record describes, once it has its digest and attributes: if it still has that content,
 * is not larger than FILE_TEXT_MAX, holds no NUL, and everybody who comes by its folder may read it. Else nothing. Bytes in 'room',
 * which is cleared. Lack of memory is a negative answer. */
int file_record_text(int directory, const char *name, struct record *record, struct buffer *room);

/* What became of a log of which 'before' is known. WATCH_E_NO_NEWS: it grew, and nothing else; else WATCH_OK, and FILE_FINDING says
 * "truncated", "rewritten" or "replaced" if it is one of those. */
int file_record_log(int directory, const char *name, const struct record *before, struct record *record);

/* Fills what 'name' below directory carries besides, after its digest was read: then what moved since moved the ctime that the
 * record has. 'none': it is known to have no extended attributes. The values' bytes are the buffers'. What cannot be read fills
 * FILE_ERROR; lack of memory is a negative answer. Or FILE_RECORD_GONE. */
int file_record_attributes(int directory, const char *name, bool none, struct record *record, struct file_attributes *room);

/* "EIO" and friends for the errors a read of a file gives; never NULL. Static. */
const char *file_error_name(int error);
