#include "tree.h"

#include "buffer.h"
#include "dpkg-info.h"
#include "dpkg-packages.h"

static void append(struct buffer *out, struct bytes bytes) {
        buffer_append_bytes(out, bytes);
        buffer_append_byte(out, '|');
}

static void test_paths(void **context) {
        static const struct {
                const char *line, *expected;
        } lists[] = { { "/usr/bin/x", "usr/bin/x" }, { "/.", "." }, { "/", "" }, { "", "" }, { "usr/x", "" }, { "//x", "/x" } };
        static const struct {
                const char *line, *expected;
        } digests[] = {
                { "0123456789abcdef0123456789abcdef  usr/bin/x", "usr/bin/x" },
                { "0123456789abcdef0123456789abcdef *usr/bin/x", "usr/bin/x" },
                { "0123456789abcdef0123456789abcdef  ./usr/bin/x", "usr/bin/x" },
                { "0123456789abcdef0123456789abcdef  /usr/bin/x", "usr/bin/x" },
                { "0123456789abcdef0123456789abcdef  a b ", "a b " },
                { "0123456789abcdef0123456789abcdef  ", "" },
                { "0123456789abcdef0123456789abcdef", "" },
                { "0123456789abcdef0123456789abcdefx usr/bin/x", "" },
                { "", "" },
        };

        (void)context;
        for (size_t i = 0; i < ELEMENTS(lists); i++)
                assert_true(bytes_equal(dpkg_info_list_path(bytes_of_string(lists[i].line)), bytes_of_string(lists[i].expected)));
        for (size_t i = 0; i < ELEMENTS(digests); i++)
                assert_true(bytes_equal(dpkg_info_digest_path(bytes_of_string(digests[i].line)), bytes_of_string(digests[i].expected)));
}

static void test_digest(void **context) {
        uint8_t digest[DPKG_MD5_SIZE];

        (void)context;
        assert_true(dpkg_info_digest(bytes_of_string("00ff0000000000000000000000000aBc  x"), digest));
        assert_int_equal(digest[1], 0xff);
        assert_int_equal(digest[15], 0xbc);
        assert_false(dpkg_info_digest(bytes_of_string("00ff0000000000000000000000000ag0  x"), digest));
        assert_false(dpkg_info_digest(bytes_of_string("00ff0000000000000000000000000a0"), digest));
        assert_false(dpkg_info_digest(bytes_of_string("00ff0000000000000000000000000abc0"), digest));
}

static void test_conffiles(void **context) {
        struct bytes lines = bytes_of_string(" /etc/a 00000000000000000000000000000001\n"
                                             " /etc/b c 00000000000000000000000000000002 obsolete\n"
                                             " /etc/d newconffile\n /etc/e 00000000000000000000000000000003 remove-on-upgrade obsolete\n"
                                             "\n nonsense\n etc/f 00000000000000000000000000000004\n /etc/g");
        _cleanup_buffer_ struct buffer out = BUFFER_NULL;
        struct dpkg_conffile is;

        (void)context;
        while (dpkg_info_conffile_next(&lines, &is)) {
                append(&out, is.path);
                buffer_printf(&out, "%d|", is.has_digest ? is.digest[15] : -1);
        }
        assert_string_equal(buffer_string(&out), "etc/a|1|etc/b c|2|etc/d|-1|etc/e|3|");
}

static void test_diversions(void **context) {
        struct bytes text = bytes_of_string("/a\n/b\np\nrelative\n/c\nq\n/d\n/e\n:\n/f\n/g\n");
        _cleanup_buffer_ struct buffer out = BUFFER_NULL;
        struct dpkg_diversion is;

        (void)context;
        while (dpkg_info_diversion_next(&text, &is)) {
                append(&out, is.from);
                append(&out, is.to);
                append(&out, is.package);
        }
        assert_string_equal(buffer_string(&out), "a|b|p|d|e|:|");
}

static void test_overrides(void **context) {
        struct bytes text = bytes_of_string("root ssl-cert 710 /etc/ssl/private\n#12 #34 4755 /a b\nroot root 8 /x\nroot root 17777 /x\n"
                                            "root root 0 relative\nroot root\n\nroot root 777777 /x\na b 7777 /y");
        struct bytes passwd = bytes_of_string("root:x:0:0:root\nbad:x:a:0\nbad2:x:4294967296:0\nbad3\nme:x:1000:7:\nm:*:4294967295");
        _cleanup_buffer_ struct buffer out = BUFFER_NULL;
        struct dpkg_override is;
        uint32_t id = 1;

        (void)context;
        while (dpkg_info_override_next(&text, &is)) {
                append(&out, is.user);
                append(&out, is.group);
                buffer_printf(&out, "%o|", is.mode);
                append(&out, is.path);
        }
        assert_string_equal(buffer_string(&out), "root|ssl-cert|710|etc/ssl/private|#12|#34|4755|a b|a|b|7777|y|");
        assert_true(dpkg_info_account_id(passwd, bytes_of_string("root"), &id) && id == 0);
        assert_true(dpkg_info_account_id(passwd, bytes_of_string("me"), &id) && id == 1000);
        assert_true(dpkg_info_account_id(passwd, bytes_of_string("m"), &id) && id == 4294967295);
        assert_true(dpkg_info_account_id(passwd, bytes_of_string("#77"), &id) && id == 77);
        assert_false(dpkg_info_account_id(passwd, bytes_of_string("bad"), &id));
        assert_false(dpkg_info_account_id(passwd, bytes_of_string("bad2"), &id));
        assert_false(dpkg_info_account_id(passwd, bytes_of_string("bad3"), &id));
        assert_false(dpkg_info_account_id(passwd, bytes_of_string("roo"), &id));
        assert_false(dpkg_info_account_id(passwd, bytes_of_string("#"), &id));
        assert_false(dpkg_info_account_id(passwd, BYTES_NULL, &id));
}

static void test_packages(void **context) {
        struct dpkg_packages packages = DPKG_PACKAGES_NULL;
        struct bytes status = bytes_of_string("Package: b\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\n\n"
                                              "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"
                                              "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n\n"
                                              "Package: c\nStatus: deinstall ok not-installed\nArchitecture: amd64\n\n"
                                              "Package: a\nStatus: install ok unpacked\nArchitecture: all\nVersion: 3\n\n"
                                              "Package: d\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nConffiles:\n /etc/d 1\n /etc/e 2\nDescription: d\n more\n");
        const struct dpkg_paragraph *is;

        (void)context;
        assert_int_equal(dpkg_packages_read(&packages, status), 0);
        assert_int_equal(packages.count, 5);
        is = dpkg_packages_find(&packages, bytes_of_string("a"));
        assert_true(is && bytes_equal(is->version, bytes_of_string("3"))); /* the later one */
        is = dpkg_packages_find(&packages, bytes_of_string("b:i386"));
        assert_true(is && bytes_equal(is->version, bytes_of_string("1")));
        is = dpkg_packages_find(&packages, bytes_of_string("b:amd64"));
        assert_true(is && bytes_equal(is->version, bytes_of_string("2")));
        assert_null(dpkg_packages_find(&packages, bytes_of_string("b:arm64")));
        assert_non_null(dpkg_packages_find(&packages, bytes_of_string("b")));
        assert_null(dpkg_packages_find(&packages, bytes_of_string("c")));
        assert_null(dpkg_packages_find(&packages, bytes_of_string("e")));
        is = dpkg_packages_find(&packages, bytes_of_string("d"));
        assert_true(is && bytes_equal(is->conffiles, bytes_of_string(" /etc/d 1\n /etc/e 2")));
        dpkg_packages_done(&packages);
        dpkg_packages_done(&packages);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_paths),    cmocka_unit_test(test_digest),     cmocka_unit_test(test_conffiles),
                cmocka_unit_test(test_diversions), cmocka_unit_test(test_overrides), cmocka_unit_test(test_packages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
