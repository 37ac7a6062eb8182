/* What only a baseline on disk can do: survive, be read beside its writer, run out of disk, cost nothing when
 * nothing is. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <cmocka.h>
#include <lmdb.h>

#include "baseline-folder.h"
#include "baseline-text.h"
#include "lmdb-baseline.h"
#include "lmdb-environment.h"

static const struct field fields[] = {
        { .name = "n", .kind = FIELD_NUMBER },
        { .name = "t", .kind = FIELD_TEXT },
        { 0 },
};

static struct baseline_folder folder;
static struct lmdb_baseline *lmdb;
static struct baseline *baseline;

#define CALL(operation, ...) baseline->ops->operation(baseline, ##__VA_ARGS__)
#define FINE(operation, ...) assert_int_equal(CALL(operation, ##__VA_ARGS__), 0)

static void reopen(int expected) {
        lmdb = lmdb_baseline_close(lmdb);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), expected);
        baseline = lmdb_baseline_interface(lmdb);
}

static int set_up(void **state) {
        (void)state;
        baseline_folder_make(&folder);
        reopen(LMDB_BASELINE_E_NEW);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        lmdb = lmdb_baseline_close(lmdb);
        baseline_folder_remove(&folder);
        return 0;
}

static void put(const char *watch, const char *key, uint64_t number, struct bytes text) {
        struct record record = { .key = bytes_of_string(key), .values = { value_number(number), value_bytes(text) } };

        FINE(put, watch, fields, &record);
}

static void put_many(const char *watch, unsigned first, unsigned count, size_t text_size) {
        char key[16], *text = malloc(text_size + 1);

        assert_non_null(text);
        memset(text, 't', text_size);
        for (unsigned i = first; i < first + count; i++) {
                snprintf(key, sizeof(key), "k%07u", i);
                put(watch, key, i, bytes_of(text, text_size));
        }
        free(text);
}

static void assert_records_of(struct baseline *on, const char *watch, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        baseline_text_records(on, BASELINE_NOW, watch, fields, BYTES_NULL, &found);
        assert_string_equal(buffer_string(&found), expected);
}

static size_t count_records(const char *watch) {
        struct stream *stream;
        struct record record;
        size_t count = 0;
        int r;

        FINE(read, BASELINE_NOW, watch, fields, BYTES_NULL, &stream);
        while ((r = stream_next(stream, &record)) > 0)
                count++;
        assert_int_equal(r, 0);
        stream = stream_close(stream);
        return count;
}

static void assert_sound(void) {
        _cleanup_buffer_ struct buffer problem = BUFFER_NULL;

        if (lmdb_baseline_check(lmdb, &problem) < 0)
                fail_msg("%s", buffer_string(&problem));
}

static void test_survives(void **state) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;
        char room[8];
        size_t size;

        (void)state;
        FINE(begin);
        put("boot", "k", 1, bytes_of_string("x"));
        FINE(set_known, "boot", fields);
        FINE(set_fact, "f", bytes_of_string("v"));
        FINE(file, OUTBOX_LEDGER, bytes_of_string("one"));
        FINE(file, OUTBOX_LEDGER, bytes_of_string("two"));
        FINE(commit);
        reopen(LMDB_BASELINE_OK);
        assert_sound();
        assert_records_of(baseline, "boot", "k:n=1,t=x");
        assert_int_equal(CALL(known, "boot"), 1);
        assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 1);
        FINE(begin);
        FINE(settle, 2);
        FINE(commit);
        reopen(LMDB_BASELINE_OK);
        FINE(begin);
        FINE(file, OUTBOX_TEXT, bytes_of_string("three"));
        put("boot", "uncommitted", 1, BYTES_NULL);
        FINE(commit);
        FINE(begin);
        put("boot", "lost", 1, BYTES_NULL);
        reopen(LMDB_BASELINE_OK);
        baseline_text_outbox(baseline, &found);
        assert_string_equal(buffer_string(&found), "3:2:three");
        assert_records_of(baseline, "boot", "k:n=1,t=x uncommitted:n=1,t=");
}

static void test_private(void **state) {
        struct stat status;
        struct dirent *entry;
        DIR *directory;
        char inside[128];

        (void)state;
        assert_int_equal(stat(folder.data, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_int_equal(stat(folder.lock, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_int_equal(stat(folder.path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);

        directory = opendir("/proc/self/fd");
        assert_non_null(directory);
        while ((entry = readdir(directory))) {
                char link[300], target[128] = "";

                snprintf(link, sizeof(link), "/proc/self/fd/%s", entry->d_name);
                if (readlink(link, target, sizeof(target) - 1) > 0 &&
                    strncmp(target, folder.path, strlen(folder.path)) == 0)
                        assert_true(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC);
        }
        closedir(directory);

        lmdb = lmdb_baseline_close(lmdb);
        snprintf(inside, sizeof(inside), "%s/made", folder.path);
        assert_int_equal(lmdb_baseline_open(inside, &lmdb), LMDB_BASELINE_E_NEW);
        lmdb = lmdb_baseline_close(lmdb);
        assert_int_equal(stat(inside, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
        snprintf(inside, sizeof(inside), "%s/made/data.mdb", folder.path);
        unlink(inside);
        snprintf(inside, sizeof(inside), "%s/made/lock.mdb", folder.path);
        unlink(inside);
        snprintf(inside, sizeof(inside), "%s/made", folder.path);
        rmdir(inside);
        snprintf(inside, sizeof(inside), "%s/no/such", folder.path);
        assert_int_equal(lmdb_baseline_open(inside, &lmdb), -ENOENT);
        reopen(LMDB_BASELINE_OK);
}

static int open_too(void *context) {
        struct lmdb_baseline *other;

        (void)context;
        return lmdb_baseline_open(folder.path, &other) == -EBUSY ? 0 : 1;
}

static void test_one_writer(void **state) {
        (void)state;
        assert_int_equal(open_too(NULL), 0);
        assert_int_equal(in_child(open_too, NULL), 0);
        FINE(begin);
        put_many("boot", 0, 2000, 50);
        FINE(commit);
        assert_int_equal(in_child(open_too, NULL), 0);
        reopen(LMDB_BASELINE_OK);
}

static int gather_name(void *context, const char *name) {
        buffer_printf(context, "%s ", name);
        return 0;
}

static int read_beside(void *context) {
        const char *expected = context;
        struct lmdb_baseline *reader;
        struct baseline *on;
        struct record record = { .key = bytes_of_string("k") };
        _cleanup_buffer_ struct buffer names = BUFFER_NULL, problem = BUFFER_NULL;
        _cleanup_free_ struct field *noted = NULL;

        if (lmdb_baseline_open_reader(folder.path, &reader) != LMDB_BASELINE_OK)
                return 1;
        on = lmdb_baseline_interface(reader);
        assert_records_of(on, "boot", expected);
        assert_int_equal(on->ops->begin(on), -EROFS);
        assert_int_equal(on->ops->put(on, "boot", fields, &record), -EROFS);
        assert_int_equal(on->ops->commit(on), -EROFS);
        assert_int_equal(on->ops->known(on, "boot"), 1);
        assert_int_equal(lmdb_baseline_names(reader, gather_name, &names), 0);
        assert_string_equal(buffer_string(&names), "boot users ");
        assert_int_equal(lmdb_baseline_fields(reader, "boot", &noted), 1);
        assert_true(noted && strcmp(noted[1].name, "t") == 0);
        assert_int_equal(lmdb_baseline_fields(reader, "put only", &noted), 0);
        assert_int_equal(lmdb_baseline_check(reader, &problem), 0);
        reader = lmdb_baseline_close(reader);
        return 0;
}

static void test_reader(void **state) {
        struct lmdb_baseline *reader;
        char empty[] = "/tmp/baseline-XXXXXX";

        (void)state;
        FINE(begin);
        put("boot", "k", 1, bytes_of_string("x"));
        put("put only", "k", 1, BYTES_NULL);
        FINE(set_known, "boot", fields);
        FINE(set_known, "users", fields);
        FINE(commit);
        assert_int_equal(in_child(read_beside, (char[]){ "k:n=1,t=x" }), 0);
        FINE(begin);
        put("boot", "k", 2, bytes_of_string("y"));
        assert_int_equal(in_child(read_beside, (char[]){ "k:n=1,t=x" }), 0);
        FINE(commit);
        assert_int_equal(in_child(read_beside, (char[]){ "k:n=2,t=y" }), 0);
        lmdb = lmdb_baseline_close(lmdb);
        unlink(folder.lock);
        assert_int_equal(in_child(read_beside, (char[]){ "k:n=2,t=y" }), 0);

        assert_non_null(mkdtemp(empty));
        assert_int_equal(lmdb_baseline_open_reader(empty, &reader), -ENOENT);
        assert_int_equal(rmdir(empty), 0);
        assert_int_equal(lmdb_baseline_open_reader(empty, &reader), -ENOENT);
}

static unsigned long long written_bytes(void) {
        FILE *file = fopen("/proc/self/io", "re");
        unsigned long long bytes = 0, written = 0;
        char name[64];

        if (!file)
                return 0;
        while (fscanf(file, "%63s %llu", name, &bytes) == 2)
                if (strcmp(name, "write_bytes:") == 0 || strcmp(name, "wchar:") == 0)
                        written += bytes;
        fclose(file);
        return written;
}

/* Not even a page of the lock file: whatever dirties a page is written out one day. */
static void test_quiet_rounds_write_nothing(void **state) {
        unsigned long long before;
        int file;
        size_t size;
        char room[8];

        (void)state;
        FINE(begin);
        put_many("boot", 0, 500, 20);
        FINE(set_known, "boot", fields);
        FINE(commit);
        file = open(folder.lock, O_RDWR | O_CLOEXEC);
        assert_true(file >= 0);
        assert_int_equal(fsync(file), 0);
        close(file);

        before = written_bytes();
        for (int round = 0; round < 20; round++) {
                assert_int_equal(count_records("boot"), 500);
                assert_int_equal(CALL(known, "boot"), 1);
                assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 0);
                FINE(last_key, "users", (uint8_t *)room, sizeof(room), &size);
        }
        assert_int_equal(written_bytes() - before, 0);
}

/* Free pages are used again: nothing of ours holds on to an old snapshot. */
static void test_file_stays_small(void **state) {
        struct stat early, late;

        (void)state;
        for (unsigned round = 0; round < 200; round++) {
                struct stream *stream;
                struct record record;

                FINE(read, BASELINE_BEFORE, "boot", fields, BYTES_NULL, &stream);
                (void)stream_next(stream, &record);
                FINE(begin);
                FINE(begin_part);
                put_many("boot", round, 300, 100);
                FINE(prune, "boot", 300);
                FINE(file, OUTBOX_LEDGER, bytes_of_string("line"));
                FINE(end_part, round % 3);
                stream = stream_close(stream);
                FINE(settle, round);
                FINE(commit);
                if (round == 20)
                        assert_int_equal(stat(folder.data, &early), 0);
        }
        assert_int_equal(stat(folder.data, &late), 0);
        assert_true(late.st_size <= 2 * early.st_size);
        reopen(LMDB_BASELINE_OK);
        assert_sound();
}

static int die_reading(void *context) {
        struct lmdb_baseline *reader;
        struct stream *stream;
        struct record record;
        struct baseline *on;

        (void)context;
        if (lmdb_baseline_open_reader(folder.path, &reader) != LMDB_BASELINE_OK)
                return 1;
        on = lmdb_baseline_interface(reader);
        assert_int_equal(on->ops->read(on, BASELINE_BEFORE, "boot", fields, BYTES_NULL, &stream), 0);
        assert_int_equal(stream_next(stream, &record), 1);
        return kill(getpid(), SIGKILL);
}

/* What a reader was looking at when it was killed does not have to be kept for ever. */
static void test_dead_reader(void **state) {
        struct stat early, late;

        (void)state;
        for (unsigned round = 0; round < 200; round++) {
                FINE(begin);
                put_many("boot", 0, 300, 100 + round % 2);
                FINE(commit);
                if (round == 20) {
                        assert_int_equal(stat(folder.data, &early), 0);
                        assert_int_equal(in_child(die_reading, NULL), -SIGKILL);
                }
        }
        assert_int_equal(stat(folder.data, &late), 0);
        assert_true(late.st_size <= 2 * early.st_size);
}

/* After a large transaction the file is closed and opened again by whatever comes next. */
static void test_goes_on_after_a_large_transaction(void **state) {
        (void)state;
        for (unsigned round = 0; round < 3; round++) {
                FINE(begin);
                put_many("boot", round * 5000, 5000, 50);
                if (round == 1)
                        CALL(abort);
                else
                        FINE(commit);
                assert_int_equal(count_records("boot"), round < 2 ? 5000 : 10000);
                FINE(begin);
                put("users", "k", round, BYTES_NULL);
                FINE(commit);
        }
        reopen(LMDB_BASELINE_OK);
        assert_sound();
        assert_int_equal(count_records("boot"), 10000);
}

static bool is_shorter_than_it_says(void) {
        struct stat status;
        MDB_envinfo info;
        MDB_env *env;

        assert_int_equal(mdb_env_create(&env), 0);
        assert_int_equal(mdb_env_open(env, folder.path, MDB_RDONLY | MDB_NOLOCK, 0600), 0);
        assert_int_equal(mdb_env_info(env, &info), 0);
        mdb_env_close(env);
        assert_int_equal(stat(folder.data, &status), 0);
        return (size_t)status.st_size < (info.me_last_pgno + 1) * 4096;
}

/* Pages at the end that were freed before they were written leave the file shorter than LMDB says it is. */
static void test_short_file(void **state) {
        size_t shorter = 0;

        (void)state;
        for (unsigned round = 0; round < 20; round++) {
                FINE(begin);
                put_many("boot", 0, 20, 3000 + 997 * round);
                FINE(file, OUTBOX_LEDGER, bytes_of_string("x"));
                put_many("boot", 0, 20, 10);
                FINE(prune, "boot", round % 2 ? 0 : 5);
                FINE(commit);
                lmdb = lmdb_baseline_close(lmdb);
                shorter += is_shorter_than_it_says();
                reopen(LMDB_BASELINE_OK);
                assert_sound();
        }
        if (sysconf(_SC_PAGESIZE) == 4096)
                assert_true(shorter > 0);
}

static int killed_while_writing(void *context) {
        const unsigned *round = context;

        /* Another process's environment must not be used: this one opens its own. */
        lmdb = NULL;
        if (lmdb_baseline_open(folder.path, &lmdb) != LMDB_BASELINE_OK)
                return 1;
        baseline = lmdb_baseline_interface(lmdb);
        for (unsigned i = 0;; i++) {
                FINE(begin);
                put_many("boot", 0, 200, 30);
                put("count", "k", i, BYTES_NULL);
                FINE(file, OUTBOX_LEDGER, bytes_of_string("x"));
                FINE(set_fact, "count", bytes_of(&i, sizeof(i)));
                if (i == *round)
                        kill(getpid(), SIGKILL);
                FINE(commit);
        }
}

static void test_killed(void **state) {
        (void)state;
        FINE(begin);
        put("count", "k", 1000, BYTES_NULL);
        FINE(commit);
        for (unsigned round = 1; round < 6; round++) {
                _cleanup_buffer_ struct buffer expected = BUFFER_NULL;
                unsigned count = 0;
                size_t size;

                lmdb = lmdb_baseline_close(lmdb);
                assert_int_equal(in_child(killed_while_writing, &round), -SIGKILL);
                reopen(LMDB_BASELINE_OK);
                assert_sound();
                assert_int_equal(CALL(get_fact, "count", &count, sizeof(count), &size), 1);
                assert_int_equal(count, round - 1);
                buffer_printf(&expected, "k:n=%u,t=", round - 1);
                assert_records_of(baseline, "count", buffer_string(&expected));
        }
}

/* No room on the disk, played by a limit on the file's size. */
static int full_disk(void *context) {
        struct rlimit limit = { .rlim_cur = 256 << 10, .rlim_max = RLIM_INFINITY };

        (void)context;
        signal(SIGXFSZ, SIG_IGN);
        lmdb = NULL;
        if (lmdb_baseline_open(folder.path, &lmdb) != LMDB_BASELINE_OK)
                return 1;
        baseline = lmdb_baseline_interface(lmdb);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                return 2;
        FINE(begin);
        put_many("boot", 0, 5000, 200);
        if (CALL(commit) >= 0)
                return 3;
        assert_records_of(baseline, "boot", "k:n=1,t=");
        limit.rlim_cur = RLIM_INFINITY;
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                return 4;
        FINE(begin);
        put("boot", "l", 2, BYTES_NULL);
        FINE(commit);
        assert_records_of(baseline, "boot", "k:n=1,t= l:n=2,t=");
        lmdb = lmdb_baseline_close(lmdb);
        return 0;
}

static void test_full_disk(void **state) {
        (void)state;
        FINE(begin);
        put("boot", "k", 1, BYTES_NULL);
        FINE(commit);
        lmdb = lmdb_baseline_close(lmdb);
        assert_int_equal(in_child(full_disk, NULL), 0);
        reopen(LMDB_BASELINE_OK);
        assert_sound();
        assert_records_of(baseline, "boot", "k:n=1,t= l:n=2,t=");
}

/* ---- the map ---- */

enum { MAP_FIRST = 1 << 20 };

static size_t map_size(void) {
        MDB_envinfo info;
        MDB_env *env;

        assert_int_equal(mdb_env_create(&env), 0);
        assert_int_equal(mdb_env_open(env, folder.path, MDB_RDONLY | MDB_NOLOCK, 0600), 0);
        assert_int_equal(mdb_env_info(env, &info), 0);
        mdb_env_close(env);
        return info.me_mapsize;
}

static int try_many(unsigned first, unsigned count) {
        char key[16], text[1000];
        struct record record = { .values = { value_number(1), value_bytes(bytes_of(text, sizeof(text))) } };
        int r = CALL(begin);

        memset(text, 't', sizeof(text));
        for (unsigned i = first; r == 0 && i < first + count; i++) {
                snprintf(key, sizeof(key), "k%07u", i);
                record.key = bytes_of_string(key);
                r = CALL(put, "boot", fields, &record);
        }
        if (r < 0) {
                CALL(abort);
                return r;
        }
        return CALL(commit);
}

static void with_map(size_t first, size_t most) {
        lmdb = lmdb_baseline_close(lmdb);
        baseline_folder_remove(&folder);
        baseline_folder_make(&folder);
        lmdb_environment_limit_map(first, most);
        reopen(LMDB_BASELINE_E_NEW);
}

/* In steps that are small beside it, it grows before it is full: nothing ever fails. */
static void test_map_grows(void **state) {
        (void)state;
        with_map(MAP_FIRST, 0);
        FINE(begin);
        put("users", "k", 7, BYTES_NULL);
        FINE(commit);
        for (unsigned round = 0; round < 200; round++)
                assert_int_equal(try_many(round * 50, 50), 0);
        assert_int_equal(count_records("boot"), 10000);
        assert_records_of(baseline, "users", "k:n=7,t=");
        assert_sound();
        lmdb = lmdb_baseline_close(lmdb);
        assert_true(map_size() >= 16 * MAP_FIRST);
        reopen(LMDB_BASELINE_OK); /* with a first map that is smaller than the file */
        assert_int_equal(count_records("boot"), 10000);
        assert_int_equal(try_many(10000, 50), 0);
        lmdb_environment_limit_map(0, 0);
}

/* What does not fit is refused as a whole, once; there is room when it is tried again. */
static void test_map_grows_for_one_large_transaction(void **state) {
        unsigned tries = 0;

        (void)state;
        with_map(MAP_FIRST, 0);
        assert_int_equal(try_many(0, 50), 0);
        assert_int_equal(try_many(50, 10000), -EFBIG);
        assert_int_equal(count_records("boot"), 50);
        while (try_many(50, 10000) < 0)
                assert_true(++tries < 4);
        assert_int_equal(count_records("boot"), 10050);
        assert_sound();
        lmdb_environment_limit_map(0, 0);
}

/* Where there is no more address space it stays as it is, whole: what is known stays known. */
static void test_map_cannot_grow(void **state) {
        unsigned kept = 0, failed = 0;

        (void)state;
        with_map(MAP_FIRST, 2 * MAP_FIRST);
        for (unsigned round = 0; round < 100; round++) {
                int r = try_many(round * 50, 50);

                assert_true(r == 0 || r == -EFBIG);
                kept += r == 0 ? 50 : 0;
                failed += r < 0;
                assert_int_equal(count_records("boot"), kept);
        }
        assert_true(kept > 500 && failed > 50);
        assert_sound();
        lmdb = lmdb_baseline_close(lmdb);
        assert_true(map_size() <= 2 * MAP_FIRST);
        reopen(LMDB_BASELINE_OK);
        assert_int_equal(count_records("boot"), kept);
        lmdb_environment_limit_map(MAP_FIRST, 0); /* when there is more, it is taken */
        assert_int_equal(try_many(90000, 5000), -EFBIG);
        for (unsigned tries = 0; tries < 4 && try_many(90000, 5000) < 0;)
                tries++;
        assert_int_equal(count_records("boot"), kept + 5000);
        assert_sound();
        lmdb_environment_limit_map(0, 0);
}

/* What is noted when the map is full waits in the journal, and is there for the next start. */
static void test_notes_of_a_full_map(void **state) {
        struct record record = { .key = bytes_of_string("noted"), .values = { value_number(5) } };
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        char big[200000];
        int r;

        (void)state;
        memset(big, 'x', sizeof(big));
        with_map(MAP_FIRST, MAP_FIRST);
        FINE(begin);
        FINE(set_known, "boot", fields);
        FINE(commit);
        for (unsigned i = 0; i < 5; i++)
                FINE(note_file, OUTBOX_TEXT, bytes_of(big, sizeof(big)));
        FINE(note_put, "boot", fields, &record);
        FINE(note_commit, true);
        r = CALL(begin);
        if (r == 0)
                r = CALL(commit);
        assert_int_equal(r, -EFBIG);
        assert_int_equal(CALL(get, "boot", fields, bytes_of_string("noted"), &room, &record), 1);
        reopen(LMDB_BASELINE_OK);
        assert_int_equal(CALL(get, "boot", fields, bytes_of_string("noted"), &room, &record), 1);
        lmdb_environment_limit_map(0, 0);
        reopen(LMDB_BASELINE_OK);
        FINE(begin);
        FINE(commit);
        assert_records_of(baseline, "boot", "noted:n=5");
}

/* Writes past our code into a table of a closed baseline. */
static void put_raw(const char *table, const void *key, size_t key_size, const void *value, size_t value_size) {
        MDB_val k = { .mv_size = key_size, .mv_data = (void *)(uintptr_t)key };
        MDB_val v = { .mv_size = value_size, .mv_data = (void *)(uintptr_t)value };
        MDB_env *env;
        MDB_txn *txn;
        MDB_dbi dbi;

        lmdb = lmdb_baseline_close(lmdb);
        assert_int_equal(mdb_env_create(&env), 0);
        assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
        assert_int_equal(mdb_env_open(env, folder.path, 0, 0600), 0);
        assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
        assert_int_equal(mdb_dbi_open(txn, table, MDB_CREATE, &dbi), 0);
        assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
        assert_int_equal(mdb_txn_commit(txn), 0);
        mdb_env_close(env);
}

static void test_contents_checked(void **state) {
        static const struct {
                const char *table, *key;
                size_t key_size;
                const char *value;
                size_t value_size;
                const char *problem;
        } cases[] = {
                { "watch:boot", "\x01" "a", 2, "\x01\x00", 2, NULL },
                { "watch:boot", "\x01" "a", 2, "\x01\x04", 2, "watch boot: record 1 cannot be read" },
                { "watch:boot", "\x01" "a", 2, "", 0, "watch boot: record 1 cannot be read" },
                { "watch:other", "\x01" "a", 2, "\x01\x00", 2, "watch other: record 1 cannot be read" },
                { "known", "users", 5, "\x01\x07", 2, "table known: an entry cannot be read" },
                { "outbox", "\0\0\0\0\0\0\0\0", 8, "\x09", 1, "table outbox: an entry cannot be read" },
                { "something", "a", 1, "b", 1, "a table of an unknown name" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                _cleanup_buffer_ struct buffer problem = BUFFER_NULL;

                FINE(begin);
                put("boot", "k", 1, BYTES_NULL);
                FINE(set_known, "boot", fields);
                FINE(commit);
                put_raw(cases[i].table, cases[i].key, cases[i].key_size, cases[i].value, cases[i].value_size);
                reopen(LMDB_BASELINE_OK);
                assert_int_equal(lmdb_baseline_check(lmdb, &problem), cases[i].problem ? -EBADMSG : 0);
                assert_string_equal(buffer_string(&problem), cases[i].problem ? cases[i].problem : "");
                assert_int_equal(tear_down(state), 0);
                assert_int_equal(set_up(state), 0);
        }
}

static void test_unknown_format(void **state) {
        _cleanup_buffer_ struct buffer problem = BUFFER_NULL;

        (void)state;
        put_raw("facts", ".format", 7, "\0\0\0\2", 4);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), -EBADMSG);
        assert_int_equal(lmdb_baseline_open_reader(folder.path, &lmdb), -EBADMSG);
        assert_int_equal(lmdb_baseline_diagnose(folder.path, &problem), -EBADMSG);
        assert_string_equal(buffer_string(&problem), "format 2, not 1");
        put_raw("facts", ".format", 7, "\0\0\0\1", 4);
        reopen(LMDB_BASELINE_OK);
}

static void path_in_folder(struct buffer *ret, const char *name) {
        buffer_clear(ret);
        buffer_printf(ret, "%s/%s", folder.path, name);
}

static void test_harm(void **state) {
        _cleanup_buffer_ struct buffer data = BUFFER_NULL, other = BUFFER_NULL;
        struct record record = { .key = bytes_of_string("noted"), .values = { value_number(7), value_bytes(bytes_of_string("t")) } };
        struct baseline_folder moved;

        (void)state;
        path_in_folder(&data, "data.mdb");
        path_in_folder(&other, "other.mdb");
        FINE(begin);
        FINE(set_known, "w", fields);
        put_many("w", 1, 1, 3);
        FINE(commit);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_STANDS);
        FINE(note_put, "w", fields, &record);
        FINE(note_commit, true);

        assert_int_equal(unlink(buffer_string(&data)), 0);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_RESTORED);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_STANDS);
        assert_int_equal(rename(buffer_string(&data), buffer_string(&other)), 0);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_RESTORED);
        assert_int_equal(rename(buffer_string(&other), buffer_string(&data)), 0); /* what was once ours */
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_RESTORED);
        FINE(begin);
        put_many("w", 2, 1, 3);
        FINE(commit);
        reopen(LMDB_BASELINE_OK);
        assert_records_of(baseline, "w", "k0000001:n=1,t=ttt k0000002:n=2,t=ttt noted:n=7,t=t");

        /* With the folder goes the journal: what is noted stands against a crash all the same. */
        FINE(note_remove, "w", bytes_of_string("k0000001"));
        FINE(note_commit, true);
        snprintf(moved.path, sizeof(moved.path), "%.32s-moved", folder.path);
        snprintf(moved.data, sizeof(moved.data), "%s/data.mdb", moved.path);
        snprintf(moved.lock, sizeof(moved.lock), "%s/lock.mdb", moved.path);
        assert_int_equal(rename(folder.path, moved.path), 0);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_RESTORED);
        reopen(LMDB_BASELINE_OK);
        FINE(begin);
        assert_records_of(baseline, "w", "k0000002:n=2,t=ttt noted:n=7,t=t");
        FINE(commit);

        /* A large transaction closes the file; what stands is opened again, so that it can be put back. */
        FINE(begin);
        put_many("w", 10, 2000, 3);
        FINE(commit);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_STANDS);
        assert_int_equal(unlink(buffer_string(&data)), 0);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_RESTORED);
        assert_int_equal(truncate(buffer_string(&data), 4096), 0);
        assert_int_equal(lmdb_baseline_stand(lmdb), LMDB_BASELINE_LOST);

        path_in_folder(&other, "journal");
        (void)unlink(buffer_string(&other));
        buffer_clear(&other);
        buffer_printf(&other, "%s/journal", moved.path);
        (void)unlink(buffer_string(&other));
        baseline_folder_remove(&moved);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_survives, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_private, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_one_writer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_reader, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_quiet_rounds_write_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_file_stays_small, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_dead_reader, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_goes_on_after_a_large_transaction, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_short_file, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_map_grows, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_map_grows_for_one_large_transaction, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_map_cannot_grow, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_notes_of_a_full_map, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_contents_checked, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_unknown_format, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_harm, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
