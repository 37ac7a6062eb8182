/* trouble.h - something that must work and does not: said when it begins and when it ends, not each time. */
#pragma once

#include <stdint.h>

struct action;
struct engine;

extern const struct action trouble_begins;      /* "recording-blocked" */

struct trouble_words {
        const char *begins, *ends;
};

struct trouble {
        const struct trouble_words *words;
        int error;                      /* negative errno; 0: none */
        uint64_t since_ns;              /* wall clock */
};

/* Notes that it works (error 0) or why it does not. At either end a line of our own and, if engine is not NULL, an event in the
 * next round that is kept. */
void trouble_note(struct trouble *trouble, struct engine *engine, int error);
