/* dpkg-provenance.h - what dpkg says of a file: half of model/provenance.h. */
#pragma once

#include "dpkg-database.h"
#include "provenance.h"

struct host;
struct found_file;

struct dpkg_provenance {
        const struct host *host;        /* borrowed */
        struct dpkg_database database;
        bool loaded;
        int load_error;                 /* of the generation that 'fingerprint' stands for */
        bool status_doubtful;           /* nobody wrote the status file as dpkg does */
        uint64_t fingerprint[2];        /* of what 'database' was read from */
};

#define DPKG_PROVENANCE_NULL ((struct dpkg_provenance){ .database = DPKG_DATABASE_NULL })

/* The state of the database on disk as a few numbers. 'at_work': a package manager writes it or is about to. */
struct dpkg_moment {
        bool there, at_work;
        uint64_t fingerprint[2];
        bool status_doubtful;
};
void dpkg_provenance_moment(const struct host *host, struct dpkg_moment *ret);

void dpkg_provenance_release(struct dpkg_provenance *dpkg);

/* As provenance_ops.ask(). PROVENANCE_NONE also where there is no dpkg. */
int dpkg_provenance_ask(struct dpkg_provenance *dpkg, struct found_file *file, struct provenance_answer *ret);
