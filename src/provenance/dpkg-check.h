/* dpkg-check.h - signs that somebody else than dpkg wrote to dpkg's database.
 * dpkg writes all files of a package in info/ in one go, status (and diversions, statoverride) by renaming a new one over the old
 * one, which keeps a second name, and status after everything else. What was written by hand stands out by its change time, which
 * no program can set; from the next installation of that package on (for status: the next run of dpkg) it does not any more.
 * Not seen: what was written within three minutes of dpkg's own writing, or by somebody who also rewrote the other files of the
 * package, set the clock back, or wrote to the disk beneath the filesystem. */
#pragma once

#include <stdint.h>

struct host;
struct provenance_findings;

/* As provenance_ops.check(). 0 also where there is no dpkg. slack_ns: how far apart two files may be that were written in one go
 * (dpkg-times.h). */
int dpkg_check(const struct host *host, int64_t slack_ns, struct provenance_findings *findings);
