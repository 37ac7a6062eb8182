#include "dpkg-tree.h"

#include <errno.h>
#include <sys/file.h>

#include "text-line.h"

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

static const char *const verdicts[] = {
        [PROVENANCE_NONE] = "none", [PROVENANCE_MATCHES] = "matches", [PROVENANCE_DIFFERS] = "differs",
        [PROVENANCE_CONFIGURATION] = "configuration", [PROVENANCE_UNPROVEN] = "unproven", [PROVENANCE_UNKNOWN] = "unknown",
};

/* "verdict package told why" */
static void expect_of(struct dpkg_tree *is, struct bytes path, bool present, const char *expected) {
        struct provenance_answer answer = { .verdict = PROVENANCE_UNKNOWN };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        assert_int_equal(is->provenance->ops->ask(is->provenance, path, present, &answer), 0);
        buffer_append_string(&text, verdicts[answer.verdict]);
        if (answer.package.size) {
                assert_string_equal(answer.manager, "dpkg");
                buffer_append_byte(&text, ' ');
                buffer_append_bytes(&text, answer.package);
        }
        if (answer.told)
                buffer_printf(&text, " %s%s%s%s%s", answer.told & PROVENANCE_TYPE ? "t" : "",
                              answer.told & PROVENANCE_CONTENT ? "c" : "", answer.told & PROVENANCE_MODE ? "m" : "",
                              answer.told & PROVENANCE_OWNER ? "o" : "", answer.told & PROVENANCE_CAPABILITIES ? "C" : "");
        if (answer.why)
                buffer_printf(&text, ": %s", answer.why);
        assert_string_equal(buffer_string(&text), expected);
}

static void expect(struct dpkg_tree *is, const char *path, const char *expected) {
        expect_of(is, bytes_of_string(path), true, expected);
}

static void expect_gone(struct dpkg_tree *is, const char *path, const char *expected) {
        expect_of(is, bytes_of_string(path), false, expected);
}

static void change_mode(const struct dpkg_tree *is, const char *path, mode_t mode) {
        _cleanup_free_ char *whole = tree_path(&is->tree, path);

        assert_int_equal(chmod(whole, mode), 0);
}

static void make_link(const struct dpkg_tree *is, const char *target, const char *path) {
        _cleanup_free_ char *whole = tree_path(&is->tree, path);

        assert_int_equal(symlink(target, whole), 0);
}

static void make_fifo(const struct dpkg_tree *is, const char *path) {
        _cleanup_free_ char *whole = tree_path(&is->tree, path);

        assert_int_equal(mkfifo(whole, 0600), 0);
}

static void test_content(void **context) {
        struct dpkg_tree *is = *context;
        struct provenance_answer answer;

        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_paragraph(is, "two", "installed", "Multi-Arch: same\n");
        dpkg_tree_package(is, "one", "usr/share/one", "file", "one\n");
        dpkg_tree_package(is, "two:amd64", "usr/share/two", "file", "two\n");
        expect(is, "/usr/share/one/file", "matches one tc");
        expect(is, "/usr/share/two/file", "matches two tc");
        assert_int_equal(is->provenance->ops->ask(is->provenance, bytes_of_string("/usr/share/two/file"), true, &answer), 0);
        assert_true(bytes_equal(answer.version, bytes_of_string("1.0-1")));
        assert_true(bytes_equal(answer.architecture, bytes_of_string("amd64")));

        tree_text(&is->tree, "usr/share/one/file", "0ne\n");
        expect(is, "/usr/share/one/file", "differs one tc: content");
        tree_text(&is->tree, "usr/share/one/file", "one\n");
        expect(is, "/usr/share/one/file", "matches one tc");
        /* What dpkg does not tell is not proven: the answer says so. */
        change_mode(is, "usr/share/one/file", 04755);
        expect(is, "/usr/share/one/file", "matches one tc");

        tree_text(&is->tree, "usr/share/one/other", "one\n");
        expect(is, "/usr/share/one/other", "none");
        expect(is, "/usr/share/one/fil", "none");
        expect(is, "/usr/share/one/file/", "none");
        expect(is, "/usr/share//one/file", "none");
        expect(is, "/usr/share/two/../one/file", "none");

        tree_delete(&is->tree, "usr/share/one/file");
        expect_gone(is, "/usr/share/one/file", "differs one t: missing");
        expect(is, "/usr/share/one/file", "unknown: it changed while it was read");
        expect_gone(is, "/usr/share/one/other", "matches");
}

static void test_types(void **context) {
        struct dpkg_tree *is = *context;

        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_paragraph(is, "two", "installed", "");
        dpkg_tree_package(is, "one", "usr/share/one", "file", "one\n");
        dpkg_tree_info(is, "one.list", "/.\n/usr\n/usr/share\n/usr/share/one\n/usr/share/one/file\n/usr/share/one/link\n/var/empty\n");
        dpkg_tree_info(is, "two.list", "/.\n/usr\n/usr/share\n/usr/share/one\n/usr/share/one/two\n");
        make_link(is, "file", "usr/share/one/link");
        tree_text(&is->tree, "usr/share/one/two", "two\n");
        tree_folder(&is->tree, "var/empty");
        expect(is, "/", "matches one t");
        expect(is, "/usr/share/one", "matches one t");
        expect(is, "/usr/share/one/link", "unproven one: a symbolic link: dpkg does not tell where it is to lead");
        expect(is, "/var/empty", "unproven one: dpkg does not tell whether it is to be a folder");
        expect(is, "/usr/share/one/two", "unproven two: its package has no list of digests");
        tree_delete(&is->tree, "usr/share/one/link");
        tree_text(&is->tree, "usr/share/one/link", "no link\n");
        expect(is, "/usr/share/one/link", "unproven one: its package has no digest of it");

        tree_delete(&is->tree, "usr/share/one/file");
        make_link(is, "two", "usr/share/one/file");
        expect(is, "/usr/share/one/file", "differs one t: type");
        tree_delete(&is->tree, "usr/share/one/file");
        make_fifo(is, "usr/share/one/file");
        expect(is, "/usr/share/one/file", "differs one t: type");
        tree_delete(&is->tree, "usr/share/one/file");
        tree_folder(&is->tree, "usr/share/one/file");
        expect(is, "/usr/share/one/file", "differs one t: type");

        tree_delete(&is->tree, "usr/share/one/file");
        tree_delete(&is->tree, "usr/share/one/link");
        tree_delete(&is->tree, "usr/share/one/two");
        tree_delete(&is->tree, "usr/share/one");
        make_link(is, "/var/empty", "usr/share/one");
        expect(is, "/usr/share/one", "unproven one: a symbolic link where the package has a folder");
        tree_delete(&is->tree, "usr/share/one");
        tree_text(&is->tree, "usr/share/one", "file\n");
        expect(is, "/usr/share/one", "differs one t: type");
}

static void test_configuration(void **context) {
        struct dpkg_tree *is = *context;
        _cleanup_buffer_ struct buffer conffiles = BUFFER_NULL;
        _cleanup_free_ char *md5 = NULL;

        tree_text(&is->tree, "etc/one.conf", "as shipped\n");
        md5 = dpkg_tree_md5(is, "etc/one.conf");
        buffer_printf(&conffiles, "Conffiles:\n /etc/one.conf %s\n /etc/with blank %s obsolete\n /etc/new newconffile\n", md5, md5);
        dpkg_tree_paragraph(is, "one", "installed", buffer_string(&conffiles));
        dpkg_tree_paragraph(is, "removed", "config-files", "Conffiles:\n /etc/removed.conf 00000000000000000000000000000000\n");
        dpkg_tree_info(is, "one.list", "/.\n/etc\n/etc/one.conf\n/etc/with blank\n/etc/new\n");
        dpkg_tree_info(is, "one.md5sums", "");
        dpkg_tree_info(is, "removed.list", "/.\n/etc\n/etc/removed\n/etc/removed/left\n/etc/removed.conf\n");
        tree_text(&is->tree, "etc/with blank", "as shipped\n");
        tree_text(&is->tree, "etc/new", "new\n");
        tree_text(&is->tree, "etc/removed.conf", "mine\n");
        expect(is, "/etc/one.conf", "matches one tc");
        expect(is, "/etc/with blank", "matches one tc");
        expect(is, "/etc/new", "unproven one: a configuration file that dpkg has not put into place yet");
        expect(is, "/etc/removed.conf", "configuration removed tc: content");
        tree_text(&is->tree, "etc/one.conf", "mine\n");
        expect(is, "/etc/one.conf", "configuration one tc: content");
        tree_delete(&is->tree, "etc/one.conf");
        expect_gone(is, "/etc/one.conf", "configuration one t: missing");
        make_link(is, "/dev/null", "etc/one.conf");
        expect(is, "/etc/one.conf", "configuration one t: type");
        /* dpkg could not remove it, or the admin did: nobody misses it */
        expect_gone(is, "/etc/removed", "matches");
        expect_gone(is, "/etc/removed.conf", "configuration removed t: missing");
}

static void test_diversions(void **context) {
        struct dpkg_tree *is = *context;

        dpkg_tree_paragraph(is, "bash", "installed", "");
        dpkg_tree_paragraph(is, "dash", "installed", "");
        dpkg_tree_package(is, "bash", "usr/bin", "sh", "bash\n");
        dpkg_tree_package(is, "dash", "usr/bin", "sh", "dash\n");
        tree_text(&is->tree, "usr/bin/sh.distrib", "bash\n");
        tree_text(&is->tree, "var/lib/dpkg/diversions", "/usr/bin/sh\n/usr/bin/sh.distrib\ndash\n/usr/bin/own\n/usr/bin/own.dist\n:\n");
        expect(is, "/usr/bin/sh", "matches dash tc");
        expect(is, "/usr/bin/sh.distrib", "matches bash tc");
        tree_text(&is->tree, "usr/bin/sh", "bash\n");
        expect(is, "/usr/bin/sh", "differs dash tc: content");
        tree_text(&is->tree, "usr/bin/sh.distrib", "dash\n");
        expect(is, "/usr/bin/sh.distrib", "differs bash tc: content");

        /* The admin's own file in place of a package's. */
        dpkg_tree_paragraph(is, "own", "installed", "");
        dpkg_tree_package(is, "own", "usr/bin", "own", "packaged\n");
        expect(is, "/usr/bin/own", "none");
        tree_text(&is->tree, "usr/bin/own.dist", "packaged\n");
        expect(is, "/usr/bin/own.dist", "matches own tc");
}

static void test_usr_merge(void **context) {
        struct dpkg_tree *is = *context;

        dpkg_tree_paragraph(is, "old", "installed", "");
        dpkg_tree_paragraph(is, "new", "installed", "");
        dpkg_tree_package(is, "old", "bin", "old", "old\n");
        dpkg_tree_package(is, "new", "usr/bin", "new", "new\n");
        expect(is, "/bin/old", "matches old tc");
        expect(is, "/usr/bin/new", "matches new tc");
        tree_text(&is->tree, "usr/bin/old", "old\n");
        expect(is, "/usr/bin/old", "none"); /* two folders as yet */

        tree_delete(&is->tree, "bin/old");
        tree_delete(&is->tree, "bin");
        make_link(is, "usr/bin", "bin");
        is->provenance->ops->release(is->provenance);
        expect(is, "/bin/old", "matches old tc");
        expect(is, "/usr/bin/old", "matches old tc");
        expect(is, "/bin/new", "matches new tc");
        expect(is, "/usr/bin/new", "matches new tc");
        tree_text(&is->tree, "usr/bin/old", "bad\n");
        expect(is, "/usr/bin/old", "differs old tc: content");
        expect(is, "/usr/bin", "matches new t");
        expect(is, "/bin", "unproven old: a symbolic link where the package has a folder");
}

static void test_override(void **context) {
        struct dpkg_tree *is = *context;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_package(is, "one", "usr/lib/one", "helper", "helper\n");
        buffer_printf(&text, "#%u staff 4750 /usr/lib/one/helper\n", (unsigned)getuid());
        tree_text(&is->tree, "var/lib/dpkg/statoverride", buffer_string(&text));
        buffer_clear(&text);
        buffer_printf(&text, "root:x:0:\nstaff:x:%u:\n", (unsigned)getgid());
        tree_text(&is->tree, "etc/group", buffer_string(&text));
        change_mode(is, "usr/lib/one/helper", 04750);
        expect(is, "/usr/lib/one/helper", "matches one tcmo");
        change_mode(is, "usr/lib/one/helper", 04755);
        expect(is, "/usr/lib/one/helper", "differs one tcmo: mode");
        change_mode(is, "usr/lib/one/helper", 04750);
        buffer_clear(&text);
        buffer_printf(&text, "root:x:0:\nstaff:x:%u:\n", (unsigned)getgid() + 1);
        tree_text(&is->tree, "etc/group", buffer_string(&text));
        expect(is, "/usr/lib/one/helper", "differs one tcmo: owner");
        tree_text(&is->tree, "etc/group", "root:x:0:\n");
        expect(is, "/usr/lib/one/helper", "matches one tcm");
}

static void test_shared(void **context) {
        struct dpkg_tree *is = *context;

        /* Two architectures of one package ship the same file; one of the lists of digests is another. */
        dpkg_tree_paragraph(is, "lib", "installed", "Multi-Arch: same\n");
        buffer_printf(&is->status, "Package: lib\nStatus: install ok installed\nArchitecture: i386\nVersion: 1.0-1\n\n");
        dpkg_tree_write_status(is);
        dpkg_tree_package(is, "lib:amd64", "usr/share/doc/lib", "changelog", "other\n");
        dpkg_tree_package(is, "lib:i386", "usr/share/doc/lib", "changelog", "the same\n");
        expect(is, "/usr/share/doc/lib/changelog", "matches lib tc");
        tree_text(&is->tree, "usr/share/doc/lib/changelog", "neither\n");
        expect(is, "/usr/share/doc/lib/changelog", "differs lib tc: content");
}

static void test_no_database(void **context) {
        struct dpkg_tree *is = *context;

        tree_text(&is->tree, "usr/bin/file", "file\n");
        expect(is, "/usr/bin/file", "none");
        expect_gone(is, "/usr/bin/file", "matches");
        assert_true(is->provenance->ops->generation(is->provenance) != 0);
}

static void hold(const struct dpkg_tree *is, const char *lock, short type, int *fd) {
        struct flock how = { .l_type = type, .l_whence = SEEK_SET };

        if (*fd < 0) {
                _cleanup_free_ char *path = tree_path(&is->tree, lock);

                *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        }
        /* Of the open file, as another process would have it. */
        assert_int_equal(fcntl(*fd, F_OFD_SETLK, &how), 0);
}

static void test_generation(void **context) {
        struct dpkg_tree *is = *context;
        uint64_t before, now;
        _cleanup_close_ int lock = -1, frontend = -1;

        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_package(is, "one", "usr/share/one", "file", "one\n");
        expect(is, "/usr/share/one/file", "matches one tc");
        before = is->provenance->ops->generation(is->provenance);
        assert_int_equal(is->provenance->ops->generation(is->provenance), before);

        hold(is, "var/lib/dpkg/lock", F_WRLCK, &lock);
        now = is->provenance->ops->generation(is->provenance);
        assert_int_not_equal(now, before);
        expect(is, "/usr/share/one/file", "unknown: a package manager is at work");
        expect_gone(is, "/usr/share/one/nothing", "unknown: a package manager is at work");
        hold(is, "var/lib/dpkg/lock", F_UNLCK, &lock);
        assert_int_not_equal(is->provenance->ops->generation(is->provenance), now);
        expect(is, "/usr/share/one/file", "matches one tc");
        hold(is, "var/lib/dpkg/lock-frontend", F_WRLCK, &frontend);
        expect(is, "/usr/share/one/file", "unknown: a package manager is at work");
        hold(is, "var/lib/dpkg/lock-frontend", F_UNLCK, &frontend);

        /* A new package; an upgrade that another content belongs to; a removal. */
        before = is->provenance->ops->generation(is->provenance);
        dpkg_tree_package(is, "two", "usr/share/two", "file", "two\n");
        dpkg_tree_paragraph(is, "two", "installed", "");
        assert_int_not_equal(is->provenance->ops->generation(is->provenance), before);
        expect(is, "/usr/share/two/file", "matches two tc");
        dpkg_tree_package(is, "two", "usr/share/two", "file", "new\n");
        dpkg_tree_write_status(is);
        expect(is, "/usr/share/two/file", "matches two tc");
        buffer_clear(&is->status);
        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_paragraph(is, "two", "not-installed", "");
        expect(is, "/usr/share/two/file", "none");
        expect_gone(is, "/usr/share/two/file", "matches");
        is->provenance->ops->release(is->provenance);
        expect(is, "/usr/share/one/file", "matches one tc");
}

static void test_edited_in_place(void **context) {
        struct dpkg_tree *is = *context;
        _cleanup_free_ char *list = tree_path(&is->tree, "var/lib/dpkg/info/one.list");

        /* Nothing else of the database moves when somebody writes to a list. */
        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_package(is, "one", "usr/share/one", "file", "one\n");
        expect(is, "/usr/share/one/file", "matches one tc");
        dpkg_tree_package(is, "one", "usr/share/one", "file", "changed\n");
        expect(is, "/usr/share/one/file", "matches one tc");
        tree_text(&is->tree, "usr/share/one/file", "one\n");
        expect(is, "/usr/share/one/file", "differs one tc: content");
        assert_int_equal(unlink(list), 0);
        expect(is, "/usr/share/one/file", "none");
}

/* Lists that no dpkg wrote: each says nothing, and does no harm. */
static void test_hostile(void **context) {
        struct dpkg_tree *is = *context;
        static const char cut[] = "/.\n/usr/share/one/file\n/usr/share/one/cut";
        static const char nul[] = "/.\n/usr/share/one/nul\0more\n/usr/share/one/file\n";
        struct bytes strange = bytes_of_string("/usr/share/one/new\nline");

        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_package(is, "one", "usr/share/one", "file", "one\n");
        dpkg_tree_info(is, "one.list", "\n\n\nno path\n/\n//\n/..\n/../etc/passwd\n/usr/share/one/new\n/usr/share/one/file\n/usr/share/one/file\n");
        expect(is, "/usr/share/one/file", "matches one tc");
        expect(is, "/etc/passwd", "none");
        tree_write(&is->tree, "usr/share/one/new\nline", "x", 1);
        expect_of(is, strange, true, "none");
        tree_text(&is->tree, "var/lib/dpkg/info/one.list", cut);
        dpkg_tree_write_status(is);
        tree_text(&is->tree, "usr/share/one/cut", "x");
        expect(is, "/usr/share/one/cut", "unproven one: its package has no digest of it");
        tree_write(&is->tree, "var/lib/dpkg/info/one.list", nul, sizeof(nul) - 1);
        dpkg_tree_write_status(is);
        tree_text(&is->tree, "usr/share/one/nul", "x");
        expect(is, "/usr/share/one/nul", "none");
        expect(is, "/usr/share/one/file", "matches one tc");

        dpkg_tree_info(is, "one.md5sums", "garbage\n12  \n0123456789abcdef0123456789abcdeg  usr/share/one/file\n");
        expect(is, "/usr/share/one/file", "unproven one: its package has no digest of it");
        dpkg_tree_info(is, "evil.list", "/usr/share/one/evil\n");
        dpkg_tree_info(is, "evil.md5sums", "9dd4e461268c8034f5c8564e155c67a6  usr/share/one/evil\n");
        tree_text(&is->tree, "usr/share/one/evil", "x");
        expect(is, "/usr/share/one/evil", "none"); /* no such package */
}

static void test_unreadable(void **context) {
        struct dpkg_tree *is = *context;
        struct provenance_answer answer;

        dpkg_tree_paragraph(is, "one", "installed", "");
        dpkg_tree_paragraph(is, "two", "installed", "");
        dpkg_tree_package(is, "one", "usr/share/one", "file", "one\n");
        tree_text(&is->tree, "usr/share/one/other", "x");
        tree_text(&is->tree, "elsewhere", "/usr/share/one/other\n");
        make_link(is, "../../../../elsewhere", "var/lib/dpkg/info/two.list");
        expect(is, "/usr/share/one/file", "matches one tc");
        expect(is, "/usr/share/one/other", "unknown: a list of dpkg's cannot be read");
        expect_gone(is, "/usr/share/one/gone", "unknown: a list of dpkg's cannot be read");
        tree_delete(&is->tree, "var/lib/dpkg/info/two.list");
        make_fifo(is, "var/lib/dpkg/info/two.list");
        expect(is, "/usr/share/one/other", "unknown: a list of dpkg's cannot be read");
        tree_delete(&is->tree, "var/lib/dpkg/info/two.list");
        dpkg_tree_write_status(is);
        expect(is, "/usr/share/one/other", "none");
        tree_delete(&is->tree, "var/lib/dpkg/info/one.md5sums");
        make_fifo(is, "var/lib/dpkg/info/one.md5sums");
        expect(is, "/usr/share/one/file", "unknown: a list of dpkg's cannot be read");

        assert_int_equal(is->provenance->ops->ask(is->provenance, BYTES_NULL, true, &answer), -EINVAL);
        assert_int_equal(is->provenance->ops->ask(is->provenance, bytes_of_string("usr/x"), true, &answer), -EINVAL);
        assert_int_equal(is->provenance->ops->ask(is->provenance, bytes_of("/a\0b", 4), true, &answer), -EINVAL);
}

/* More packages than lists are kept of, asked in turn. */
static void test_many(void **context) {
        enum { PACKAGES = 50 };
        struct dpkg_tree *is = *context;
        char name[32], file[64], expected[64];

        for (int i = 0; i < PACKAGES; i++) {
                (void)snprintf(name, sizeof(name), "p%d", i);
                dpkg_tree_paragraph(is, name, "installed", "");
                dpkg_tree_package(is, name, "usr/share/many", name, name);
        }
        for (int round = 0; round < 2; round++)
                for (int i = 0; i < PACKAGES; i++) {
                        (void)snprintf(file, sizeof(file), "/usr/share/many/p%d", i);
                        (void)snprintf(expected, sizeof(expected), "matches p%d tc", i);
                        expect(is, file, expected);
                }
        expect(is, "/usr/share/many", "matches p0 t");
}

/* The machine that the tests run on, where it is one of dpkg's: all that dpkg says of its own package is so. */
static void test_this_host(void **context) {
        struct dpkg_tree *is = *context;
        struct host host = HOST_NULL;
        struct provenance *provenance;
        _cleanup_buffer_ struct buffer list = BUFFER_NULL;
        struct bytes rest, line;

        (void)is;
        assert_int_equal(host_open(&host, "/"), 0);
        if (host_read(&host, "var/lib/dpkg/info/dpkg.list", 1024 * 1024, &list) < 0) {
                host_close(&host);
                skip();
        }
        assert_int_equal(host_provenance_open(&host, &provenance), 0);
        rest = buffer_bytes(&list);
        while (text_line_next(&rest, &line)) {
                _cleanup_free_ char *path = strndup((const char *)line.data, line.size);
                struct provenance_answer answer;
                struct stat file;

                if (lstat(path, &file) < 0) /* left out by dpkg's configuration, as in containers */
                        continue;
                assert_int_equal(provenance->ops->ask(provenance, line, true, &answer), 0);
                if (answer.verdict == PROVENANCE_UNKNOWN) /* a package manager runs here just now */
                        break;
                if (strcmp(path, "/.") != 0)
                        assert_true(answer.verdict != PROVENANCE_NONE && answer.verdict != PROVENANCE_DIFFERS);
                if (S_ISREG(file.st_mode))
                        assert_true(answer.verdict == PROVENANCE_MATCHES || answer.verdict == PROVENANCE_CONFIGURATION);
        }
        provenance = host_provenance_close(provenance);
        host_close(&host);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_content, setup, teardown),
                cmocka_unit_test_setup_teardown(test_types, setup, teardown),
                cmocka_unit_test_setup_teardown(test_configuration, setup, teardown),
                cmocka_unit_test_setup_teardown(test_diversions, setup, teardown),
                cmocka_unit_test_setup_teardown(test_usr_merge, setup, teardown),
                cmocka_unit_test_setup_teardown(test_override, setup, teardown),
                cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_database, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generation, setup, teardown),
                cmocka_unit_test_setup_teardown(test_edited_in_place, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many, setup, teardown),
                cmocka_unit_test_setup_teardown(test_this_host, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
