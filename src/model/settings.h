/* settings.h - what the configuration says, as the daemon uses it. Filled by settings/, read by everybody. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum severity {
        SEVERITY_INFO = 1,      /* the numbers are OCSF's severity_id and our event.severity */
        SEVERITY_LOW,
        SEVERITY_MEDIUM,
        SEVERITY_HIGH,
        SEVERITY_CRITICAL,
};

enum priority {
        PRIORITY_LOW,           /* logged */
        PRIORITY_HIGH,          /* logged and alerted */
};

/* What of a file is watched. */
enum policy {
        POLICY_FULL,
        POLICY_METADATA,        /* all but its content, which is not read */
        POLICY_APPEND,          /* a log: growing is no change */
        POLICY_EXISTS,          /* that it is there, and of which type */
};

struct strings {
        char **items;           /* owned */
        size_t count;
};

/* One [Watch "name"]. */
struct watch_settings {
        char *name;             /* owned */
        char *kind;             /* owned; which entry of the registry */
        bool enabled;
        enum priority priority;
        struct strings paths;   /* Path=: absolute, no trailing slash, for files; may hold patterns */
        struct strings excludes; /* Exclude=: globs over the whole path or the last component; and, of a ready-made watch, what a more
                                  * telling one has */
        unsigned telling;       /* of a ready-made watch: the one with more has what two have in common; 0: none of them */
        bool optional;          /* that a path is not there need not be said: hardly any host has all of them */
        enum policy policy;     /* Policy=, for files */
        bool crosses_mounts;    /* CrossMounts=, for files: what is mounted below a path is looked at, too */
        bool text;              /* Text=, for files: what changed in a small text that everybody may read is told */
        char *match;            /* Match=: alternatives joined by '|', case-insensitive; NULL: the watch's own default */
        bool full_detail;       /* Detail=full: no event of it is folded */
        bool all_namespaces;    /* NetworkNamespaces=all: connections of every namespace that a process is in */
};

/* One [Alert "name"]. */
struct alert_settings {
        char *name;             /* owned */
        char *kind;             /* owned; "wall" or "exec" */
        bool enabled;
        enum severity minimum;  /* Severity=: from which severity on */
        char *hook;             /* Hook=: a file name in lib/, for exec */
        uint64_t time_limit_ns; /* TimeLimit= */
};

struct settings {
        char *configuration_file; /* owned; the main file that was read */
        char *host_root;        /* "/" or a fixture tree */
        char *state_directory, *log_file, *run_directory;
        bool light;             /* Profile=light */
        bool seal_required;     /* SealRequired=: what is not as it was sealed starts nothing; no: it is only told */
        uint64_t interval_ns, reconcile_ns, fold_window_ns;
        uint64_t rehash_ns;     /* Rehash=: in so much time each file is read again, whatever its stamps say; 0: never */
        uint64_t scan_rate;     /* ScanRate=: bytes a second that looks at everything read; 0: no limit */
        uint64_t scan_threads;  /* ScanThreads=; 0: one, and all cores but one where nothing is known yet */
        uint64_t event_buffer;  /* EventBuffer=: bytes of kernel memory in which events wait for us */
        struct strings sources; /* Sources=: names of the sources that may be used; none: all */

        uint64_t log_max_size, log_max_use, log_keep_ns, ledger_segment_size;
        bool quiet_rounds;

        struct watch_settings *watches; /* owned array */
        size_t n_watches;
        struct alert_settings *alerts;
        size_t n_alerts;
};
