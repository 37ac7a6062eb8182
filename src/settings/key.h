/* key.h - the keys of the configuration: one table row each for the name, what it takes, its default, where it goes. */
#pragma once

#include "buffer.h"
#include "settings.h"

enum key_type {
        KEY_PATH,               /* absolute; made normal: no "." or "//", no trailing '/' */
        KEY_PATHS,              /* repeatable */
        KEY_GLOBS,              /* repeatable */
        KEY_SWITCH,             /* a word for a bool */
        KEY_WORD,               /* a word for an enum */
        KEY_TIME,               /* nanoseconds */
        KEY_DAYS,               /* nanoseconds, written as a number of days */
        KEY_SIZE,               /* bytes */
        KEY_NUMBER,             /* a plain one */
        KEY_ALTERNATIVES,       /* "a|b" */
        KEY_FILE_NAME,          /* one component */
        KEY_KIND,               /* which kinds there are is not known here */
        KEY_SOURCES,            /* names of sources, repeatable, several on a line; likewise */
};

struct word {
        const char *text;       /* the first of a number is how it is shown */
        unsigned number;
};

struct key {
        const char *name;
        enum key_type type;
        size_t offset;          /* of the member in struct settings, watch_settings or alert_settings */
        const char *initial;    /* as key_read() gives it back; NULL: none, or it depends on the section */
        const char *only;       /* the one kind of watch or alert that has this key; NULL: all */
        const struct word *words; /* of a quantity: what stands for itself beside the range; may be NULL there */
        uint64_t least, most;   /* KEY_PATH: least 1 means not "/" */
        const char *also;       /* a second kind that has it; NULL: none */
};

enum { KEYS_MAX = 16 };         /* of one section; the tables have room for the end behind it */

/* Each ends with a NULL name. */
extern const struct key key_nephronix[KEYS_MAX + 1], key_log[KEYS_MAX + 1], key_watch[KEYS_MAX + 1],
        key_alert[KEYS_MAX + 1];

static inline bool key_is_list(const struct key *key) {
        return key->type == KEY_PATHS || key->type == KEY_GLOBS || key->type == KEY_SOURCES;
}

/* Appends the value in its one normal form ("true" is "yes", "600s" is "10min"). 0; -EINVAL if the key does not take
 * it; -ENOMEM. */
int key_read(const struct key *key, const char *text, struct buffer *ret);

/* What the key takes, in words: "yes or no". */
void key_describe(const struct key *key, struct buffer *buffer);

/* Puts a value that key_read() gave back into the struct; a list grows by it. 0 or negative errno. */
int key_store(const struct key *key, const char *text, void *target);

/* The word for a number, or NULL. */
const char *key_word(const struct key *key, unsigned number);

/* A watch or alert may be called so: [a-z0-9-]{1,64}. */
bool key_is_name(const char *text);
