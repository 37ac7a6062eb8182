/* status-page.h - what `nephronix status` shows, kept up to date in RunDirectory=/status after every round (page.h). */
#pragma once

#include "engine.h"
#include "recorder.h"
#include "sealed.h"

struct status_page;

struct status_page_options {
        const struct settings *settings;
        const struct event_host *event_host;
        const struct sealed_state *sealed; /* NULL: nothing is said of it */
        struct timespec started;
};

/* Makes the page anew. The options are borrowed. 0 and *ret, or negative errno. */
int status_page_new(const struct status_page_options *options, struct status_page **ret);
struct status_page *status_page_free(struct status_page *page); /* takes NULL; returns NULL */

/* How a source does. Borrowed for the call. */
struct source_report {
        const char *name;
        bool opened;
        const char *reason;             /* why it is not open, or what is missing though it is; NULL: nothing to say */
        uint64_t events, lost;          /* since it was opened */
};

/* sources: in the order of the ladder; NULL, 0: none. */
int status_page_update(struct status_page *page, const struct engine *engine, const struct recorder *recorder,
                       const struct source_report *sources, size_t n_sources);

/* engine_watched_until() as the page left by an earlier run tells it; 0: no page, or it tells nothing. To be asked before
 * status_page_new(). */
uint64_t status_page_watched_until(const struct settings *settings);
