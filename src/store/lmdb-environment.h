/* lmdb-environment.h - the folder with data.mdb, opened.
 *
 * The daemon opens the file twice. The locked environment is for writing, and its lock file is what protects readers
 * in other processes. Our own reading goes through one without a lock file, because taking a reader's slot dirties a
 * page of it and a quiet round must write nothing. That needs no slot: LMDB never overwrites the newest snapshot in
 * the next transaction, no read transaction of ours lives on behind a commit, and nobody else commits (the folder is
 * locked). A reader beside the daemon has the locked one alone. */
#pragma once

#include <lmdb.h>

#include "buffer.h"

enum lmdb_table { LMDB_TABLE_FACTS, LMDB_TABLE_KNOWN, LMDB_TABLE_OUTBOX, LMDB_TABLES };

struct lmdb_environment {
        char *folder;           /* owned */
        bool reader;
        int lock;               /* owned; the folder, locked by the one writer; -1 for a reader */
        MDB_env *write, *read;  /* owned; write NULL for a reader; both NULL after lmdb_environment_rest() */
        MDB_txn *idle;          /* owned; a read transaction without a snapshot, to be renewed; or NULL */
        size_t map_wanted, map_got;     /* bytes of address space */
        size_t refused;                 /* so many bytes were in use when there was not more to be had; 0: never */
        bool full;                      /* what was to be written did not fit into the map */
        MDB_dbi write_tables[LMDB_TABLES], read_tables[LMDB_TABLES];
        /* the data file of the writer: which one, and how long it was at least; inode 0: not known */
        uint64_t device, inode, size;
};

/* 0, 1 if it was made; -EBADMSG and the reason in words; -EBUSY: another has it open for writing; else negative errno.
 * A reader gets -ENOENT where there is none. */
int lmdb_environment_open(struct lmdb_environment *environment, const char *folder, bool reader,
                          struct buffer *problem);
void lmdb_environment_close(struct lmdb_environment *environment);

/* LMDB keeps the memory of its largest transaction, and after a failed commit it refuses work: close the file, and
 * open it again at the next begin. No transaction may be open. */
void lmdb_environment_rest(struct lmdb_environment *environment);

/* The file is about to outgrow the map, or did: after lmdb_environment_rest() it is opened with a larger one. Not while a
 * transaction is open. */
bool lmdb_environment_needs_room(struct lmdb_environment *environment);

/* How large the map is at first, and at most; for tests. 0: as ever. */
void lmdb_environment_limit_map(size_t first, size_t most);

/* Also forgets the slots of readers that died. */
int lmdb_environment_begin_write(struct lmdb_environment *environment, MDB_txn **ret);
int lmdb_environment_begin_read(struct lmdb_environment *environment, MDB_txn **ret);

/* Whether what the writer opened still stands where it is read: LMDB itself would not notice, or die of it. */
enum lmdb_standing { LMDB_STANDS, LMDB_GONE /* file or folder removed, or another in its place */, LMDB_CUT };
enum lmdb_standing lmdb_environment_stand(struct lmdb_environment *environment);

/* After LMDB_GONE: puts a copy of what is still open where it is read, over what lies there, and closes. 0; -ENOENT: it was not open;
 * other negative errno. No transaction may be open. If it fails, what lies there is put aside as data.mdb.replaced. */
int lmdb_environment_rescue(struct lmdb_environment *environment);

/* For single look-ups: a read transaction that is kept, which spares its making. It must be given back before anything else is
 * begun. */
int lmdb_environment_borrow_read(struct lmdb_environment *environment, MDB_txn **ret);
void lmdb_environment_give_back_read(struct lmdb_environment *environment, MDB_txn *txn);
