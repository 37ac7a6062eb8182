#include "collect.h"
#include "tree.h"

#include <sys/mman.h>

#include "host.h"
#include "packages.h"

/* A helper that answers with a text, or with an errno. */
struct helper {
        struct host_helper helper;
        const char *text;
        int seals, answer;
        size_t asked;
};

static int helper_database(struct host_helper *base, int *ret_fd) {
        struct helper *helper = container_of(base, struct helper, helper);
        int fd;

        helper->asked++;
        if (helper->answer < 0)
                return helper->answer;
        fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, helper->text, strlen(helper->text)), (ssize_t)strlen(helper->text));
        assert_int_equal(fcntl(fd, F_ADD_SEALS, helper->seals), 0);
        *ret_fd = fd;
        return 0;
}

struct fixture {
        struct tree tree;
        struct host host;
        struct helper helper;
        struct watch_settings settings;
        struct test_collector test;
        void *state;
};

static int setup(void **context) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        assert_int_equal(host_open(&fixture->host, fixture->tree.root), 0);
        fixture->helper = (struct helper){
                .helper.rpm_database = helper_database,
                .seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
        };
        fixture->host.helper = &fixture->helper.helper;
        test_collector_init(&fixture->test, &watch_packages);
        assert_int_equal(watch_packages.open(&fixture->settings, &fixture->host, &fixture->state), 0);
        *context = fixture;
        return 0;
}

static int teardown(void **context) {
        struct fixture *fixture = *context;

        watch_packages.close(fixture->state);
        test_collector_done(&fixture->test);
        host_close(&fixture->host);
        tree_remove(&fixture->tree);
        free(fixture);
        return 0;
}

static void expect(struct fixture *fixture, int answer, const char *records, const char *conditions) {
        assert_int_equal(test_collect(&fixture->test, fixture->state), answer);
        if (answer == WATCH_OK)
                assert_string_equal(buffer_string(&fixture->test.records), records);
        assert_string_equal(buffer_string(&fixture->test.conditions), conditions);
}

#define STATUS "var/lib/dpkg/status"
#define INSTALLED(name, version) \
        "Package: " name "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " version "\n\n"
#define DPKG_RECORD(name, version) \
        "name=" name " version=" version " architecture=amd64 manager=dpkg status=install ok installed abbreviation=ii \n"
#define RPM(name, version) \
        "Package: " name "\nStatus: install ok installed\nArchitecture: noarch\nVersion: " version "\nDescription: s\n\n"
#define RPM_RECORD(name, version, nevra) \
        "name=" name " version=" version " architecture=noarch manager=rpm status=install ok installed " \
        "description=s nevra=" nevra "\n"

static void test_dpkg(void **context) {
        struct fixture *fixture = *context;

        tree_text(&fixture->tree, STATUS,
                  "Package: libz\nStatus: hold reinstreq half-installed\nArchitecture: i386\n\n"
                  "Package: hello\nStatus: install ok installed\nPriority: optional\nMulti-Arch: foreign\n"
                  "Architecture: amd64\nVersion: 2.10-3\nDescription: example package\n long\n\n"
                  "Package: gone\nStatus: unknown ok not-installed\nArchitecture: amd64\n\n"
                  "Package: libz\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDescription: z\n\n"
                  "Package: hello-old\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1:2\n"
                  "Description: old\n\n"
                  "Package: plain\nStatus: install ok unpacked\n");
        expect(fixture, WATCH_OK,
               "name=hello version=2.10-3 architecture=amd64 manager=dpkg status=install ok installed abbreviation=ii  description=example package\n"
               "name=hello-old version=1:2 architecture=all manager=dpkg status=deinstall ok config-files abbreviation=rc  description=old\n"
               "name=libz version=1 architecture=amd64 manager=dpkg status=install ok installed abbreviation=ii  description=z\n"
               "name=libz architecture=i386 manager=dpkg status=hold reinstreq half-installed abbreviation=hHR\n"
               "name=plain manager=dpkg status=install ok unpacked abbreviation=iU \n",
               "");
        assert_int_equal(fixture->helper.asked, 0);
}

static void test_malformed(void **context) {
        struct fixture *fixture = *context;

        tree_text(&fixture->tree, STATUS,
                  "rubbish\n\x1b[2J\xff\n\n" INSTALLED("b", "1") "Status: install ok installed\nVersion: 9\n\n"
                  INSTALLED("a", "1") "Package: c\nStatus: install ok inst");
        expect(fixture, WATCH_OK,
               DPKG_RECORD("a", "1") DPKG_RECORD("b", "1")
               "name=c manager=dpkg status=install ok inst abbreviation=i? \n",
               "dpkg's database is damaged: 2 paragraphs without a package name "
               "and 2 lines without a field passed over\n");
        tree_text(&fixture->tree, STATUS, "");
        expect(fixture, WATCH_OK, "", "");
}

static void test_huge(void **context) {
        struct fixture *fixture = *context;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        _cleanup_free_ char *path = tree_path(&fixture->tree, STATUS);

        for (unsigned i = 0; i < 20000; i++) {
                buffer_printf(&text, "Package: p%u\nStatus: install ok installed\nVersion: 1\nDescription: ", i % 19000);
                buffer_append_fill(&text, 'd', i == 77 ? 4 * 1024 * 1024 : 20);
                buffer_append_string(&text, "\n\n");
        }
        tree_write(&fixture->tree, STATUS, text.data, text.size);
        assert_int_equal(test_collect(&fixture->test, fixture->state), WATCH_OK);
        assert_int_equal(fixture->test.count, 19000);

        /* One byte more than the limit, all of it a hole. */
        assert_int_equal(truncate(path, 256 * 1024 * 1024 + 1), 0);
        assert_int_equal(test_collect(&fixture->test, fixture->state), -EFBIG);
}

static void test_last_paragraph_counts(void **context) {
        struct fixture *fixture = *context;

        tree_text(&fixture->tree, STATUS, INSTALLED("a", "2") INSTALLED("a", "1"));
        expect(fixture, WATCH_OK, DPKG_RECORD("a", "1"), "");
}

/* What a killed dpkg left counts, what a running one writes does not. */
static void test_updates(void **context) {
        struct fixture *fixture = *context;
        _cleanup_free_ char *path = tree_path(&fixture->tree, "var/lib/dpkg/lock");
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        struct stamp free_stamp, locked_stamp;
        int fd;

        tree_text(&fixture->tree, STATUS, INSTALLED("a", "1") INSTALLED("b", "1"));
        tree_text(&fixture->tree, "var/lib/dpkg/updates/0001",
                  "Package: a\nArchitecture: amd64\nStatus: purge ok not-installed\n");
        tree_text(&fixture->tree, "var/lib/dpkg/updates/0000", INSTALLED("a", "2"));
        tree_text(&fixture->tree, "var/lib/dpkg/updates/0002", INSTALLED("c", "1"));
        tree_text(&fixture->tree, "var/lib/dpkg/updates/tmp.i", INSTALLED("half", "1"));
        tree_text(&fixture->tree, "var/lib/dpkg/lock", "");
        expect(fixture, WATCH_OK, DPKG_RECORD("b", "1") DPKG_RECORD("c", "1"), "");

        assert_int_equal(watch_packages.stamp(fixture->state, &free_stamp), 0);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        expect(fixture, WATCH_OK, DPKG_RECORD("a", "1") DPKG_RECORD("b", "1"), "");
        assert_int_equal(watch_packages.stamp(fixture->state, &locked_stamp), 0);
        assert_memory_not_equal(free_stamp.data, locked_stamp.data, free_stamp.size);
        (void)close(fd);
}

static void test_nothing_there(void **context) {
        struct fixture *fixture = *context;

        expect(fixture, WATCH_E_UNAVAILABLE, NULL, "no package database that can be read: neither dpkg's nor rpm's\n");
        tree_folder(&fixture->tree, "var/lib/dpkg");
        expect(fixture, WATCH_E_UNAVAILABLE, NULL,
               "/var/lib/dpkg is there but has no status file\n"
               "no package database that can be read: neither dpkg's nor rpm's\n");
}

static void test_rpm(void **context) {
        static const char *const places[] = {
                "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "var/lib/rpm/Packages.db",
                "usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db",
        };
        struct fixture *fixture = *context;

        fixture->helper.text = RPM("tiny", "2:1.0-1")
                "Package: gpg-pubkey\nStatus: install ok installed\nVersion: fd431d51-4ae0493b\nDescription: key\n\n"
                RPM("bash", "5.2-1");
        for (size_t i = 0; i < ELEMENTS(places); i++) {
                tree_text(&fixture->tree, places[i], "x");
                expect(fixture, WATCH_OK,
                       RPM_RECORD("bash", "5.2-1", "bash-5.2-1.noarch")
                       "name=gpg-pubkey version=fd431d51-4ae0493b manager=rpm status=install ok installed description=key "
                       "nevra=gpg-pubkey-fd431d51-4ae0493b\n"
                       RPM_RECORD("tiny", "2:1.0-1", "tiny-1.0-1.noarch"), "");
                tree_delete(&fixture->tree, places[i]);
        }
        assert_int_equal(fixture->helper.asked, ELEMENTS(places));
}

static void test_both(void **context) {
        struct fixture *fixture = *context;

        tree_text(&fixture->tree, STATUS, INSTALLED("z", "1"));
        tree_text(&fixture->tree, "var/lib/rpm/rpmdb.sqlite", "x");
        fixture->helper.text = RPM("a", "1-1");
        expect(fixture, WATCH_OK, DPKG_RECORD("z", "1") RPM_RECORD("a", "1-1", "a-1-1.noarch"), "");
}

static void test_rpm_trouble(void **context) {
        struct fixture *fixture = *context;

        tree_text(&fixture->tree, "var/lib/rpm/rpmdb.sqlite", "x");
        fixture->helper.answer = -EAGAIN;
        expect(fixture, WATCH_E_BUSY, NULL, "");
        fixture->helper.answer = -EIO;
        expect(fixture, -EIO, NULL, "rpm database found, but it cannot be read: Input/output error\n");
        fixture->helper.helper.why = "it is no database";
        expect(fixture, -EIO, NULL, "rpm database found, but it cannot be read: it is no database\n");
        fixture->helper.helper.why = NULL;
        fixture->helper.answer = -EOPNOTSUPP;
        expect(fixture, WATCH_E_UNAVAILABLE, NULL,
               "rpm database found, but this build cannot read it\n"
               "no package database that can be read: neither dpkg's nor rpm's\n");

        tree_text(&fixture->tree, STATUS, INSTALLED("z", "1"));
        expect(fixture, WATCH_OK, DPKG_RECORD("z", "1"),
               "rpm database found, but this build cannot read it\n");
        fixture->host.helper = NULL;
        expect(fixture, WATCH_OK, DPKG_RECORD("z", "1"),
               "rpm database found, but this build cannot read it\n");
        fixture->host.helper = &fixture->helper.helper;
        fixture->helper.answer = -EIO;
        expect(fixture, WATCH_OK, DPKG_RECORD("z", "1"),
               "rpm database found, but it cannot be read: Input/output error\n");

        /* Once seen, rpm's packages are not left out: the round fails instead. */
        fixture->helper.answer = 0;
        fixture->helper.text = "";
        expect(fixture, WATCH_OK, DPKG_RECORD("z", "1"), "");
        fixture->helper.answer = -EIO;
        expect(fixture, -EIO, NULL, "rpm database found, but it cannot be read: Input/output error\n");
        fixture->helper.answer = 0;
        fixture->helper.seals = F_SEAL_WRITE;
        fixture->helper.text = RPM("a", "1-1");
        expect(fixture, -EBADMSG, NULL, "rpm database found, but it cannot be read: Bad message\n");
}

/* Several versions of one name: all are shown, each with a key of its own, in order. */
static void test_several_versions(void **context) {
        struct fixture *fixture = *context;

        tree_text(&fixture->tree, "var/lib/rpm/rpmdb.sqlite", "x");
        fixture->helper.text = RPM("kernel", "6.9-1") RPM("kernel", "6.10-1") RPM("kernel", "6.10-1")
                RPM("a", "1.9-1") RPM("a", "1.10-1") RPM("a", "1.2-1") RPM("a", "1.10-1");
        expect(fixture, WATCH_OK,
               RPM_RECORD("a", "1.10-1", "a-1.10-1.noarch") RPM_RECORD("a", "1.2-1", "a-1.2-1.noarch")
               RPM_RECORD("a", "1.9-1", "a-1.9-1.noarch") RPM_RECORD("kernel", "6.10-1", "kernel-6.10-1.noarch")
               RPM_RECORD("kernel", "6.9-1", "kernel-6.9-1.noarch"), "");
        assert_memory_equal(fixture->test.key.data, "rpm\0kernel\0noarch\0006.9-1", 23);
        assert_int_equal(fixture->test.key.size, 23);
}

static void test_stamp(void **context) {
        struct fixture *fixture = *context;
        struct stamp stamps[6];

        tree_text(&fixture->tree, STATUS, INSTALLED("a", "1"));
        tree_text(&fixture->tree, "var/lib/rpm/rpmdb.sqlite", "x");
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[0]), 0);
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[1]), 0);
        assert_memory_equal(stamps[0].data, stamps[1].data, stamps[0].size);

        /* Asking librpm makes an empty journal where there was none: that must not make us ask again. */
        tree_text(&fixture->tree, "var/lib/rpm/rpmdb.sqlite-wal", "");
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[1]), 0);
        assert_memory_equal(stamps[0].data, stamps[1].data, stamps[0].size);

        tree_text(&fixture->tree, "var/lib/rpm/rpmdb.sqlite-wal", "y");
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[1]), 0);
        tree_text(&fixture->tree, STATUS, INSTALLED("a", "10"));
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[2]), 0);
        tree_text(&fixture->tree, "var/lib/dpkg/updates/0000", "");
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[3]), 0);
        tree_delete(&fixture->tree, "var/lib/rpm/rpmdb.sqlite");
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[4]), 0);
        tree_delete(&fixture->tree, STATUS);
        assert_int_equal(watch_packages.stamp(fixture->state, &stamps[5]), 0);
        for (size_t i = 0; i < ELEMENTS(stamps); i++)
                for (size_t j = i + 1; j < ELEMENTS(stamps); j++)
                        assert_memory_not_equal(stamps[i].data, stamps[j].data, stamps[i].size);
        assert_int_equal(fixture->helper.asked, 0);
}

static struct record make_record(const char *manager, const char *version, const char *status) {
        struct record record = { 0 };

        record.values[fields_find(watch_packages.fields, "name")] = value_string("hello");
        record.values[fields_find(watch_packages.fields, "manager")] = value_string(manager);
        record.values[fields_find(watch_packages.fields, "version")] = value_string(version);
        record.values[fields_find(watch_packages.fields, "status")] = value_string(status);
        return record;
}

static void test_classify(void **context) {
        static const char installed[] = "install ok installed", remains[] = "deinstall ok config-files";
        static const struct {
                const char *manager, *before, *before_status, *after, *after_status, *action, *sentence;
        } cases[] = {
                { "dpkg", NULL, NULL, "1", installed, "package-installed", " was installed" },
                { "dpkg", "1", installed, NULL, NULL, "package-removed", " was removed" },
                { "dpkg", "1", installed, "1", remains, "package-removed", "its configuration files stay" },
                { "dpkg", "1", remains, "2", installed, "package-installed", "its configuration files were there" },
                { "dpkg", "1", remains, NULL, NULL, "package-removed", "the configuration files of" },
                { "dpkg", NULL, NULL, "1", remains, "package-changed", "left configuration files" },
                { "dpkg", "2.9", installed, "2.10", installed, "package-upgraded", "upgraded from {before.version} to" },
                { "dpkg", "1:1", installed, "2", installed, "package-downgraded", "downgraded from" },
                { "dpkg", "1.0^1", installed, "1.0.1", installed, "package-downgraded", "downgraded from" },
                { "rpm", "1.0^1-1", installed, "1.0.1-1", installed, "package-upgraded", "upgraded from" },
                { "dpkg", "1.0", installed, "1.00", installed, "package-changed", NULL },
                { "dpkg", "1", installed, "1", "hold ok installed", "package-changed", NULL },
                { "dpkg", NULL, "install ok half-installed", "1", installed, "package-changed", NULL },
                { "dpkg", "1", "install ok unpacked", "1", installed, "package-state-changed", "went from" },
                { "dpkg", "1", installed, "1", "install ok triggers-pending", "package-state-changed", "went from" },
                { "dpkg", "1", "install reinstreq half-installed", "1", installed, "package-changed", NULL },
        };

        (void)context;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct record before = make_record(cases[i].manager, cases[i].before, cases[i].before_status);
                struct record after = make_record(cases[i].manager, cases[i].after, cases[i].after_status);
                struct change change = {
                        .kind = !cases[i].before_status  ? CHANGE_APPEARED
                                : !cases[i].after_status ? CHANGE_VANISHED
                                                         : CHANGE_CHANGED,
                        .fields = watch_packages.fields,
                        .before = cases[i].before_status ? &before : NULL,
                        .after = cases[i].after_status ? &after : NULL,
                };
                const struct action *action = watch_packages.classify(&change);

                if (!action)
                        action = change.kind == CHANGE_APPEARED   ? &watch_packages.appeared
                                 : change.kind == CHANGE_VANISHED ? &watch_packages.vanished
                                                                  : &watch_packages.changed;
                assert_string_equal(action->action, cases[i].action);
                assert_int_equal(action->severity, strcmp(cases[i].action, "package-state-changed") ? SEVERITY_HIGH : SEVERITY_LOW);
                if (cases[i].sentence)
                        assert_non_null(strstr(action->sentence, cases[i].sentence));
                else
                        assert_null(action->sentence);
        }
}

/* What follows from other fields is not named a second time when they change. */
static void test_derived_fields(void **context) {
        struct record a = make_record("dpkg", "1", "install ok installed"), b = a;

        (void)context;
        b.values[fields_find(watch_packages.fields, "abbreviation")] = value_string("x");
        b.values[fields_find(watch_packages.fields, "nevra")] = value_string("y");
        assert_true(record_equal(watch_packages.fields, &a, &b));
        b.values[fields_find(watch_packages.fields, "description")] = value_string("z");
        assert_false(record_equal(watch_packages.fields, &a, &b));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_dpkg),
                TEST(test_malformed),
                TEST(test_huge),
                TEST(test_last_paragraph_counts),
                TEST(test_updates),
                TEST(test_nothing_there),
                TEST(test_rpm),
                TEST(test_both),
                TEST(test_rpm_trouble),
                TEST(test_several_versions),
                TEST(test_stamp),
                cmocka_unit_test(test_classify),
                cmocka_unit_test(test_derived_fields),
        };

        return cmocka_run_group_tests_name("packages", tests, NULL, NULL);
}
