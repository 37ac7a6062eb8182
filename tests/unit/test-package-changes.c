#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "package-changes.h"

static void add(struct package_changes *changes, const char *name, uint64_t at_ns, const uint8_t *run) {
        const struct event_package package = {
                .name = bytes_of_string(name), .before = bytes_of_string("1"), .version = bytes_of_string("2"), .what = "upgraded",
                .manager = "rpm",
        };

        assert_int_equal(package_changes_add(changes, &package, at_ns, run), 0);
}

static void test_find(void **state) {
        struct package_changes changes = { .items = NULL };

        (void)state;
        add(&changes, "a", 10, NULL);
        add(&changes, "b", 20, NULL);
        assert_non_null(package_changes_find(&changes, bytes_of_string("a"), BYTES_NULL, 10));
        assert_non_null(package_changes_find(&changes, bytes_of_string("a"), bytes_of_string("amd64"), 10));
        assert_null(package_changes_find(&changes, bytes_of_string("a"), BYTES_NULL, 11));
        assert_null(package_changes_find(&changes, bytes_of_string("c"), BYTES_NULL, 0));
        /* the oldest goes */
        for (int i = 0; i < PACKAGE_CHANGES_MAX; i++)
                add(&changes, "c", 30, NULL);
        assert_int_equal(changes.count, PACKAGE_CHANGES_MAX);
        assert_null(package_changes_find(&changes, bytes_of_string("b"), BYTES_NULL, 0));
        package_changes_done(&changes);
}

static void test_bytes(void **state) {
        struct package_changes changes = { .items = NULL }, read = { .items = NULL };
        const uint8_t run[TRANSACTION_ID_SIZE] = { 7 };
        _cleanup_buffer_ struct buffer bytes = BUFFER_NULL;

        (void)state;
        add(&changes, "a", 10, run);
        add(&changes, "finished", 10, run);
        add(&changes, "b", 20, NULL);
        changes.items[1].unfinished = false;
        package_changes_encode(&changes, &bytes);
        assert_int_equal(package_changes_decode(&read, buffer_bytes(&bytes)), 0);
        assert_int_equal(read.count, 2);
        assert_true(read.items[0].in_run);
        assert_memory_equal(read.items[0].run, run, sizeof(run));
        assert_false(read.items[1].in_run);
        assert_true(bytes_equal(read.items[1].package.name, bytes_of_string("b")));
        assert_true(bytes_equal(read.items[1].package.version, bytes_of_string("2")));
        assert_string_equal(read.items[1].package.what, "upgraded");
        assert_string_equal(read.items[1].package.manager, "rpm");
        assert_int_equal(read.items[1].at_ns, 0);
        /* cut off anywhere it is nonsense, but where a package ends */
        for (size_t size = 1, whole = 0; size < bytes.size; size++) {
                struct package_changes cut = { .items = NULL };

                whole += package_changes_decode(&cut, bytes_of(bytes.data, size)) == 0;
                assert_true(whole <= 1);
                package_changes_done(&cut);
        }
        package_changes_done(&changes);
        package_changes_done(&read);
}

/* More than the fact can hold is left out, and what is there can be read. */
static void test_room(void **state) {
        struct package_changes changes = { .items = NULL }, read = { .items = NULL };
        _cleanup_buffer_ struct buffer bytes = BUFFER_NULL;

        (void)state;
        for (int i = 0; i < PACKAGE_CHANGES_MAX; i++)
                add(&changes, "a-package-with-a-name", 10, NULL);
        package_changes_encode(&changes, &bytes);
        assert_true(bytes.size <= PACKAGE_CHANGES_BYTES_MAX);
        assert_int_equal(package_changes_decode(&read, buffer_bytes(&bytes)), 0);
        assert_true(read.count > 100);
        package_changes_done(&changes);
        package_changes_done(&read);
}

static void test_words(void **state) {
        (void)state;
        assert_string_equal(package_changes_word("package-upgraded"), "upgraded");
        assert_null(package_changes_word("package-state-changed"));
        assert_null(package_changes_word("file-modified"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find), cmocka_unit_test(test_bytes), cmocka_unit_test(test_room), cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
