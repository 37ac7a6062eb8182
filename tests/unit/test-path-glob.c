/* test-path-glob.c - what patterns in Path= stand for. */
#include "tree.h"

#include <errno.h>

#include "path-glob.h"

struct fixture {
        struct tree tree;
        struct host host;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        assert_int_equal(host_open(&fixture->host, fixture->tree.root), 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        host_close(&fixture->host);
        tree_remove(&fixture->tree);
        free(fixture);
        return 0;
}

__attribute__((sentinel))
static void assert_expands(const struct fixture *fixture, const char *expected, ...) {
        char *items[8];
        struct strings paths = { .items = items }, found = { .items = NULL };
        struct buffer text = BUFFER_NULL;
        va_list list;

        va_start(list, expected);
        for (char *path; (path = va_arg(list, char *));)
                items[paths.count++] = path;
        va_end(list);
        assert_int_equal(path_glob_expand(&fixture->host, &paths, &found), 0);
        for (size_t i = 0; i < found.count; i++)
                buffer_printf(&text, "%s%s", i ? " " : "", found.items[i]);
        assert_string_equal(buffer_string(&text), expected);
        buffer_done(&text);
        path_glob_done(&found);
}

static void test_expand(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *link = tree_path(&fixture->tree, "home/linked");

        tree_folder(&fixture->tree, "home/alice/.ssh");
        tree_folder(&fixture->tree, "home/bob");
        tree_folder(&fixture->tree, "home/.hidden/.ssh");
        tree_text(&fixture->tree, "home/file", "");
        tree_folder(&fixture->tree, "data");
        assert_int_equal(symlink("/data", link), 0);

        assert_expands(fixture, "/missing", "/missing", NULL);
        assert_expands(fixture, "/home/alice/.ssh /home/bob/.ssh /home/linked/.ssh", "/home/*/.ssh", NULL); /* there or not */
        assert_expands(fixture, "/home/alice /home/bob", "/home/[ab]*", NULL);
        assert_expands(fixture, "/home/file", "/home/f?le", NULL);
        assert_expands(fixture, "/home/alice/.ssh", "/h*/a*/.s*", NULL);
        assert_expands(fixture, "", "/nowhere/*/x", NULL);
        assert_expands(fixture, "", "/home/file/*", NULL);
        /* in the order of keys, none twice, none below another */
        assert_expands(fixture, "/a/b /a-c /home/alice /home/bob", "/home/bob", "/a-c", "/home/*b", "/home/alice/.ssh", "/a/b", "/home/ali*",
                       NULL);
        assert_expands(fixture, "/", "/hom?", "/", NULL);
}

static void test_too_many(void **state) {
        struct fixture *fixture = *state;
        char pattern[] = "/many/*", name[32];
        char *items[] = { pattern };
        struct strings paths = { .items = items, .count = 1 }, found = { .items = NULL };

        for (unsigned i = 0; i < PATH_GLOB_MOST + 1; i++) {
                (void)snprintf(name, sizeof(name), "many/%u", i);
                tree_text(&fixture->tree, name, "");
        }
        assert_int_equal(path_glob_expand(&fixture->host, &paths, &found), -ENOSPC);
        assert_int_equal(found.count, PATH_GLOB_MOST);
        path_glob_done(&found);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_expand, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_too_many, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
