/* The tables: "facts" (name: bytes; ours begin with '.'), "known" (watch: was it collected, its fields), "outbox"
 * (number, big-endian: destination byte and data), and one "watch:NAME" per watch (key, as long-keys has it:
 * record-codec's bytes). */
#include "lmdb-baseline.h"

#include <endian.h>
#include <errno.h>

#include "journal.h"
#include "lmdb-error.h"
#include "lmdb-inspect.h"
#include "lmdb-lookup.h"
#include "lmdb-stream.h"
#include "long-keys.h"
#include "note-op.h"
#include "record-codec.h"

enum {
        FACT_NAME_MAX = 200,
        /* A transaction with more changes than this has left megabytes of pages with LMDB. */
        RESTING_CHANGES = 1000,
};

#define NUMBER_FACT ".outbox"
#define ALERTED_FACT ".alerted"
#define JOURNAL_FACT ".journal"

struct lmdb_baseline {
        struct baseline baseline;
        struct lmdb_session session;
        struct buffer value;            /* scratch */
        struct lmdb_lookup lookup;
        struct notes notes;             /* its number: each commit that filed something keeps it as a fact */
        uint64_t alerted;               /* as the fact says */
        struct journal journal;         /* of the notes */
        uint64_t generation;            /* of the journal's records that count; as the fact says */
        bool taking;                    /* the open transaction begins the next */
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
        lmdb->session.environment.full |= r == -EFBIG;
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

static int write_fact(struct lmdb_baseline *lmdb, const char *name, struct bytes value) {
        MDB_val key = lmdb_tables_name(name);
        MDB_val data = { .mv_size = value.size, .mv_data = (void *)(uintptr_t)value.data };

        lmdb->changes++;
        return lmdb_error(mdb_put(now(lmdb), write_table(lmdb, LMDB_TABLE_FACTS), &key, &data, 0));
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
        uint64_t number = htobe64(lmdb->notes.next_number);
        MDB_val key = { .mv_size = sizeof(number), .mv_data = &number }, value = { .mv_size = data.size + 1 };
        uint8_t *place;
        int r;

        r = check_writing(lmdb);
        if (r < 0)
                return r;
        if (destination < OUTBOX_LEDGER || destination > OUTBOX_SENTENCE || data.size >= INT32_MAX)
                return -EINVAL;
        r = lmdb_error(mdb_put(now(lmdb), write_table(lmdb, LMDB_TABLE_OUTBOX), &key, &value, MDB_RESERVE));
        if (r < 0)
                return explain(lmdb, r);
        place = value.mv_data;
        place[0] = (uint8_t)destination;
        if (data.size)
                memcpy(place + 1, data.data, data.size);
        /* Not taken back with a part: a gap is no harm, a number with two meanings is. */
        lmdb->notes.next_number++;
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

/* A number that a fact holds. 1, 0 not there and *ret as it was, -EBADMSG. */
static int read_number(struct lmdb_baseline *lmdb, const char *name, uint64_t *ret) {
        uint64_t number = 0;
        size_t size = 0;
        int r;

        r = read_fact(lmdb, name, &number, sizeof(number), &size);
        if (r <= 0)
                return r == -ENOBUFS ? -EBADMSG : r;
        if (size != sizeof(number))
                return -EBADMSG;
        *ret = be64toh(number);
        return 1;
}

/* An alert that has gone out waits for nothing any more. */
static bool is_alerted(const struct lmdb_baseline *lmdb, uint64_t number, uint8_t destination) {
        return destination == OUTBOX_ALERT && number <= lmdb->notes.alerted;
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
        struct lmdb_baseline *lmdb = from_interface(baseline);
        const struct note *note;
        int r = check_fact_name(name);

        if (r < 0)
                return r;
        note = lmdb->session.transaction ? NULL : notes_find(&lmdb->notes.facts, bytes_of_string(name));
        if (!note)
                return read_fact(lmdb, name, ret, size, ret_size);
        if (note->op.value.size > size)
                return -ENOBUFS;
        if (note->op.value.size)
                memcpy(ret, note->op.value.data, note->op.value.size);
        *ret_size = note->op.value.size;
        return 1;
}

static void forget_transaction(struct lmdb_baseline *lmdb, bool rest) {
        lmdb->session.transaction = lmdb->session.part = NULL;
        lmdb->session.generation++;
        if (lmdb_environment_needs_room(&lmdb->session.environment) || rest || lmdb->changes > RESTING_CHANGES)
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

static int apply_record(struct lmdb_baseline *lmdb, const struct notes_watch *watch, const struct note *note) {
        MDB_dbi table;
        int r;

        lmdb->changes++;
        if (note->op.kind == NOTE_PUT) {
                r = make_ready(lmdb, watch->name, watch->fields);
                return r < 0 ? r : long_keys_put(now(lmdb), lmdb->ready_table, note->op.key, note->op.value);
        }
        r = lmdb_tables_open(now(lmdb), watch->name, false, &table);
        if (r > 0)
                r = long_keys_remove(now(lmdb), table, note->op.key);
        return r < 0 ? r : 0;
}

static int apply_to_table(struct lmdb_baseline *lmdb, enum lmdb_table table, const struct note *note) {
        MDB_val key = { .mv_size = note->op.key.size, .mv_data = (void *)(uintptr_t)note->op.key.data };
        MDB_val value = { .mv_size = note->op.value.size, .mv_data = (void *)(uintptr_t)note->op.value.data };

        lmdb->changes += 1 + value.mv_size / 4096;
        return lmdb_error(mdb_put(now(lmdb), write_table(lmdb, table), &key, &value, 0));
}

/* From the commit on, what the journal holds no longer counts. */
static int apply_generation(struct lmdb_baseline *lmdb) {
        uint64_t generation = htobe64(lmdb->generation + 1);

        lmdb->taking = lmdb->journal.size > 0;
        return lmdb->taking ? write_fact(lmdb, JOURNAL_FACT, bytes_of(&generation, sizeof(generation))) : 0;
}

static int apply_alerted(struct lmdb_baseline *lmdb) {
        uint8_t number[8];

        if (lmdb->notes.alerted == lmdb->alerted)
                return 0;
        return write_fact(lmdb, ALERTED_FACT, notes_number_key(lmdb->notes.alerted, number));
}

/* Puts everything noted into the transaction that has just begun. */
static int apply_notes(struct lmdb_baseline *lmdb) {
        const struct notes *notes = &lmdb->notes;
        const struct note *note;
        int r = apply_generation(lmdb);

        if (r == 0)
                r = apply_alerted(lmdb);
        for (const struct notes_watch *watch = notes->watches; watch; watch = watch->next)
                for (note = notes_above(&watch->records, NULL); r == 0 && note; note = notes_above(&watch->records, &note->op.key))
                        r = apply_record(lmdb, watch, note);
        for (note = notes_above(&notes->facts, NULL); r == 0 && note; note = notes_above(&notes->facts, &note->op.key))
                r = apply_to_table(lmdb, LMDB_TABLE_FACTS, note);
        for (note = notes_above(&notes->outbox, NULL); r == 0 && note; note = notes_above(&notes->outbox, &note->op.key)) {
                lmdb->filed = true;
                if (!is_alerted(lmdb, notes_number(note->op.key), note->op.value.data[0]))
                        r = apply_to_table(lmdb, LMDB_TABLE_OUTBOX, note);
        }
        lmdb->session.generation++;
        /* Their fields go with the notes. */
        lmdb->ready_fields = NULL;
        return explain(lmdb, r);
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
        notes_drop(&lmdb->notes);
        r = apply_notes(lmdb);
        if (r < 0)
                baseline_abort(baseline);
        return r;
}

enum lmdb_baseline_standing lmdb_baseline_stand(struct lmdb_baseline *lmdb) {
        enum lmdb_standing standing;

        if (lmdb->session.transaction)
                return LMDB_BASELINE_STANDS;
        standing = lmdb_environment_stand(&lmdb->session.environment);
        if (standing == LMDB_STANDS)
                return LMDB_BASELINE_STANDS;
        lmdb_stream_end_all(&lmdb->session);
        lmdb->session.generation++;
        lmdb->ready_fields = NULL;
        if (standing == LMDB_CUT || lmdb_environment_rescue(&lmdb->session.environment) < 0)
                return LMDB_BASELINE_LOST;
        /* The folder may be another one; the notes go along. */
        journal_move(&lmdb->journal, lmdb->session.environment.lock);
        return LMDB_BASELINE_RESTORED;
}

static int baseline_commit(struct baseline *baseline) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        uint64_t number = htobe64(lmdb->notes.next_number);
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
        if (r < 0)
                return r;
        notes_clear(&lmdb->notes);
        lmdb->alerted = lmdb->notes.alerted;
        if (lmdb->taking) {
                lmdb->generation++;
                (void)journal_cut(&lmdb->journal, 0);
        }
        return 0;
}

static int baseline_get(struct baseline *baseline, const char *name, const struct field *fields, struct bytes key,
                        struct buffer *room, struct record *ret) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        _cleanup_free_ struct field *noted = NULL;
        const struct notes_watch *watch;
        const struct note *note;
        struct bytes value;
        bool collected;
        MDB_dbi table;
        int r;

        if (!lmdb->session.transaction) {
                watch = notes_find_watch(&lmdb->notes, bytes_of_string(name));
                note = watch ? notes_find(&watch->records, key) : NULL;
                if (note)
                        return note->op.kind != NOTE_PUT ? 0 :
                                lmdb_lookup_decode(note->op.value, key, watch->fields, fields, room, ret);
                return lmdb_lookup_get(&lmdb->lookup, &lmdb->session, name, fields, key, room, ret);
        }

        r = lmdb_tables_open(now(lmdb), name, false, &table);
        if (r > 0)
                r = long_keys_get(now(lmdb), table, key, &value);
        if (r <= 0)
                return r;
        r = lmdb_tables_noted(now(lmdb), write_table(lmdb, LMDB_TABLE_KNOWN), name, &collected, &noted);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        return lmdb_lookup_decode(value, key, noted, fields, room, ret);
}

static int check_noting(const struct lmdb_baseline *lmdb) {
        if (lmdb->session.environment.reader)
                return -EROFS;
        return lmdb->session.transaction ? -EBUSY : 0;
}

/* A watch that has notes was looked up before. */
static int check_noting_of(struct lmdb_baseline *lmdb, const char *name, const struct notes_watch **ret) {
        int r = check_noting(lmdb);

        if (r < 0)
                return r;
        *ret = notes_find_watch(&lmdb->notes, bytes_of_string(name));
        if (*ret && (*ret)->records.root)
                return 0;
        r = lmdb_lookup_known(&lmdb->lookup, &lmdb->session, name);
        return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

static int baseline_note_put(struct baseline *baseline, const char *name, const struct field *fields,
                             const struct record *record) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        struct note_op op = { .kind = NOTE_WATCH, .name = bytes_of_string(name) };
        const struct notes_watch *watch;
        int r;

        r = check_noting_of(lmdb, name, &watch);
        if (r == 0 && (!watch || !watch->fields || !fields_compatible(watch->fields, fields))) {
                buffer_clear(&lmdb->value);
                fields_encode(&lmdb->value, fields);
                op.value = buffer_bytes(&lmdb->value);
                r = buffer_error(&lmdb->value) < 0 ? -ENOMEM : notes_stage(&lmdb->notes, &op);
        }
        if (r < 0)
                return r;
        buffer_clear(&lmdb->value);
        record_encode(&lmdb->value, fields, record);
        if (buffer_error(&lmdb->value) < 0)
                return -ENOMEM;
        op.kind = NOTE_PUT;
        op.key = record->key;
        op.value = buffer_bytes(&lmdb->value);
        return notes_stage(&lmdb->notes, &op);
}

static int baseline_note_remove(struct baseline *baseline, const char *name, struct bytes key) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        struct note_op op = { .name = bytes_of_string(name), .key = key };
        const struct notes_watch *watch;
        int r;

        r = check_noting_of(lmdb, name, &watch);
        if (r == 0)
                r = lmdb_lookup_get(&lmdb->lookup, &lmdb->session, name, NULL, key, NULL, NULL);
        if (r < 0)
                return r;
        op.kind = r > 0 ? NOTE_REMOVE : NOTE_FORGET;
        return notes_stage(&lmdb->notes, &op);
}

static int baseline_note_fact(struct baseline *baseline, const char *name, struct bytes value) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        int r;

        r = check_noting(lmdb);
        if (r == 0)
                r = check_fact_name(name);
        if (r < 0)
                return r;
        return notes_stage(&lmdb->notes, &(struct note_op){ .kind = NOTE_FACT, .key = bytes_of_string(name), .value = value });
}

static int baseline_note_file(struct baseline *baseline, enum outbox_destination destination, struct bytes data) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        uint8_t number[8];
        int r;

        r = check_noting(lmdb);
        if (r < 0)
                return r;
        if (destination < OUTBOX_LEDGER || destination > OUTBOX_SENTENCE)
                return -EINVAL;
        buffer_clear(&lmdb->value);
        buffer_append_byte(&lmdb->value, (uint8_t)destination);
        buffer_append_bytes(&lmdb->value, data);
        if (buffer_error(&lmdb->value) < 0)
                return -ENOMEM;
        return notes_stage(&lmdb->notes, &(struct note_op){ .kind = NOTE_FILE,
                                                            .key = notes_number_key(lmdb->notes.next_number, number),
                                                            .value = buffer_bytes(&lmdb->value) });
}

static int baseline_note_commit(struct baseline *baseline, bool durable) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        int r = check_noting(lmdb);

        if (r < 0 || !lmdb->notes.staged)
                return r;
        if (durable) {
                journal_begin(&lmdb->value);
                r = notes_encode(&lmdb->notes, &lmdb->value);
                if (r == 0)
                        r = journal_append(&lmdb->journal, lmdb->generation, &lmdb->value);
        }
        if (r < 0)
                notes_drop(&lmdb->notes);
        else
                notes_merge(&lmdb->notes, durable);
        return r;
}

static void baseline_note_abort(struct baseline *baseline) {
        notes_drop(&from_interface(baseline)->notes);
}

static int baseline_note_sync(struct baseline *baseline) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        int r = check_noting(lmdb);

        return r < 0 ? r : journal_sync(&lmdb->journal);
}

static uint64_t baseline_last_number(struct baseline *baseline) {
        return from_interface(baseline)->notes.next_number - 1;
}

static int baseline_note_alerted(struct baseline *baseline, uint64_t number) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        struct note_op op = { .kind = NOTE_ALERTED };
        uint8_t room[8];
        int r = check_noting(lmdb);

        if (r < 0)
                return r;
        if (number >= lmdb->notes.next_number)
                number = lmdb->notes.next_number - 1;
        if (number <= lmdb->notes.alerted)
                return 0;
        lmdb->notes.alerted = number;
        op.key = notes_number_key(number, room);
        journal_begin(&lmdb->value);
        note_op_encode(&lmdb->value, &op);
        return journal_append(&lmdb->journal, lmdb->generation, &lmdb->value);
}

static int baseline_noted(struct baseline *baseline, const char *name, struct bytes above,
                          int (*note)(void *context, const char *name, struct bytes key, bool gone), void *context) {
        const struct notes *notes = &from_interface(baseline)->notes;
        int r = 0;

        for (const struct notes_watch *watch = notes->watches; watch; watch = watch->next) {
                if (name && strcmp(watch->name, name) != 0)
                        continue;
                for (const struct note *found = notes_above(&watch->records, above.size ? &above : NULL); found;
                     found = notes_above(&watch->records, &found->op.key)) {
                        r = note(context, watch->name, found->op.key, found->op.kind == NOTE_REMOVE);
                        if (r != 0)
                                return r < 0 ? r : 0;
                }
        }
        return 0;
}

/* The next committed entry from this number on, in a passing transaction: the callback may settle, file and commit as it
 * likes. */
static int next_committed(struct lmdb_baseline *lmdb, uint64_t number, struct buffer *data, struct outbox_entry *ret) {
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

/* The same with what is noted. */
static int next_entry(struct lmdb_baseline *lmdb, uint64_t number, struct buffer *data, struct outbox_entry *ret) {
        const struct note *note = NULL;
        uint8_t room[8];
        struct bytes key;
        int r;

        if (number > 0) {
                key = notes_number_key(number - 1, room);
                note = notes_above(&lmdb->notes.outbox, &key);
        } else {
                note = notes_above(&lmdb->notes.outbox, NULL);
        }
        r = next_committed(lmdb, number, data, ret);
        if (r < 0 || !note || (r > 0 && ret->number < notes_number(note->op.key)))
                return r;
        buffer_clear(data);
        buffer_append_bytes(data, note->op.value);
        if (buffer_error(data) < 0)
                return -ENOMEM;
        *ret = (struct outbox_entry){ .number = notes_number(note->op.key), .destination = data->data[0],
                                      .data = bytes_of(data->data + 1, data->size - 1) };
        return 1;
}

static int baseline_outbox(struct baseline *baseline, int (*entry)(void *context, const struct outbox_entry *entry),
                           void *context) {
        struct lmdb_baseline *lmdb = from_interface(baseline);
        _cleanup_buffer_ struct buffer data = BUFFER_NULL;
        uint64_t end = lmdb->notes.next_number;
        struct outbox_entry found;
        int r = 0;

        if (lmdb->session.environment.reader)
                r = read_number(lmdb, ALERTED_FACT, &lmdb->notes.alerted);
        if (r < 0)
                return r;
        for (uint64_t number = 0; (r = next_entry(lmdb, number, &data, &found)) > 0; number = found.number + 1) {
                /* A reader does not know how far the daemon has counted; what we file ourselves meanwhile is not
                 * asked for. */
                if (!lmdb->session.environment.reader && found.number >= end)
                        return 0;
                if (!is_alerted(lmdb, found.number, found.destination))
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
        .get = baseline_get,
        .note_put = baseline_note_put,
        .note_remove = baseline_note_remove,
        .note_fact = baseline_note_fact,
        .note_file = baseline_note_file,
        .note_alerted = baseline_note_alerted,
        .last_number = baseline_last_number,
        .note_commit = baseline_note_commit,
        .note_abort = baseline_note_abort,
        .note_sync = baseline_note_sync,
        .noted = baseline_noted,
        .get_fact = baseline_get_fact,
        .outbox = baseline_outbox,
};

/* Numbers go on where they stopped, also after everything was settled. */
static int find_next_number(struct lmdb_baseline *lmdb) {
        MDB_val key, value;
        uint64_t number;
        MDB_cursor *cursor;
        MDB_txn *txn;
        int r;

        r = read_number(lmdb, NUMBER_FACT, &lmdb->notes.next_number);
        if (r < 0)
                return r;

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
                if (be64toh(number) >= lmdb->notes.next_number)
                        r = -EBADMSG;
        }
        mdb_txn_abort(txn);
        return r < 0 ? r : 0;
}

/* Of a watch that was never collected nothing can have been noted. */
static int check_watches(struct lmdb_baseline *lmdb) {
        int r = 1;

        for (const struct notes_watch *watch = lmdb->notes.watches; r > 0 && watch; watch = watch->next)
                r = lmdb_lookup_known(&lmdb->lookup, &lmdb->session, watch->name);
        return r == 0 ? -EBADMSG : r < 0 ? r : 0;
}

/* Stages and merges every record of this generation, up to the first that makes no sense. */
static int replay_records(struct lmdb_baseline *lmdb, struct bytes content, size_t *ret_good) {
        struct bytes rest = content, payload;
        uint64_t generation;
        int r;

        *ret_good = 0;
        while ((r = journal_next(&rest, &generation, &payload)) > 0) {
                if (generation == lmdb->generation) {
                        r = notes_stage_payload(&lmdb->notes, payload);
                        if (r == 0)
                                r = check_watches(lmdb);
                        if (r < 0)
                                break;
                        notes_merge(&lmdb->notes, true);
                        *ret_good = content.size - rest.size;
                }
        }
        notes_drop(&lmdb->notes);
        return r == -EBADMSG ? 0 : r;
}

/* What a daemon that was killed has noted stands again. Nothing can have been noted before there was a baseline. */
static int replay(struct lmdb_baseline *lmdb, bool made) {
        _cleanup_buffer_ struct buffer content = BUFFER_NULL;
        size_t good = 0;
        int r;

        r = read_number(lmdb, JOURNAL_FACT, &lmdb->generation);
        if (r >= 0)
                r = journal_open(&lmdb->journal, lmdb->session.environment.lock, &content);
        if (r == 0 && !made)
                r = replay_records(lmdb, buffer_bytes(&content), &good);
        if (r == 0)
                (void)journal_cut(&lmdb->journal, good);
        return r;
}

static int open_baseline(const char *folder, bool reader, struct lmdb_baseline **ret) {
        _cleanup_buffer_ struct buffer problem = BUFFER_NULL;
        struct lmdb_baseline *lmdb;
        int r, made;

        lmdb = calloc(1, sizeof(*lmdb));
        if (!lmdb)
                return -ENOMEM;
        lmdb->baseline.ops = &operations;
        notes_init(&lmdb->notes);
        lmdb->journal = JOURNAL_NULL;
        made = lmdb_environment_open(&lmdb->session.environment, folder, reader, &problem);
        r = made < 0 ? made : reader ? 0 : find_next_number(lmdb);
        if (r >= 0 && !reader)
                r = read_number(lmdb, ALERTED_FACT, &lmdb->alerted);
        lmdb->notes.alerted = lmdb->alerted;
        if (r >= 0 && !reader)
                r = replay(lmdb, made);
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
        lmdb_lookup_done(&lmdb->lookup);
        notes_done(&lmdb->notes);
        journal_done(&lmdb->journal);
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
