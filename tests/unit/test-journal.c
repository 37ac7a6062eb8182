#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "journal.h"
#include "small-disk.h"

static char path[64];
static int folder = -1;
static struct journal journal = { .folder = -1, .file = -1 };

static int set_up(void **state) {
        struct buffer content = BUFFER_NULL;

        (void)state;
        snprintf(path, sizeof(path), "/tmp/journal-XXXXXX");
        assert_non_null(mkdtemp(path));
        folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(folder >= 0);
        assert_int_equal(journal_open(&journal, folder, &content), 0);
        assert_int_equal(content.size, 0);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        journal_done(&journal);
        unlinkat(folder, "journal", 0);
        close(folder);
        rmdir(path);
        return 0;
}

static int append(uint64_t generation, const char *payload) {
        _cleanup_buffer_ struct buffer record = BUFFER_NULL;

        journal_begin(&record);
        buffer_append_string(&record, payload);
        return journal_append(&journal, generation, &record);
}

static void text_of(struct bytes rest, struct buffer *ret) {
        struct bytes payload;
        uint64_t generation;
        int r;

        while ((r = journal_next(&rest, &generation, &payload)) > 0) {
                buffer_printf(ret, "%llu:", (unsigned long long)generation);
                buffer_append_bytes(ret, payload);
                buffer_append_byte(ret, ' ');
        }
        if (r < 0)
                buffer_printf(ret, "!%d", -r);
}

static void reopen(struct buffer *content) {
        journal_done(&journal);
        buffer_clear(content);
        assert_int_equal(journal_open(&journal, folder, content), 0);
}

static void assert_content(const char *expected) {
        _cleanup_buffer_ struct buffer content = BUFFER_NULL, found = BUFFER_NULL;
        size_t size = journal.size;

        reopen(&content);
        assert_int_equal(content.size, size);
        assert_int_equal(journal_cut(&journal, size), 0);
        text_of(buffer_bytes(&content), &found);
        assert_string_equal(buffer_string(&found), expected);
}

static void test_append(void **state) {
        (void)state;
        assert_int_equal(faccessat(folder, "journal", F_OK, 0), -1);
        assert_int_equal(append(7, "one"), 0);
        assert_int_equal(append(UINT64_MAX, "two"), 0);
        assert_content("7:one 18446744073709551615:two ");
        assert_int_equal(append(8, "three"), 0);
        assert_content("7:one 18446744073709551615:two 8:three ");
        assert_int_equal(journal_cut(&journal, JOURNAL_HEAD + 3), 0);
        assert_content("7:one ");
        assert_int_equal(append(9, "four"), 0);
        assert_content("7:one 9:four ");
        assert_int_equal(journal_cut(&journal, 0), 0);
        assert_content("");
}

static void test_sync(void **state) {
        (void)state;
        assert_int_equal(journal_sync(&journal), 0);
        assert_int_equal(append(1, "one"), 0);
        assert_true(journal.unsynced);
        assert_int_equal(journal_sync(&journal), 0);
        assert_false(journal.unsynced);
        assert_content("1:one ");
        assert_true(journal.unsynced); /* of whoever wrote it nobody knows whether he synced it */
        assert_int_equal(append(1, "two"), 0);
        assert_int_equal(journal_cut(&journal, 0), 0);
        assert_false(journal.unsynced);
}

static void test_torn_and_flipped(void **state) {
        _cleanup_buffer_ struct buffer content = BUFFER_NULL;
        const size_t first = JOURNAL_HEAD + 3;

        (void)state;
        assert_int_equal(append(1, "one"), 0);
        assert_int_equal(append(1, "second"), 0);
        reopen(&content);
        for (size_t size = 0; size <= content.size; size++) {
                _cleanup_buffer_ struct buffer found = BUFFER_NULL;
                uint8_t *copy = malloc(size + 1);

                assert_non_null(copy);
                memcpy(copy, content.data, size);
                text_of(bytes_of(copy, size), &found);
                assert_string_equal(buffer_string(&found), size == 0 ? "" : size < first ? "!74" : size == first ? "1:one " :
                                    size < content.size ? "1:one !74" : "1:one 1:second ");
                free(copy);
        }
        for (size_t bit = first * 8; bit < content.size * 8; bit++) {
                _cleanup_buffer_ struct buffer found = BUFFER_NULL;

                content.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
                text_of(buffer_bytes(&content), &found);
                content.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
                assert_string_equal(buffer_string(&found), "1:one !74");
        }
}

/* Zeros, as a filesystem leaves them after a power cut, are no records. */
static void test_zeros(void **state) {
        uint8_t zeros[64] = { 0 };
        struct bytes rest = bytes_of(zeros, sizeof(zeros)), payload;
        uint64_t generation;

        (void)state;
        assert_int_equal(journal_next(&rest, &generation, &payload), -EBADMSG);
}

static void test_full(void **state) {
        _cleanup_buffer_ struct buffer record = BUFFER_NULL;
        int r;

        (void)state;
        for (size_t i = 0;; i++) {
                journal_begin(&record);
                buffer_append_fill(&record, 'x', 1 << 20);
                r = journal_append(&journal, 1, &record);
                if (r < 0)
                        break;
                assert_true(i < 8);
        }
        assert_int_equal(r, -ENOBUFS);
        assert_true(journal.size > 7 << 20);
        assert_int_equal(append(1, "still fits"), 0);
        assert_int_equal(journal_cut(&journal, 0), 0);
        journal_begin(&record);
        buffer_append_fill(&record, 'x', JOURNAL_SIZE_MAX);
        assert_int_equal(journal_append(&journal, 1, &record), -ENOBUFS);
}

/* What was written before the disk was full goes again. */
static void test_half_written(void **state) {
        struct stat status;

        (void)state;
        assert_int_equal(append(1, "one"), 0);
        limit_files(JOURNAL_HEAD + 3 + 10);
        assert_int_equal(append(1, "too much"), -EFBIG);
        limit_files(RLIM_INFINITY);
        assert_int_equal(fstatat(folder, "journal", &status, 0), 0);
        assert_int_equal(status.st_size, JOURNAL_HEAD + 3);
        assert_int_equal(append(1, "two"), 0);
        assert_content("1:one 1:two ");
}

/* Whatever else lies there is no journal, and is not followed. */
static void test_not_a_file(void **state) {
        _cleanup_buffer_ struct buffer content = BUFFER_NULL;

        (void)state;
        assert_int_equal(symlinkat("/etc/passwd", folder, "journal"), 0);
        assert_int_equal(append(1, "x"), -ELOOP);
        reopen(&content);
        assert_int_equal(content.size, 0);
        assert_int_equal(mkfifoat(folder, "journal", 0600), 0);
        reopen(&content);
        assert_int_equal(append(1, "one"), 0);
        assert_content("1:one ");
        journal_done(&journal);
        assert_int_equal(unlinkat(folder, "journal", 0), 0);
        assert_int_equal(mkdirat(folder, "journal", 0700), 0);
        assert_int_equal(journal_open(&journal, folder, &content), -EISDIR);
        assert_int_equal(unlinkat(folder, "journal", AT_REMOVEDIR), 0);
}

/* However long the file is, no more is read than a journal has. */
static void test_huge(void **state) {
        _cleanup_buffer_ struct buffer content = BUFFER_NULL;

        (void)state;
        assert_int_equal(append(1, "one"), 0);
        assert_int_equal(ftruncate(journal.file, (off_t)1 << 36), 0);
        reopen(&content);
        assert_int_equal(content.size, JOURNAL_SIZE_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_append, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_sync, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_torn_and_flipped, set_up, tear_down),
                cmocka_unit_test(test_zeros),
                cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_half_written, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_not_a_file, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_huge, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
