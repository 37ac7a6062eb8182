/* test-workspace.c - NAME_current.dat, NAME_previous.dat, NAME_diff.dat: what lies there at every moment. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>

#include "fd.h"
#include "host.h"
#include "workspace.h"

struct fixture {
        struct tree tree;
        int folder;
        struct workspace_document document;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        fixture->folder = open(fixture->tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fixture->folder >= 0);
        fixture->document = WORKSPACE_DOCUMENT_NULL;
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        workspace_drop(&fixture->document);
        (void)fd_close(fixture->folder);
        tree_remove(&fixture->tree);
        free(fixture);
        return 0;
}

/* What the file holds; "(none)" if it is not there. */
static void assert_holds(struct fixture *fixture, const char *name, const char *expected) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (file_read_at(fixture->folder, name, 1024 * 1024, &text) < 0)
                buffer_append_string(&text, "(none)");
        assert_string_equal(buffer_string(&text), expected);
}

static void assert_folder(struct fixture *fixture, const char *current, const char *previous, const char *diff) {
        assert_holds(fixture, "x_current.dat", current);
        assert_holds(fixture, "x_previous.dat", previous);
        assert_holds(fixture, "x_diff.dat", diff);
}

static size_t count_files(const struct fixture *fixture) {
        DIR *listing = opendir(fixture->tree.root);
        size_t count = 0;

        assert_non_null(listing);
        while (readdir(listing))
                count++;
        (void)closedir(listing);
        return count - 2;
}

static void prepare(struct fixture *fixture, const char *current, const char *diff) {
        assert_int_equal(workspace_begin(&fixture->document, fixture->folder, "x", diff != NULL), 0);
        new_file_write(&fixture->document.current, bytes_of_string(current));
        if (diff)
                new_file_write(&fixture->document.diff, bytes_of_string(diff));
        assert_int_equal(workspace_finish(&fixture->document), 0);
}

static void place(struct fixture *fixture, bool only_if_different) {
        assert_int_equal(workspace_place(&fixture->document, fixture->folder, "x", only_if_different), 0);
        /* and it holds nothing any more: it may be begun again without being dropped */
        assert_null(fixture->document.current.name);
        assert_null(fixture->document.diff.name);
        assert_int_equal(fixture->document.current.fd, -1);
}

static void test_rounds(void **state) {
        struct fixture *fixture = *state;
        struct stat status;

        prepare(fixture, "one\n", "d1\n");
        assert_folder(fixture, "(none)", "(none)", "(none)"); /* until it is placed */
        place(fixture, false);
        assert_folder(fixture, "one\n", "", "d1\n"); /* before the first there was nothing */
        assert_int_equal(fstatat(fixture->folder, "x_previous.dat", &status, 0), 0);
        assert_int_equal(status.st_mode & 0137, 0);
        assert_int_equal(fstatat(fixture->folder, "x_current.dat", &status, 0), 0);
        assert_int_equal(status.st_mode & 0137, 0);
        assert_int_equal(count_files(fixture), 3);

        prepare(fixture, "two\n", "d2\n");
        assert_folder(fixture, "one\n", "", "d1\n");
        place(fixture, false);
        assert_folder(fixture, "two\n", "one\n", "d2\n");
        prepare(fixture, "", NULL); /* without a diff the old one stays */
        place(fixture, false);
        assert_folder(fixture, "", "two\n", "d2\n");
        prepare(fixture, "", "");
        place(fixture, false);
        assert_folder(fixture, "", "", "");
        assert_int_equal(count_files(fixture), 3);
}

static void test_only_if_different(void **state) {
        static const struct {
                const char *now;
                bool moves;
        } cases[] = {
                { "one\n", false }, { "one", true }, { "one\n", true }, { "one\n", false }, { "", true }, { "", false },
        };
        struct fixture *fixture = *state;
        const char *current = "one\n", *previous = "";

        prepare(fixture, current, "d0\n");
        place(fixture, true); /* the first one is different from none */
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct stat before, after;

                assert_int_equal(fstatat(fixture->folder, "x_current.dat", &before, 0), 0);
                prepare(fixture, cases[i].now, NULL);
                place(fixture, true);
                assert_int_equal(fstatat(fixture->folder, "x_current.dat", &after, 0), 0);
                assert_int_equal(before.st_ino != after.st_ino, cases[i].moves);
                if (cases[i].moves) {
                        previous = current;
                        current = cases[i].now;
                }
                assert_folder(fixture, current, previous, "d0\n");
                assert_int_equal(count_files(fixture), 3);
        }
        prepare(fixture, current, "not this one\n");
        place(fixture, true);
        assert_folder(fixture, current, previous, "d0\n");
        assert_int_equal(count_files(fixture), 3);
}

/* What was not placed goes without a trace, at any stage; what an ended process left is replaced. */
static void test_dropped(void **state) {
        struct fixture *fixture = *state;

        prepare(fixture, "one\n", "d1\n");
        place(fixture, false);
        assert_int_equal(workspace_begin(&fixture->document, fixture->folder, "x", true), 0);
        new_file_write(&fixture->document.current, bytes_of_string("two\n"));
        assert_true(count_files(fixture) > 3);
        workspace_drop(&fixture->document);
        workspace_drop(&fixture->document);
        assert_int_equal(count_files(fixture), 3);
        prepare(fixture, "two\n", "d2\n");
        workspace_drop(&fixture->document);
        assert_int_equal(count_files(fixture), 3);
        assert_folder(fixture, "one\n", "", "d1\n");

        tree_text(&fixture->tree, "x_current.dat.new", "half of it");
        prepare(fixture, "2\n", "d2\n");
        place(fixture, false);
        assert_folder(fixture, "2\n", "one\n", "d2\n");
        assert_int_equal(count_files(fixture), 3);
}

/* Somebody tidied up, or left something in the way. */
static void test_missing(void **state) {
        struct fixture *fixture = *state;

        prepare(fixture, "one\n", "d1\n");
        place(fixture, false);
        prepare(fixture, "two\n", "d2\n");
        place(fixture, false);
        tree_delete(&fixture->tree, "x_current.dat");
        prepare(fixture, "three\n", "d3\n");
        place(fixture, true);
        assert_folder(fixture, "three\n", "one\n", "d3\n");
        tree_delete(&fixture->tree, "x_previous.dat");
        tree_delete(&fixture->tree, "x_diff.dat");
        prepare(fixture, "four\n", "d4\n");
        place(fixture, false);
        assert_folder(fixture, "four\n", "three\n", "d4\n");
}

/* A link in the way is replaced; where it leads nothing is written or made. */
static void test_links(void **state) {
        static const char *const names[] = { "x_current.dat", "x_previous.dat", "x_diff.dat", "x_current.dat.new" };
        struct fixture *fixture = *state;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                (void)unlinkat(fixture->folder, names[i], 0);
                assert_int_equal(symlinkat(i % 2 ? "precious" : "not-there", fixture->folder, names[i]), 0);
        }
        tree_text(&fixture->tree, "precious", "do not touch");
        for (int round = 0; round < 3; round++) {
                prepare(fixture, "one\n", "d1\n");
                place(fixture, false);
        }
        assert_folder(fixture, "one\n", "one\n", "d1\n");
        assert_holds(fixture, "precious", "do not touch");
        assert_holds(fixture, "not-there", "(none)");
        /* the first one makes an empty previous one */
        tree_delete(&fixture->tree, "x_current.dat");
        tree_delete(&fixture->tree, "x_previous.dat");
        assert_int_equal(symlinkat("not-there", fixture->folder, "x_previous.dat"), 0);
        prepare(fixture, "one\n", NULL);
        place(fixture, false);
        assert_holds(fixture, "not-there", "(none)");
}

static void test_failures(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(workspace_begin(&fixture->document, -1, "x", true), -EBADF);
        tree_folder(&fixture->tree, "x_diff.dat.new");
        assert_true(workspace_begin(&fixture->document, fixture->folder, "x", true) < 0);
        workspace_drop(&fixture->document);
        assert_int_equal(count_files(fixture), 1);
        tree_delete(&fixture->tree, "x_diff.dat.new");

        prepare(fixture, "one\n", "d1\n");
        place(fixture, false);
        tree_delete(&fixture->tree, "x_previous.dat");
        tree_folder(&fixture->tree, "x_previous.dat");
        prepare(fixture, "two\n", "d2\n");
        assert_true(workspace_place(&fixture->document, fixture->folder, "x", false) < 0);
        workspace_drop(&fixture->document);
        assert_holds(fixture, "x_current.dat", "two\n"); /* one of the two, whole */
        assert_int_equal(count_files(fixture), 3);

        /* what could not be written is told when it is finished */
        assert_int_equal(workspace_begin(&fixture->document, fixture->folder, "x", true), 0);
        new_file_write(&fixture->document.current, bytes_of_string("three\n"));
        new_file_write(&fixture->document.diff, bytes_of_string("d3\n"));
        fixture->document.diff.fd = fd_close(fixture->document.diff.fd);
        assert_int_equal(workspace_finish(&fixture->document), -EBADF);
        workspace_drop(&fixture->document);
        assert_holds(fixture, "x_current.dat", "two\n");
        assert_holds(fixture, "x_diff.dat", "d1\n");
}


static void test_harm(void **state) {
        struct fixture *fixture = *state;
        struct workspace_mark mark = { .known = false };

        assert_int_equal(workspace_stand(&mark, fixture->folder, "x"), WORKSPACE_STANDS); /* nothing is known yet */
        tree_text(&fixture->tree, "x_current.dat", "now\n");
        workspace_note(&mark, fixture->folder, "x");
        assert_int_equal(workspace_stand(&mark, fixture->folder, "x"), WORKSPACE_STANDS);

        tree_text(&fixture->tree, "x_current.dat", "forged\n");
        assert_int_equal(workspace_stand(&mark, fixture->folder, "x"), WORKSPACE_CHANGED);
        assert_holds(fixture, "x_current.dat", "(none)"); /* it does not become the previous one */
        assert_int_equal(workspace_stand(&mark, fixture->folder, "x"), WORKSPACE_STANDS);
        tree_text(&fixture->tree, "x_diff.dat", "< forged\n");
        assert_int_equal(workspace_stand(&mark, fixture->folder, "x"), WORKSPACE_CHANGED);
        assert_int_equal(unlinkat(fixture->folder, "x_diff.dat", 0), 0);
        assert_int_equal(workspace_stand(&mark, fixture->folder, "x"), WORKSPACE_CHANGED);
        assert_int_equal(workspace_stand(&mark, fixture->folder, "x"), WORKSPACE_STANDS);
}

#define WORKSPACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WORKSPACE_TEST(test_rounds),  WORKSPACE_TEST(test_only_if_different), WORKSPACE_TEST(test_dropped),
                WORKSPACE_TEST(test_missing), WORKSPACE_TEST(test_links),             WORKSPACE_TEST(test_failures),
                WORKSPACE_TEST(test_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
