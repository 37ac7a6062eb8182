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

/* The event's one plain sentence: its own message as it stands; else the action's sentence expanded; else "<noun> <label>
 * appeared", "... is gone", or for a change "<noun> <label>: mode 0644 to 4755 (now set-user-id); size 10 to 12" naming each
 * compared field that differs ("target was absent, now x", "target x is gone"; of digests only "content changed"). To the
 * last two is added the fact "nephronix.disguise" if there is one (", which runs from a memfd"), and for a folded event
 * "; 412 processes like it between T and T"; if that has no sample it is "412 processes: process-executed between T and T".
 * At most SENTENCE_MAX bytes: longer ones are cut at a character with "...",
 * before what is added. */
enum { SENTENCE_MAX = 4096 };
void sentence_of_event(struct buffer *buffer, const struct event *event);

/* Who did it, in one clause that goes on after "by": "vim (pid 812) of alice (login alice, pts/3 from 192.0.2.7), under
 * sudo < bash < sshd, for apt install x". What is not known is left out; a program that does not bear the process's name is
 * named beside it; users without a name are "user 1000". Each part from outside is cut at ACTOR_PART_MAX bytes. */
enum { ACTOR_PART_MAX = 256 };
void sentence_actor(struct buffer *buffer, const struct actor *actor);

/* Title templates: "{path}" becomes path (escaped). */
void sentence_title(struct buffer *buffer, const char *title, const char *path);

/* "info", "low", "medium", "high", "critical"; "unknown" for anything else. */
const char *severity_name(enum severity severity);
/* The severity of that name or number ("4"); 0 if there is none. */
enum severity severity_parse(const char *text);
