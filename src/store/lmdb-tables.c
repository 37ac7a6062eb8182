#include "lmdb-tables.h"

#include <errno.h>
#include <stdio.h>

#include "lmdb-error.h"
#include "record-codec.h"

int lmdb_tables_check_name(const char *name) {
        size_t size = strlen(name);

        return size == 0 ? -EINVAL : size > LMDB_WATCH_NAME_MAX ? -ENAMETOOLONG : 0;
}

int lmdb_tables_open(MDB_txn *txn, const char *name, bool make, MDB_dbi *ret) {
        char table[sizeof(LMDB_WATCH_PREFIX) + LMDB_WATCH_NAME_MAX];
        int r, rc;

        r = lmdb_tables_check_name(name);
        if (r < 0)
                return r;
        (void)snprintf(table, sizeof(table), LMDB_WATCH_PREFIX "%s", name);
        rc = mdb_dbi_open(txn, table, make ? MDB_CREATE : 0, ret);
        if (rc == MDB_NOTFOUND)
                return 0;
        return rc ? lmdb_error(rc) : 1;
}

int lmdb_tables_begin_read(struct lmdb_environment *environment, const char *name, MDB_txn **ret, MDB_dbi *ret_table) {
        MDB_txn *txn;
        int r;

        /* A handle belongs to the transaction that opened it until that commits, and two of those must not overlap:
         * so a short one opens the handle, and the reading is done in another. */
        r = lmdb_environment_begin_read(environment, &txn);
        if (r < 0)
                return r;
        r = lmdb_tables_open(txn, name, false, ret_table);
        if (r <= 0) {
                mdb_txn_abort(txn);
                return r;
        }
        r = lmdb_error(mdb_txn_commit(txn));
        if (r == 0)
                r = lmdb_environment_begin_read(environment, ret);
        return r < 0 ? r : 1;
}

int lmdb_tables_noted(MDB_txn *txn, MDB_dbi known, const char *name, bool *ret_collected, struct field **ret_fields) {
        MDB_val key = lmdb_tables_name(name), value;
        const uint8_t *data;
        int r, rc;

        rc = mdb_get(txn, known, &key, &value);
        if (rc == MDB_NOTFOUND)
                return 0;
        if (rc)
                return lmdb_error(rc);
        data = value.mv_data;
        if (value.mv_size == 0 || data[0] > 1)
                return -EBADMSG;
        r = fields_decode(bytes_of(data + 1, value.mv_size - 1), ret_fields);
        if (r < 0)
                return r;
        *ret_collected = data[0];
        return 1;
}

int lmdb_tables_note(MDB_txn *txn, MDB_dbi known, const char *name, bool collected, const struct field *fields,
                     struct buffer *scratch) {
        MDB_val key = lmdb_tables_name(name), value;
        struct field *readable = NULL;
        int r;

        buffer_clear(scratch);
        buffer_append_byte(scratch, collected);
        fields_encode(scratch, fields);
        if (buffer_error(scratch) < 0)
                return -ENOMEM;
        /* A table that cannot be read back is the watch's fault, and must not look like damage later. */
        r = fields_decode(bytes_of(scratch->data + 1, scratch->size - 1), &readable);
        free(readable);
        if (r < 0)
                return r == -EBADMSG ? -EINVAL : r;
        value = (MDB_val){ .mv_size = scratch->size, .mv_data = scratch->data };
        return lmdb_error(mdb_put(txn, known, &key, &value, 0));
}
