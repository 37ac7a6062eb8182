/* test-bpf.c - BPF objects: words for their kinds and places, and a map of our own on the running kernel. */
#include "collect.h"
#include "tree.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "bpf.h"
#include "bpf-object.h"
#include "bpf-places.h"
#include "delta.h"
#include "fd.h"
#include "host.h"

static void test_mounts(void **unused) {
        static const struct {
                const char *line, *expected;
        } cases[] = {
                { "35 23 0:32 / /sys/fs/bpf rw,nosuid shared:9 - bpf bpf rw,mode=700", "/sys/fs/bpf" },
                { "35 23 0:32 / /a\\040b\\134 rw - bpf none rw", "/a b\\" },
                { "35 23 0:32 / /x\\000y rw a:1 b:2 c:3 - bpf none rw", "/x?y" },
                { "35 23 0:32 / /\\9 rw - bpf none rw", "/\\9" },
                { "35 23 0:32 / /x rw - bpffs none rw", "" },
                { "35 23 0:32 / /x rw - ext4 bpf rw", "" },
                { "35 23 0:32 / relative rw - bpf bpf rw", "" },
                { "35 23 0:32 / /x rw -", "" },
                { "35 23 0:32 / /x rw bpf bpf", "" },
                { "35 23", "" },
                { "", "" },
        };
        _cleanup_buffer_ struct buffer mounts = BUFFER_NULL;

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                buffer_clear(&mounts);
                bpf_parse_mount(bytes_of_string(cases[i].line), &mounts);
                if (*cases[i].expected)
                        assert_int_equal(mounts.data[mounts.size - 1], 0);
                assert_string_equal(buffer_string(&mounts), cases[i].expected);
        }
}

static void test_words(void **unused) {
        char place[BPF_TYPE_PLACE];

        (void)unused;
        assert_string_equal(bpf_type_name(BPF_PROGRAM, BPF_PROG_TYPE_XDP, place), "xdp");
        assert_string_equal(bpf_type_name(BPF_PROGRAM, BPF_PROG_TYPE_SYSCALL, place), "syscall");
        assert_string_equal(bpf_type_name(BPF_MAP, BPF_MAP_TYPE_RINGBUF, place), "ringbuf");
        assert_string_equal(bpf_type_name(BPF_MAP, BPF_MAP_TYPE_USER_RINGBUF, place), "user_ringbuf");
        assert_string_equal(bpf_type_name(BPF_LINK, BPF_LINK_TYPE_STRUCT_OPS, place), "struct_ops");
        assert_string_equal(bpf_type_name(BPF_MAP, UINT32_MAX, place), "4294967295");
}

static void test_descriptors(void **unused) {
        enum bpf_kind kind = BPF_MAP;

        (void)unused;
        assert_true(bpf_kind_of_descriptor("anon_inode:bpf-prog", &kind) && kind == BPF_PROGRAM);
        assert_true(bpf_kind_of_descriptor("anon_inode:bpf-map", &kind) && kind == BPF_MAP);
        assert_true(bpf_kind_of_descriptor("anon_inode:bpf_link", &kind) && kind == BPF_LINK);
        assert_true(bpf_kind_of_descriptor("anon_inode:bpf-link", &kind) && kind == BPF_LINK);
        assert_false(bpf_kind_of_descriptor("anon_inode:bpf_iter", &kind));
        assert_false(bpf_kind_of_descriptor("/tmp/anon_inode:bpf-map", &kind));
        assert_false(bpf_kind_of_descriptor("", &kind));
}

static void check_target(uint32_t type, const struct bpf_link_info *info, const char *name, const char *expected) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint8_t detail[BPF_LINK_DETAIL] = { 0 };

        memcpy(detail, (const uint8_t *)info + 16, sizeof(*info) - 16);
        bpf_link_target(type, detail, name, &text);
        assert_string_equal(buffer_string(&text), expected);
}

static void test_link_targets(void **unused) {
        struct bpf_link_info info = { 0 };
        uint8_t detail[BPF_LINK_DETAIL] = { 0 };

        (void)unused;
        check_target(BPF_LINK_TYPE_RAW_TRACEPOINT, &info, "sched_switch", "sched_switch");
        info.tracing.attach_type = BPF_TRACE_FENTRY;
        info.tracing.target_obj_id = 1;
        info.tracing.target_btf_id = 5000;
        check_target(BPF_LINK_TYPE_TRACING, &info, "", "trace_fentry object 1 btf type 5000");
        memset(&info, 0, sizeof(info));
        info.cgroup.cgroup_id = 77;
        info.cgroup.attach_type = BPF_CGROUP_INET4_CONNECT;
        check_target(BPF_LINK_TYPE_CGROUP, &info, "", "cgroup_inet4_connect cgroup 77");
        memset(&info, 0, sizeof(info));
        info.iter.map.map_id = 9;
        check_target(BPF_LINK_TYPE_ITER, &info, "bpf_map_elem", "bpf_map_elem map 9");
        check_target(BPF_LINK_TYPE_ITER, &info, "task", "task");
        memset(&info, 0, sizeof(info));
        info.netns.netns_ino = 4026531840;
        info.netns.attach_type = BPF_FLOW_DISSECTOR;
        check_target(BPF_LINK_TYPE_NETNS, &info, "", "flow_dissector netns 4026531840");
        memset(&info, 0, sizeof(info));
        info.xdp.ifindex = 2;
        check_target(BPF_LINK_TYPE_XDP, &info, "", "interface 2");
        info.xdp.ifindex = 4; /* the field that says it is a kretprobe, on kernels that tell */
        check_target(BPF_LINK_TYPE_PERF_EVENT, &info, "do_exit", "kretprobe do_exit");
        info.xdp.ifindex = 0;
        check_target(BPF_LINK_TYPE_PERF_EVENT, &info, "", "");
        check_target(4242, &info, "", "");

        /* whatever a later kernel puts there */
        memset(detail, 0xff, sizeof(detail));
        for (uint32_t type = 0; type < 64; type++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                bpf_link_target(type, detail, "", &text);
                assert_int_equal(buffer_error(&text), 0);
        }
}

static const char *classify(enum change_kind kind, const char *object, const char *pins_before,
                            const char *pins_after) {
        int object_at = fields_find(watch_bpf.fields, "object"), pinned_at = fields_find(watch_bpf.fields, "pinned");
        struct record before = { 0 }, after = { 0 };
        struct change change = { .kind = kind, .fields = watch_bpf.fields, .before = &before, .after = &after };
        const struct action *action;

        before.values[object_at] = after.values[object_at] = value_string(object);
        before.values[pinned_at] = value_string(pins_before);
        after.values[pinned_at] = value_string(pins_after);
        if (kind == CHANGE_APPEARED)
                change.before = NULL;
        if (kind == CHANGE_VANISHED)
                change.after = NULL;
        action = watch_bpf.classify(&change);
        return action ? action->action : "";
}

static void test_words_for_changes(void **unused) {
        (void)unused;
        assert_string_equal(classify(CHANGE_APPEARED, "program", NULL, NULL), "bpf-program-loaded");
        assert_string_equal(classify(CHANGE_VANISHED, "program", NULL, NULL), "bpf-program-unloaded");
        assert_string_equal(classify(CHANGE_APPEARED, "map", NULL, NULL), "bpf-map-created");
        assert_string_equal(classify(CHANGE_VANISHED, "map", NULL, NULL), "bpf-map-removed");
        assert_string_equal(classify(CHANGE_APPEARED, "link", NULL, NULL), "bpf-link-attached");
        assert_string_equal(classify(CHANGE_VANISHED, "link", NULL, NULL), "bpf-link-detached");
        assert_string_equal(classify(CHANGE_CHANGED, "map", NULL, "/a"), "bpf-object-pinned");
        assert_string_equal(classify(CHANGE_CHANGED, "map", "/a", "/a /b"), "bpf-object-pinned");
        assert_string_equal(classify(CHANGE_CHANGED, "map", "/a", "/b"), "bpf-object-pinned");
        assert_string_equal(classify(CHANGE_CHANGED, "map", "/a /b", "/b"), "bpf-object-unpinned");
        assert_string_equal(classify(CHANGE_CHANGED, "map", "/a", NULL), "bpf-object-unpinned");
        assert_string_equal(classify(CHANGE_CHANGED, "link", "/a", "/a"), "");
}

static void test_a_tree_has_none(void **unused) {
        static const struct watch_settings settings = { 0 };
        struct test_collector test;
        struct host host = HOST_NULL;
        struct tree tree;
        void *state = NULL;

        (void)unused;
        tree_make(&tree);
        assert_int_equal(host_open(&host, tree.root), 0);
        assert_int_equal(watch_bpf.open(&settings, &host, &state), 0);
        test_collector_init(&test, &watch_bpf);
        assert_int_equal(test_collect(&test, state), WATCH_E_UNAVAILABLE);
        assert_true(test.conditions.size > 0);
        watch_bpf.close(state);
        test_collector_done(&test);
        host_close(&host);
        tree_remove(&tree);
}

static int create_map(void) {
        union bpf_attr attributes = { .map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 3 };

        memcpy(attributes.map_name, "neph_test", 10);
        return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes));
}

static int pin(int fd, const char *path) {
        union bpf_attr attributes = { .pathname = (uintptr_t)path, .bpf_fd = (uint32_t)fd };

        return (int)syscall(SYS_bpf, BPF_OBJ_PIN, &attributes, sizeof(attributes));
}

/* The line of that map among all that others may have on this host; "" if it is not there. */
static char *line_of(struct test_collector *test, uint32_t id) {
        char start[64], *line, *found = NULL;
        char *text = strdup(buffer_string(&test->records)), *rest = text;

        (void)snprintf(start, sizeof(start), "object=map id=%u ", id);
        while (!found && (line = strsep(&rest, "\n")))
                if (strncmp(line, start, strlen(start)) == 0)
                        found = strdup(line + strlen(start));
        free(text);
        return found ? found : strdup("");
}

static void expect_line(struct test_collector *test, void *state, uint32_t id, const char *expected) {
        _cleanup_free_ char *line = NULL;

        assert_int_equal(test_collect(test, state), WATCH_OK);
        line = line_of(test, id);
        assert_string_equal(line, expected);
}

static void test_a_map_of_our_own(void **unused) {
        static const struct watch_settings settings = { 0 };
        _cleanup_free_ char *first = NULL, *second = NULL, *folder = NULL, *held = NULL, *expected = NULL;
        char name[32] = "";
        enum bpf_kind kind;
        struct test_collector test;
        struct host host = HOST_NULL;
        struct tree tree;
        void *state = NULL;
        uint32_t id;
        int fd = -1;

        (void)unused;
        /* in a mount namespace of its own: the bpffs goes with the test */
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip();
        tree_make(&tree);
        fd = create_map();
        if (fd < 0) {
                tree_remove(&tree);
                skip();
        }
        first = tree_path(&tree, "sub dir/one");
        second = tree_path(&tree, "two");
        folder = tree_path(&tree, "sub dir");

        assert_int_equal(host_open(&host, "/"), 0);
        assert_int_equal(bpf_identify(host.proc_fd, fd, &kind, &id), 0);
        assert_int_equal(kind, BPF_MAP);
        assert_int_equal(watch_bpf.open(&settings, &host, &state), 0);
        test_collector_init(&test, &watch_bpf);
        {
                _cleanup_buffer_ struct buffer comm = BUFFER_NULL;

                assert_int_equal(file_read_at(host.proc_fd, "self/comm", 64, &comm), 0);
                memcpy(name, comm.data, comm.size - 1);
        }
        assert_true(asprintf(&held, "holders=%s[%d]", name, (int)getpid()) > 0);
        assert_true(asprintf(&expected, "name=neph_test type=hash %s", held) > 0);
        expect_line(&test, state, id, expected);

        /* mounted while it watches */
        assert_int_equal(mount("none", tree.root, "bpf", 0, "mode=0700"), 0);
        tree_folder(&tree, "sub dir");
        assert_int_equal(pin(fd, first), 0);
        free(expected);
        assert_true(asprintf(&expected, "name=neph_test type=hash pinned=%s %s", first, held) > 0);
        expect_line(&test, state, id, expected);
        expect_line(&test, state, id, expected);

        assert_int_equal(link(first, second), 0);
        free(expected);
        assert_true(asprintf(&expected, "name=neph_test type=hash pinned=%s %s %s", first, second, held) > 0);
        expect_line(&test, state, id, expected);

        assert_int_equal(unlink(first), 0);
        free(expected);
        assert_true(asprintf(&expected, "name=neph_test type=hash pinned=%s %s", second, held) > 0);
        expect_line(&test, state, id, expected);

        assert_int_equal(unlink(second), 0);
        free(expected);
        assert_true(asprintf(&expected, "name=neph_test type=hash %s", held) > 0);
        expect_line(&test, state, id, expected);
        fd = fd_close(fd);
        for (int i = 0; i < 100 && (fd = bpf_open_id(BPF_MAP, id)) != -ENOENT; i++) { /* freed a little later */
                fd = fd_close(fd);
                usleep(10000);
        }
        expect_line(&test, state, id, "");

        assert_int_equal(rmdir(folder), 0);
        watch_bpf.close(state);
        test_collector_done(&test);
        host_close(&host);
        assert_int_equal(umount2(tree.root, 0), 0);
        tree_remove(&tree);
}

static int load_program(const char *name) {
        /* r0 = 0; exit */
        static const struct bpf_insn instructions[] = { { .code = 0xb7 }, { .code = 0x95 } };
        union bpf_attr attributes;

        memset(&attributes, 0, sizeof(attributes));
        attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
        attributes.insns = (uintptr_t)instructions;
        attributes.insn_cnt = 2;
        attributes.license = (uintptr_t)"GPL";
        memcpy(attributes.prog_name, name, strlen(name));
        return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

static void test_one_program(void **unused) {
        static const struct watch_settings settings = { 0 };
        struct delta delta = { .subject = DELTA_BPF_PROGRAM, .origin = { .known = true, .pid = (uint32_t)getpid() } };
        _cleanup_buffer_ struct buffer key = BUFFER_NULL, whole = BUFFER_NULL, wanted = BUFFER_NULL;
        struct test_collector test;
        struct host host = HOST_NULL;
        const char *load_time;
        enum bpf_kind kind;
        void *state = NULL;
        int fd = load_program("neph_one");

        (void)unused;
        if (geteuid() != 0 || fd < 0)
                skip();
        assert_int_equal(host_open(&host, "/"), 0);
        assert_int_equal(bpf_identify(host.proc_fd, fd, &kind, &delta.bpf_program.id), 0);
        assert_int_equal(watch_bpf.open(&settings, &host, &state), 0);
        test_collector_init(&test, &watch_bpf);

        /* the delta names the key that a look has */
        assert_int_equal(test_recognize(&test, state, &delta), 1);
        buffer_append_bytes(&key, buffer_bytes(&test.key));
        assert_int_equal(test_collect_within(&test, state, buffer_bytes(&key)), WATCH_OK);
        assert_int_equal(test.count, 1);
        assert_true(bytes_equal(buffer_bytes(&test.key), buffer_bytes(&key)));
        assert_non_null(strstr(buffer_string(&test.records), "object=program id="));
        assert_non_null(strstr(buffer_string(&test.records), " name=neph_one type=socket_filter tag="));
        buffer_printf(&wanted, "[%d]", (int)getpid());
        assert_non_null(strstr(buffer_string(&test.records), buffer_string(&wanted)));
        /* up to the time, which is reckoned anew by two clocks */
        load_time = strstr(buffer_string(&test.records), "load_time=");
        assert_non_null(load_time);
        buffer_append(&whole, test.records.data, (size_t)(load_time - (const char *)test.records.data));

        /* and the look at all of them says the same of it */
        assert_int_equal(test_collect(&test, state), WATCH_OK);
        assert_non_null(strstr(buffer_string(&test.records), buffer_string(&whole)));

        fd = fd_close(fd);
        for (int i = 0; i < 100 && (fd = bpf_open_id(BPF_PROGRAM, delta.bpf_program.id)) != -ENOENT; i++) {
                fd = fd_close(fd);
                usleep(10000);
        }
        assert_int_equal(test_collect_within(&test, state, buffer_bytes(&key)), WATCH_OK);
        assert_int_equal(test.count, 0);

        /* no key of ours */
        assert_int_equal(test_collect_within(&test, state, bytes_of_string("x")), WATCH_OK);
        assert_int_equal(test.count, 0);
        watch_bpf.close(state);
        test_collector_done(&test);
        host_close(&host);
}

static void test_out_of_a_delta(void **unused) {
        static const struct watch_settings settings = { 0 };
        static const uint8_t key[] = { 'p', 0x01, 0x02, 0x03, 0x04 };
        struct delta delta = {
                .kind = DELTA_APPEARED, .subject = DELTA_BPF_PROGRAM, .at_ns = 77,
                .bpf_program = { .id = 0x01020304, .tag = 0xff, .name = bytes_of_string("a_name_longer_than_bpf_keeps") },
        };
        struct test_collector test;
        struct host host = HOST_NULL;
        void *state = NULL;

        (void)unused;
        assert_int_equal(watch_bpf.open(&settings, &host, &state), 0);
        test_collector_init(&test, &watch_bpf);
        assert_int_equal(test_recognize(&test, state, &delta), 1);
        assert_string_equal(buffer_string(&test.records),
                            "object=program id=16909060 name=a_name_longer_t tag=00000000000000ff load_time=77\n");
        assert_true(bytes_equal(buffer_bytes(&test.key), bytes_of(key, sizeof(key))));
        delta.kind = DELTA_VANISHED;
        delta.bpf_program.type = BPF_PROG_TYPE_XDP;
        delta.bpf_program.name = BYTES_NULL;
        assert_int_equal(test_recognize(&test, state, &delta), 1);
        assert_string_equal(buffer_string(&test.records),
                            "object=program id=16909060 type=xdp tag=00000000000000ff\n");
        delta.bpf_program.id = 0;
        assert_int_equal(test_recognize(&test, state, &delta), 0);
        delta.subject = DELTA_MODULE;
        assert_int_equal(test_recognize(&test, state, &delta), 0);
        assert_int_equal(watch_bpf.subjects, 1U << DELTA_BPF_PROGRAM);
        assert_false(watch_bpf.delta_is_record);
        watch_bpf.close(state);
        test_collector_done(&test);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_mounts),
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_link_targets),
                cmocka_unit_test(test_words_for_changes),
                cmocka_unit_test(test_a_tree_has_none),
                cmocka_unit_test(test_one_program),
                cmocka_unit_test(test_out_of_a_delta),
                cmocka_unit_test(test_a_map_of_our_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
