#include "lmdb-stream.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "long-keys.h"
#include "record-codec.h"

/* Pages of the file that were read count as our memory until they are given back; the system keeps them in its
 * cache. */
enum { GIVE_BACK_AFTER = 1 << 20 };

struct lmdb_stream {
        struct stream stream;
        struct lmdb_session *session;   /* NULL: the transaction is over */
        struct lmdb_stream *next, **place;
        char name[LMDB_WATCH_NAME_MAX + 1];
        const struct field *fields;     /* borrowed */
        struct field *noted;            /* owned; NULL: written with fields like ours */
        MDB_txn *own;                   /* owned; NULL: on 'now' */
        struct long_keys_cursor cursor; /* owned */
        uint64_t generation;
        bool attached, missing;

        struct buffer last, value, scratch;
        bool has_last;

        const uint8_t *lowest, *highest; /* seen in the map */
        size_t passed;                  /* since memory was given back */
};

static void give_back(struct lmdb_stream *stream) {
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t low = (uintptr_t)stream->lowest & ~(page - 1);
        uintptr_t high = ((uintptr_t)stream->highest + page - 1) & ~(page - 1);

        /* A read transaction points nowhere but into the one shared, read-only map; whatever of it is touched again
         * comes back from the cache. Failure costs memory only. */
        if (stream->lowest)
                (void)madvise((void *)low, high - low, MADV_DONTNEED);
        stream->passed = 0;
}

static void note_passed(struct lmdb_stream *stream, struct bytes bytes) {
        if (!stream->lowest || bytes.data < stream->lowest)
                stream->lowest = bytes.data;
        if (bytes.data + bytes.size > stream->highest)
                stream->highest = bytes.data + bytes.size;
        stream->passed += bytes.size;
}

static void detach(struct lmdb_stream *stream) {
        if (stream->attached)
                long_keys_close(&stream->cursor);
        stream->attached = false;
        free(stream->noted);
        stream->noted = NULL;
}

static void end(struct lmdb_stream *stream) {
        detach(stream);
        if (stream->own) {
                mdb_txn_abort(stream->own);
                give_back(stream);
        }
        stream->own = NULL;
        if (stream->session) {
                *stream->place = stream->next;
                if (stream->next)
                        stream->next->place = stream->place;
        }
        stream->session = NULL;
}

static void stream_close_(struct stream *base) {
        struct lmdb_stream *stream = container_of(base, struct lmdb_stream, stream);

        end(stream);
        buffer_done(&stream->last);
        buffer_done(&stream->value);
        buffer_done(&stream->scratch);
        free(stream);
}

/* The cursor behind the record given last, and how the table's records are written. */
static int attach(struct lmdb_stream *stream, MDB_txn *txn, MDB_dbi table, MDB_dbi known) {
        struct bytes last = buffer_bytes(&stream->last);
        struct field *noted = NULL;
        bool collected;
        int r;

        r = lmdb_tables_noted(txn, known, stream->name, &collected, &noted);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        if (fields_compatible(noted, stream->fields)) {
                free(noted);
                noted = NULL;
        }
        r = long_keys_open(&stream->cursor, txn, table, stream->has_last ? &last : NULL);
        if (r < 0) {
                free(noted);
                return r;
        }
        stream->noted = noted;
        stream->attached = true;
        stream->generation = stream->session->generation;
        return 0;
}

static int attach_now(struct lmdb_stream *stream) {
        MDB_txn *txn = lmdb_session_now(stream->session);
        MDB_dbi table;
        int r;

        if (stream->attached && stream->generation == stream->session->generation)
                return 1;
        detach(stream);
        r = lmdb_tables_open(txn, stream->name, false, &table);
        if (r > 0)
                r = attach(stream, txn, table, stream->session->environment.write_tables[LMDB_TABLE_KNOWN]);
        else if (r == 0)
                return 0;
        return r < 0 ? r : 1;
}

/* On 'now' the next change may move what LMDB gave us. */
static int keep(struct buffer *place, struct bytes *bytes) {
        buffer_clear(place);
        buffer_append_bytes(place, *bytes);
        *bytes = buffer_bytes(place);
        return buffer_error(place);
}

static int stream_next_(struct stream *base, struct record *ret) {
        struct lmdb_stream *stream = container_of(base, struct lmdb_stream, stream);
        struct bytes key, value;
        int r;

        if (!stream->session)
                return -ESTALE;
        if (stream->missing)
                return 0;
        if (!stream->own) {
                r = attach_now(stream);
                if (r <= 0)
                        return r;
        } else if (stream->passed >= GIVE_BACK_AFTER) {
                give_back(stream);
        }

        r = long_keys_next(&stream->cursor, &key, &value);
        if (r <= 0)
                return r;
        if (stream->own) {
                note_passed(stream, value);
        } else {
                r = keep(&stream->last, &key);
                if (r == 0)
                        r = keep(&stream->value, &value);
                if (r < 0)
                        return r;
                stream->has_last = true;
        }
        if (stream->noted)
                r = record_decode_as(value, key, stream->noted, stream->fields, &stream->scratch, ret);
        else
                r = record_decode(value, key, stream->fields, &stream->scratch, ret);
        return r < 0 ? r : 1;
}

int lmdb_stream_open(struct lmdb_session *session, bool now, const char *name, const struct field *fields,
                     struct bytes after, struct stream **ret) {
        struct lmdb_stream *stream;
        MDB_dbi table;
        int r;

        r = lmdb_tables_check_name(name);
        if (r < 0)
                return r;
        stream = calloc(1, sizeof(*stream));
        if (!stream)
                return -ENOMEM;
        stream->stream = (struct stream){ .next = stream_next_, .close = stream_close_ };
        stream->fields = fields;
        memcpy(stream->name, name, strlen(name));
        stream->session = session;
        stream->next = session->first;
        stream->place = &session->first;
        if (stream->next)
                stream->next->place = &stream->next;
        session->first = stream;

        stream->has_last = after.size > 0;
        buffer_append_bytes(&stream->last, after);
        r = buffer_error(&stream->last);
        if (r == 0 && !now) {
                r = lmdb_tables_begin_read(&session->environment, name, &stream->own, &table);
                stream->missing = r == 0;
                if (r > 0)
                        r = attach(stream, stream->own, table, session->environment.read_tables[LMDB_TABLE_KNOWN]);
        }
        if (r < 0) {
                stream_close_(&stream->stream);
                return r;
        }
        *ret = &stream->stream;
        return 0;
}

void lmdb_stream_loosen_all(struct lmdb_session *session) {
        for (struct lmdb_stream *stream = session->first; stream; stream = stream->next)
                if (!stream->own)
                        detach(stream);
}

void lmdb_stream_end_all(struct lmdb_session *session) {
        while (session->first)
                end(session->first);
}
