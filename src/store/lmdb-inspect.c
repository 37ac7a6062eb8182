#include "lmdb-inspect.h"

#include <errno.h>

#include "baseline.h"
#include "lmdb-error.h"
#include "record-codec.h"

/* The entries of one table, in order. 0 at the end, negative to stop. */
typedef int (*entry_function)(void *context, struct bytes key, struct bytes value);

static int for_each(MDB_txn *txn, MDB_dbi table, entry_function entry, void *context) {
        MDB_val key, value;
        MDB_cursor *cursor;
        int rc, r = 0;

        rc = mdb_cursor_open(txn, table, &cursor);
        if (rc)
                return lmdb_error(rc);
        while (r >= 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
                r = entry(context, bytes_of(key.mv_data, key.mv_size), bytes_of(value.mv_data, value.mv_size));
        mdb_cursor_close(cursor);
        return r < 0 ? r : rc == MDB_NOTFOUND ? 0 : lmdb_error(rc);
}

static int for_each_in(struct lmdb_session *session, enum lmdb_table table, entry_function entry, void *context) {
        MDB_txn *txn;
        int r;

        r = lmdb_environment_begin_read(&session->environment, &txn);
        if (r < 0)
                return r;
        r = for_each(txn, session->environment.read_tables[table], entry, context);
        mdb_txn_abort(txn);
        return r;
}

static int gather_known(void *context, struct bytes key, struct bytes value) {
        struct buffer *names = context;

        if (key.size > LMDB_WATCH_NAME_MAX || memchr(key.data, '\0', key.size) || value.size == 0)
                return -EBADMSG;
        if (value.data[0]) {
                buffer_append_bytes(names, key);
                buffer_append_byte(names, '\0');
        }
        return 0;
}

int lmdb_inspect_names(struct lmdb_session *session, int (*name)(void *context, const char *name), void *context) {
        _cleanup_buffer_ struct buffer names = BUFFER_NULL;
        int r;

        r = for_each_in(session, LMDB_TABLE_KNOWN, gather_known, &names);
        if (r == 0)
                r = buffer_error(&names);
        for (size_t i = 0; r >= 0 && i < names.size; i += strlen((const char *)names.data + i) + 1)
                r = name(context, (const char *)names.data + i);
        return r < 0 ? r : 0;
}

static int check_known(void *context, struct bytes key, struct bytes value) {
        struct field *fields = NULL;
        int r;

        (void)context;
        if (key.size > LMDB_WATCH_NAME_MAX || memchr(key.data, '\0', key.size) || value.size == 0 || value.data[0] > 1)
                return -EBADMSG;
        r = fields_decode(bytes_of(value.data + 1, value.size - 1), &fields);
        free(fields);
        return r;
}

static int check_outbox(void *context, struct bytes key, struct bytes value) {
        (void)context;
        return key.size == sizeof(uint64_t) && value.size > 0 && value.data[0] >= OUTBOX_LEDGER &&
                               value.data[0] <= OUTBOX_ALERT ? 0 : -EBADMSG;
}

static int check_fact(void *context, struct bytes key, struct bytes value) {
        (void)context, (void)value;
        return memchr(key.data, '\0', key.size) ? -EBADMSG : 0;
}

static int gather_tables(void *context, struct bytes key, struct bytes value) {
        struct bytes prefix = bytes_of_string(LMDB_WATCH_PREFIX);
        struct buffer *names = context;

        (void)value;
        if (memchr(key.data, '\0', key.size) || key.size > prefix.size + LMDB_WATCH_NAME_MAX)
                return -EBADMSG;
        if (bytes_starts_with(key, prefix) && key.size > prefix.size) {
                buffer_append(names, key.data + prefix.size, key.size - prefix.size);
                buffer_append_byte(names, '\0');
                return 0;
        }
        return bytes_equal(key, bytes_of_string("facts")) || bytes_equal(key, bytes_of_string("known")) ||
                               bytes_equal(key, bytes_of_string("outbox")) ? 0 : -EBADMSG;
}

static int gather_watches(struct lmdb_session *session, struct buffer *names) {
        MDB_txn *txn;
        MDB_dbi all;
        int r;

        r = lmdb_environment_begin_read(&session->environment, &txn);
        if (r < 0)
                return r;
        r = lmdb_error(mdb_dbi_open(txn, NULL, 0, &all));
        if (r == 0)
                r = for_each(txn, all, gather_tables, names);
        mdb_txn_abort(txn);
        return r < 0 ? r : buffer_error(names);
}

/* *ret_count: how many records were fine. */
static int check_watch(struct lmdb_session *session, const char *name, size_t *ret_count) {
        _cleanup_buffer_ struct buffer last = BUFFER_NULL;
        _cleanup_free_ struct field *fields = NULL;
        _cleanup_stream_ struct stream *stream = NULL;
        struct record record;
        bool collected;
        MDB_txn *txn;
        int r;

        r = lmdb_environment_begin_read(&session->environment, &txn);
        if (r < 0)
                return r;
        r = lmdb_tables_noted(txn, session->environment.read_tables[LMDB_TABLE_KNOWN], name, &collected, &fields);
        mdb_txn_abort(txn);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        r = lmdb_stream_open(session, false, name, fields, BYTES_NULL, &stream);
        if (r < 0)
                return r;
        while ((r = stream_next(stream, &record)) > 0) {
                if (*ret_count > 0 && bytes_compare(record.key, buffer_bytes(&last)) <= 0)
                        return -EBADMSG;
                buffer_clear(&last);
                buffer_append_bytes(&last, record.key);
                if (buffer_error(&last) < 0)
                        return -ENOMEM;
                (*ret_count)++;
        }
        return r;
}

int lmdb_inspect_check(struct lmdb_session *session, struct buffer *problem) {
        static const struct {
                enum lmdb_table table;
                entry_function check;
                const char *name;
        } tables[] = {
                { LMDB_TABLE_FACTS, check_fact, "facts" },
                { LMDB_TABLE_KNOWN, check_known, "known" },
                { LMDB_TABLE_OUTBOX, check_outbox, "outbox" },
        };
        _cleanup_buffer_ struct buffer names = BUFFER_NULL;
        int r;

        buffer_clear(problem);
        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
                r = for_each_in(session, tables[i].table, tables[i].check, NULL);
                if (r == -EBADMSG)
                        buffer_printf(problem, "table %s: an entry cannot be read", tables[i].name);
                if (r < 0)
                        return r;
        }
        r = gather_watches(session, &names);
        if (r == -EBADMSG)
                buffer_append_string(problem, "a table of an unknown name");
        for (size_t i = 0; r >= 0 && i < names.size; i += strlen((const char *)names.data + i) + 1) {
                size_t count = 0;

                r = check_watch(session, (const char *)names.data + i, &count);
                if (r == -EBADMSG)
                        buffer_printf(problem, "watch %s: record %zu cannot be read", (const char *)names.data + i,
                                      count + 1);
        }
        return r < 0 ? r : 0;
}
