/* dpkg-database.h - what dpkg's database says of paths, read once for as long as it stays the same.
 * In memory: eight bytes for each listed path, names and configuration files of the packages, and the lists of the few packages
 * that were asked for last. */
#pragma once

#include "dpkg-info.h"
#include "dpkg-status.h"
#include "path-index.h"
#include "path-table.h"

#include <sys/stat.h>

struct host;

/* Borrowed from the database until it is read again. */
struct dpkg_package {
        struct bytes stem;              /* "bash", "libc6:amd64": of its files in info/ */
        struct bytes name, version, architecture;
        struct bytes conffiles;         /* dpkg_info_conffile_next() */
        enum dpkg_state state;
};

/* The lists of one package. */
struct dpkg_lists {
        size_t package;
        bool used, has_list, has_digests;
        uint64_t asked;                 /* when: the one that was not asked for the longest time goes */
        struct path_table list, digests; /* read when first needed */
        struct stat list_file, digests_file;
};

enum { DPKG_LISTS_KEPT = 16 };

struct dpkg_database {
        int info;                       /* owned; the folder with the lists */
        uint64_t seed;
        unsigned merged;                /* folders of usr-merge */
        bool incomplete;                /* a list could not be read: nobody knows what it has */
        struct dpkg_package *packages;  /* owned; in the order of their stems */
        size_t n_packages;
        struct dpkg_diversion *diversions; /* owned */
        size_t n_diversions;
        struct dpkg_override *overrides; /* owned */
        size_t n_overrides;
        uint8_t *names;                 /* owned; what packages point into */
        struct buffer diversions_text, overrides_text;
        struct path_index index;
        struct dpkg_lists lists[DPKG_LISTS_KEPT];
        uint64_t clock;
};

#define DPKG_DATABASE_NULL ((struct dpkg_database){ .info = -1 })

/* Reads all of it but the digests. folder: borrowed. 0; -ENOENT: no database here; -EFBIG; negative errno. On failure the
 * database is DPKG_DATABASE_NULL. */
int dpkg_database_load(struct dpkg_database *database, const struct host *host, int folder);
void dpkg_database_done(struct dpkg_database *database);
/* Bytes of memory that it takes. */
size_t dpkg_database_size(const struct dpkg_database *database);

enum dpkg_digest {
        DPKG_DIGEST_NONE,       /* listed, and its package has no digest of it */
        DPKG_DIGEST_NO_LIST,    /* listed, and its package has no digest of anything */
        DPKG_DIGEST_KNOWN,
        DPKG_DIGEST_DOUBTFUL,   /* known, but the list of digests was written later than its package */
};

struct dpkg_listed {
        bool is_folder;                 /* something is listed below it */
        bool is_conffile, has_conffile_digest;
        uint8_t conffile_digest[DPKG_MD5_SIZE];
        enum dpkg_digest digest;
        uint8_t md5[DPKG_MD5_SIZE];
};

/* What a package says of a path (its shorter spelling, without the first '/'). 1 and *ret; 0: it does not list it; or negative
 * errno. */
int dpkg_database_listed(struct dpkg_database *database, size_t package, struct bytes path, struct dpkg_listed *ret);
