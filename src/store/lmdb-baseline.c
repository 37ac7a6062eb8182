/* The tables: "facts" (name: bytes; ours begin with '.'), "known" (watch: was it collected, its fields), "outbox"
 * (number, big-endian: destination byte and data), and one "watch:NAME" per watch (key, as long-keys has it:
 * record-codec's bytes). */
#include "lmdb-baseline.h"

#include <endian.h>
#include <errno.h>

#include "lmdb-error.h"
#include "lmdb-inspect.h"
#include "lmdb-stream.h"
#include "long-keys.h"
#include "record-codec.h"

enum {
        FACT_NAME_MAX = 200,
        /* A transaction with more changes than this has left megabytes of pages with LMDB. */
        RESTING_CHANGES = 1000,
};

#define NUMBER_FACT ".outbox"

struct lmdb_baseline {
        struct baseline baseline;
        struct lmdb_session session;
        struct buffer value;            /* scratch */
        uint64_t next_number;           /* of the outbox; each commit that filed something keeps it as a fact */
        bool filed;
        size_t changes;                 /* in the open transaction */
        int trouble;                    /* what spoilt the transaction or its part */

        /* The table and fields that put() last made sure of; until the transaction or part ends. */
        char ready_name[LMDB_WATCH_NAME_MAX + 1];
        const struct field *ready_fields;
        MDB_dbi ready_table;
};

static struct lmdb_baseline *from_interface(struct baseline *baseline) {
        return container_of(baseline, struct lmdb_baseline, baseline);
}

static MDB_txn *now(const struct lmdb_baseline *lmdb) {
        return lmdb_session_now(&lmdb->session);
}

static MDB_dbi write_table(const struct lmdb_baseline *lmdb, enum lmdb_table table) {
        return lmdb->session.environment.write_tables[table];
}

/* After the first failure LMDB only says that the transaction is spoilt; the caller gets to hear by what. */
static int explain(struct lmdb_baseline *lmdb, int r) {
        r = lmdb_error_of_disk(lmdb->session.environment.write, r);
        if (r == -ECANCELED)
                return lmdb->trouble ? lmdb->trouble : -EIO;
        if (r < 0 && r != -ENAMETOOLONG && r != -EINVAL && !lmdb->trouble)
                lmdb->trouble = r;
        return r;
}

/* A transaction to read from: the open one, or a passing one. */
static int begin_reading(struct lmdb_baseline *lmdb, MDB_txn **ret, const MDB_dbi **ret_tables) {
        *ret = now(lmdb);
        *ret_tables = *ret ? lmdb->session.environment.write_tables : lmdb->session.environment.read_tables;
        return *ret ? 0 : lmdb_environment_begin_read(&lmdb->session.environment, ret);
}

static void end_reading(struct lmdb_baseline *lmdb, MDB_txn *txn) {
        if (txn != now(lmdb))
                mdb_txn_abort(txn);
}

static int begin_reading_watch(struct lmdb_baseline *lmdb, const char *name, MDB_txn **ret, MDB_dbi *ret_table) {
        *ret = now(lmdb);
        if (*ret)
                return lmdb_tables_open(*ret, name, false, ret_table);
        return lmdb_tables_begin_read(&lmdb->session.environment, name, ret, ret_table);
}

static int baseline_read(struct baseline *baseline, enum baseline_view view, const char *name,
                         const struct field *fields, struct bytes after, struct stream **ret) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        bool in_transaction = view == BASELINE_NOW && lmdb->session.transaction;

        return lmdb_stream_open(&lmdb->session, in_transaction, name, fields, after, ret);
}

static int baseline_last_key(struct baseline *baseline, const char *name, uint8_t *ret, size_t size, size_t *ret_size) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        _cleanup_buffer_ struct buffer key = BUFFER_NULL;
        MDB_dbi table;
        MDB_txn *txn;
        int r;

        *ret_size = 0;
        r = begin_reading_watch(lmdb, name, &txn, &table);
        if (r <= 0)
                return r;
        r = long_keys_last(txn, table, &key);
        end_reading(lmdb, txn);
        if (r <= 0)
                return r;
        if (key.size > size)
                return -ENOBUFS;
        if (key.size)
                memcpy(ret, key.data, key.size);
        *ret_size = key.size;
        return 0;
}

/* 1 and the caller's fields, 0 if the watch was never collected. */
static int read_known(struct lmdb_baseline *lmdb, const char *name, struct field **ret_fields) {
        const MDB_dbi *tables;
        bool collected;
        MDB_txn *txn;
        int r;

        r = lmdb_tables_check_name(name);
        if (r < 0)
                return r;
        r = begin_reading(lmdb, &txn, &tables);
        if (r < 0)
                return r;
        r = lmdb_tables_noted(txn, tables[LMDB_TABLE_KNOWN], name, &collected, ret_fields);
        end_reading(lmdb, txn);
        if (r > 0 && !collected) {
                free(TAKE_PTR(*ret_fields));
                return 0;
        }
        return r;
}

static int baseline_known(struct baseline *baseline, const char *name) {
        _cleanup_free_ struct field *fields = NULL;

        return read_known(from_interface(baseline), name, &fields);
}

static int baseline_begin(struct baseline *baseline) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        int r;

        if (lmdb->session.environment.reader)
                return -EROFS;
        if (lmdb->session.transaction)
                return -EBUSY;
        r = lmdb_environment_begin_write(&lmdb->session.environment, &lmdb->session.transaction);
        if (r < 0) {
                lmdb->session.transaction = NULL;
                return r;
        }
        lmdb->changes = 0;
        lmdb->filed = false;
        lmdb->trouble = 0;
        lmdb->ready_fields = NULL;
        return 0;
}

static int check_writing(const struct lmdb_baseline *lmdb) {
        if (lmdb->session.environment.reader)
                return -EROFS;
        return lmdb->session.transaction ? 0 : -EINVAL;
}

static int baseline_begin_part(struct baseline *baseline) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        MDB_txn *part;
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        if (lmdb->session.part)
                return -EBUSY;
        lmdb_stream_loosen_all(&lmdb->session);
        lmdb->ready_fields = NULL;
        r = lmdb_error(mdb_txn_begin(lmdb->session.environment.write, lmdb->session.transaction, 0, &part));
        if (r == 0)
                lmdb->session.part = part;
        return explain(lmdb, r);
}

static int baseline_end_part(struct baseline *baseline, bool keep) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        MDB_txn *part = lmdb->session.part;
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        if (!part)
                return -EINVAL;
        lmdb_stream_loosen_all(&lmdb->session);
        lmdb->ready_fields = NULL;
        lmdb->session.generation++;
        lmdb->session.part = NULL;
        if (keep)
                return explain(lmdb, lmdb_error(mdb_txn_commit(part)));
        mdb_txn_abort(part);
        lmdb->trouble = 0;
        return 0;
}

/* Writes every record of a table anew, with the fields of today. */
static int migrate(struct lmdb_baseline *lmdb, MDB_dbi table, const struct field *noted, const struct field *fields) {
        _cleanup_buffer_ struct buffer last = BUFFER_NULL, scratch = BUFFER_NULL;
        struct bytes key, value;
        bool has_last = false;
        struct record record;
        int r;

        for (;;) {
                struct long_keys_cursor cursor = LONG_KEYS_CURSOR_NULL;

                key = buffer_bytes(&last);
                r = long_keys_open(&cursor, now(lmdb), table, has_last ? &key : NULL);
                if (r == 0)
                        r = long_keys_next(&cursor, &key, &value);
                if (r > 0) {
                        has_last = true;
                        buffer_clear(&last);
                        buffer_append_bytes(&last, key);
                        buffer_clear(&lmdb->value);
                        r = record_decode_as(value, buffer_bytes(&last), noted, fields, &scratch, &record);
                        if (r == 0)
                                record_encode(&lmdb->value, fields, &record);
                        if (r == 0 && (buffer_error(&last) < 0 || buffer_error(&lmdb->value) < 0))
                                r = -ENOMEM;
                        r = r < 0 ? r : 1;
                }
                long_keys_close(&cursor);
                if (r <= 0)
                        return r;
                lmdb->changes++;
                r = long_keys_put(now(lmdb), table, buffer_bytes(&last), buffer_bytes(&lmdb->value));
                if (r < 0)
                        return r;
        }
}

/* All records of a table are written with the fields noted for it; so these become the noted ones. */
static int adopt_fields(struct lmdb_baseline *lmdb, const char *name, const struct field *fields, bool collected) {
        _cleanup_free_ struct field *noted = NULL;
        MDB_dbi known = write_table(lmdb, LMDB_TABLE_KNOWN), table;
        bool before = false;
        int r;

        r = lmdb_tables_noted(now(lmdb), known, name, &before, &noted);
        if (r > 0 && !fields_compatible(noted, fields)) {
                r = lmdb_tables_open(now(lmdb), name, false, &table);
                if (r > 0)
                        r = migrate(lmdb, table, noted, fields);
                lmdb->session.generation++;
        }
        if (r < 0)
                return r;
        lmdb->changes++;
        return lmdb_tables_note(now(lmdb), known, name, before || collected, fields, &lmdb->value);
}

static int make_ready(struct lmdb_baseline *lmdb, const char *name, const struct field *fields) {
        int r;

        if (lmdb->ready_fields == fields && strcmp(lmdb->ready_name, name) == 0)
                return 0;
        lmdb->ready_fields = NULL;
        r = lmdb_tables_open(now(lmdb), name, true, &lmdb->ready_table);
        if (r > 0)
                r = adopt_fields(lmdb, name, fields, false);
        if (r < 0)
                return r;
        memcpy(lmdb->ready_name, name, strlen(name) + 1);
        lmdb->ready_fields = fields;
        return 0;
}

static int baseline_put(struct baseline *baseline, const char *name, const struct field *fields,
                        const struct record *record) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        r = make_ready(lmdb, name, fields);
        if (r < 0)
                return explain(lmdb, r);
        buffer_clear(&lmdb->value);
        record_encode(&lmdb->value, fields, record);
        if (buffer_error(&lmdb->value) < 0)
                return -ENOMEM;
        lmdb->session.generation++;
        lmdb->changes++;
        return explain(lmdb, long_keys_put(now(lmdb), lmdb->ready_table, record->key, buffer_bytes(&lmdb->value)));
}

static int baseline_remove(struct baseline *baseline, const char *name, struct bytes key) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        MDB_dbi table;
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        r = lmdb_tables_open(now(lmdb), name, false, &table);
        if (r > 0)
                r = long_keys_remove(now(lmdb), table, key);
        lmdb->session.generation++;
        lmdb->changes++;
        return r < 0 ? explain(lmdb, r) : 0;
}

static int remove_first(MDB_txn *txn, MDB_dbi table, struct buffer *scratch) {
        struct long_keys_cursor cursor = LONG_KEYS_CURSOR_NULL;
        struct bytes key, value;
        int r;

        r = long_keys_open(&cursor, txn, table, NULL);
        if (r == 0)
                r = long_keys_next(&cursor, &key, &value);
        buffer_clear(scratch);
        if (r > 0)
                buffer_append_bytes(scratch, key);
        long_keys_close(&cursor);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        r = buffer_error(scratch) < 0 ? -ENOMEM : long_keys_remove(txn, table, buffer_bytes(scratch));
        return r < 0 ? r : 0;
}

static int baseline_prune(struct baseline *baseline, const char *name, size_t retain) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        MDB_dbi table;
        size_t count;
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        r = lmdb_tables_open(now(lmdb), name, false, &table);
        if (r > 0)
                r = long_keys_count(now(lmdb), table, &count);
        else if (r == 0)
                return 0;
        lmdb->session.generation++;
        for (; r == 0 && count > retain; count--) {
                lmdb->changes++;
                r = remove_first(now(lmdb), table, &lmdb->value);
        }
        return explain(lmdb, r);
}

static int baseline_set_known(struct baseline *baseline, const char *name, const struct field *fields) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        int r;

        r = check_writing(lmdb);
        if (r == 0)
                r = lmdb_tables_check_name(name);
        if (r < 0)
                return r;
        lmdb->ready_fields = NULL;
        return explain(lmdb, adopt_fields(lmdb, name, fields, true));
}

static int baseline_file(struct baseline *baseline, enum outbox_destination destination, struct bytes data) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        uint64_t number = htobe64(lmdb->next_number);
        MDB_val key = { .mv_size = sizeof(number), .mv_data = &number }, value = { .mv_size = data.size + 1 };
        uint8_t *place;
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        if (destination < OUTBOX_LEDGER || destination > OUTBOX_ALERT || data.size >= INT32_MAX)
                return -EINVAL;
        r = lmdb_error(mdb_put(now(lmdb), write_table(lmdb, LMDB_TABLE_OUTBOX), &key, &value, MDB_RESERVE));
        if (r < 0)
                return explain(lmdb, r);
        place = value.mv_data;
        place[0] = (uint8_t)destination;
        if (data.size)
                memcpy(place + 1, data.data, data.size);
        /* Not taken back with a part: a gap is no harm, a number with two meanings is. */
        lmdb->next_number++;
        lmdb->filed = true;
        lmdb->changes += 1 + data.size / 4096;
        return 0;
}

static int baseline_settle(struct baseline *baseline, uint64_t number) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        MDB_val key, value;
        MDB_cursor *cursor;
        uint64_t found;
        int r, rc;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        r = lmdb_error(mdb_cursor_open(now(lmdb), write_table(lmdb, LMDB_TABLE_OUTBOX), &cursor));
        if (r < 0)
                return explain(lmdb, r);
        while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)) == 0) {
                if (key.mv_size != sizeof(found)) {
                        r = -EBADMSG;
                        break;
                }
                memcpy(&found, key.mv_data, sizeof(found));
                if (be64toh(found) > number)
                        break;
                lmdb->changes++;
                rc = mdb_cursor_del(cursor, 0);
                if (rc)
                        break;
        }
        mdb_cursor_close(cursor);
        if (r == 0 && rc != MDB_NOTFOUND)
                r = lmdb_error(rc);
        return explain(lmdb, r);
}

static int write_fact(struct lmdb_baseline *lmdb, const char *name, struct bytes value) {
        MDB_val key = lmdb_tables_name(name);
        MDB_val data = { .mv_size = value.size, .mv_data = (void *)(uintptr_t)value.data };

        lmdb->changes++;
        return lmdb_error(mdb_put(now(lmdb), write_table(lmdb, LMDB_TABLE_FACTS), &key, &data, 0));
}

static int read_fact(struct lmdb_baseline *lmdb, const char *name, void *ret, size_t size, size_t *ret_size) {
        MDB_val key = lmdb_tables_name(name), value;
        const MDB_dbi *tables;
        MDB_txn *txn;
        int r, rc;

        r = begin_reading(lmdb, &txn, &tables);
        if (r < 0)
                return r;
        rc = mdb_get(txn, tables[LMDB_TABLE_FACTS], &key, &value);
        if (rc == 0 && value.mv_size > size) {
                r = -ENOBUFS;
        } else if (rc == 0) {
                if (value.mv_size)
                        memcpy(ret, value.mv_data, value.mv_size);
                *ret_size = value.mv_size;
                r = 1;
        } else {
                r = rc == MDB_NOTFOUND ? 0 : lmdb_error(rc);
        }
        end_reading(lmdb, txn);
        return r;
}

static int check_fact_name(const char *name) {
        size_t size = strlen(name);

        return size == 0 || name[0] == '.' ? -EINVAL : size > FACT_NAME_MAX ? -ENAMETOOLONG : 0;
}

static int baseline_set_fact(struct baseline *baseline, const char *name, struct bytes value) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        int r;

        r = check_writing(lmdb);
        if (r == 0)
                r = check_fact_name(name);
        return r < 0 ? r : explain(lmdb, write_fact(lmdb, name, value));
}

static int baseline_get_fact(struct baseline *baseline, const char *name, void *ret, size_t size, size_t *ret_size) {
        int r = check_fact_name(name);

        return r < 0 ? r : read_fact(from_interface(baseline), name, ret, size, ret_size);
}

static void forget_transaction(struct lmdb_baseline *lmdb, bool rest) {
        lmdb->session.transaction = lmdb->session.part = NULL;
        lmdb->session.generation++;
        if (rest || lmdb->changes > RESTING_CHANGES)
                lmdb_environment_rest(&lmdb->session.environment);
}

static void baseline_abort(struct baseline *baseline) {
        struct lmdb_baseline *lmdb = from_interface(baseline);

        if (!lmdb->session.transaction)
                return;
        lmdb_stream_end_all(&lmdb->session);
        mdb_txn_abort(lmdb->session.transaction);       /* and the part in it */
        forget_transaction(lmdb, false);
}

static int baseline_commit(struct baseline *baseline) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        uint64_t number = htobe64(lmdb->next_number);
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        if (lmdb->session.part)
                r = -EINVAL;
        if (r == 0 && lmdb->filed)
                r = explain(lmdb, write_fact(lmdb, NUMBER_FACT, bytes_of(&number, sizeof(number))));
        if (r < 0) {
                baseline_abort(baseline);
                return r;
        }
        lmdb_stream_end_all(&lmdb->session);
        r = explain(lmdb, lmdb_error(mdb_txn_commit(lmdb->session.transaction)));
        forget_transaction(lmdb, r < 0);
        return r;
}

/* The next entry above *number, in a passing transaction: the callback may settle, file and commit as it likes. */
static int next_entry(struct lmdb_baseline *lmdb, uint64_t number, struct buffer *data, struct outbox_entry *ret) {
        uint64_t found = htobe64(number);
        MDB_val key = { .mv_size = sizeof(found), .mv_data = &found }, value;
        MDB_cursor *cursor;
        MDB_txn *txn;
        int r;

        r = lmdb_environment_begin_read(&lmdb->session.environment, &txn);
        if (r < 0)
                return r;
        r = mdb_cursor_open(txn, lmdb->session.environment.read_tables[LMDB_TABLE_OUTBOX], &cursor);
        if (r == 0) {
                r = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
                mdb_cursor_close(cursor);
        }
        r = r == MDB_NOTFOUND ? 0 : r ? lmdb_error(r) : 1;
        if (r > 0 && (key.mv_size != sizeof(found) || value.mv_size == 0))
                r = -EBADMSG;
        if (r > 0) {
                memcpy(&found, key.mv_data, sizeof(found));
                buffer_clear(data);
                buffer_append(data, value.mv_data, value.mv_size);
                r = buffer_error(data) < 0 ? -ENOMEM : 1;
        }
        mdb_txn_abort(txn);
        if (r > 0)
                *ret = (struct outbox_entry){ .number = be64toh(found), .destination = data->data[0],
                                              .data = bytes_of(data->data + 1, data->size - 1) };
        return r;
}

static int baseline_outbox(struct baseline *baseline, int (*entry)(void *context, const struct outbox_entry *entry),
                           void *context) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        _cleanup_buffer_ struct buffer data = BUFFER_NULL;
        uint64_t end = lmdb->next_number;
        struct outbox_entry found;
        int r;

        for (uint64_t number = 0; (r = next_entry(lmdb, number, &data, &found)) > 0; number = found.number + 1) {
                /* A reader does not know how far the daemon has counted; what we file ourselves meanwhile is not
                 * asked for. */
                if (!lmdb->session.environment.reader && found.number >= end)
                        return 0;
                r = entry(context, &found);
                if (r < 0)
                        return r;
                if (found.number == UINT64_MAX)
                        return 0;
        }
        return r;
}

static const struct baseline_ops operations = {
        .read = baseline_read,
        .last_key = baseline_last_key,
        .known = baseline_known,
        .begin = baseline_begin,
        .begin_part = baseline_begin_part,
        .end_part = baseline_end_part,
        .put = baseline_put,
        .remove = baseline_remove,
        .prune = baseline_prune,
        .set_known = baseline_set_known,
        .file = baseline_file,
        .settle = baseline_settle,
        .set_fact = baseline_set_fact,
        .commit = baseline_commit,
        .abort = baseline_abort,
        .get_fact = baseline_get_fact,
        .outbox = baseline_outbox,
};

/* Numbers go on where they stopped, also after everything was settled. */
static int find_next_number(struct lmdb_baseline *lmdb) {
        MDB_val key, value;
        uint64_t number;
        MDB_cursor *cursor;
        MDB_txn *txn;
        size_t size;
        int r;

        lmdb->next_number = 1;
        r = read_fact(lmdb, NUMBER_FACT, &number, sizeof(number), &size);
        if (r < 0)
                return r == -ENOBUFS ? -EBADMSG : r;
        if (r > 0) {
                if (size != sizeof(number))
                        return -EBADMSG;
                lmdb->next_number = be64toh(number);
        }

        r = lmdb_environment_begin_read(&lmdb->session.environment, &txn);
        if (r < 0)
                return r;
        r = mdb_cursor_open(txn, lmdb->session.environment.read_tables[LMDB_TABLE_OUTBOX], &cursor);
        if (r == 0) {
                r = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
                mdb_cursor_close(cursor);
        }
        r = r == MDB_NOTFOUND ? 0 : r ? lmdb_error(r) : 1;
        if (r > 0 && key.mv_size != sizeof(number))
                r = -EBADMSG;
        if (r > 0) {
                memcpy(&number, key.mv_data, sizeof(number));
                if (be64toh(number) >= lmdb->next_number)
                        r = -EBADMSG;
        }
        mdb_txn_abort(txn);
        return r < 0 ? r : 0;
}

static int open_baseline(const char *folder, bool reader, struct lmdb_baseline **ret) {
        _cleanup_buffer_ struct buffer problem = BUFFER_NULL;
        struct lmdb_baseline *lmdb;
        int r, made;

        lmdb = calloc(1, sizeof(*lmdb));
        if (!lmdb)
                return -ENOMEM;
        lmdb->baseline.ops = &operations;
        made = lmdb_environment_open(&lmdb->session.environment, folder, reader, &problem);
        r = made < 0 ? made : reader ? 0 : find_next_number(lmdb);
        if (r < 0) {
                (void)lmdb_baseline_close(lmdb);
                return r;
        }
        *ret = lmdb;
        return made ? LMDB_BASELINE_E_NEW : LMDB_BASELINE_OK;
}

int lmdb_baseline_open(const char *folder, struct lmdb_baseline **ret) {
        return open_baseline(folder, false, ret);
}

int lmdb_baseline_open_reader(const char *folder, struct lmdb_baseline **ret) {
        return open_baseline(folder, true, ret);
}

int lmdb_baseline_diagnose(const char *folder, struct buffer *problem) {
        struct lmdb_environment environment;
        int r;

        r = lmdb_environment_open(&environment, folder, true, problem);
        if (r == 0)
                lmdb_environment_close(&environment);
        return r;
}

struct lmdb_baseline *lmdb_baseline_close(struct lmdb_baseline *lmdb) {
        if (!lmdb)
                return NULL;
        baseline_abort(&lmdb->baseline);
        lmdb_stream_end_all(&lmdb->session);
        lmdb_environment_close(&lmdb->session.environment);
        buffer_done(&lmdb->value);
        free(lmdb);
        return NULL;
}

struct baseline *lmdb_baseline_interface(struct lmdb_baseline *lmdb) {
        return &lmdb->baseline;
}

int lmdb_baseline_fields(struct lmdb_baseline *lmdb, const char *name, struct field **ret) {
        return read_known(lmdb, name, ret);
}

int lmdb_baseline_names(struct lmdb_baseline *lmdb, int (*name)(void *context, const char *name), void *context) {
        return lmdb_inspect_names(&lmdb->session, name, context);
}

int lmdb_baseline_check(struct lmdb_baseline *lmdb, struct buffer *problem) {
        return lmdb_inspect_check(&lmdb->session, problem);
}
