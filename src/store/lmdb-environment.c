#include "lmdb-environment.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lmdb-error.h"
#include "lmdb-verify.h"

enum {
        FORMAT = 1,
        COPY_MODE = 0600,
        TABLES_MAX = 128,
        SNAPSHOT_TRIES = 10,
};

/* Address space, not memory: the file grows as it is written. Where there is not so much (RLIMIT_AS, 32 bits) less will do; a
 * map of which half is in use is made larger, if there is more. */
#define MAP_SIZE_WANTED (sizeof(void *) >= 8 ? (size_t)1 << 34 : (size_t)1 << 30)
#define MAP_SIZE_MOST (sizeof(void *) >= 8 ? MAP_SIZE_WANTED << 8 : MAP_SIZE_WANTED)
#define MAP_SIZE_LEAST ((size_t)64 << 20)
#define MAP_GROWTH 4

static size_t map_first, map_most;

void lmdb_environment_limit_map(size_t first, size_t most) {
        map_first = first;
        map_most = most;
}

#define FORMAT_FACT ".format"

static const char *const table_names[LMDB_TABLES] = {
        [LMDB_TABLE_FACTS] = "facts",
        [LMDB_TABLE_KNOWN] = "known",
        [LMDB_TABLE_OUTBOX] = "outbox",
};

static void close_file(int *file) {
        if (*file >= 0)
                close(*file);
}

#define _cleanup_file_ _cleanup_(close_file)

/* The data file as it lies there, -ENOENT if there is none or nobody has written to it. */
static int open_data(const char *folder, int *ret) {
        _cleanup_file_ int directory = -1, file = -1;
        struct stat status;

        directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return -errno;
        file = openat(directory, "data.mdb", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (file < 0)
                return errno == ELOOP ? -EBADMSG : -errno;
        if (fstat(file, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return -EBADMSG;
        if (status.st_size == 0)
                return -ENOENT;
        *ret = file;
        file = -1;
        return 0;
}

/* LMDB leaves the data file open across exec. */
static int close_on_exec(MDB_env *env) {
        int file, rc;

        rc = mdb_env_get_fd(env, &file);
        if (rc)
                return lmdb_error(rc);
        return fcntl(file, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int open_env(const char *folder, unsigned flags, size_t wanted, MDB_env **ret, size_t *ret_got) {
        size_t map_size = wanted;
        MDB_envinfo info;
        MDB_env *env;
        int rc, r;

        /* An environment that could not be opened can only be closed, so each size is a new try. */
        for (;; map_size /= 2) {
                rc = mdb_env_create(&env);
                if (rc)
                        return lmdb_error(rc);
                rc = mdb_env_set_maxdbs(env, TABLES_MAX);
                if (rc == 0)
                        rc = mdb_env_set_mapsize(env, map_size);
                if (rc == 0)
                        rc = mdb_env_open(env, folder, flags | MDB_NOTLS | MDB_NORDAHEAD, 0600);
                if (rc == 0)
                        break;
                mdb_env_close(env);
                if (rc != ENOMEM || map_size <= MAP_SIZE_LEAST)
                        return lmdb_error(rc);
        }
        r = close_on_exec(env);
        if (r == 0)
                r = lmdb_error(mdb_env_info(env, &info)); /* a file that is larger has a larger map */
        if (r < 0) {
                mdb_env_close(env);
                return r;
        }
        *ret = env;
        *ret_got = info.me_mapsize;
        return 0;
}

/* Without a lock file a reader sees torn pages if a daemon writes meanwhile; but where none can be made or opened,
 * as on a disk mounted read-only, it is that or nothing. */
static int open_reader_env(const char *folder, MDB_env **ret) {
        size_t got;
        int r = open_env(folder, MDB_RDONLY, MAP_SIZE_WANTED, ret, &got);

        if (r == -EROFS || r == -EACCES || r == -EPERM || r == -ENOSPC || r == -EDQUOT)
                r = open_env(folder, MDB_RDONLY | MDB_NOLOCK, MAP_SIZE_WANTED, ret, &got);
        return r;
}

static int open_tables(MDB_env *env, bool make, MDB_dbi ret[static LMDB_TABLES]) {
        MDB_txn *txn;
        int rc;

        rc = mdb_txn_begin(env, NULL, make ? 0 : MDB_RDONLY, &txn);
        if (rc)
                return lmdb_error(rc);
        for (size_t i = 0; i < LMDB_TABLES && rc == 0; i++)
                rc = mdb_dbi_open(txn, table_names[i], make ? MDB_CREATE : 0, &ret[i]);
        if (rc == 0 && make) {
                uint32_t format = htobe32(FORMAT);
                char name[] = FORMAT_FACT;
                MDB_val key = { .mv_size = strlen(name), .mv_data = name };
                MDB_val value = { .mv_size = sizeof(format), .mv_data = &format };

                rc = mdb_put(txn, ret[LMDB_TABLE_FACTS], &key, &value, 0);
        }
        if (rc) {
                mdb_txn_abort(txn);
                return rc == MDB_NOTFOUND ? -EBADMSG : lmdb_error(rc);
        }
        return lmdb_error(mdb_txn_commit(txn));
}

/* 1 if no table was ever made: a new file, or one whose maker died early. */
static int is_blank(MDB_env *env) {
        MDB_stat stat;
        int rc;

        rc = mdb_env_stat(env, &stat);
        return rc ? lmdb_error(rc) : stat.ms_entries == 0;
}

static int check_format(struct lmdb_environment *environment, struct buffer *problem) {
        char name[] = FORMAT_FACT;
        MDB_val key = { .mv_size = strlen(name), .mv_data = name }, value;
        uint32_t format = 0;
        MDB_txn *txn;
        int rc;

        rc = mdb_txn_begin(environment->read, NULL, MDB_RDONLY, &txn);
        if (rc)
                return lmdb_error(rc);
        rc = mdb_get(txn, environment->read_tables[LMDB_TABLE_FACTS], &key, &value);
        if (rc == 0 && value.mv_size == sizeof(format)) {
                memcpy(&format, value.mv_data, sizeof(format));
                format = be32toh(format);
        }
        mdb_txn_abort(txn);
        if (rc && rc != MDB_NOTFOUND)
                return lmdb_error(rc);
        if (format == FORMAT)
                return 0;
        buffer_clear(problem);
        buffer_printf(problem, "format %u, not %u", (unsigned)format, (unsigned)FORMAT);
        return -EBADMSG;
}

static int sync_folder(const char *folder) {
        _cleanup_file_ int directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return directory < 0 || fsync(directory) < 0 ? -errno : 0;
}

/* Which file it is that was opened. */
static void note_file(struct lmdb_environment *environment) {
        struct stat status;
        int file;

        if (!environment->write || mdb_env_get_fd(environment->write, &file) != 0 || fstat(file, &status) < 0)
                return;
        environment->device = (uint64_t)status.st_dev;
        environment->inode = (uint64_t)status.st_ino;
        environment->size = (uint64_t)status.st_size;
}

/* Opens what is known to be sound. */
static int open_envs(struct lmdb_environment *environment, bool *ret_made) {
        size_t got;
        int r;

        *ret_made = false;
        if (environment->reader)
                r = environment->read ? 0 : open_reader_env(environment->folder, &environment->read);
        else
                r = open_env(environment->folder, 0, environment->map_wanted, &environment->write, &environment->map_got);
        if (r < 0)
                return r;

        if (environment->write) {
                r = is_blank(environment->write);
                if (r < 0)
                        return r;
                *ret_made = r;
                r = open_tables(environment->write, *ret_made, environment->write_tables);
                if (r == 0 && *ret_made)
                        r = sync_folder(environment->folder);
                if (r == 0)
                        r = open_env(environment->folder, MDB_RDONLY | MDB_NOLOCK, environment->map_got, &environment->read, &got);
                if (r < 0)
                        return r;
        } else {
                r = is_blank(environment->read);
                if (r)
                        return r < 0 ? r : -ENOENT;
        }
        note_file(environment);
        return open_tables(environment->read, false, environment->read_tables);
}

/* The slot of a read transaction keeps a running daemon from overwriting what is being verified. */
static int verify_snapshot(struct lmdb_environment *environment, int file, struct buffer *problem) {
        MDB_txn *txn;
        int r, rc;

        rc = mdb_txn_begin(environment->read, NULL, MDB_RDONLY, &txn);
        if (rc)
                return lmdb_error(rc);
        r = lmdb_verify_tree(file, mdb_txn_id(txn), problem);
        mdb_txn_abort(txn);
        return r;
}

/* The daemon may commit at any moment: between the reading of the two meta pages, or right into it. */
static int verify_beside_writer(struct lmdb_environment *environment, int file, struct buffer *problem) {
        uint64_t transaction;
        int r = -ESTALE;

        for (size_t try = 0; try < SNAPSHOT_TRIES && (r == -ESTALE || r == -EBADMSG); try++) {
                r = lmdb_verify_head(file, &transaction, problem);
                if (r == 0 && !environment->read)
                        r = open_reader_env(environment->folder, &environment->read);
                if (r == 0)
                        r = verify_snapshot(environment, file, problem);
        }
        return r == -ESTALE ? -EAGAIN : r;
}

static int verify(struct lmdb_environment *environment, struct buffer *problem) {
        _cleanup_file_ int file = -1;
        uint64_t transaction;
        int r;

        r = open_data(environment->folder, &file);
        if (r < 0)
                return r == -ENOENT && !environment->reader ? 0 : r;
        if (environment->reader)
                return verify_beside_writer(environment, file, problem);
        r = lmdb_verify_head(file, &transaction, problem);
        return r < 0 ? r : lmdb_verify_tree(file, transaction, problem);
}

static int make_and_lock(struct lmdb_environment *environment) {
        if (mkdir(environment->folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        environment->lock = open(environment->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (environment->lock < 0)
                return -errno;
        if (flock(environment->lock, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return 0;
}

int lmdb_environment_open(struct lmdb_environment *environment, const char *folder, bool reader,
                          struct buffer *problem) {
        bool made = false;
        int r = 0;

        *environment = (struct lmdb_environment){ .folder = strdup(folder), .reader = reader, .lock = -1,
                                                  .map_wanted = map_first ? map_first : MAP_SIZE_WANTED };
        if (!environment->folder)
                return -ENOMEM;
        if (!reader)
                r = make_and_lock(environment);
        if (r == 0)
                r = verify(environment, problem);
        if (r == 0)
                r = open_envs(environment, &made);
        if (r == 0)
                r = check_format(environment, problem);
        if (r < 0) {
                lmdb_environment_close(environment);
                return r;
        }
        if (lmdb_environment_needs_room(environment)) /* the file is larger than any map at first */
                lmdb_environment_rest(environment);
        return made;
}

void lmdb_environment_rest(struct lmdb_environment *environment) {
        if (environment->idle)
                mdb_txn_abort(environment->idle);
        environment->idle = NULL;
        if (environment->read)
                mdb_env_close(environment->read);
        if (environment->write)
                mdb_env_close(environment->write);
        environment->read = environment->write = NULL;
#ifdef __GLIBC__
        /* The pages of a large transaction were single blocks all over the heap. */
        (void)malloc_trim(0);
#endif
}

bool lmdb_environment_needs_room(struct lmdb_environment *environment) {
        size_t most = map_most ? map_most : MAP_SIZE_MOST, used;
        MDB_envinfo info;
        MDB_stat stat;

        if (!environment->write || mdb_env_info(environment->write, &info) || mdb_env_stat(environment->write, &stat))
                return false;
        used = (info.me_last_pgno + 1) * stat.ms_psize;
        if (!environment->full && (used <= info.me_mapsize / 2 || used <= environment->refused + environment->refused / 8))
                return false;
        if (environment->map_wanted > environment->map_got || environment->map_got >= most) /* tried before */
                environment->refused = used;
        environment->map_wanted = environment->map_got >= most / MAP_GROWTH ? most : environment->map_got * MAP_GROWTH;
        environment->full = false;
        return environment->map_wanted > environment->map_got;
}

void lmdb_environment_close(struct lmdb_environment *environment) {
        lmdb_environment_rest(environment);
        close_file(&environment->lock);
        environment->lock = -1;
        free(environment->folder);
        environment->folder = NULL;
}

static int wake(struct lmdb_environment *environment) {
        bool made;
        int r;

        if (environment->read)
                return 0;
        r = open_envs(environment, &made);
        /* Somebody removed the file under us: an empty one in its place is no baseline. */
        if (r == 0 && made)
                r = -EBADMSG;
        if (r < 0)
                lmdb_environment_rest(environment);
        return r;
}

static bool same_folder(const struct lmdb_environment *environment) {
        struct stat held, named;

        return fstat(environment->lock, &held) == 0 && stat(environment->folder, &named) == 0 && held.st_dev == named.st_dev &&
               held.st_ino == named.st_ino;
}

enum lmdb_standing lmdb_environment_stand(struct lmdb_environment *environment) {
        struct stat status;

        if (environment->reader || environment->inode == 0)
                return LMDB_STANDS;
        if (!same_folder(environment) || fstatat(environment->lock, "data.mdb", &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            (uint64_t)status.st_dev != environment->device || (uint64_t)status.st_ino != environment->inode)
                return LMDB_GONE;
        if ((uint64_t)status.st_size < environment->size)
                return LMDB_CUT;
        environment->size = (uint64_t)status.st_size; /* it only grows */
        if (!environment->write) /* one that is closed could not be put back */
                (void)wake(environment);
        return LMDB_STANDS;
}

/* The folder as it is named now, made if it is gone. */
static int follow_folder(struct lmdb_environment *environment) {
        int before = environment->lock, r;

        if (same_folder(environment))
                return 0;
        environment->lock = -1;
        r = make_and_lock(environment);
        if (r < 0) {
                close_file(&environment->lock);
                environment->lock = before;
                return r;
        }
        close_file(&before);
        return 0;
}

static int copy_beside(const struct lmdb_environment *environment) {
        static const char copy[] = "data.mdb.new";
        _cleanup_file_ int file = -1;
        int rc, r = 0;

        if (unlinkat(environment->lock, copy, 0) < 0 && errno != ENOENT)
                return -errno;
        file = openat(environment->lock, copy, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, COPY_MODE);
        if (file < 0)
                return -errno;
        rc = mdb_env_copyfd(environment->write, file);
        if (rc)
                r = lmdb_error(rc);
        if (r == 0 && (fsync(file) < 0 || renameat(environment->lock, copy, environment->lock, "data.mdb") < 0 ||
                       fsync(environment->lock) < 0))
                r = -errno;
        if (r < 0)
                (void)unlinkat(environment->lock, copy, 0);
        return r;
}

int lmdb_environment_rescue(struct lmdb_environment *environment) {
        int r;

        r = follow_folder(environment);
        if (r == 0)
                r = environment->write ? copy_beside(environment) : -ENOENT;
        if (r == 0) {
                lmdb_environment_rest(environment); /* what is begun next opens the copy */
                r = wake(environment);
        }
        if (r < 0) /* who put it there may know how to write one; the next start must not take it for ours */
                (void)renameat(environment->lock, "data.mdb", environment->lock, "data.mdb.replaced");
        return r;
}

int lmdb_environment_begin_write(struct lmdb_environment *environment, MDB_txn **ret) {
        int r, dead, rc;

        r = wake(environment);
        if (r < 0)
                return r;
        /* What a dead reader was looking at would be kept for good, and the file would grow. */
        (void)mdb_reader_check(environment->write, &dead);
        rc = mdb_txn_begin(environment->write, NULL, 0, ret);
        return lmdb_error(rc);
}

int lmdb_environment_begin_read(struct lmdb_environment *environment, MDB_txn **ret) {
        int r = wake(environment);

        return r < 0 ? r : lmdb_error(mdb_txn_begin(environment->read, NULL, MDB_RDONLY, ret));
}

int lmdb_environment_borrow_read(struct lmdb_environment *environment, MDB_txn **ret) {
        int rc;

        if (!environment->idle)
                return lmdb_environment_begin_read(environment, ret);
        rc = mdb_txn_renew(environment->idle);
        if (rc)
                return lmdb_error(rc);
        *ret = TAKE_PTR(environment->idle);
        return 0;
}

void lmdb_environment_give_back_read(struct lmdb_environment *environment, MDB_txn *txn) {
        mdb_txn_reset(txn);
        environment->idle = txn;
}
