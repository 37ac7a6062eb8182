/* test-set.c - records in any order in, in key order out; what is copied, what of equal keys stays, what reuse leaves. */
#include "collect.h"

#include "set.h"

static const struct field fields[] = {
        { "name", NULL, FIELD_TEXT, 0 },
        { "size", NULL, FIELD_NUMBER, 0 },
        { "digest", NULL, FIELD_DIGEST, 0 },
        { 0 },
};
static const struct watch watch = { .kind = "test", .fields = fields };

static void add(struct set *set, const char *key, size_t key_size, const char *name, uint64_t size) {
        char *copy = strdup(name), *key_copy = malloc(key_size + 1);
        struct record record = { 0 };

        assert_non_null(copy);
        assert_non_null(key_copy);
        memcpy(key_copy, key, key_size);
        record.key = bytes_of(key_copy, key_size);
        record.values[0] = value_string(copy);
        record.values[1] = value_number(size);
        assert_int_equal(set_add(set, &record), 0);
        /* the set has its own */
        memset(copy, '#', strlen(copy));
        memset(key_copy, '#', key_size);
        free(copy);
        free(key_copy);
}

static void assert_emits(struct set *set, const char *expected) {
        struct test_collector test;

        test_collector_init(&test, &watch);
        assert_int_equal(set_emit(set, &test.collector), 0);
        assert_string_equal(buffer_string(&test.records), expected);
        test_collector_done(&test);
}

static void test_order(void **unused) {
        _cleanup_set_ struct set *set = set_new(fields);

        (void)unused;
        assert_emits(set, "");
        add(set, "b", 1, "b", 1);
        add(set, "a", 1, "a", 2);
        add(set, "a\0x", 3, "a/x", 3);
        add(set, "a-b", 3, "a-b", 4);
        add(set, "\xff", 1, "last", 5);
        add(set, "", 0, "first", 6);
        assert_int_equal(set_count(set), 6);
        assert_emits(set, "name=first size=6\nname=a size=2\nname=a/x size=3\nname=a-b size=4\nname=b size=1\n"
                          "name=last size=5\n");
        /* after it was sorted once, too */
        add(set, "aa", 2, "aa", 7);
        assert_emits(set, "name=first size=6\nname=a size=2\nname=a/x size=3\nname=a-b size=4\nname=aa size=7\n"
                          "name=b size=1\nname=last size=5\n");
}

static void test_equal_keys(void **unused) {
        _cleanup_set_ struct set *set = set_new(fields);

        (void)unused;
        for (uint64_t i = 0; i < 50; i++) {
                add(set, "k", 1, "k", i);
                add(set, "j", 1, "j", 100 + i);
        }
        assert_emits(set, "name=j size=100\nname=k size=0\n");
        assert_int_equal(set_find(set, bytes_of("k", 1))->values[1].number, 0);
        assert_int_equal(set_find(set, bytes_of("j", 1))->values[1].number, 100);
}

static void test_find(void **unused) {
        _cleanup_set_ struct set *set = set_new(fields);
        const struct record *found;

        (void)unused;
        assert_null(set_find(set, bytes_of_string("k01")));
        for (unsigned i = 0; i < 99; i++) {
                char key[8];

                (void)snprintf(key, sizeof(key), "k%02u", (i * 37) % 99);
                add(set, key, 3, key, (i * 37) % 99);
        }
        set_sort(set);
        for (unsigned i = 0; i < 99; i++) {
                char key[8];

                (void)snprintf(key, sizeof(key), "k%02u", i);
                found = set_find(set, bytes_of(key, 3));
                assert_non_null(found);
                assert_int_equal(found->values[1].number, i);
                assert_true(bytes_equal(found->values[0].bytes, bytes_of(key, 3)));
                assert_false(found->values[2].present);
                assert_null(set_find(set, bytes_of(key, 2)));
                assert_null(set_find(set, bytes_of(key, 4)));
        }
        assert_null(set_find(set, BYTES_NULL));
        assert_null(set_find(set, bytes_of_string("~")));
}

/* Larger than a block of its memory, several times; and nothing left of a round in the next. */
static void test_reuse(void **unused) {
        _cleanup_set_ struct set *set = set_new(fields);
        _cleanup_free_ char *large = malloc(100000);

        (void)unused;
        assert_non_null(large);
        memset(large, 'L', 99999);
        large[99999] = '\0';
        for (int round = 0; round < 3; round++) {
                for (unsigned i = 0; i < 2000; i++) {
                        char key[16];

                        (void)snprintf(key, sizeof(key), "%04u", (i * 1237) % 2000);
                        add(set, key, 4, i % 500 == 7 ? large : key, i);
                }
                assert_int_equal(set_count(set), 2000);
                set_sort(set);
                assert_int_equal(set_find(set, bytes_of_string("1237"))->values[1].number, 1);
                assert_int_equal(set_find(set, bytes_of_string("0659"))->values[0].bytes.size, 99999); /* 7 * 1237 */
                set_clear(set);
                assert_int_equal(set_count(set), 0);
                assert_emits(set, "");
                assert_null(set_find(set, bytes_of_string("1237")));
        }
}

static int refuse(struct collector *collector, const struct record *record) {
        struct test_collector *test = container_of(collector, struct test_collector, collector);

        return test->count == 1 ? -ENOSPC : test_record(collector, record);
}

static void test_stopped(void **unused) {
        _cleanup_set_ struct set *set = set_new(fields);
        struct test_collector test;

        (void)unused;
        test_collector_init(&test, &watch);
        test.collector.record = refuse;
        add(set, "b", 1, "b", 1);
        add(set, "a", 1, "a", 2);
        add(set, "c", 1, "c", 3);
        assert_int_equal(set_emit(set, &test.collector), -ENOSPC);
        assert_string_equal(buffer_string(&test.records), "name=a size=2\n");
        test_collector_done(&test);
        assert_null(set_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_equal_keys),
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_reuse),
                cmocka_unit_test(test_stopped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
