/* file-table.h - the directories and files that the kernel tells us of, found by what it calls them.
 * fanotify names a directory by its handle, inotify by a number; here each has its place in a tree, and so its path, which
 * follows when a directory above it is moved. One inode may stand here several times: in several trees, under several names. */
#pragma once

#include "buffer.h"

struct file_tree;

enum { FILE_ID_MAX = 132 };     /* a handle's type and bytes (MAX_HANDLE_SZ) */

/* What the kernel calls it. */
struct file_id {
        uint32_t space;         /* what the bytes are unique in: a filesystem, an inotify group */
        uint32_t size;          /* 0: it has no name of this kind */
        uint8_t data[FILE_ID_MAX];
};

enum file_entry_kind {
        FILE_ENTRY_DIRECTORY,
        FILE_ENTRY_FILE,        /* known by its own id, because it has, or may get, other names */
        FILE_ENTRY_DOOR,        /* a directory above a tree's top: only the entry 'name' of it matters, it leads to the top */
};

/* By which means it is told of. */
enum file_mechanism { FILE_BY_NOTHING, FILE_BY_FILESYSTEM_MARK, FILE_BY_INODE_MARK, FILE_BY_INOTIFY, FILE_MECHANISMS };

struct file_entry {
        struct file_entry *same_bucket;
        struct file_entry *parent, *children, *next, *previous; /* a top's and a door's are NULL; siblings */
        struct file_tree *tree;         /* borrowed */
        char *name;                     /* owned; of a top: its whole key, whose size is name_size */
        uint32_t name_size;
        uint32_t hash, space;
        uint16_t id_size;
        uint8_t kind, mechanism;        /* enum file_entry_kind, enum file_mechanism */
        bool last;                      /* door: what it leads to is the top itself */
        bool dead;                      /* no longer there; kept until nothing in the queue can speak of it */
        bool departed;                  /* dead because it is elsewhere now: events of it are not of this place */
        uint8_t id[];
};

struct file_table {
        struct file_entry **buckets;    /* owned */
        size_t n_buckets, count;
        struct file_entry *dead;
        uint64_t moves;                 /* counts whatever makes a path another one */
};

void file_table_done(struct file_table *table);         /* frees all entries */

/* 'parent' NULL: a top or a door. An entry whose id has size 0 is never found. NULL: no memory. */
struct file_entry *file_table_add(struct file_table *table, struct file_tree *tree, struct file_entry *parent,
                                  enum file_entry_kind kind, struct bytes name, const struct file_id *id);

/* All entries of one id, in no order: the first, the one behind it; then NULL. Dead ones are among them. */
struct file_entry *file_table_first(const struct file_table *table, const struct file_id *id);
struct file_entry *file_table_more(const struct file_entry *entry);

/* A living entry below a directory: the one of this id, if the id has a size, else the one of this name. NULL: none. */
struct file_entry *file_table_child(const struct file_table *table, const struct file_entry *parent, const struct file_id *id,
                                    const char *name);

/* Gives it, and all below it, another place. -ENOMEM: it is where it was. */
int file_table_move(struct file_table *table, struct file_entry *entry, struct file_entry *parent, const char *name);

/* It and all below it are dead, but still have their path and are found, until they are buried. 'gone' is called for each. */
void file_table_kill(struct file_table *table, struct file_entry *entry,
                     void (*gone)(void *context, struct file_entry *entry), void *context);
void file_table_bury(struct file_table *table);

/* Appends the key of the entry: components with NUL between them. */
void file_entry_key(const struct file_entry *entry, struct buffer *buffer);

static inline void file_entry_id(const struct file_entry *entry, struct file_id *ret) {
        ret->space = entry->space;
        ret->size = entry->id_size;
        memcpy(ret->data, entry->id, entry->id_size);
}
