/* rpm-files.h - what nephronix-pkgdb says of files: its answer to a list of paths, bytes and back. Pure.
 * "NXFILES1", then a record for each owner of a path that was asked for, by ascending number of the path, then the end with the
 * number of paths that were asked. Numbers are little-endian; each text has its size before it. */
#pragma once

#include "buffer.h"

enum {
        RPM_FILES_PATHS_MAX = 4096,     /* of one question */
        RPM_FILES_QUESTION_MAX = 1024 * 1024, /* bytes: paths, each ended by NUL */
        RPM_FILES_ANSWER_MAX = 64 * 1024 * 1024,
        RPM_FILES_TEXT_MAX = 8 * 1024,
        RPM_FILES_MARK_SIZE = 8,
};

/* rpm's numbers, as they stand in its databases (rpm/rpmfiles.h, rpm/rpmcrypto.h). */
enum {
        RPM_FILE_CONFIG = 1 << 0,
        RPM_FILE_MISSING_OK = 1 << 3,
        RPM_FILE_GHOST = 1 << 6,
        RPM_DIGEST_MD5 = 1,
        RPM_DIGEST_SHA256 = 8,
};

enum rpm_file_text {
        RPM_FILE_PACKAGE, RPM_FILE_VERSION, RPM_FILE_ARCHITECTURE, /* version: [epoch:]version-release */
        RPM_FILE_USER, RPM_FILE_GROUP,
        RPM_FILE_TARGET,        /* of a symbolic link */
        RPM_FILE_CAPABILITIES,  /* as text; empty: none */
        RPM_FILE_DIGEST,        /* bytes; empty: none */
        RPM_FILE_TEXTS,
};

struct rpm_file {
        uint32_t number;                /* of the path in the question, from 0 */
        uint32_t mode;                  /* with the type */
        uint32_t flags, digest_kind;
        struct bytes texts[RPM_FILE_TEXTS]; /* borrowed from the answer */
};

void rpm_files_begin(struct buffer *answer);
/* A text that is longer than RPM_FILES_TEXT_MAX makes the buffer fail. */
void rpm_files_append(struct buffer *answer, const struct rpm_file *file);
void rpm_files_end(struct buffer *answer, uint32_t paths);

struct rpm_files {
        struct bytes rest;
        uint32_t next;                  /* no smaller number may follow */
        bool begun;
};
static inline struct rpm_files rpm_files_of(struct bytes answer) {
        return (struct rpm_files){ .rest = answer };
}
/* 1 and *ret; 0 and *ret_paths: that was all, nothing is cut off; -EBADMSG. */
int rpm_files_next(struct rpm_files *reader, struct rpm_file *ret, uint32_t *ret_paths);

/* The next path of a question. False at the end, or where what follows is no path: *ret_rest is then not empty. */
bool rpm_files_question_next(struct bytes *rest, struct bytes *ret);
