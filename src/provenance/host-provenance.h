/* host-provenance.h - model/provenance.h for a host: dpkg and rpm, whichever has a database there. */
#pragma once

#include "provenance.h"

struct host;

/* Opens nothing and asks nobody yet. The host is borrowed until close. 0 and *ret, or -ENOMEM. */
int host_provenance_open(const struct host *host, struct provenance **ret);
struct provenance *host_provenance_close(struct provenance *provenance); /* takes NULL; returns NULL */
