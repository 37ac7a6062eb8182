#include "dpkg-tree.h"

#include <dirent.h>
#include <time.h>

#include "dpkg-check.h"
#include "dpkg-times.h"

static int setup(void **context) {
        struct dpkg_tree *is = calloc(1, sizeof(*is));

        assert_non_null(is);
        dpkg_tree_make(is);
        *context = is;
        return 0;
}

static int teardown(void **context) {
        struct dpkg_tree *is = *context;

        dpkg_tree_remove(is);
        free(is);
        return 0;
}

struct listener {
        struct provenance_findings findings;
        struct buffer text;
};

static int note(struct provenance_findings *findings, const struct provenance_finding *finding) {
        struct listener *listener = container_of(findings, struct listener, findings);

        assert_string_equal(finding->manager, "dpkg");
        buffer_append_bytes(&listener->text, finding->package);
        buffer_append_byte(&listener->text, ' ');
        buffer_append_bytes(&listener->text, finding->path);
        buffer_printf(&listener->text, " %s\n", finding->why);
        return 0;
}

static void expect(struct dpkg_tree *is, int64_t slack_ns, int answer, const char *expected) {
        struct listener listener = { .findings.finding = note };

        assert_int_equal(dpkg_check(&is->host, slack_ns, &listener.findings), answer);
        assert_string_equal(buffer_string(&listener.text), expected);
        buffer_done(&listener.text);
}

static void widen(int directory, const char *path, int64_t *first, int64_t *last) {
        struct stat file;

        if (fstatat(directory, path, &file, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(file.st_mode))
                return;
        if (*first == 0 || dpkg_times_of(&file) < *first)
                *first = dpkg_times_of(&file);
        if (dpkg_times_of(&file) > *last)
                *last = dpkg_times_of(&file);
}

/* Change times cannot be made up, so the tests wait: for as long as it took, on this machine at this moment, to write the database,
 * and a little more. From then on what is written is not of the same go. */
static int64_t settle(const struct dpkg_tree *is) {
        const int64_t margin = 50 * 1000 * 1000;
        int64_t first = 0, last = 0, slack;
        int info = host_openat(&is->host, "var/lib/dpkg/info", O_RDONLY | O_DIRECTORY);
        struct timespec wait;
        DIR *folder = fdopendir(info);

        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));)
                widen(info, entry->d_name, &first, &last);
        widen(info, "../status", &first, &last);
        widen(info, "../status-old", &first, &last);
        (void)closedir(folder);
        slack = last - first + margin;
        wait = (struct timespec){ .tv_sec = (slack + margin) / 1000000000, .tv_nsec = (slack + margin) % 1000000000 };
        assert_int_equal(nanosleep(&wait, NULL), 0);
        return slack;
}

static void make(struct dpkg_tree *is) {
        dpkg_tree_package(is, "one", "usr/share/one", "file", "one\n");
        dpkg_tree_info(is, "one.postinst", "#!/bin/sh\n");
        dpkg_tree_package(is, "two:amd64", "usr/share/two", "file", "two\n");
        dpkg_tree_info(is, "gone.list", "/.\n/etc/gone.conf\n");
        dpkg_tree_info(is, "gone.postrm", "#!/bin/sh\n");
        tree_text(&is->tree, "var/lib/dpkg/info/format", "1\n");
        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_paragraph(is, "two", "installed", "Multi-Arch: same\n");
        dpkg_tree_paragraph(is, "gone", "config-files", "");
        dpkg_tree_paragraph(is, "purged", "not-installed", "");
}

static void test_quiet(void **context) {
        struct dpkg_tree *is = *context;
        int64_t slack;

        expect(is, 0, 0, ""); /* no database */
        make(is);
        slack = settle(is);
        expect(is, slack, 0, "");
        expect(is, DPKG_TIMES_SLACK_NS, 0, "");
        /* A list that is written anew when another package takes a file over: status follows. */
        dpkg_tree_info(is, "one.list", "/.\n");
        expect(is, slack, 0, "one /var/lib/dpkg/info/one.list was written after the last run of dpkg\n");
        dpkg_tree_write_status(is);
        expect(is, slack, 0, "");
        /* Nobody reads an editor's copy. */
        dpkg_tree_info(is, "one.postinst~", "#!/bin/sh\n");
        dpkg_tree_info(is, "one.list.orig", "/.\n");
        expect(is, slack, 0, "");
}

static void test_edited(void **context) {
        struct dpkg_tree *is = *context;
        int64_t slack;
        _cleanup_free_ char *postinst = tree_path(&is->tree, "var/lib/dpkg/info/one.postinst");
        const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

        make(is);
        slack = settle(is);
        dpkg_tree_info(is, "one.md5sums", "0123456789abcdef0123456789abcdef  usr/share/one/file\n");
        dpkg_tree_info(is, "two:amd64.md5sums", "");
        expect(is, slack, 0,
               "one /var/lib/dpkg/info/one.md5sums was written later than the other files of its package\n"
               "two:amd64 /var/lib/dpkg/info/two:amd64.md5sums was written later than the other files of its package\n");
        expect(is, DPKG_TIMES_SLACK_NS, 0, "");
        dpkg_tree_write_status(is); /* the next run of dpkg does not cover it up */
        tree_text(&is->tree, "var/lib/dpkg/info/one.postinst", "#!/bin/sh\nexit 1\n");
        assert_int_equal(utimensat(AT_FDCWD, postinst, old, 0), 0); /* nor does a forged time */
        expect(is, slack, 0,
               "one /var/lib/dpkg/info/one.md5sums was written later than the other files of its package\n"
               "one /var/lib/dpkg/info/one.postinst was written later than the other files of its package\n"
               "two:amd64 /var/lib/dpkg/info/two:amd64.md5sums was written later than the other files of its package\n");
}

static void test_status(void **context) {
        struct dpkg_tree *is = *context;
        int64_t slack;

        make(is);
        slack = settle(is);
        tree_write(&is->tree, "var/lib/dpkg/status", is->status.data, is->status.size);
        expect(is, slack, 0,
               " /var/lib/dpkg/status was written by somebody else than dpkg: it is not of the moment in which dpkg put the one "
               "before it aside\n");
        dpkg_tree_write_status(is);
        expect(is, slack, 0, "");
        tree_delete(&is->tree, "var/lib/dpkg/status-old"); /* as images have it */
        tree_write(&is->tree, "var/lib/dpkg/status", is->status.data, is->status.size);
        expect(is, slack, 0, "");
}

static void test_strays(void **context) {
        struct dpkg_tree *is = *context;
        _cleanup_free_ char *list = tree_path(&is->tree, "var/lib/dpkg/info/two:amd64.list"),
                            *other = tree_path(&is->tree, "var/lib/dpkg/info/two:amd64.triggers"),
                            *mode = tree_path(&is->tree, "var/lib/dpkg/info/one.postinst");

        make(is);
        dpkg_tree_info(is, "evil.list", "/usr/bin/evil\n");
        dpkg_tree_info(is, "evil.md5sums", "");
        dpkg_tree_info(is, "purged.list", "/.\n");
        dpkg_tree_info(is, "stray.postinst", "");
        assert_int_equal(unlink(list), 0);
        assert_int_equal(symlink("/dev/null", other), 0);
        assert_int_equal(chmod(mode, 0777), 0);
        expect(is, DPKG_TIMES_SLACK_NS, 0,
               "evil /var/lib/dpkg/info/evil.list belongs to no package that is installed\n"
               "one /var/lib/dpkg/info/one.postinst can be written by others than the owner of the package database\n"
               "purged /var/lib/dpkg/info/purged.list belongs to no package that is installed\n"
               "two:amd64 /var/lib/dpkg/info/two:amd64.md5sums tells digests of a package that has no list of files\n"
               "two /var/lib/dpkg/info/two.list is missing, though its package is installed\n");
        dpkg_tree_info(is, "two:amd64.list", "/.\n");
        dpkg_tree_write_status(is);
        expect(is, DPKG_TIMES_SLACK_NS, 0,
               "evil /var/lib/dpkg/info/evil.list belongs to no package that is installed\n"
               "one /var/lib/dpkg/info/one.postinst can be written by others than the owner of the package database\n"
               "purged /var/lib/dpkg/info/purged.list belongs to no package that is installed\n"
               "two:amd64 /var/lib/dpkg/info/two:amd64.triggers is not a regular file\n");
}

static void test_at_work(void **context) {
        struct dpkg_tree *is = *context;
        _cleanup_free_ char *path = tree_path(&is->tree, "var/lib/dpkg/lock");
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        make(is);
        dpkg_tree_info(is, "evil.list", "/usr/bin/evil\n");
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        expect(is, DPKG_TIMES_SLACK_NS, 1, "");
        lock.l_type = F_UNLCK;
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        expect(is, DPKG_TIMES_SLACK_NS, 0, "evil /var/lib/dpkg/info/evil.list belongs to no package that is installed\n");
}

/* A killed dpkg: new files beside old ones, and its last steps not yet in status. */
static void test_killed(void **context) {
        struct dpkg_tree *is = *context;
        int64_t slack;

        make(is);
        slack = settle(is);
        dpkg_tree_info(is, "one.md5sums", "");
        tree_text(&is->tree, "var/lib/dpkg/updates/0001",
                  "Package: one\nStatus: install reinstreq half-installed\nArchitecture: amd64\nVersion: 1.0-1\n");
        expect(is, slack, 0, "");
}

static void test_image(void **context) {
        struct stat image = { .st_ctim = { .tv_sec = 100 }, .st_mtim = { .tv_sec = 100 } };
        struct stat edited = { .st_ctim = { .tv_sec = 1000, .tv_nsec = 1 }, .st_mtim = { .tv_sec = 1000, .tv_nsec = 1 } };
        struct stat forged = { .st_ctim = { .tv_sec = 1000, .tv_nsec = 1 }, .st_mtim = { .tv_sec = 100 } };

        (void)context;
        assert_false(dpkg_times_is_later(&image, 0, 1));
        assert_true(dpkg_times_is_later(&edited, dpkg_times_of(&image), DPKG_TIMES_SLACK_NS));
        assert_true(dpkg_times_is_later(&forged, dpkg_times_of(&image), DPKG_TIMES_SLACK_NS));
        assert_false(dpkg_times_is_later(&edited, dpkg_times_of(&edited), 0));
        assert_false(dpkg_times_is_later(&edited, INT64_C(900) * 1000000000, DPKG_TIMES_SLACK_NS));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
                cmocka_unit_test_setup_teardown(test_edited, setup, teardown),
                cmocka_unit_test_setup_teardown(test_status, setup, teardown),
                cmocka_unit_test_setup_teardown(test_strays, setup, teardown),
                cmocka_unit_test_setup_teardown(test_at_work, setup, teardown),
                cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
                cmocka_unit_test(test_image),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
