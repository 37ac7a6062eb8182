/* moment.h - moments as people write and read them. */
#pragma once

#include <time.h>

#include "buffer.h"

/* --since: "2026-11-23", "2026-11-23 10:00[:00]" (or with T; with Z behind it: UTC), "10:00[:00]" today, "today",
 * "yesterday", "now", "@1795000000", "-1h", "-1h30min", "10min ago", "2 days ago". Local time. False: none of these. */
bool moment_parse(const char *text, time_t now, struct timespec *ret);

/* The time stamp of an event, "2026-11-23T22:34:03.123456Z". */
bool moment_parse_utc(struct bytes text, struct timespec *ret);

/* Appends "2 s ago", "5 min ago", "3 h ago", "4 d ago"; "just now" also for what lies ahead. */
void moment_ago(struct buffer *buffer, time_t then, time_t now);
