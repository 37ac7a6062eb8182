/* file-trees.h - the file trees and places whose change the kernel tells, and what to look at when it does.
 * What fanotify.c and inotify.c share: which directories are watched, what an event in one of them means, what is told to the
 * engine. It owns the table of directories; how one is marked and how events are read is its rungs' affair.
 *
 *   settings ─► trees ─scan─► rung->mark()          rung reads an event ─► file_trees_event() ─► hints ─► listener
 *
 * Marks come before listings: what appears in a directory after it was listed makes an event. */
#pragma once

#include "file-table.h"
#include "hint-set.h"
#include "loop.h"
#include "mount-list.h"
#include "source.h"

enum file_mark { FILE_MARK_TREE, FILE_MARK_NAMES /* a tree whose content does not matter */, FILE_MARK_DOOR, FILE_MARK_FILE };

/* One kernel facility that marks. Embedded in its owner. */
struct file_rung {
        const char *name;
        /* Marks 'name' of the directory ("." : itself). whole: a mark on the filesystem is wanted, if it can be. 0, *ret_id and
         * *ret_mechanism; or negative errno, and the next rung is tried. */
        int (*mark)(struct file_rung *rung, int directory, const char *name, enum file_mark kind, bool whole, struct file_id *ret_id,
                    enum file_mechanism *ret_mechanism);
        /* The last entry of this id went. May be NULL. */
        void (*unmark)(struct file_rung *rung, const struct file_id *id);
        bool marks_files;       /* a mark on a file tells of writes by its other names */
        bool whole;             /* it can mark filesystems */
};

struct file_tree {
        const char *watch, *kind;       /* as in a hint; borrowed */
        const char *path;               /* absolute; borrowed */
        char *owned_path;               /* owned; NULL: the path is not ours */
        const struct strings *excludes; /* borrowed; NULL: none */
        const char *const *names;       /* of a place: what counts in this one directory, ends with NULL; NULL: a whole tree */
        bool crosses_mounts;            /* what is mounted below the top is marked, too */
        bool privileged;                /* of kind "setuid": names, rights and capabilities count, and what mount-list.h calls local */
        bool place, whole, decided, stale, marks_files, present;
        uint32_t stale_pid;
        struct file_entry *top;         /* NULL: it is not there, or is no directory */
        struct file_entry **doors;      /* owned */
        size_t n_doors;
        struct file_id top_id;          /* of the top when it was built: a directory or not */
        size_t by[FILE_MECHANISMS];     /* directories */
        size_t n_files, n_unwatched;
        bool files_left_out;            /* too many to mark each */
        int error;                      /* why the last of the unwatched is not */
};

/* What an event says of one name. */
enum file_event_bits {
        FILE_EVENT_MADE = 1 << 0,       /* created there */
        FILE_EVENT_ARRIVED = 1 << 1,    /* moved there */
        FILE_EVENT_GONE = 1 << 2,       /* removed or moved away */
        FILE_EVENT_ATTRIBUTES = 1 << 3,
        FILE_EVENT_WRITTEN = 1 << 4,
        FILE_EVENT_CLOSED = 1 << 5,     /* by one who could write */
        FILE_EVENT_DIRECTORY = 1 << 6,
        FILE_EVENT_LEFT = 1 << 7,       /* with GONE: moved away, it goes on elsewhere */
};

/* Names are borrowed; NULL or an id of size 0: not told. */
struct file_event {
        unsigned bits;
        uint32_t pid;                   /* 0: not told */
        struct file_id directory, object;
        const char *name;               /* in the directory; ".": the directory itself */
        /* of a rename that tells both sides; else its parts come as two events */
        struct file_id old_directory;
        const char *old_name;
};

struct file_pending {
        struct file_entry *directory;
        char *name;                     /* owned */
};

struct file_pending_list {
        struct file_pending *items;     /* owned */
        size_t count, capacity;
};

struct file_trees {
        const char *source;             /* static */
        const struct host *host;        /* borrowed, as the rest of the request */
        const struct settings *settings;
        struct loop *loop;
        struct source_listener *listener;
        struct file_rung *rungs[2];     /* borrowed; tried in this order */
        size_t n_rungs;

        struct file_table table;
        struct file_tree *trees;        /* owned; entries point into it: it stays where it is */
        size_t n_trees, trees_capacity;
        struct hint_set now, later;
        struct file_pending_list pending; /* files that may need a mark of their own */
        struct file_pending_list moved; /* names that a directory got or lost by a move, in this batch */
        struct file_entry **matches;    /* scratch */
        size_t matches_capacity;
        struct loop_file timer, mounts;
        struct mount_list mount_list;
        struct buffer path, key, said;
        uint64_t said_mark;             /* of what 'said' was made from */
        struct file_entry *key_of;      /* whose key stands at the beginning of 'key' */
        uint64_t key_moves;
        size_t key_size;
        struct file_entry *opened;      /* whose descriptor this is, for the batch */
        int opened_fd;
        uint64_t opened_moves;
        bool timer_set, failed, own_files_hide;
        bool departing;                 /* what is killed now lives on outside the trees */
        uint64_t events, lost;
};

#define FILE_TREES_NULL ((struct file_trees){ .timer.fd = -1, .mounts.fd = -1, .opened_fd = -1 })

/* What is watched according to the settings. 'trees' begins as FILE_TREES_NULL. 0 or negative errno. */
int file_trees_init(struct file_trees *trees, const struct source_request *request, const char *source,
                    struct file_rung *const rungs[], size_t n_rungs);
void file_trees_done(struct file_trees *trees);

/* Marks everything and says what is covered. 0; -ENOMEM; or another negative errno: nothing at all could be marked. */
int file_trees_build(struct file_trees *trees);

/* One event of a rung. Unknown ids are dropped, quickly. */
void file_trees_event(struct file_trees *trees, const struct file_event *event);

/* The batch was read; drained: nothing is left in the queue. */
void file_trees_batch(struct file_trees *trees, bool drained);

/* Events were dropped: all trees are built anew, and the loss is told. */
void file_trees_lost(struct file_trees *trees, const char *reason, bool counted, uint64_t count);

/* Builds anew what does not stand where it stood. */
void file_trees_check(struct file_trees *trees);

/* How many directories are marked by this means, at least once. */
size_t file_trees_marked(const struct file_trees *trees, enum file_mechanism mechanism);
