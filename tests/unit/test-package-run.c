#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "package-run.h"

static void package(struct package_run *run, const char *name, const char *before, const char *version, const char *what) {
        const struct event_package package = {
                .name = bytes_of_string(name), .before = bytes_of_string(before), .version = bytes_of_string(version), .what = what,
                .architecture = bytes_of_string("amd64"), .manager = "dpkg",
        };

        assert_int_equal(package_run_package(run, &package), 0);
}

static void file(struct package_run *run, const char *name, const char *path, enum package_run_file kind) {
        const struct provenance_answer answer = {
                .package = bytes_of_string(name), .version = bytes_of_string("2"), .architecture = bytes_of_string("amd64"), .manager = "dpkg",
        };

        assert_int_equal(package_run_file(run, &answer, bytes_of_string(path), kind), 0);
}

static void assert_sentence(const struct package_run *run, const char *who, const char *expected) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        package_run_sentence(run, who, &text);
        assert_string_equal(buffer_string(&text), expected);
}

static void test_one(void **state) {
        struct package_run *run = package_run_new();
        const struct event_packages *packages;

        (void)state;
        assert_non_null(run);
        assert_int_equal(package_run_quiet(run), 0);
        file(run, "ssl", "/a", PACKAGE_RUN_AS_PACKAGED);
        assert_sentence(run, "apt", "apt changed ssl 2: 1 file, as packaged");
        assert_false(package_run_has_packages(run));
        package(run, "ssl", "1", "2", "upgraded");
        file(run, "ssl", "/b", PACKAGE_RUN_AS_PACKAGED);
        assert_sentence(run, "apt", "apt upgraded ssl 1 to 2: 2 files, all as packaged");
        assert_sentence(run, NULL, "ssl went from 1 to 2: 2 files, all as packaged");
        packages = package_run_packages(run);
        assert_int_equal(packages->all, 1);
        assert_int_equal(packages->items[0].files, 2);
        assert_int_equal(packages->n_paths, 2);
        assert_true(bytes_equal(packages->paths[1], bytes_of_string("/b")));
        assert_true(package_run_has_packages(run));
        (void)package_run_free(run);
}

/* Of what is said of one package the first before and the last after count. */
static void test_steps(void **state) {
        struct package_run *run = package_run_new();

        (void)state;
        package(run, "a", "", "2", "installed");
        package(run, "a", "2", "2", "changed");
        file(run, "a", "/a", PACKAGE_RUN_AS_PACKAGED);
        assert_sentence(run, "dpkg", "dpkg installed a 2: 1 file, as packaged");
        assert_sentence(run, NULL, "a 2 was installed: 1 file, as packaged");
        (void)package_run_free(run);

        run = package_run_new();
        package(run, "a", "2", "", "removed");
        file(run, "", "/a", PACKAGE_RUN_GONE);
        file(run, "", "/b", PACKAGE_RUN_GONE);
        assert_sentence(run, "dpkg", "dpkg removed a 2: 2 files, all as packaged");
        assert_int_equal(package_run_packages(run)->items[0].files, 2);
        (void)package_run_free(run);
}

static void test_many(void **state) {
        struct package_run *run = package_run_new();
        char name[16];

        (void)state;
        for (int i = 0; i < PACKAGE_RUN_PACKAGES_MAX + 10; i++) {
                (void)snprintf(name, sizeof(name), "p%d", i);
                package(run, name, "1", "2", "upgraded");
                file(run, name, "/x", PACKAGE_RUN_AS_PACKAGED);
        }
        assert_sentence(run, "apt", "apt upgraded 4096 packages: 4106 files, all as packaged");
        assert_int_equal(package_run_packages(run)->count, PACKAGE_RUN_LISTED);
        assert_int_equal(package_run_packages(run)->all, PACKAGE_RUN_PACKAGES_MAX);
        assert_int_equal(package_run_packages(run)->n_paths, PACKAGE_RUN_SAMPLE);
        (void)package_run_free(run);
        run = package_run_new();
        package(run, "a", "1", "2", "upgraded");
        package(run, "b", "", "2", "installed");
        file(run, "a", "/x", PACKAGE_RUN_AS_PACKAGED);
        file(run, "a", "/y", PACKAGE_RUN_LINK);
        file(run, "", "/z", PACKAGE_RUN_ALONE);
        assert_sentence(run, "apt", "apt changed 2 packages: 1 file as packaged, and 1 symbolic link that nothing proves; 1 told on its own");
        assert_sentence(run, NULL, "2 packages were changed: 1 file as packaged, and 1 symbolic link that nothing proves; 1 told on its own");
        assert_int_equal(package_run_packages(run)->links, 1);
        (void)package_run_free(run);
}

static void test_marks(void **state) {
        struct package_run *run = package_run_new();

        (void)state;
        package(run, "a", "1", "2", "upgraded");
        file(run, "a", "/x", PACKAGE_RUN_AS_PACKAGED);
        package_run_set_mark(run, PACKAGE_RUN_KEPT);
        file(run, "a", "/y", PACKAGE_RUN_AS_PACKAGED);
        package_run_set_mark(run, PACKAGE_RUN_LOOK);
        file(run, "a", "/z", PACKAGE_RUN_AS_PACKAGED);
        file(run, "new", "/z", PACKAGE_RUN_AS_PACKAGED);
        package_run_go_back(run, PACKAGE_RUN_LOOK);
        assert_sentence(run, "apt", "apt upgraded a 1 to 2: 2 files, all as packaged");
        assert_int_equal(package_run_packages(run)->n_paths, 2);
        package_run_go_back(run, PACKAGE_RUN_KEPT);
        assert_sentence(run, "apt", "apt upgraded a 1 to 2: 1 file, as packaged");
        assert_int_equal(package_run_quiet(run), 1);
        package_run_begin_anew(run);
        assert_int_equal(package_run_quiet(run), 0);
        file(run, "a", "/z", PACKAGE_RUN_AS_PACKAGED);
        assert_sentence(run, "apt", "apt upgraded a 1 to 2: 1 file, as packaged");
        (void)package_run_free(run);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one), cmocka_unit_test(test_steps), cmocka_unit_test(test_many), cmocka_unit_test(test_marks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
