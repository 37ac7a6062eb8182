/* ini.h - the grammar of configuration files, without their meaning: systemd-style INI.
 * Sections [Name] or [Name "label"], Key=value, comments at a line's start with '#' or ';', a line ending in '\' goes
 * on in the next. Blanks round section, key and value are dropped; a value in double quotes keeps its blanks. What
 * looks like a comment behind a value (a blank, then '#' or ';') is refused unless the value is quoted. */
#pragma once

#include "buffer.h"

struct ini_entry {
        unsigned line;                  /* from 1; of the key, or of the section header */
        const char *section, *label;    /* label NULL if the header has none */
        const char *key, *value;        /* both NULL: the section header itself */
};

struct ini_error {
        unsigned line;
        const char *text;               /* static, in words */
};

/* Calls back for every section header and every key in order; the strings live for the call. 0; what the callback
 * answered if negative; -EBADMSG and *ret_error for a line that does not fit the grammar (also control characters, NUL
 * among them, or bytes that are not UTF-8). *ret_error has no text unless it is that. */
int ini_parse(struct bytes text, int (*entry)(void *context, const struct ini_entry *entry), void *context,
              struct ini_error *ret_error);
