/* package-run.h - what one run of a package manager did, counted until it is told as one event: which packages went from which
 * version to which, and the files that are as they ship them. Also for what was done to packages while nobody watched. Pure. */
#pragma once

#include "buffer.h"
#include "event.h"
#include "provenance.h"

enum {
        PACKAGE_RUN_PACKAGES_MAX = 4096,        /* what is beyond is counted */
        PACKAGE_RUN_LISTED = 64,                /* in its event */
        PACKAGE_RUN_SAMPLE = 16,                /* paths, each of at most PACKAGE_RUN_PATH_MAX bytes */
        PACKAGE_RUN_PATH_MAX = 512,
};

/* Two places to come back to: a look and the batch or round that it belongs to may each be given up. */
enum package_run_mark { PACKAGE_RUN_KEPT, PACKAGE_RUN_LOOK, PACKAGE_RUN_MARKS };

enum package_run_file {
        PACKAGE_RUN_AS_PACKAGED,
        PACKAGE_RUN_LINK,       /* a symbolic link that the manager made itself: nothing tells where it should lead */
        PACKAGE_RUN_GONE,       /* removed by the manager itself, and no package's any more */
        PACKAGE_RUN_ALONE,      /* told as an event of its own */
        PACKAGE_RUN_FILES,
};

struct package_run;

struct package_run *package_run_new(void);                      /* NULL when memory ends */
struct package_run *package_run_free(struct package_run *run);  /* takes NULL; returns NULL */

/* The package watch found this: of what is said of one package several times the first version before and the last one after
 * count. Copied. 'what' and 'manager' are static. 0 or -ENOMEM. */
int package_run_package(struct package_run *run, const struct event_package *package);
/* A file of this package; an answer without a package (of a file that is gone) is counted for none. 0 or -ENOMEM. */
int package_run_file(struct package_run *run, const struct provenance_answer *answer, struct bytes path,
                     enum package_run_file kind);

void package_run_set_mark(struct package_run *run, enum package_run_mark mark);
/* Files counted since the mark were not: what is known of packages stays. */
void package_run_go_back(struct package_run *run, enum package_run_mark mark);

/* What was counted is told: what is known of packages stays, no file is counted. */
void package_run_begin_anew(struct package_run *run);

/* Files that need no event of their own. */
uint64_t package_run_quiet(const struct package_run *run);
/* Whether the package watch said anything of it. */
bool package_run_has_packages(const struct package_run *run);

/* What it has to say: "apt upgraded openssl 3.0.11-1 to 3.0.11-2: 14 files, all as packaged", 'who' being "apt"; or, with who
 * NULL, "openssl went from 3.0.11-1 to 3.0.11-2: ...". Escaped. */
void package_run_sentence(const struct package_run *run, const char *who, struct buffer *buffer);

/* For the event; borrowed from the run until it is changed. */
const struct event_packages *package_run_packages(struct package_run *run);
