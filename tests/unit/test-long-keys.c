#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "long-keys.h"

/* A table in a folder of its own; everything happens in one write transaction that is thrown away. */
struct place {
        char folder[32];
        MDB_env *env;
        MDB_txn *txn;
        MDB_dbi table;
};

static int set_up(void **state) {
        static struct place place;

        snprintf(place.folder, sizeof(place.folder), "/tmp/long-keys-XXXXXX");
        assert_non_null(mkdtemp(place.folder));
        assert_int_equal(mdb_env_create(&place.env), 0);
        assert_int_equal(mdb_env_set_mapsize(place.env, (size_t)1 << 30), 0);
        assert_int_equal(mdb_env_open(place.env, place.folder, MDB_NOSYNC, 0600), 0);
        assert_int_equal(mdb_txn_begin(place.env, NULL, 0, &place.txn), 0);
        assert_int_equal(mdb_dbi_open(place.txn, NULL, 0, &place.table), 0);
        *state = &place;
        return 0;
}

static int tear_down(void **state) {
        struct place *place = *state;
        char path[64];

        mdb_txn_abort(place->txn);
        mdb_env_close(place->env);
        snprintf(path, sizeof(path), "%s/data.mdb", place->folder);
        unlink(path);
        snprintf(path, sizeof(path), "%s/lock.mdb", place->folder);
        unlink(path);
        return rmdir(place->folder);
}

static uint64_t seed = 1;

static uint32_t draw(uint32_t below) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        return (uint32_t)(seed >> 33) % below;
}

/* Keys that share beginnings of every length and end round the seams. */
static struct bytes draw_key(void) {
        static const size_t lengths[] = { 0, 1, 2, 499, 500, 501, 502, 503, 999, 1000, 1001, 1002, 1500, 1501, 4200 };
        static const uint8_t letters[] = { 0x00, 0x01, 0x02, 'a', 0xff };
        size_t size = draw(3) ? lengths[draw(sizeof(lengths) / sizeof(lengths[0]))] : draw(2200);
        uint8_t *data = malloc(size + 1);

        assert_non_null(data);
        memset(data, letters[draw(2)], size);
        for (size_t changes = draw(3); changes && size; changes--) {
                size_t at = draw(2) ? size - 1 - draw(size > 4 ? 4 : (uint32_t)size) : 498 + draw(5);

                if (at < size)
                        data[at] = letters[draw(sizeof(letters))];
        }
        return bytes_of(data, size);
}

static int compare(const void *a, const void *b) {
        return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

enum { KEYS = 3000 };

static size_t draw_keys(struct bytes keys[static KEYS]) {
        size_t count = 0;

        for (size_t i = 0; i < KEYS; i++)
                keys[i] = draw_key();
        qsort(keys, KEYS, sizeof(*keys), compare);
        for (size_t i = 0; i < KEYS; i++) {
                if (count && bytes_equal(keys[count - 1], keys[i]))
                        free((void *)(uintptr_t)keys[i].data);
                else
                        keys[count++] = keys[i];
        }
        return count;
}

static void shuffle(struct bytes *keys, size_t count) {
        for (size_t i = count; i > 1; i--) {
                size_t other = draw((uint32_t)i);
                struct bytes key = keys[i - 1];

                keys[i - 1] = keys[other];
                keys[other] = key;
        }
}

static void assert_contents(struct place *place, const struct bytes *keys, size_t count, const struct bytes *after) {
        struct long_keys_cursor cursor = LONG_KEYS_CURSOR_NULL;
        struct bytes key, value;
        size_t found = 0;
        int r;

        assert_int_equal(long_keys_open(&cursor, place->txn, place->table, after), 0);
        while ((r = long_keys_next(&cursor, &key, &value)) > 0) {
                assert_true(found < count);
                assert_true(bytes_equal(key, keys[found]));
                assert_int_equal(value.size, sizeof(uint64_t));
                found++;
        }
        assert_int_equal(r, 0);
        assert_int_equal(found, count);
        assert_int_equal(long_keys_next(&cursor, &key, &value), 0);
        long_keys_close(&cursor);
}

static void put(struct place *place, struct bytes key, uint64_t number) {
        assert_int_equal(long_keys_put(place->txn, place->table, key, bytes_of(&number, sizeof(number))), 0);
}

static void test_random(void **state) {
        static struct bytes keys[KEYS], shuffled[KEYS];
        struct place *place = *state;
        size_t count = draw_keys(keys), stored;
        MDB_stat stat;

        assert_true(count > KEYS / 4);
        memcpy(shuffled, keys, sizeof(keys));
        shuffle(shuffled, count);
        for (size_t i = 0; i < count; i++) {
                put(place, shuffled[i], i);
                put(place, shuffled[i], i);
        }
        assert_int_equal(long_keys_count(place->txn, place->table, &stored), 0);
        assert_int_equal(stored, count);
        assert_contents(place, keys, count, NULL);

        /* Behind every key that is there, and behind some that are not. */
        for (size_t i = 0; i < count; i += 7)
                assert_contents(place, keys + i + 1, count - i - 1, &keys[i]);
        for (size_t i = 0; i < 300; i++) {
                struct bytes other = draw_key();
                size_t first = 0;

                while (first < count && bytes_compare(keys[first], other) <= 0)
                        first++;
                assert_contents(place, keys + first, count - first, &other);
                free((void *)(uintptr_t)other.data);
        }

        /* Away with them in any order; the last key and the count follow, and in the end nothing but the tally is
         * left. */
        for (size_t left = count; left > 0; left--) {
                _cleanup_buffer_ struct buffer last = BUFFER_NULL;
                size_t victim = draw((uint32_t)left);
                struct bytes key = keys[victim];

                assert_int_equal(long_keys_last(place->txn, place->table, &last), 1);
                assert_true(bytes_equal(buffer_bytes(&last), keys[left - 1]));
                assert_int_equal(long_keys_remove(place->txn, place->table, key), 1);
                assert_int_equal(long_keys_remove(place->txn, place->table, key), 0);
                memmove(keys + victim, keys + victim + 1, (left - victim - 1) * sizeof(*keys));
                free((void *)(uintptr_t)key.data);
                assert_int_equal(long_keys_count(place->txn, place->table, &stored), 0);
                assert_int_equal(stored, left - 1);
                if (left % 97 == 0)
                        assert_contents(place, keys, left - 1, NULL);
        }
        assert_int_equal(mdb_stat(place->txn, place->table, &stat), 0);
        assert_int_equal(stat.ms_entries, 1);
}

static void test_empty(void **state) {
        struct place *place = *state;
        struct bytes none = bytes_of("", 0), a = bytes_of_string("a");
        _cleanup_buffer_ struct buffer last = BUFFER_NULL;

        assert_contents(place, NULL, 0, NULL);
        assert_contents(place, NULL, 0, &a);
        assert_int_equal(long_keys_last(place->txn, place->table, &last), 0);
        put(place, none, 1);
        assert_contents(place, &none, 1, NULL);
        assert_contents(place, NULL, 0, &none);
        assert_int_equal(long_keys_last(place->txn, place->table, &last), 1);
        assert_int_equal(last.size, 0);
}

static void test_longest(void **state) {
        struct place *place = *state;
        uint8_t *data = malloc(LONG_KEYS_MAX + 1);
        _cleanup_buffer_ struct buffer last = BUFFER_NULL;
        struct bytes keys[2];
        uint64_t number = 1;
        MDB_stat stat;

        assert_non_null(data);
        memset(data, 'x', LONG_KEYS_MAX + 1);
        keys[0] = bytes_of(data, LONG_KEYS_MAX + 1);
        assert_int_equal(long_keys_put(place->txn, place->table, keys[0], bytes_of(&number, 8)), -ENAMETOOLONG);
        assert_int_equal(long_keys_remove(place->txn, place->table, bytes_of(data, LONG_KEYS_MAX + 1)), 0);
        keys[0] = bytes_of(data, LONG_KEYS_MAX - 1);
        keys[1] = bytes_of(data, LONG_KEYS_MAX);
        put(place, keys[1], 2);
        put(place, keys[0], 1);
        assert_contents(place, keys, 2, NULL);
        assert_contents(place, keys + 1, 1, &keys[0]);
        assert_int_equal(long_keys_last(place->txn, place->table, &last), 1);
        assert_int_equal(last.size, LONG_KEYS_MAX);
        assert_int_equal(long_keys_remove(place->txn, place->table, keys[0]), 1);
        assert_int_equal(long_keys_remove(place->txn, place->table, keys[1]), 1);
        assert_int_equal(mdb_stat(place->txn, place->table, &stat), 0);
        assert_int_equal(stat.ms_entries, 1);
        free(data);
}

static double now(void) {
        struct timespec at;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
        return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double siblings(struct place *place, size_t first, size_t count) {
        uint8_t data[4200];
        double start = now();
        struct long_keys_cursor cursor = LONG_KEYS_CURSOR_NULL;
        struct bytes key, value;
        size_t found = 0;

        memset(data, 'd', sizeof(data));
        for (size_t i = first; i < first + count; i++) {
                snprintf((char *)data + sizeof(data) - 16, 16, "%015zu", i % 1000000);
                put(place, bytes_of(data, sizeof(data)), i);
        }
        assert_int_equal(long_keys_open(&cursor, place->txn, place->table, NULL), 0);
        while (long_keys_next(&cursor, &key, &value) > 0)
                found++;
        long_keys_close(&cursor);
        assert_int_equal(found, first + count);
        return now() - start;
}

/* Ten times as many siblings below a path of 4,200 bytes: far from a hundred times the work. */
static void test_siblings(void **state) {
        double few = siblings(*state, 0, 2000), many = siblings(*state, 2000, 20000);

        print_message("2,000 siblings %.3f s, 20,000 more %.3f s\n", few, many);
        assert_true(many < 40 * few);
}

static void put_raw(struct place *place, const char *key, size_t key_size, const char *value, size_t value_size) {
        MDB_val k = { .mv_size = key_size, .mv_data = (void *)(uintptr_t)key };
        MDB_val v = { .mv_size = value_size, .mv_data = (void *)(uintptr_t)value };

        assert_int_equal(mdb_put(place->txn, place->table, &k, &v, 0), 0);
}

/* What only damage can make: nodes without number, that lead up or in circles, pieces of impossible length. */
static void test_damage(void **state) {
        static const struct {
                const char *what;
                uint8_t space;          /* where the node stands */
                char value[9];
                size_t size;
                bool bad_put;
        } nodes[] = {
                { "a short number", 0, "\0\0\0\0\0\0\1", 7, true },
                { "a number too long", 0, "\0\0\0\0\0\0\0\1\0", 9, true },
                { "leads to the root", 0, "\0\0\0\0\0\0\0\0", 8, true },
                { "leads to itself", 3, "\0\0\0\0\0\0\0\3", 8, false },
                { "leads up", 3, "\0\0\0\0\0\0\0\2", 8, false },
        };
        struct place *place = *state;
        char name[600], key[601];
        uint64_t number = 0;

        for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
                struct long_keys_cursor cursor = LONG_KEYS_CURSOR_NULL;
                struct bytes found, value;
                size_t head = 1;
                int r;

                memset(name, 'n', sizeof(name));
                memset(key, 'n', sizeof(key));
                assert_int_equal(mdb_drop(place->txn, place->table, 0), 0);
                name[0] = 0x01;
                name[501] = '\0';
                if (nodes[i].space) {
                        put_raw(place, name, 502, "\0\0\0\0\0\0\0\3", 8);
                        memcpy(name, "\2\0\0\0\0\0\0\0\3", 9);
                        head = 9;
                        name[501] = 'n';
                        name[509] = '\0';
                }
                put_raw(place, name, head + 501, nodes[i].value, nodes[i].size);
                assert_int_equal(long_keys_open(&cursor, place->txn, place->table, NULL), 0);
                while ((r = long_keys_next(&cursor, &found, &value)) > 0)
                        ;
                long_keys_close(&cursor);
                if (r != -EBADMSG)
                        fail_msg("%s: %d", nodes[i].what, r);
                if (nodes[i].bad_put)
                        assert_int_equal(long_keys_put(place->txn, place->table, bytes_of(key, 501),
                                                       bytes_of(&number, 8)),
                                         -EBADMSG);
        }

        /* Two nodes share a namespace: each step is fine, but there are more than entries. */
        assert_int_equal(mdb_drop(place->txn, place->table, 0), 0);
        for (char level = 0; level < 30; level++)
                for (char twin = 'a'; twin <= 'b'; twin++) {
                        size_t head = level ? 9 : 1;

                        memset(name, twin, sizeof(name));
                        memcpy(name, level ? "\2\0\0\0\0\0\0\0" : "\1", head);
                        if (level)
                                name[8] = level;
                        name[head + 500] = '\0';
                        put_raw(place, name, head + 501, (char[]){ 0, 0, 0, 0, 0, 0, 0, (char)(level + 1) }, 8);
                }
        put_raw(place, "\2\0\0\0\0\0\0\0\x1e" "z", 10, "", 0);
        {
                struct long_keys_cursor cursor = LONG_KEYS_CURSOR_NULL;
                struct bytes found, value;
                size_t steps = 0;
                int r;

                assert_int_equal(long_keys_open(&cursor, place->txn, place->table, NULL), 0);
                while ((r = long_keys_next(&cursor, &found, &value)) > 0)
                        steps++;
                long_keys_close(&cursor);
                assert_int_equal(r, -EBADMSG);
                assert_true(steps < 100);
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_longest, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_siblings, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        };

        seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
        print_message("seed %llu\n", (unsigned long long)seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
