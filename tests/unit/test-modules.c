/* test-modules.c - lines of /proc/modules, the join with /sys/module, hidden modules, and what is not a change. */
#include "collect.h"
#include "tree.h"

#include "delta.h"
#include "host.h"
#include "modules.h"

struct fixture {
        struct tree tree;
        struct host host;
        void *state;
        struct test_collector test;
};

static void fixture_open(struct fixture *fixture) {
        static const struct watch_settings settings = { 0 };

        tree_make(&fixture->tree);
        tree_folder(&fixture->tree, "proc");
        tree_folder(&fixture->tree, "sys/module");
        assert_int_equal(host_open(&fixture->host, fixture->tree.root), 0);
        assert_int_equal(watch_modules.open(&settings, &fixture->host, &fixture->state), 0);
        test_collector_init(&fixture->test, &watch_modules);
}

static void fixture_close(struct fixture *fixture) {
        watch_modules.close(fixture->state);
        test_collector_done(&fixture->test);
        host_close(&fixture->host);
        tree_remove(&fixture->tree);
}

static void collect(struct fixture *fixture, const char *expected) {
        assert_int_equal(test_collect(&fixture->test, fixture->state), WATCH_OK);
        assert_string_equal(buffer_string(&fixture->test.records), expected);
}

static void write_module(const struct tree *tree, const char *name, const char *attribute, const char *text) {
        char path[256];

        (void)snprintf(path, sizeof(path), "sys/module/%s/%s", name, attribute);
        tree_text(tree, path, text);
}

static void test_lines(void **unused) {
        static const struct {
                const char *line;
                int expected;
                const char *name, *state, *taints;
                uint64_t size;
        } cases[] = {
                { "ext4 983040 2 - Live 0xffffffffc0a00000", 0, "ext4", "Live", "", 983040 },
                { "zfs 5 1 spl,zcommon, Live 0x0000000000000000 (POE)", 0, "zfs", "Live", "POE", 5 },
                { "dummy 16384 1 - Loading 0x0000000000000000 (E+)", 0, "dummy", "Loading", "E", 16384 },
                { "dummy 16384 1 - Unloading 0x0000000000000000 (-)", 0, "dummy", "Unloading", "", 16384 },
                { "x 18446744073709551615 0 [permanent], Live 0x0 ()", 0, "x", "Live", "", UINT64_MAX },
                { "x 18446744073709551616 0 - Live 0x0", -EBADMSG },
                { "x -1 0 - Live 0x0", -EBADMSG },
                { "x 1", -EBADMSG },
                { "x 1 0 -", -EBADMSG },
                { "x", -EBADMSG },
                { "", -EBADMSG },
                { "      ", -EBADMSG },
        };

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct module_line line = { 0 };

                assert_int_equal(module_parse_line(bytes_of_string(cases[i].line), &line), cases[i].expected);
                if (cases[i].expected < 0)
                        continue;
                assert_true(bytes_equal(line.name, bytes_of_string(cases[i].name)));
                assert_true(bytes_equal(line.state, bytes_of_string(cases[i].state)));
                assert_true(bytes_equal(line.taints, bytes_of_string(cases[i].taints)));
                assert_true(line.size == cases[i].size);
        }
}

static void test_joined(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_text(&fixture.tree, "proc/modules",
                  "zfs 500 3 a,b, Live 0xffffffffc0a00000 (POE)\n"
                  "ext4 990000 2 - Live 0xffffffffc0000000\n");
        write_module(&fixture.tree, "ext4", "coresize", "983040\n");
        write_module(&fixture.tree, "ext4", "initstate", "live\n");
        write_module(&fixture.tree, "ext4", "srcversion", "AB12\n");
        write_module(&fixture.tree, "zfs", "version", "2.1.11-1\n");
        write_module(&fixture.tree, "printk", "parameters/time", "N\n"); /* built in */
        collect(&fixture, "name=ext4 size=983040 state=live in_tree=1 srcversion=AB12\n"
                          "name=zfs size=500 state=live taints=POE in_tree=0 signature=missing or not trusted "
                          "version=2.1.11-1\n");

        /* used more often, moved, reordered: the same records */
        tree_text(&fixture.tree, "proc/modules",
                  "ext4 990000 7 zfs, Live 0x0000000000000000\n"
                  "zfs 500 - - Live 0x0000000000000000 (POE)\n");
        collect(&fixture, "name=ext4 size=983040 state=live in_tree=1 srcversion=AB12\n"
                          "name=zfs size=500 state=live taints=POE in_tree=0 signature=missing or not trusted "
                          "version=2.1.11-1\n");
        assert_string_equal(buffer_string(&fixture.test.conditions), "");
        fixture_close(&fixture);
}

static void test_hidden(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_text(&fixture.tree, "proc/modules", "ext4 10 2 - Live 0x0\n");
        write_module(&fixture.tree, "ext4", "initstate", "live\n");
        write_module(&fixture.tree, "rootkit", "initstate", "live\n");
        write_module(&fixture.tree, "rootkit", "coresize", "16384\n");
        write_module(&fixture.tree, "rootkit", "taint", "OE\n");
        write_module(&fixture.tree, "leaving", "initstate", "going\n");
        collect(&fixture, "name=ext4 size=10 state=live in_tree=1\n"
                          "name=rootkit size=16384 state=live taints=OE in_tree=0 signature=missing or not trusted "
                          "hidden=1\n");
        fixture_close(&fixture);
}

static void test_loading_module_waits_for_its_folder(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_text(&fixture.tree, "proc/modules", "dummy 20480 1 - Loading 0x0 (+)\n");
        collect(&fixture, "");
        write_module(&fixture.tree, "dummy", "coresize", "16384\n");
        write_module(&fixture.tree, "dummy", "srcversion", "AB\n");
        collect(&fixture, "name=dummy size=16384 state=coming in_tree=1 srcversion=AB\n");
        tree_text(&fixture.tree, "proc/modules", "dummy 16384 0 - Live 0x0\n");
        collect(&fixture, "name=dummy size=16384 state=live in_tree=1 srcversion=AB\n");
        fixture_close(&fixture);
}

static void test_what_was_read_is_kept_per_instance(void **unused) {
        struct fixture fixture;
        _cleanup_free_ char *from = NULL, *to = NULL;

        (void)unused;
        fixture_open(&fixture);
        fixture.host.live = true; /* inodes of a real sysfs are never used twice */
        tree_text(&fixture.tree, "proc/modules", "dummy 1 1 - Live 0x0\n");
        write_module(&fixture.tree, "dummy", "version", "1\n");
        collect(&fixture, "name=dummy size=1 state=live in_tree=1 version=1\n");
        write_module(&fixture.tree, "dummy", "version", "2\n");
        write_module(&fixture.tree, "other", "parameters/x", "1\n");
        collect(&fixture, "name=dummy size=1 state=live in_tree=1 version=1\n");

        /* unloaded, loaded anew: another folder */
        from = tree_path(&fixture.tree, "sys/module/dummy");
        to = tree_path(&fixture.tree, "gone");
        assert_int_equal(rename(from, to), 0);
        write_module(&fixture.tree, "dummy", "version", "3\n");
        collect(&fixture, "name=dummy size=1 state=live in_tree=1 version=3\n");

        /* known by its folder, then gone from the list */
        write_module(&fixture.tree, "dummy", "initstate", "live\n");
        for (int i = 0; i < 4; i++)
                collect(&fixture, "name=dummy size=1 state=live in_tree=1 version=3\n");
        tree_text(&fixture.tree, "proc/modules", "");
        collect(&fixture, "name=dummy state=live in_tree=1 version=3 hidden=1\n");
        fixture_close(&fixture);
}

static void test_hostile_names(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_text(&fixture.tree, "secret/coresize", "77\n");
        tree_text(&fixture.tree, "proc/modules",
                  "../../secret 1 1 - Live 0x0\na\x1b[2J 2 1 - Live 0x0\n\xff\xfe 3 1 - Live 0x0\n. 4 1 - Live 0x0\n"
                  "same 5 1 - Live 0x0\nsame 5 1 - Live 0x0\nbroken\n\n");
        collect(&fixture, "name=. size=4 state=live in_tree=1\nname=../../secret size=1 state=live in_tree=1\n"
                          "name=a\x1b[2J size=2 state=live in_tree=1\nname=same size=5 state=live in_tree=1\n"
                          "name=\xff\xfe size=3 state=live in_tree=1\n");
        assert_string_equal(buffer_string(&fixture.test.conditions),
                            "lines of /proc/modules that cannot be understood were left out\n");
        fixture_close(&fixture);
}

static void collect_one(struct fixture *fixture, const char *name, const char *expected) {
        assert_int_equal(test_collect_within(&fixture->test, fixture->state, bytes_of_string(name)), WATCH_OK);
        assert_string_equal(buffer_string(&fixture->test.records), expected);
}

static void test_one_of_them(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_text(&fixture.tree, "secret/coresize", "77\n");
        tree_text(&fixture.tree, "proc/modules",
                  "zfs 500 3 a,b, Live 0xffffffffc0a00000 (POE)\n../../secret 1 1 - Live 0x0\n"
                  "ext4 990000 2 - Live 0xffffffffc0000000\nnew 20480 1 - Loading 0x0 (+)\n"
                  "old 16384 0 - Unloading 0x0 (-)\n");
        write_module(&fixture.tree, "ext4", "coresize", "983040\n");
        write_module(&fixture.tree, "old", "initstate", "going\n");
        write_module(&fixture.tree, "ext4", "version", "4\n");
        write_module(&fixture.tree, "rootkit", "initstate", "live\n");
        write_module(&fixture.tree, "rootkit", "taint", "OE\n");
        write_module(&fixture.tree, "printk", "parameters/time", "N\n");
        collect_one(&fixture, "ext4", "name=ext4 size=983040 state=live in_tree=1 version=4\n");
        collect_one(&fixture, "zfs", "name=zfs size=500 state=live taints=POE in_tree=0 signature=missing or not trusted\n");
        collect_one(&fixture, "rootkit", "name=rootkit state=live taints=OE in_tree=0 signature=missing or not trusted "
                                         "hidden=1\n");
        collect_one(&fixture, "../../secret", "name=../../secret size=1 state=live in_tree=1\n");
        collect_one(&fixture, "new", "");
        collect_one(&fixture, "old", "");
        collect_one(&fixture, "printk", "");
        collect_one(&fixture, "ext", "");
        collect_one(&fixture, ".", "");
        collect_one(&fixture, "..", "");
        collect_one(&fixture, "gone", "");

        /* the same as among all, before and after; but one that is on its way out is there */
        collect(&fixture, "name=../../secret size=1 state=live in_tree=1\n"
                          "name=ext4 size=983040 state=live in_tree=1 version=4\n"
                          "name=old size=16384 state=going in_tree=1\n"
                          "name=rootkit state=live taints=OE in_tree=0 signature=missing or not trusted hidden=1\n"
                          "name=zfs size=500 state=live taints=POE in_tree=0 signature=missing or not trusted\n");
        collect_one(&fixture, "ext4", "name=ext4 size=983040 state=live in_tree=1 version=4\n");
        fixture_close(&fixture);
}

static void test_out_of_a_delta(void **unused) {
        struct delta delta = { .subject = DELTA_MODULE, .module.name = bytes_of_string("dummy") };
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        assert_int_equal(test_recognize(&fixture.test, fixture.state, &delta), 1);
        assert_string_equal(buffer_string(&fixture.test.records), "name=dummy\n");
        assert_true(bytes_equal(buffer_bytes(&fixture.test.key), bytes_of_string("dummy")));
        delta.module.has_taints = true;
        assert_int_equal(test_recognize(&fixture.test, fixture.state, &delta), 1);
        assert_string_equal(buffer_string(&fixture.test.records), "name=dummy in_tree=1\n");
        delta.module.taints = 1U << 0 | 1U << 12 | 1U << 13 | 1U << 3 | UINT64_C(1) << 63;
        assert_int_equal(test_recognize(&fixture.test, fixture.state, &delta), 1);
        assert_string_equal(buffer_string(&fixture.test.records),
                            "name=dummy taints=POE in_tree=0 signature=missing or not trusted\n");
        delta.module.name = BYTES_NULL;
        assert_int_equal(test_recognize(&fixture.test, fixture.state, &delta), 0);
        delta = (struct delta){ .subject = DELTA_BPF_PROGRAM, .bpf_program.id = 3 };
        assert_int_equal(test_recognize(&fixture.test, fixture.state, &delta), 0);
        assert_int_equal(watch_modules.subjects, 1U << DELTA_MODULE);
        assert_false(watch_modules.delta_is_record);
        fixture_close(&fixture);
}

static void test_no_modules_here(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_E_UNAVAILABLE);
        assert_string_equal(buffer_string(&fixture.test.conditions), "this kernel has no loadable modules\n");
        fixture_close(&fixture);
}

static void test_words_for_changes(void **unused) {
        struct record plain = { 0 }, foreign = { 0 }, hidden = { 0 }, untold = { 0 };
        int in_tree = fields_find(watch_modules.fields, "in_tree"), hides = fields_find(watch_modules.fields, "hidden");
        struct change change = { .kind = CHANGE_APPEARED, .fields = watch_modules.fields };

        (void)unused;
        plain.values[in_tree] = hidden.values[in_tree] = value_number(1);
        foreign.values[in_tree] = value_number(0);
        hidden.values[hides] = value_number(1);
        change.after = &plain;
        assert_null(watch_modules.classify(&change));
        change.after = &untold;
        assert_null(watch_modules.classify(&change));
        change.after = &foreign;
        assert_int_equal(watch_modules.classify(&change)->severity, SEVERITY_CRITICAL);
        change.after = &hidden;
        assert_non_null(strstr(watch_modules.classify(&change)->sentence, "hidden from /proc/modules"));
        change.kind = CHANGE_CHANGED;
        change.before = &plain;
        assert_string_equal(watch_modules.classify(&change)->action, "kernel-module-changed");
        change = (struct change){ .kind = CHANGE_VANISHED, .fields = watch_modules.fields, .before = &hidden };
        assert_null(watch_modules.classify(&change));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_joined),
                cmocka_unit_test(test_hidden),
                cmocka_unit_test(test_loading_module_waits_for_its_folder),
                cmocka_unit_test(test_what_was_read_is_kept_per_instance),
                cmocka_unit_test(test_hostile_names),
                cmocka_unit_test(test_one_of_them),
                cmocka_unit_test(test_out_of_a_delta),
                cmocka_unit_test(test_no_modules_here),
                cmocka_unit_test(test_words_for_changes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
