/* sentence.h - values and changes in plain words, escaped, for people: event.message, the text log, wall. */
#pragma once

#include "buffer.h"
#include "event.h"

/* A value as people read it: numbers plain, modes as 0644, times as local YYYY-MM-DDTHH:MM:SS, digests in hexadecimal,
 * flags as yes and no, text escaped. Appends nothing for an absent value. */
void sentence_value(struct buffer *buffer, const struct field *field, const struct value *value);

/* Expands a template of watch.h's action.sentence: {field} the value, or "unknown" when absent; {field?text} the text
 * (with {field} inside) when present, nothing else; {before.field} from the record before. A field that the table does
 * not have is written as it stands, braces and all, so that a test sees it. */
void sentence_expand(struct buffer *buffer, const char *sentence, const struct change *change);

/* The event's one plain sentence: its own message; else the action's sentence expanded; else "<noun> <label> appeared",
 * "... is gone", or for a change "<noun> <label>: mode 0644 to 4755 (now set-user-id); size 10 to 12" naming each
 * compared field that differs ("target was absent, now x", "target x is gone"; of digests only "content changed").
 * At most SENTENCE_MAX bytes: longer ones are cut at a character with "...". */
enum { SENTENCE_MAX = 4096 };
void sentence_of_event(struct buffer *buffer, const struct event *event);

/* Title templates: "{path}" becomes path (escaped). */
void sentence_title(struct buffer *buffer, const char *title, const char *path);

/* "info", "low", "medium", "high", "critical"; "unknown" for anything else. */
const char *severity_name(enum severity severity);
/* The severity of that name or number ("4"); 0 if there is none. */
enum severity severity_parse(const char *text);
