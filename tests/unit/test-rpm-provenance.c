#include "tree.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "fd.h"
#include "file-digests.h"
#include "host.h"
#include "host-provenance.h"
#include "rpm-files.h"

/* A helper that answers what the test put down for it. */
struct fixture {
        struct tree tree;
        struct host host;
        struct host_helper helper;
        struct provenance *provenance;
        struct buffer question, answer;
        size_t asked;
        int error;                      /* of the answer */
        int seals;
        bool there;
};

static int ask_files(struct host_helper *helper, struct bytes paths) {
        struct fixture *is = container_of(helper, struct fixture, helper);

        is->asked++;
        buffer_clear(&is->question);
        buffer_append_bytes(&is->question, paths);
        is->there = false;
        return is->error == -EOPNOTSUPP ? is->error : 0;
}

static int take_answer(struct host_helper *helper, int *ret_fd) {
        struct fixture *is = container_of(helper, struct fixture, helper);
        int fd;

        if (!is->there)
                return -EAGAIN;
        is->there = false;
        if (is->error < 0)
                return is->error;
        fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, is->answer.data, is->answer.size), (ssize_t)is->answer.size);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, is->seals), 0);
        *ret_fd = fd;
        return 0;
}

static int setup(void **context) {
        struct fixture *is = calloc(1, sizeof(*is));

        assert_non_null(is);
        *is = (struct fixture){
                .host = HOST_NULL,
                .helper = { .rpm_files = ask_files, .rpm_files_answer = take_answer },
                .seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
        };
        tree_make(&is->tree);
        tree_text(&is->tree, "var/lib/rpm/rpmdb.sqlite", "database");
        assert_int_equal(host_open(&is->host, is->tree.root), 0);
        is->host.helper = &is->helper;
        assert_int_equal(host_provenance_open(&is->host, &is->provenance), 0);
        *context = is;
        return 0;
}

static int teardown(void **context) {
        struct fixture *is = *context;

        is->provenance = host_provenance_close(is->provenance);
        buffer_done(&is->question);
        buffer_done(&is->answer);
        host_close(&is->host);
        tree_remove(&is->tree);
        free(is);
        return 0;
}

static void expect_of(struct fixture *is, const char *path, bool present, const char *expected) {
        static const char *const verdicts[] = { "none", "matches", "differs", "configuration", "unproven", "unknown" };
        struct provenance_answer answer;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        assert_int_equal(is->provenance->ops->ask(is->provenance, bytes_of_string(path), present, &answer), 0);
        buffer_append_string(&text, verdicts[answer.verdict]);
        if (answer.package.size) {
                assert_string_equal(answer.manager, "rpm");
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

static void expect(struct fixture *is, const char *path, const char *expected) {
        expect_of(is, path, true, expected);
}

/* The answer is there. */
static void come(struct fixture *is) {
        uint64_t before = is->provenance->ops->generation(is->provenance);

        is->there = true;
        assert_int_not_equal(is->provenance->ops->generation(is->provenance), before);
}

static struct file_digests digests_of(const struct fixture *is, const char *path) {
        _cleanup_close_ int fd = host_openat(&is->host, path, O_RDONLY);
        struct file_digests digests;

        assert_int_equal(file_digests(fd, FILE_DIGEST_SHA256 | FILE_DIGEST_MD5, &digests), 0);
        return digests;
}

static struct rpm_file shipped(uint32_t number, uint32_t mode, uint32_t flags) {
        return (struct rpm_file){
                .number = number, .mode = mode, .flags = flags,
                .texts = {
                        [RPM_FILE_PACKAGE] = bytes_of_string("one"), [RPM_FILE_VERSION] = bytes_of_string("1.0-1"),
                        [RPM_FILE_ARCHITECTURE] = bytes_of_string("x86_64"), [RPM_FILE_USER] = bytes_of_string("nobody-here"),
                        [RPM_FILE_GROUP] = bytes_of_string("root"),
                },
        };
}

static void test_verdicts(void **context) {
        struct fixture *is = *context;
        const struct bytes paths[] = {
                bytes_of_string("/usr/bin/one"), bytes_of_string("/usr/bin/link"), bytes_of_string("/etc/one.conf"),
                bytes_of_string("/var/ghost"), bytes_of_string("/usr/lib"), bytes_of_string("/usr/bin/alien"), bytes_of_string("/usr/bin/old"),
        };
        struct file_digests one, conf;
        struct rpm_file file;
        _cleanup_free_ char *link = tree_path(&is->tree, "usr/bin/link"), *program = tree_path(&is->tree, "usr/bin/one"),
                            *folder = tree_path(&is->tree, "usr/lib");

        tree_text(&is->tree, "usr/bin/one", "one\n");
        tree_text(&is->tree, "usr/bin/alien", "x\n");
        tree_text(&is->tree, "usr/bin/old", "old\n");
        tree_text(&is->tree, "etc/one.conf", "shipped\n");
        tree_text(&is->tree, "var/ghost", "x\n");
        tree_folder(&is->tree, "usr/lib");
        assert_int_equal(symlink("one", link), 0);
        assert_int_equal(chmod(program, 0755), 0);
        assert_int_equal(chmod(folder, 0755), 0);
        one = digests_of(is, "usr/bin/one");
        conf = digests_of(is, "etc/one.conf");

        assert_int_equal(is->provenance->ops->prepare(is->provenance, paths, ELEMENTS(paths)), 0);
        assert_int_equal(is->asked, 1);
        assert_true(bytes_starts_with(buffer_bytes(&is->question), bytes_of("/usr/bin/one\0/usr/bin/link\0", 27)));
        expect(is, "/usr/bin/one", "unknown: rpm's answer is on its way");
        assert_int_equal(is->asked, 1);

        rpm_files_begin(&is->answer);
        file = shipped(0, S_IFREG | 0755, 0);
        file.digest_kind = RPM_DIGEST_SHA256;
        file.texts[RPM_FILE_DIGEST] = bytes_of(one.sha256, SHA256_SIZE);
        rpm_files_append(&is->answer, &file);
        file = shipped(1, S_IFLNK | 0777, 0);
        file.texts[RPM_FILE_TARGET] = bytes_of_string("one");
        rpm_files_append(&is->answer, &file);
        file = shipped(2, S_IFREG | 0644, RPM_FILE_CONFIG);
        file.digest_kind = RPM_DIGEST_MD5;
        file.texts[RPM_FILE_DIGEST] = bytes_of(conf.md5, MD5_SIZE);
        rpm_files_append(&is->answer, &file);
        file = shipped(3, S_IFREG | 0644, RPM_FILE_GHOST);
        rpm_files_append(&is->answer, &file);
        file = shipped(4, S_IFDIR | 0755, 0);
        rpm_files_append(&is->answer, &file);
        file = shipped(6, S_IFREG | 0644, 0);
        file.digest_kind = 2; /* SHA-1 */
        file.texts[RPM_FILE_DIGEST] = bytes_of(conf.sha256, 20);
        rpm_files_append(&is->answer, &file);
        rpm_files_end(&is->answer, ELEMENTS(paths));
        come(is);

        expect(is, "/usr/bin/one", "matches one tcmC");
        expect(is, "/usr/bin/link", "matches one tc");
        expect(is, "/etc/one.conf", "matches one tcmC");
        expect(is, "/var/ghost", "unproven one: its package keeps a place for it and does not ship it");
        expect(is, "/usr/lib", "matches one tm");
        expect(is, "/usr/bin/alien", "none");
        expect_of(is, "/usr/bin/alien", false, "matches");
        expect(is, "/usr/bin/old", "unproven one tmC: its package has no digest of it that we can compute");
        assert_int_equal(is->asked, 1);

        assert_int_equal(chmod(program, 04755), 0);
        expect(is, "/usr/bin/one", "differs one tcm: mode");
        assert_int_equal(chmod(program, 0755), 0);
        tree_text(&is->tree, "etc/passwd", "nobody-here:x:77:77:\n");
        tree_text(&is->tree, "etc/group", "root:x:0:\n");
        expect(is, "/usr/bin/one", "differs one tcmo: owner");
        tree_delete(&is->tree, "etc/passwd");
        tree_text(&is->tree, "usr/bin/one", "0ne\n");
        expect(is, "/usr/bin/one", "differs one tc: content");
        tree_text(&is->tree, "etc/one.conf", "mine\n");
        expect(is, "/etc/one.conf", "configuration one tc: content");
        expect_of(is, "/etc/one.conf", false, "configuration one t: missing");
        expect_of(is, "/usr/bin/one", false, "differs one t: missing");
        tree_delete(&is->tree, "usr/bin/link");
        assert_int_equal(symlink("alien", link), 0);
        expect(is, "/usr/bin/link", "differs one tc: content");
        tree_delete(&is->tree, "usr/bin/link");
        tree_text(&is->tree, "usr/bin/link", "one\n");
        expect(is, "/usr/bin/link", "differs one t: type");
}

static void test_capabilities(void **context) {
        struct fixture *is = *context;
        /* cap_net_raw=ep, as the kernel has it: revision 2, effective. */
        const uint8_t capabilities[20] = { 0x01, 0, 0, 0x02, 0, 0x20 };
        _cleanup_free_ char *path = tree_path(&is->tree, "usr/bin/ping");
        struct file_digests digests;
        struct rpm_file file;

        tree_text(&is->tree, "usr/bin/ping", "ping\n");
        digests = digests_of(is, "usr/bin/ping");
        file = shipped(0, S_IFREG | 0644, 0);
        file.digest_kind = RPM_DIGEST_SHA256;
        file.texts[RPM_FILE_DIGEST] = bytes_of(digests.sha256, SHA256_SIZE);
        expect(is, "/usr/bin/ping", "unknown: rpm's answer is on its way");
        rpm_files_begin(&is->answer);
        rpm_files_append(&is->answer, &file);
        rpm_files_end(&is->answer, 1);
        come(is);
        expect(is, "/usr/bin/ping", "matches one tcmC");
        if (setxattr(path, "security.capability", capabilities, sizeof(capabilities), 0) < 0)
                skip();
        expect(is, "/usr/bin/ping", "differs one tcmC: capabilities");
}

static void test_database_moves(void **context) {
        struct fixture *is = *context;
        uint64_t before;

        tree_text(&is->tree, "usr/bin/one", "one\n");
        expect(is, "/usr/bin/one", "unknown: rpm's answer is on its way");
        before = is->provenance->ops->generation(is->provenance);
        assert_int_equal(is->provenance->ops->generation(is->provenance), before);
        /* The answer is about a database that is no more. */
        tree_text(&is->tree, "var/lib/rpm/rpmdb.sqlite", "another database");
        assert_int_not_equal(is->provenance->ops->generation(is->provenance), before);
        expect(is, "/usr/bin/one", "unknown: rpm's answer is on its way");
        assert_int_equal(is->asked, 1);
        rpm_files_begin(&is->answer);
        rpm_files_end(&is->answer, 1);
        come(is);
        assert_int_equal(is->asked, 2);
        expect(is, "/usr/bin/one", "unknown: rpm's answer is on its way");
        come(is);
        expect(is, "/usr/bin/one", "none");
        is->provenance->ops->release(is->provenance);
        expect(is, "/usr/bin/one", "unknown: rpm's answer is on its way");
        assert_int_equal(is->asked, 3);
}

static void test_bad_answers(void **context) {
        struct fixture *is = *context;
        struct rpm_file file = shipped(1, S_IFREG | 0644, 0);

        tree_text(&is->tree, "usr/bin/one", "one\n");
        for (int i = 0; i < 6; i++) {
                buffer_clear(&is->answer);
                is->error = 0;
                is->seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
                switch (i) {
                case 0: /* nothing */
                        break;
                case 1: /* cut short */
                        rpm_files_begin(&is->answer);
                        break;
                case 2: /* of more than was asked */
                        rpm_files_begin(&is->answer);
                        rpm_files_end(&is->answer, 2);
                        break;
                case 3: /* about a path that was not asked */
                        rpm_files_begin(&is->answer);
                        rpm_files_append(&is->answer, &file);
                        rpm_files_end(&is->answer, 2);
                        break;
                case 4: /* that can still be changed */
                        rpm_files_begin(&is->answer);
                        rpm_files_end(&is->answer, 1);
                        is->seals = F_SEAL_GROW;
                        break;
                default:
                        is->error = -EIO;
                        break;
                }
                is->provenance->ops->release(is->provenance);
                expect(is, "/usr/bin/one", "unknown: rpm's answer is on its way");
                come(is);
                expect(is, "/usr/bin/one", "unknown: rpm's database cannot be read");
        }
        is->provenance->ops->release(is->provenance);
        is->error = -EOPNOTSUPP;
        expect(is, "/usr/bin/one", "unknown: this build cannot read rpm databases");
}

static void test_many(void **context) {
        struct fixture *is = *context;
        enum { COUNT = 3 * RPM_FILES_PATHS_MAX / 2 };
        static char names[COUNT][32];
        static struct bytes paths[COUNT];

        for (size_t i = 0; i < COUNT; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "/usr/bin/%zu", i);
                paths[i] = bytes_of_string(names[i]);
        }
        assert_int_equal(is->provenance->ops->prepare(is->provenance, paths, COUNT), 0);
        rpm_files_begin(&is->answer);
        rpm_files_end(&is->answer, RPM_FILES_PATHS_MAX);
        come(is);
        expect(is, names[0], "none");
        expect(is, names[RPM_FILES_PATHS_MAX - 1], "none");
        expect(is, names[COUNT - 1], "unknown: rpm's answer is on its way");
        assert_int_equal(is->asked, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_capabilities, setup, teardown),
                cmocka_unit_test_setup_teardown(test_database_moves, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_answers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
