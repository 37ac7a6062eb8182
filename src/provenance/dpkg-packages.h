/* dpkg-packages.h - the packages of a status file, found by the names of their files in info/. Pure. */
#pragma once

#include "dpkg-status.h"
#include "ownership.h"

struct dpkg_packages {
        struct dpkg_paragraph *items;   /* owned; by name and architecture, each once; bytes borrowed from the text */
        size_t count, capacity;
};

#define DPKG_PACKAGES_NULL ((struct dpkg_packages){ .items = NULL })

void dpkg_packages_done(struct dpkg_packages *packages);
/* Of several paragraphs of one name and architecture the last counts. 0 or -ENOMEM. */
int dpkg_packages_read(struct dpkg_packages *packages, struct bytes status);
/* The package of "name" or "name:architecture"; of a name alone the one that has files. NULL: there is none that has any. */
const struct dpkg_paragraph *dpkg_packages_find(const struct dpkg_packages *packages, struct bytes stem);
