/* watch.h - one question nephronix keeps asking the host.
 * A watch only reports what is true now. It never compares, formats, logs or remembers what it reported; the engine
 * does the first, codec/ the second. What it may keep is a means of looking: a descriptor, scratch memory. */
#pragma once

#include "change.h"
#include "record.h"
#include "settings.h"

struct delta;
struct host;
struct loss;

enum {
        WATCH_OK = 0,
        WATCH_E_UNAVAILABLE = 1, /* this host has no such thing; the reason was given to collector->condition() */
        WATCH_E_NO_NEWS = 3,     /* detail(), complete() and complete_deferred() alone */
        WATCH_E_BUSY = 2,        /* the answer was asked for and is on its way: collect again when hinted */
};

/* Where collect() puts what it finds. Records must come in bytes_compare() order of their keys (set.h sorts). */
struct collector {
        /* 0, or negative: stop and return that. The record is used before this returns. */
        int (*record)(struct collector *collector, const struct record *record);
        /* The kernel dropped something before we could read it. */
        void (*loss)(struct collector *collector, const struct loss *loss);
        /* Something this collection could not see and why, in words ("no /boot on this host"). Stated in status and, when
         * it comes or goes, as an event; not an error. The text is copied. */
        void (*condition)(struct collector *collector, const char *text);
        /* The record of this key, if it was not handed over just now, and all below it (key, NUL, more) may be there and
         * cannot be seen: what is known of them stays as it was. In key order among the records. 0 or negative, as above;
         * may be NULL. */
        int (*unseen)(struct collector *collector, struct bytes key);
        /* Of a watch that hands over few of many it looks at: it has come by this key, and has nothing of it or before it that was not
         * handed over. Now and then, so that a look at everything can be stopped there. In key order among the records. 0 or negative, as
         * above; may be NULL. */
        int (*passed)(struct collector *collector, struct bytes key);
};

struct collect_request {
        struct bytes after;     /* append-only watches and those that can resume: yield only records with keys above this one. With
                                 * can_resume it is where the look before was stopped; else empty */
        struct bytes within;    /* watches with can_look_within: yield only this key and those below it (key, NUL, more);
                                 * empty: everything */
        bool fresh;             /* with can_resume: what was kept of the slice before does not count any more */
        unsigned threads;       /* that may read for a batch; 0: one */
        uint64_t rate;          /* bytes a second that a batch may read; 0: no limit */
};

/* A cheap fingerprint of the place the records come from. */
enum { STAMP_MAX = 256 };
struct stamp {
        size_t size;
        uint8_t data[STAMP_MAX];
};

/* What one kind of change is called, in ECS words and in ours. */
struct action {
        const char *action;     /* event.action */
        const char *category;   /* event.category, one word; a second after ' ' */
        const char *type;       /* event.type, likewise */
        enum severity severity; /* at the watch's own priority */
        bool fixed_severity;    /* Priority= in the configuration does not move it */
        /* One plain sentence: "{field}" is replaced by the value, "{field?text}" by text (which may hold one more level of
         * {field}) if the value is present. NULL for a CHANGED action: codec names the fields that moved. */
        const char *sentence;
};

/* One column of a workspace/NAME_*.dat line. */
struct column {
        const char *before, *after; /* literal text round the value, NULL: none; left out with the value if it is absent */
        const char *field;      /* NULL: only the literal 'before' */
        int width;              /* shortest width, blanks behind the value; negative: blanks before it */
        const char *absent;     /* shown in place of an absent value; NULL: the column is left out */
        const char *only_if;    /* left out unless this field is present; NULL: always there */
        bool b2sum_name;        /* the name as b2sum(1) writes it: a line with '\' or newline in it starts with '\' */
};

/* A file in workspace/: the classic form of the watch's records. Several watches may share one (kernmodchk): their lines
 * follow each other in registry order. */
struct document {
        const char *name;               /* "bootchk" */
        const char *header;             /* lines before the first, each ended by '\n'; NULL: none */
        const char *header_if;          /* only when the first record has this field; NULL: always */
        const struct column *columns;   /* ends with a column whose before and field are NULL */
        const char *line_if;            /* only records with this field present have a line; NULL: all */
        bool joined;                    /* one line: the records' values with a blank between them, as users(1) prints */
};

struct watch {
        const char *kind;               /* registry, Kind= */
        const char *noun;               /* what one record is, in a sentence: "package", "file" */
        const char *sensor;             /* nephronix.sensor: how it is collected: "procfs", "sock_diag" */
        const char *dataset;            /* event.dataset is "nephronix." + this */
        const struct field *fields;
        const char *label;              /* the record in a sentence, as action.sentence: "{path}" */
        enum priority priority;         /* when the configuration does not say */
        bool built_in;                  /* there without a section in the configuration, under its kind's name */
        bool light;                     /* collected in the light profile too */
        bool append_only;               /* a log, not a state: records do not vanish, only the newest 'retain' are kept */
        size_t retain;
        bool can_resume;        /* collect() obeys request->after, at a cost that does not grow with the records before it: a look at
                                 * everything may be made in slices. What it cannot see it says once, in the slice that comes by */
        bool can_look_within;   /* collect() obeys request->within, at a cost that does not grow with the other records */
        bool provable;          /* a record is a file whose path is the key (FIELD_KEY_PATH): its package may explain a change */
        unsigned subjects;      /* bit per enum delta_subject that recognize() understands */
        bool delta_is_record;   /* a delta is told as it is, without a look (for a look would cost too much, or come too late);
                                 * the look that follows in a moment completes what is known, and tells nothing new */

        struct action appeared, vanished, changed;
        /* A closer word than the three above, or NULL for them. May be NULL. Pure. */
        const struct action *(*classify)(const struct change *change);

        /* The classic text log: the titles word for word; "{path}" is the first Path= of the watch. */
        const char *title_changed, *title_quiet;
        const struct document *document;        /* NULL: no .dat file */
        const struct document *statistics;      /* a second document that goes with it (userchk_stats); NULL: none */

        /* The settings and the host are borrowed until close. 0 and *ret_state, or negative errno. */
        int (*open)(const struct watch_settings *settings, const struct host *host, void **ret_state);
        /* NULL: always collect. 0 and *ret filled: while the stamp stays the same and is older than a few ticks of the
         * kernel's clock, collect() would say what it said before. Anything else: collect. */
        int (*stamp)(void *state, struct stamp *ret);
        /* WATCH_OK, WATCH_E_..., or negative errno; on anything but WATCH_OK what was handed over is not used. */
        int (*collect)(void *state, const struct collect_request *request, struct collector *collector);
        /* Fills the FIELD_COSTLY values of a record this collect() just handed over; bytes stay valid until the next
         * call. NULL if there are none. 0; WATCH_E_NO_NEWS: it went meanwhile, and the next look will tell that: what is known stays
         * as it was; or negative errno: the round of this watch fails. */
        int (*complete)(void *state, struct record *record);
        /* The same for many at once. defer(), asked in place of complete(): 1 and how many bytes must be read for it (UINT64_MAX: it
         * must be the last), and its place is kept; 0: complete() it at once. read_deferred() reads for all that were deferred
         * since, then complete_deferred() fills one after the other, in that order; also after collect() is back. rest(): the look
         * is over, or was given up, and nothing of the host is to be held any more. All four or none. */
        int (*defer)(void *state, const struct record *record, uint64_t *ret_bytes);
        int (*read_deferred)(void *state);
        int (*complete_deferred)(void *state, struct record *record);
        void (*rest)(void *state);
        /* A change that is about to be told and kept: adds to 'record', a copy of change->after, what is worth reading only then
         * (FIELD_TOLD). The record is the one that was handed over or completed last; its bytes stay valid until the next call. Not
         * while a watch is learnt, and not for what vanished. WATCH_OK; WATCH_E_NO_NEWS: this is to be kept and not told; or negative
         * errno: the round of this watch fails. May be NULL. */
        int (*detail)(void *state, const struct change *change, struct record *record);
        /* Turns a delta of its subjects into a record: at least the key, and all fields the delta tells of. 1 and *ret (bytes
         * valid until the next call on this state, or borrowed from the delta); 0: not a record of this watch (a kernel
         * worker, another namespace, our own probe); or negative errno. No system call that could wait. May be NULL. */
        int (*recognize)(void *state, const struct delta *delta, struct record *ret);
        void (*close)(void *state);             /* takes NULL */
};
