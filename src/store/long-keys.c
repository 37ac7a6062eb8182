#include "long-keys.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>

#include "lmdb-error.h"

enum {
        TALLY = 0x00,
        ROOT = 0x01,
        SPACE = 0x02,
        HEAD_MAX = 1 + sizeof(uint64_t),
        KEY_MAX = HEAD_MAX + LONG_KEYS_PIECE + 1,
};

/* The root is namespace 0. */
enum { ROOT_SPACE = 0, FIRST_SPACE = 1 };

static_assert(KEY_MAX <= 511, "longer than any key of LMDB's common build");

struct entry_key {
        uint8_t data[KEY_MAX];
        size_t size;
};

struct tally {
        uint64_t next_space, nodes;
};

static void put_number(uint8_t *place, uint64_t number) {
        number = htobe64(number);
        memcpy(place, &number, sizeof(number));
}

static uint64_t get_number(const uint8_t *place) {
        uint64_t number;

        memcpy(&number, place, sizeof(number));
        return be64toh(number);
}

static size_t head_size(uint64_t space) {
        return space == ROOT_SPACE ? 1 : HEAD_MAX;
}

static void make_key(struct entry_key *key, uint64_t space, struct bytes piece, bool node) {
        key->size = head_size(space);
        key->data[0] = space == ROOT_SPACE ? ROOT : SPACE;
        if (space != ROOT_SPACE)
                put_number(key->data + 1, space);
        if (piece.size)
                memcpy(key->data + key->size, piece.data, piece.size);
        key->size += piece.size;
        if (node)
                key->data[key->size++] = '\0';
}

static MDB_val as_val(struct entry_key *key) {
        return (MDB_val){ .mv_size = key->size, .mv_data = key->data };
}

static bool is_key(const MDB_val *val, const struct entry_key *key) {
        return bytes_equal(bytes_of(val->mv_data, val->mv_size), bytes_of(key->data, key->size));
}

/* True and what stands behind the namespace's head. */
static bool in_space(const MDB_val *key, uint64_t space, struct bytes *ret_piece) {
        struct bytes whole = bytes_of(key->mv_data, key->mv_size);
        struct entry_key head;

        make_key(&head, space, BYTES_NULL, false);
        if (!bytes_starts_with(whole, bytes_of(head.data, head.size)))
                return false;
        *ret_piece = bytes_of(whole.data + head.size, whole.size - head.size);
        return true;
}

static bool is_node(struct bytes piece) {
        return piece.size == LONG_KEYS_PIECE + 1 && piece.data[LONG_KEYS_PIECE] == '\0';
}

static int node_space(const MDB_val *value, uint64_t parent, uint64_t *ret) {
        if (value->mv_size != sizeof(uint64_t))
                return -EBADMSG;
        *ret = get_number(value->mv_data);
        return *ret > parent ? 0 : -EBADMSG;
}

/* 1 if the table has a tally, 0 if it never had a node. */
static int read_tally(MDB_txn *txn, MDB_dbi table, struct tally *ret) {
        uint8_t name = TALLY;
        MDB_val key = { .mv_size = 1, .mv_data = &name }, value;
        const uint8_t *data;
        int rc;

        *ret = (struct tally){ .next_space = FIRST_SPACE };
        rc = mdb_get(txn, table, &key, &value);
        if (rc == MDB_NOTFOUND)
                return 0;
        if (rc)
                return lmdb_error(rc);
        if (value.mv_size != 2 * sizeof(uint64_t))
                return -EBADMSG;
        data = value.mv_data;
        *ret = (struct tally){ .next_space = get_number(data), .nodes = get_number(data + sizeof(uint64_t)) };
        return ret->next_space >= FIRST_SPACE && ret->nodes < ret->next_space ? 1 : -EBADMSG;
}

static int write_tally(MDB_txn *txn, MDB_dbi table, const struct tally *tally) {
        uint8_t name = TALLY, data[2 * sizeof(uint64_t)];
        MDB_val key = { .mv_size = 1, .mv_data = &name }, value = { .mv_size = sizeof(data), .mv_data = data };

        put_number(data, tally->next_space);
        put_number(data + sizeof(uint64_t), tally->nodes);
        return lmdb_error(mdb_put(txn, table, &key, &value, 0));
}

static int add_node(MDB_txn *txn, MDB_dbi table, struct entry_key *node, struct tally *tally, uint64_t *ret_space) {
        uint8_t data[sizeof(uint64_t)];
        MDB_val key = as_val(node), value = { .mv_size = sizeof(data), .mv_data = data };
        int rc;

        if (tally->next_space == UINT64_MAX)
                return -EBADMSG;
        put_number(data, tally->next_space);
        rc = mdb_put(txn, table, &key, &value, MDB_NOOVERWRITE);
        if (rc)
                return lmdb_error(rc);
        *ret_space = tally->next_space++;
        tally->nodes++;
        return 0;
}

int long_keys_put(MDB_txn *txn, MDB_dbi table, struct bytes key, struct bytes value) {
        MDB_val entry, data = { .mv_size = value.size, .mv_data = (void *)(uintptr_t)value.data }, found;
        struct tally tally = { 0 };
        uint64_t space = ROOT_SPACE;
        bool have_tally = false, grown = false;
        struct entry_key piece;
        int r, rc;

        if (key.size > LONG_KEYS_MAX)
                return -ENAMETOOLONG;

        while (key.size > LONG_KEYS_PIECE) {
                make_key(&piece, space, bytes_of(key.data, LONG_KEYS_PIECE), true);
                entry = as_val(&piece);
                rc = mdb_get(txn, table, &entry, &found);
                if (rc == 0) {
                        r = node_space(&found, space, &space);
                } else if (rc == MDB_NOTFOUND) {
                        r = have_tally ? 0 : read_tally(txn, table, &tally);
                        have_tally = true;
                        if (r >= 0)
                                r = add_node(txn, table, &piece, &tally, &space);
                        grown = true;
                } else {
                        r = lmdb_error(rc);
                }
                if (r < 0)
                        return r;
                key = bytes_of(key.data + LONG_KEYS_PIECE, key.size - LONG_KEYS_PIECE);
        }

        make_key(&piece, space, key, false);
        entry = as_val(&piece);
        rc = mdb_put(txn, table, &entry, &data, 0);
        if (rc)
                return lmdb_error(rc);
        return grown ? write_tally(txn, table, &tally) : 0;
}

int long_keys_get(MDB_txn *txn, MDB_dbi table, struct bytes key, struct bytes *ret_value) {
        uint64_t space = ROOT_SPACE;
        struct entry_key piece;
        MDB_val entry, found;
        int r, rc;

        if (key.size > LONG_KEYS_MAX)
                return 0;
        for (bool last = false; !last; key = bytes_of(key.data + LONG_KEYS_PIECE, key.size - LONG_KEYS_PIECE)) {
                last = key.size <= LONG_KEYS_PIECE;
                make_key(&piece, space, last ? key : bytes_of(key.data, LONG_KEYS_PIECE), !last);
                entry = as_val(&piece);
                rc = mdb_get(txn, table, &entry, &found);
                if (rc)
                        return rc == MDB_NOTFOUND ? 0 : lmdb_error(rc);
                if (last)
                        break;
                r = node_space(&found, space, &space);
                if (r < 0)
                        return r;
        }
        *ret_value = bytes_of(found.mv_data, found.mv_size);
        return 1;
}

/* 1, 0, or negative errno. */
static int space_is_empty(MDB_txn *txn, MDB_dbi table, uint64_t space) {
        struct entry_key head;
        struct bytes piece;
        MDB_cursor *cursor;
        MDB_val key, value;
        int rc;

        make_key(&head, space, BYTES_NULL, false);
        key = as_val(&head);
        rc = mdb_cursor_open(txn, table, &cursor);
        if (rc)
                return lmdb_error(rc);
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        mdb_cursor_close(cursor);
        if (rc && rc != MDB_NOTFOUND)
                return lmdb_error(rc);
        return rc == MDB_NOTFOUND || !in_space(&key, space, &piece);
}

static int remove_empty_nodes(MDB_txn *txn, MDB_dbi table, struct bytes whole, const uint64_t *spaces, size_t level) {
        struct tally tally;
        struct entry_key node;
        size_t removed = 0;
        MDB_val key;
        int r, rc;

        for (; level > 0; level--) {
                r = space_is_empty(txn, table, spaces[level]);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                make_key(&node, spaces[level - 1],
                         bytes_of(whole.data + (level - 1) * LONG_KEYS_PIECE, LONG_KEYS_PIECE), true);
                key = as_val(&node);
                rc = mdb_del(txn, table, &key, NULL);
                if (rc)
                        return rc == MDB_NOTFOUND ? -EBADMSG : lmdb_error(rc);
                removed++;
        }
        if (removed == 0)
                return 0;
        r = read_tally(txn, table, &tally);
        if (r < 0)
                return r;
        if (tally.nodes < removed)
                return -EBADMSG;
        tally.nodes -= removed;
        return write_tally(txn, table, &tally);
}

int long_keys_remove(MDB_txn *txn, MDB_dbi table, struct bytes key) {
        uint64_t spaces[LONG_KEYS_LEVELS] = { ROOT_SPACE };
        struct bytes rest = key;
        struct entry_key piece;
        MDB_val entry, found;
        size_t level = 0;
        int r, rc;

        if (key.size > LONG_KEYS_MAX)
                return 0;

        for (; rest.size > LONG_KEYS_PIECE; level++) {
                make_key(&piece, spaces[level], bytes_of(rest.data, LONG_KEYS_PIECE), true);
                entry = as_val(&piece);
                rc = mdb_get(txn, table, &entry, &found);
                if (rc == MDB_NOTFOUND)
                        return 0;
                r = rc ? lmdb_error(rc) : node_space(&found, spaces[level], &spaces[level + 1]);
                if (r < 0)
                        return r;
                rest = bytes_of(rest.data + LONG_KEYS_PIECE, rest.size - LONG_KEYS_PIECE);
        }

        make_key(&piece, spaces[level], rest, false);
        entry = as_val(&piece);
        rc = mdb_del(txn, table, &entry, NULL);
        if (rc == MDB_NOTFOUND)
                return 0;
        if (rc)
                return lmdb_error(rc);
        r = remove_empty_nodes(txn, table, key, spaces, level);
        return r < 0 ? r : 1;
}

int long_keys_count(MDB_txn *txn, MDB_dbi table, size_t *ret) {
        struct tally tally;
        MDB_stat stat;
        int r, rc;

        rc = mdb_stat(txn, table, &stat);
        if (rc)
                return lmdb_error(rc);
        r = read_tally(txn, table, &tally);
        if (r < 0)
                return r;
        if (tally.nodes > stat.ms_entries - (size_t)r)
                return -EBADMSG;
        *ret = stat.ms_entries - (size_t)r - (size_t)tally.nodes;
        return 0;
}

/* The last entry of a namespace. 1, 0 if it has none. */
static int last_entry(MDB_cursor *cursor, uint64_t space, struct bytes *ret_piece, MDB_val *ret_value) {
        struct entry_key head;
        MDB_val key;
        int rc;

        make_key(&head, space + 1, BYTES_NULL, false);
        key = as_val(&head);
        /* Behind the root's entries stand those of the namespaces, whatever their numbers. */
        if (space == ROOT_SPACE)
                key.mv_size = 1;
        rc = mdb_cursor_get(cursor, &key, ret_value, MDB_SET_RANGE);
        if (rc == 0)
                rc = mdb_cursor_get(cursor, &key, ret_value, MDB_PREV);
        else if (rc == MDB_NOTFOUND)
                rc = mdb_cursor_get(cursor, &key, ret_value, MDB_LAST);
        if (rc == MDB_NOTFOUND)
                return 0;
        if (rc)
                return lmdb_error(rc);
        return in_space(&key, space, ret_piece);
}

int long_keys_last(MDB_txn *txn, MDB_dbi table, struct buffer *ret) {
        uint64_t space = ROOT_SPACE;
        size_t size = ret->size;
        struct bytes piece;
        MDB_cursor *cursor;
        MDB_val value;
        int r;

        r = mdb_cursor_open(txn, table, &cursor);
        if (r)
                return lmdb_error(r);
        for (size_t level = 0;; level++) {
                r = last_entry(cursor, space, &piece, &value);
                if (r == 0 && level > 0)
                        r = -EBADMSG;
                if (r <= 0)
                        break;
                if (!is_node(piece)) {
                        buffer_append_bytes(ret, piece);
                        r = piece.size > LONG_KEYS_PIECE ? -EBADMSG : buffer_error(ret) < 0 ? -ENOMEM : 1;
                        break;
                }
                buffer_append(ret, piece.data, LONG_KEYS_PIECE);
                r = ret->size - size > LONG_KEYS_MAX ? -EBADMSG : node_space(&value, space, &space);
                if (r < 0)
                        break;
        }
        mdb_cursor_close(cursor);
        return r;
}

/* Goes down into a node's namespace. */
static int enter(struct long_keys_cursor *cursor, struct bytes piece, const MDB_val *value) {
        uint64_t space;
        int r;

        if (cursor->level + 1 >= LONG_KEYS_LEVELS)
                return -EBADMSG;
        r = node_space(value, cursor->spaces[cursor->level], &space);
        if (r < 0)
                return r;
        buffer_truncate(&cursor->key, cursor->level * LONG_KEYS_PIECE);
        buffer_append(&cursor->key, piece.data, LONG_KEYS_PIECE);
        if (buffer_error(&cursor->key) < 0)
                return -ENOMEM;
        cursor->spaces[++cursor->level] = space;
        return 0;
}

static void find(struct long_keys_cursor *cursor, struct entry_key *key) {
        cursor->found_key = as_val(key);
        cursor->found = mdb_cursor_get(cursor->cursor, &cursor->found_key, &cursor->found_value, MDB_SET_RANGE);
        cursor->waiting = true;
}

static void find_first(struct long_keys_cursor *cursor) {
        struct entry_key head;

        make_key(&head, cursor->spaces[cursor->level], BYTES_NULL, false);
        find(cursor, &head);
}

/* Back to the node that the present namespace hangs on: the next entry is what follows. */
static int leave(struct long_keys_cursor *cursor) {
        struct entry_key node;
        MDB_val key, value;
        int rc;

        cursor->level--;
        make_key(&node, cursor->spaces[cursor->level],
                 bytes_of(cursor->key.data + cursor->level * LONG_KEYS_PIECE, LONG_KEYS_PIECE), true);
        buffer_truncate(&cursor->key, cursor->level * LONG_KEYS_PIECE);
        key = as_val(&node);
        rc = mdb_cursor_get(cursor->cursor, &key, &value, MDB_SET);
        return rc == MDB_NOTFOUND ? -EBADMSG : lmdb_error(rc);
}

static int seek(struct long_keys_cursor *cursor, struct bytes after) {
        struct entry_key key;
        struct bytes piece;
        int r;

        while (after.size > LONG_KEYS_PIECE) {
                piece = bytes_of(after.data, LONG_KEYS_PIECE);
                make_key(&key, cursor->spaces[cursor->level], piece, true);
                find(cursor, &key);
                /* No such node: whatever follows where it would stand comes after all it could hold. */
                if (cursor->found || !is_key(&cursor->found_key, &key))
                        return 0;
                r = enter(cursor, piece, &cursor->found_value);
                if (r < 0)
                        return r;
                after = bytes_of(after.data + LONG_KEYS_PIECE, after.size - LONG_KEYS_PIECE);
        }
        make_key(&key, cursor->spaces[cursor->level], after, false);
        find(cursor, &key);
        if (cursor->found == 0 && is_key(&cursor->found_key, &key))
                cursor->waiting = false;
        return 0;
}

int long_keys_open(struct long_keys_cursor *cursor, MDB_txn *txn, MDB_dbi table, const struct bytes *after) {
        MDB_stat stat;
        int rc, r;

        cursor->level = 0;
        cursor->spaces[0] = ROOT_SPACE;
        cursor->ended = false;
        buffer_clear(&cursor->key);

        rc = mdb_stat(txn, table, &stat);
        if (rc)
                return lmdb_error(rc);
        cursor->left = stat.ms_entries;
        rc = mdb_cursor_open(txn, table, &cursor->cursor);
        if (rc) {
                cursor->cursor = NULL;
                return lmdb_error(rc);
        }
        if (!after) {
                find_first(cursor);
                return 0;
        }
        r = seek(cursor, *after);
        if (r < 0)
                long_keys_close(cursor);
        return r;
}

void long_keys_close(struct long_keys_cursor *cursor) {
        if (cursor->cursor)
                mdb_cursor_close(cursor->cursor);
        cursor->cursor = NULL;
        buffer_done(&cursor->key);
}

static int give(struct long_keys_cursor *cursor, struct bytes piece, struct bytes *ret_key) {
        if (cursor->level == 0) {
                *ret_key = piece;
                return 1;
        }
        buffer_truncate(&cursor->key, cursor->level * LONG_KEYS_PIECE);
        buffer_append_bytes(&cursor->key, piece);
        if (buffer_error(&cursor->key) < 0)
                return -ENOMEM;
        *ret_key = buffer_bytes(&cursor->key);
        return 1;
}

int long_keys_next(struct long_keys_cursor *cursor, struct bytes *ret_key, struct bytes *ret_value) {
        struct bytes piece;
        MDB_val key, value;
        int r, rc;

        while (!cursor->ended) {
                if (cursor->waiting) {
                        cursor->waiting = false;
                        rc = cursor->found;
                        key = cursor->found_key;
                        value = cursor->found_value;
                } else {
                        rc = mdb_cursor_get(cursor->cursor, &key, &value, MDB_NEXT);
                }
                if (rc && rc != MDB_NOTFOUND)
                        return lmdb_error(rc);

                if (rc == MDB_NOTFOUND || !in_space(&key, cursor->spaces[cursor->level], &piece)) {
                        if (cursor->level == 0) {
                                cursor->ended = true;
                                break;
                        }
                        r = leave(cursor);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (cursor->left-- == 0)
                        return -EBADMSG;
                if (is_node(piece)) {
                        r = enter(cursor, piece, &value);
                        if (r < 0)
                                return r;
                        find_first(cursor);
                        continue;
                }
                if (piece.size > LONG_KEYS_PIECE || (piece.size == 0 && cursor->level > 0))
                        return -EBADMSG;
                *ret_value = bytes_of(value.mv_data, value.mv_size);
                return give(cursor, piece, ret_key);
        }
        return 0;
}
