/* diagnostics.h - the daemon's own voice: on stderr in the foreground, else in syslog. Not a sink: events go to the ledger. */
#pragma once

#include <stdbool.h>

/* role: "guard", "observer"; in front of every line. */
void diagnostics_open(const char *role, bool foreground);
void diagnostics_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void diagnostics_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* With the meaning of a negative errno behind the text. */
void diagnostics_error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
