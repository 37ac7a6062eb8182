/* diagnostics.h - the daemon's own voice: on stderr in the foreground, else in syslog, and until it is ready on both. Not a sink:
 * events go to the ledger. */
#pragma once

#include <stdbool.h>

/* role: "guard", "observer"; in front of every line. */
void diagnostics_open(const char *role, bool foreground);
/* The start has worked: in the background, whoever started us must not wait for the end of our stderr. */
void diagnostics_detach(void);
void diagnostics_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void diagnostics_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How far long work has come: a line that the next one, or any other word of ours, takes the place of. Only in the foreground and where
 * stderr was a terminal when it was opened; NULL: there is none any more. */
void diagnostics_progress(const char *text);
/* With the meaning of a negative errno behind the text. */
void diagnostics_error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
