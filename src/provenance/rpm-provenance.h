/* rpm-provenance.h - what rpm says of a file: half of model/provenance.h. The database is read by nephronix-pkgdb, which the guard
 * runs: an answer comes later than its question. */
#pragma once

#include "buffer.h"
#include "provenance.h"

struct host;
struct found_file;
struct rpm_answer;

struct rpm_provenance {
        const struct host *host;        /* borrowed */
        uint64_t fingerprint[2];        /* of the database that the answers are about */
        struct buffer asked;            /* what is on its way: paths, each ended by NUL */
        struct buffer waiting;          /* what is to be asked next */
        size_t n_asked, n_waiting;
        struct rpm_answer *answers;     /* owned; the newest first */
        size_t n_answers;
        int error;                      /* of the last question about this database: it is not asked again */
        bool pending;
};

#define RPM_PROVENANCE_NULL ((struct rpm_provenance){ .host = NULL })

struct rpm_moment {
        bool there, at_work;
        uint64_t fingerprint[2];
};
void rpm_provenance_moment(const struct host *host, struct rpm_moment *ret);

void rpm_provenance_release(struct rpm_provenance *rpm);

/* Takes what has come meanwhile. True: something has, or there will be no answer. */
bool rpm_provenance_poll(struct rpm_provenance *rpm);
int rpm_provenance_prepare(struct rpm_provenance *rpm, const struct bytes *paths, size_t count);
/* As provenance_ops.ask(). PROVENANCE_NONE also where there is no rpm database. */
int rpm_provenance_ask(struct rpm_provenance *rpm, struct found_file *file, struct provenance_answer *ret);
