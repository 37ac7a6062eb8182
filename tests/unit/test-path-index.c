#include "tree.h"

#include <errno.h>

#include "dpkg-info.h"
#include "path-index.h"
#include "path-table.h"

static void test_index(void **context) {
        struct path_index index = PATH_INDEX_NULL;
        enum { PACKAGES = 40, PATHS = 1000 };
        char name[32];
        size_t place, package;

        (void)context;
        assert_int_equal(path_index_sort(&index), 0);
        place = path_index_find(&index, 7);
        assert_false(path_index_next(&index, 7, &place, &package));
        for (size_t p = 0; p < PACKAGES; p++) {
                assert_int_equal(path_index_add(&index, path_hash(1, bytes_of_string("shared")), p), 0);
                for (size_t i = 0; i < PATHS; i++) {
                        (void)snprintf(name, sizeof(name), "p%zu/%zu", p, i);
                        assert_int_equal(path_index_add(&index, path_hash(1, bytes_of_string(name)), p), 0);
                }
                assert_int_equal(path_index_add(&index, path_hash(1, bytes_of_string("shared")), p), 0);
        }
        assert_int_equal(path_index_sort(&index), 0);
        for (size_t i = 1; i < index.count; i++)
                assert_true(index.entries[i - 1] <= index.entries[i]);
        for (size_t p = 0; p < PACKAGES; p++)
                for (size_t i = 0; i < PATHS; i++) {
                        uint64_t hash;

                        (void)snprintf(name, sizeof(name), "p%zu/%zu", p, i);
                        hash = path_hash(1, bytes_of_string(name));
                        place = path_index_find(&index, hash);
                        assert_true(path_index_next(&index, hash, &place, &package) && package == p);
                        assert_false(path_index_next(&index, hash, &place, &package));
                }
        place = path_index_find(&index, path_hash(1, bytes_of_string("shared")));
        for (size_t p = 0; p < PACKAGES; p++) /* in order, each once */
                assert_true(path_index_next(&index, path_hash(1, bytes_of_string("shared")), &place, &package) && package == p);
        assert_false(path_index_next(&index, path_hash(1, bytes_of_string("shared")), &place, &package));
        assert_int_equal(path_index_add(&index, 1, PATH_INDEX_PACKAGES_MAX), -EFBIG);
        path_index_done(&index);
}

static void test_hash(void **context) {
        uint8_t text[64] = { 0 };

        (void)context;
        /* Every length and every byte counts. */
        for (size_t size = 1; size < sizeof(text); size++) {
                uint64_t hash = path_hash(5, bytes_of(text, size));

                assert_true(hash != path_hash(5, bytes_of(text, size - 1)) && hash != path_hash(6, bytes_of(text, size)));
                for (size_t i = 0; i < size; i++) {
                        text[i] = 1;
                        assert_true(hash != path_hash(5, bytes_of(text, size)));
                        text[i] = 0;
                }
        }
}

static void fill(struct path_table *table, const char *lines, unsigned merged) {
        struct buffer text = BUFFER_NULL;

        buffer_append_string(&text, lines);
        assert_int_equal(path_table_make(table, &text, dpkg_info_list_path, 3, merged), 0);
        assert_int_equal(text.size, 0);
}

static bool finds(const struct path_table *table, const char *path, const char *rest_is) {
        struct bytes line, rest;

        return path_table_find(table, bytes_of_string(path), &line, &rest) && bytes_equal(rest, bytes_of_string(rest_is));
}

static void test_table(void **context) {
        struct path_table table = PATH_TABLE_NULL;
        struct bytes line, rest;

        (void)context;
        assert_false(path_table_find(&table, bytes_of_string("x"), &line, &rest));
        fill(&table, "", 0);
        assert_false(path_table_find(&table, bytes_of_string("x"), &line, &rest));
        fill(&table, "/a\n\nnone\n/b/c\n/a\n/usr/bin/x\n/bin/y", 0);
        assert_true(finds(&table, "a", "\nnone\n/b/c\n/a\n/usr/bin/x\n/bin/y"));
        assert_true(finds(&table, "b/c", "/a\n/usr/bin/x\n/bin/y"));
        assert_true(finds(&table, "bin/y", ""));
        assert_false(finds(&table, "usr/bin/y", ""));
        assert_false(finds(&table, "none", ""));
        assert_false(path_table_find(&table, BYTES_NULL, &line, &rest));
        fill(&table, "/usr/bin/x\n/bin/y\n/usr/bin\n/bin\n/usr/binary/z\n/usr/lib/l\n", 1); /* only "bin" */
        assert_true(finds(&table, "bin/x", "/bin/y\n/usr/bin\n/bin\n/usr/binary/z\n/usr/lib/l\n"));
        assert_true(finds(&table, "bin/y", "/usr/bin\n/bin\n/usr/binary/z\n/usr/lib/l\n"));
        assert_true(finds(&table, "usr/bin", "/bin\n/usr/binary/z\n/usr/lib/l\n"));
        assert_true(finds(&table, "bin", "/usr/binary/z\n/usr/lib/l\n"));
        assert_true(finds(&table, "usr/binary/z", "/usr/lib/l\n"));
        assert_true(finds(&table, "usr/lib/l", ""));
        path_table_done(&table);
        path_table_done(&table);
}

/* The same line a hundred thousand times must not cost a hundred thousand times a hundred thousand looks. */
static void test_repeated(void **context) {
        struct path_table table = PATH_TABLE_NULL;
        struct buffer text = BUFFER_NULL;
        struct bytes line, rest;

        (void)context;
        for (int i = 0; i < 100000; i++)
                buffer_append_string(&text, "/the/same/line\n");
        assert_int_equal(path_table_make(&table, &text, dpkg_info_list_path, 3, 0), 0);
        assert_true(path_table_find(&table, bytes_of_string("the/same/line"), &line, &rest));
        path_table_done(&table);
        (void)buffer_room(&text, PATH_TABLE_TEXT_MAX + 1);
        buffer_append_fill(&text, '/', PATH_TABLE_TEXT_MAX + 1);
        assert_int_equal(path_table_make(&table, &text, dpkg_info_list_path, 3, 0), -EFBIG);
        buffer_done(&text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_index), cmocka_unit_test(test_hash), cmocka_unit_test(test_table),
                cmocka_unit_test(test_repeated),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
