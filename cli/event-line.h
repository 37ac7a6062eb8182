/* event-line.h - a line of the ledger, read back. Anything may stand in it. */
#pragma once

#include <jansson.h>
#include <time.h>

#include "output.h"

/* One JSON object, the caller's to json_decref(); NULL: it is none, and *ret_why says so in words. */
json_t *event_line_parse(struct bytes line, const char **ret_why);

static inline void event_line_done(json_t **line) {
        json_decref(*line);
}
#define _cleanup_event_line_ _cleanup_(event_line_done)

/* What stands at a dotted path, borrowed; NULL if nothing does. */
const json_t *event_line_get(const json_t *line, const char *path);
/* The string there; false if there is none. */
bool event_line_text(const json_t *line, const char *path, struct bytes *ret);
bool event_line_is(const json_t *line, const char *path, const char *text);
/* The number there, 0 if there is none or it is negative. */
uint64_t event_line_number(const json_t *line, const char *path);
bool event_line_time(const json_t *line, struct timespec *ret);

/* Appends any value as people read it: strings without quotes, made harmless. */
void event_line_value(struct buffer *buffer, const json_t *value);

/* Appends "2026-11-23T23:34:03 high     boot            file /boot/x was created (who: unknown)" and a newline. */
void event_line_write(struct buffer *buffer, bool coloured, const json_t *line);
/* Appends a line "    field: before -> after" for each field that changed. */
void event_line_write_changes(struct buffer *buffer, const json_t *line);
