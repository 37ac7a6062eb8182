/* string-list.h - the lists of model/settings.h, growing. */
#pragma once

#include "ownership.h"
#include "settings.h"

/* Copies the text. 0 or -ENOMEM. */
int string_list_add(struct strings *strings, const char *text);
void string_list_done(struct strings *strings);         /* frees; the list may be used again */

#define _cleanup_string_list_ _cleanup_(string_list_done)
