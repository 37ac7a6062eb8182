#include "lmdb-lookup.h"

#include <errno.h>

#include "long-keys.h"
#include "record-codec.h"

static void forget(struct lmdb_lookup *lookup) {
        for (size_t i = 0; i < LMDB_LOOKUP_TABLES; i++)
                free(TAKE_PTR(lookup->tables[i].noted));
        lookup->count = 0;
}

void lmdb_lookup_done(struct lmdb_lookup *lookup) {
        forget(lookup);
}

/* The table's place among those kept. */
static int find(struct lmdb_lookup *lookup, struct lmdb_session *session, const char *name, size_t *ret) {
        struct lmdb_environment *environment = &session->environment;
        struct field *noted = NULL;
        bool collected = false;
        MDB_dbi table = 0;
        MDB_txn *txn;
        int r, there = 0;
        size_t at;

        if (lookup->generation != session->generation)
                forget(lookup);
        lookup->generation = session->generation;
        for (size_t i = 0; i < lookup->count; i++)
                if (strcmp(lookup->tables[i].name, name) == 0) {
                        *ret = i;
                        return 0;
                }

        r = lmdb_tables_check_name(name);
        if (r == 0)
                r = there = lmdb_tables_begin_read(environment, name, &txn, &table);
        if (r == 0)
                r = lmdb_environment_begin_read(environment, &txn);
        if (r < 0)
                return r;
        r = lmdb_tables_noted(txn, environment->read_tables[LMDB_TABLE_KNOWN], name, &collected, &noted);
        mdb_txn_abort(txn);
        if (r == 0 && there)
                r = -EBADMSG;
        if (r < 0)
                return r;
        if (lookup->count == LMDB_LOOKUP_TABLES)
                forget(lookup);
        at = lookup->count;
        memcpy(lookup->tables[at].name, name, strlen(name) + 1);
        lookup->tables[at].noted = noted;
        lookup->tables[at].table = table;
        lookup->tables[at].there = there;
        lookup->tables[at].collected = collected;
        lookup->count = at + 1;
        *ret = at;
        return 0;
}

int lmdb_lookup_decode(struct bytes value, struct bytes key, const struct field *noted, const struct field *fields,
                       struct buffer *room, struct record *ret) {
        _cleanup_buffer_ struct buffer scratch = BUFFER_NULL;
        int r;

        if (fields_compatible(noted, fields))
                r = record_decode(value, key, fields, &scratch, ret);
        else
                r = record_decode_as(value, key, noted, fields, &scratch, ret);
        if (r == 0)
                r = record_keep(room, fields, ret);
        return r < 0 ? r : 1;
}

int lmdb_lookup_get(struct lmdb_lookup *lookup, struct lmdb_session *session, const char *name, const struct field *fields,
                    struct bytes key, struct buffer *room, struct record *ret) {
        struct bytes value;
        MDB_txn *txn;
        size_t at;
        int r;

        r = find(lookup, session, name, &at);
        if (r < 0 || !lookup->tables[at].there)
                return r;
        r = lmdb_environment_borrow_read(&session->environment, &txn);
        if (r < 0)
                return r;
        r = long_keys_get(txn, lookup->tables[at].table, key, &value);
        if (r > 0 && fields)
                r = lmdb_lookup_decode(value, key, lookup->tables[at].noted, fields, room, ret);
        lmdb_environment_give_back_read(&session->environment, txn);
        return r;
}

int lmdb_lookup_known(struct lmdb_lookup *lookup, struct lmdb_session *session, const char *name) {
        size_t at;
        int r;

        r = find(lookup, session, name, &at);
        return r < 0 ? r : lookup->tables[at].collected;
}
