/* section.h - the sections of the configuration with what the files gave them, before settings are made of it. */
#pragma once

#include "configuration.h"
#include "key.h"

struct position {
        const char *file;       /* borrowed; NULL: the default */
        unsigned line;
};

struct item {
        char *text;             /* owned; as key_read() gave it back */
        struct position origin;
};

/* The values of one key; none: the default is in force. */
struct given {
        struct item *items;     /* owned array */
        size_t count;
};

struct section_kind {
        const char *name;
        bool labelled;
        const struct key *keys;
};

extern const struct section_kind section_nephronix, section_log, section_watch, section_alert;

/* One section; all of the same name in all files are one. */
struct section {
        const struct section_kind *kind;
        char *label;            /* owned; NULL if the kind has none */
        struct position origin;   /* its first header */
        unsigned rank;          /* of the order in which sections are used and shown */
        const struct built_in *built_in;        /* NULL: there only because a file says so */
        struct given given[KEYS_MAX];
};

/* Ordered: Nephronix, Log, the watches as the classic round has them, the alerts. */
struct sections {
        const struct configuration_options *options;    /* the registry: which kinds there are */
        struct section **items;                         /* owned array of owned */
        size_t count;
};

/* The sections that are there without a file. 0 or -ENOMEM. */
int section_add_defaults(struct sections *sections);
void section_done(struct sections *sections);

const struct section_kind *section_find_kind(const char *name);         /* NULL: unknown */
struct section *section_find(const struct sections *sections, const struct section_kind *kind, const char *label);
int section_add(struct sections *sections, const struct section_kind *kind, const char *label, struct position origin,
                struct section **ret);

/* The place of a key in kind->keys and in given; an unknown name has the place behind the last. */
size_t section_key(const struct section_kind *kind, const char *name);
struct given *section_given(struct section *section, const char *name);

/* The kind of watch or alert in force: by Kind=, else as built in, else the name if that is a kind, else NULL. */
const char *section_kind_in_force(const struct sections *sections, const struct section *section);
/* The kind that a section has whatever the files say, or NULL. */
const char *section_fixed_kind(const struct section *section);
/* Whether there is such a kind of watch (or of alert). */
bool section_is_kind(const struct sections *sections, const struct section_kind *kind, const char *name);
const struct watch *section_find_watch(const struct sections *sections, const char *kind);

/* Whether the key means anything to a section of this kind. */
bool section_has_key(const struct sections *sections, const struct section *section, const struct key *key);
/* What is in force where nothing was given, or NULL. */
const char *section_default(const struct sections *sections, const struct section *section, const struct key *key);

/* Copies the text. 0 or -ENOMEM. */
int section_give(struct given *given, const char *text, struct position origin);
void section_take_back(struct given *given);

/* Whether its places need not be there. */
bool section_is_optional(const struct section *section);

/* Of two watches with a number above 0 and a place in common the one with the higher number has it. */
unsigned section_telling(const struct section *section);
