/* test-file-attributes.c - extended attributes and flags of real files. */
#include "tree.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "fd.h"
#include "file-attributes.h"
#include "file-record.h"

struct fixture {
        struct tree tree;
        int directory;
        struct file_attributes attributes;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        fixture->directory = open(fixture->tree.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fixture->directory >= 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        fixture->directory = fd_close(fixture->directory);
        file_attributes_done(&fixture->attributes);
        tree_remove(&fixture->tree);
        free(fixture);
        return 0;
}

/* Skips where the filesystem of /tmp does not take it. */
static void attach(const struct fixture *fixture, const char *path, const char *name, const void *value, size_t size) {
        char *whole = tree_path(&fixture->tree, path);
        int r = lsetxattr(whole, name, value, size, 0);

        free(whole);
        if (r < 0)
                skip();
}

static void read_of(struct fixture *fixture, const char *name) {
        assert_int_equal(file_attributes_read(fixture->directory, name, &fixture->attributes), 0);
}

static void test_none(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *link = tree_path(&fixture->tree, "link");
        struct record record = { .key = BYTES_NULL };

        tree_text(&fixture->tree, "file", "x");
        assert_int_equal(symlink("file", link), 0);
        read_of(fixture, "file");
        read_of(fixture, "link");
        read_of(fixture, ".");
        file_attributes_put(&fixture->attributes, &record);
        assert_false(record.values[FILE_ACL].present || record.values[FILE_CAPABILITIES].present ||
                     record.values[FILE_ATTRIBUTES].present || record.values[FILE_LABEL].present);
        assert_int_equal(file_attributes_read(fixture->directory, "missing", &fixture->attributes), -ENOENT);
}

static void test_capabilities(void **state) {
        static const char raw[] = "\x01\0\0\x02" "\0\x20\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0";
        struct fixture *fixture = *state;
        char *link = tree_path(&fixture->tree, "link");
        int r = symlink("file", link);

        free(link);
        assert_int_equal(r, 0);
        tree_text(&fixture->tree, "file", "x");
        attach(fixture, "file", "security.capability", raw, sizeof(raw));
        read_of(fixture, "file");
        assert_string_equal(buffer_string(&fixture->attributes.capabilities), "cap_net_raw+ep");
        assert_int_equal(fixture->attributes.others.size, 0);
        read_of(fixture, "link"); /* the link's own */
        assert_int_equal(fixture->attributes.capabilities.size, 0);
}

static void test_acl(void **state) {
        static const char list[] = "\x02\0\0\0" "\x01\0\x06\0\xff\xff\xff\xff" "\x02\0\x07\0\xe8\x03\0\0" "\x04\0\x04\0\xff\xff\xff\xff"
                                   "\x10\0\x07\0\xff\xff\xff\xff" "\x20\0\x04\0\xff\xff\xff";
        struct fixture *fixture = *state;

        tree_folder(&fixture->tree, "folder");
        attach(fixture, "folder", "system.posix_acl_access", list, sizeof(list));
        attach(fixture, "folder", "system.posix_acl_default", list, sizeof(list));
        read_of(fixture, "folder");
        assert_string_equal(buffer_string(&fixture->attributes.acl),
                            "user::rw- user:1000:rwx group::r-- mask::rwx other::r-- default:user::rw- default:user:1000:rwx "
                            "default:group::r-- default:mask::rwx default:other::r--");
        assert_int_equal(fixture->attributes.others.size, 0);
}

static void test_others(void **state) {
        struct fixture *fixture = *state;
        static const char large[3000];

        tree_text(&fixture->tree, "file", "x");
        attach(fixture, "file", "trusted.b", "2", 1);
        attach(fixture, "file", "trusted.a \\", "", 0);
        read_of(fixture, "file");
        assert_string_equal(buffer_string(&fixture->attributes.others),
                            "trusted.a\\x20\\x5c=786a02f742015903c6c6fd852552d272 trusted.b=c5faca15ac2f93578b39ef4b6bbb871b");
        attach(fixture, "file", "trusted.b", large, sizeof(large)); /* longer than the first try */
        read_of(fixture, "file");
        assert_non_null(strstr(buffer_string(&fixture->attributes.others), " trusted.b="));
        assert_null(strstr(buffer_string(&fixture->attributes.others), "trusted.b=c5faca15"));
}

/* As many as only a tmpfs takes. */
static int set_up_in_memory(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        (void)snprintf(fixture->tree.root, sizeof(fixture->tree.root), "/dev/shm/nephronix-test-XXXXXX");
        assert_non_null(mkdtemp(fixture->tree.root));
        fixture->directory = open(fixture->tree.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fixture->directory >= 0);
        *state = fixture;
        return 0;
}

static void test_many(void **state) {
        struct fixture *fixture = *state;
        struct buffer first = BUFFER_NULL;
        char name[32];

        tree_text(&fixture->tree, "file", "x");
        for (unsigned i = 0; i < FILE_ATTRIBUTES_MAX + 40; i++) {
                (void)snprintf(name, sizeof(name), "trusted.%04u", i);
                attach(fixture, "file", name, "", 0);
        }
        read_of(fixture, "file");
        assert_non_null(strstr(buffer_string(&fixture->attributes.others), " and-40-more="));
        assert_non_null(strstr(buffer_string(&fixture->attributes.others), " trusted.0255="));
        assert_null(strstr(buffer_string(&fixture->attributes.others), "trusted.0256="));
        buffer_append_bytes(&first, buffer_bytes(&fixture->attributes.others));
        attach(fixture, "file", "trusted.last", "", 0);
        read_of(fixture, "file");
        assert_false(bytes_equal(buffer_bytes(&first), buffer_bytes(&fixture->attributes.others)));
        buffer_done(&first);
}

static void test_flags(void **state) {
        struct fixture *fixture = *state;
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *path = tree_path(&fixture->tree, "file");
        struct statx status;
        int set = FS_NODUMP_FL | FS_APPEND_FL;

        memset(&status, 0, sizeof(status));
        assert_null(file_attributes_flags(&status));
        status.stx_attributes = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP | STATX_ATTR_ENCRYPTED | STATX_ATTR_VERITY |
                                STATX_ATTR_COMPRESSED;
        assert_string_equal(file_attributes_flags(&status), "immutable append-only nodump encrypted verity");

        tree_text(&fixture->tree, "file", "x");
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        if (ioctl(fd, FS_IOC_SETFLAGS, &set) < 0)
                skip();
        assert_int_equal(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status), 0);
        set = 0;
        assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &set), 0);
        assert_string_equal(file_attributes_flags(&status), "append-only nodump");
        assert_int_equal(file_attributes_measure(fixture->directory, "file", &fixture->attributes), 0);
        assert_int_equal(fixture->attributes.verity.size, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(none), TEST(capabilities), TEST(acl), TEST(others), TEST(flags),
                cmocka_unit_test_setup_teardown(test_many, set_up_in_memory, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
