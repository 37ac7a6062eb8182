/* test-kernel-messages.c - records of the kernel log: parsing, matching, each once, losses; on the real log where it
 * is. */
#include "collect.h"
#include "tree.h"

#include <errno.h>

#include "fd.h"
#include "host.h"
#include "kernel-messages.h"

struct fixture {
        struct tree tree;
        struct host host;
        struct watch_settings settings;
        void *state;
        struct test_collector test;
};

static void fixture_open(struct fixture *fixture, const char *log) {
        *fixture = (struct fixture){ .host = HOST_NULL };
        tree_make(&fixture->tree);
        if (log)
                tree_text(&fixture->tree, "dev/kmsg", log);
        tree_text(&fixture->tree, "proc/stat", "cpu 1 2 3\nbtime 1700000000\n");
        tree_text(&fixture->tree, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
        assert_int_equal(host_open(&fixture->host, fixture->tree.root), 0);
        assert_int_equal(watch_kernel_messages.open(&fixture->settings, &fixture->host, &fixture->state), 0);
        test_collector_init(&fixture->test, &watch_kernel_messages);
}

static void fixture_restart(struct fixture *fixture) {
        watch_kernel_messages.close(fixture->state);
        assert_int_equal(watch_kernel_messages.open(&fixture->settings, &fixture->host, &fixture->state), 0);
}

static void fixture_close(struct fixture *fixture) {
        watch_kernel_messages.close(fixture->state);
        test_collector_done(&fixture->test);
        host_close(&fixture->host);
        tree_remove(&fixture->tree);
}

static void collect(struct fixture *fixture, struct bytes after, const char *records, const char *losses) {
        assert_int_equal(test_collect_after(&fixture->test, fixture->state, after), WATCH_OK);
        assert_string_equal(buffer_string(&fixture->test.records), records);
        assert_string_equal(buffer_string(&fixture->test.losses), losses);
}

/* What the engine would ask for next. */
static struct bytes take_last_key(struct fixture *fixture, struct buffer *key) {
        buffer_clear(key);
        buffer_append_bytes(key, buffer_bytes(&fixture->test.key));
        return buffer_bytes(key);
}

static void test_parse(void **unused) {
        static const struct {
                const char *record;
                int expected;
                uint32_t priority, facility;
                uint64_t sequence, microseconds;
                const char *text;
        } cases[] = {
                { "6,339,5140900,-;NET: Registered\n SUBSYSTEM=acpi\n", 0, 6, 0, 339, 5140900, "NET: Registered" },
                { "12,1,0,-,caller=T1;a;b\n", 0, 4, 1, 1, 0, "a;b" },
                { "3,18446744073709551614,18446744073709551,c;", 0, 3, 0, UINT64_MAX - 1, UINT64_MAX / 1000, "" },
                { "3,1,2,-;a\\x0ab", 0, 3, 0, 1, 2, "a\\x0ab" },
                { "3,1,2;x", 0, 3, 0, 1, 2, "x" },
                { "3,18446744073709551615,0,-;x", -EBADMSG },
                { "3,18446744073709551616,0,-;x", -EBADMSG },
                { "3,1,18446744073709551615,-;x", -EBADMSG },
                { "4294967296,1,1,-;x", -EBADMSG },
                { "-3,1,1,-;x", -EBADMSG },
                { "3,1,1,-", -EBADMSG },
                { "3,1", -EBADMSG },
                { " KEY=value", -EBADMSG },
                { "", -EBADMSG },
        };

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct kmsg_record record = { 0 };

                assert_int_equal(kmsg_parse(bytes_of_string(cases[i].record), &record), cases[i].expected);
                if (cases[i].expected < 0)
                        continue;
                assert_int_equal(record.priority, cases[i].priority);
                assert_int_equal(record.facility, cases[i].facility);
                assert_true(record.sequence == cases[i].sequence);
                assert_true(record.microseconds == cases[i].microseconds);
                assert_true(bytes_equal(record.text, bytes_of_string(cases[i].text)));
        }
}

static void test_match(void **unused) {
        static const struct {
                const char *text, *match;
                bool expected;
        } cases[] = {
                { "loading out-of-tree module taints kernel", "module|bpf", true },
                { "BPF prog loaded", "module|bpf", true },
                { "MoDuLe", "module|bpf", true },
                { "modul", "module|bpf", false },
                { "", "module|bpf", false },
                { "anything", "", false },
                { "anything", "||", false },
                { "anything", "|THING|", true },
                { "x", "xx|x", true },
        };

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(kmsg_matches(bytes_of_string(cases[i].text), cases[i].match), cases[i].expected);
}

static void test_records(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture,
                     "6,1,1000,-;dummy: loading out-of-tree module taints kernel.\n"
                     " SUBSYSTEM=module\n DEVICE=+module:dummy\n"
                     "6,2,2000,-;something else\n"
                     "12,3,3000,-;evil: module verification failed\n");
        collect(&fixture, BYTES_NULL,
                "text=dummy: loading out-of-tree module taints kernel. origin=kernel priority=6 facility=0 sequence=1 "
                "time=1700000000001000000\n"
                "text=evil: module verification failed origin=user space priority=4 facility=1 sequence=3 "
                "time=1700000000003000000\n",
                "");
        fixture_close(&fixture);
}

static void test_each_once(void **unused) {
        _cleanup_buffer_ struct buffer key = BUFFER_NULL, older = BUFFER_NULL;
        struct fixture fixture;
        struct bytes after;

        (void)unused;
        fixture_open(&fixture, "6,1,1,-;module a\n");
        collect(&fixture, BYTES_NULL,
                "text=module a origin=kernel priority=6 facility=0 sequence=1 time=1700000000000001000\n", "");
        after = take_last_key(&fixture, &key);
        buffer_append_bytes(&older, after);
        collect(&fixture, after, "", "");

        tree_text(&fixture.tree, "dev/kmsg", "6,1,1,-;module a\n6,2,2,-;other\n6,3,3,-;module b\n");
        collect(&fixture, after,
                "text=module b origin=kernel priority=6 facility=0 sequence=3 time=1700000000000003000\n", "");
        after = take_last_key(&fixture, &key);
        collect(&fixture, after, "", "");

        /* over a restart in the same boot, also when the clock gives another time for it */
        tree_text(&fixture.tree, "proc/stat", "btime 1600000000\n");
        fixture_restart(&fixture);
        collect(&fixture, after, "", "");
        /* the engine could not keep the last round */
        collect(&fixture, buffer_bytes(&older),
                "text=module b origin=kernel priority=6 facility=0 sequence=3 time=1600000000000003000\n", "");
        assert_true(bytes_equal(buffer_bytes(&fixture.test.key), after));

        /* another boot, by a clock set back: its keys are still above */
        tree_text(&fixture.tree, "proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555\n");
        fixture_restart(&fixture);
        collect(&fixture, after,
                "text=module a origin=kernel priority=6 facility=0 sequence=1 time=1600000000000001000\n"
                "text=module b origin=kernel priority=6 facility=0 sequence=3 time=1600000000000003000\n",
                "");
        assert_true(bytes_compare(after, buffer_bytes(&fixture.test.key)) < 0);
        fixture_close(&fixture);
}

static void test_losses_are_counted(void **unused) {
        _cleanup_buffer_ struct buffer key = BUFFER_NULL;
        struct fixture fixture;
        struct bytes after;

        (void)unused;
        fixture_open(&fixture, "6,100,1,-;module a\n6,101,1,-;x\n6,105,1,-;x\n");
        collect(&fixture, BYTES_NULL,
                "text=module a origin=kernel priority=6 facility=0 sequence=100 time=1700000000000001000\n",
                "kmsg: overrun 3\n");
        after = take_last_key(&fixture, &key);
        collect(&fixture, after, "", ""); /* said once */
        tree_text(&fixture.tree, "dev/kmsg", "6,110,1,-;x\n");
        collect(&fixture, after, "", "kmsg: overrun 4\n");

        fixture_restart(&fixture); /* at most: 101 to 109 */
        collect(&fixture, after, "", "kmsg: overrun while not watching 9\n");
        collect(&fixture, after, "", "");
        fixture_close(&fixture);
}

static void test_hostile(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture, "garbage\n6,1\n\n,,,\n6,2,0,-;module \x1b[2J\xff\xfe\n6,3,0,-;module cut");
        collect(&fixture, bytes_of("short", 5),
                "text=module \x1b[2J\xff\xfe origin=kernel priority=6 facility=0 sequence=2 time=1700000000000000000\n"
                "text=module cut origin=kernel priority=6 facility=0 sequence=3 time=1700000000000000000\n",
                "");
        fixture_close(&fixture);
}

static void test_not_here(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture, NULL);
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_E_UNAVAILABLE);
        assert_string_equal(buffer_string(&fixture.test.conditions), "no /dev/kmsg on this host\n");
        fixture_close(&fixture);
}

static void test_forged_is_low(void **unused) {
        int facility = fields_find(watch_kernel_messages.fields, "facility");
        struct record record = { 0 };
        struct change change = { .kind = CHANGE_APPEARED, .fields = watch_kernel_messages.fields, .after = &record };

        (void)unused;
        record.values[facility] = value_number(1);
        assert_string_equal(watch_kernel_messages.classify(&change)->action, "user-message-in-kernel-log");
        assert_int_equal(watch_kernel_messages.classify(&change)->severity, SEVERITY_LOW);
        assert_true(watch_kernel_messages.classify(&change)->fixed_severity);
        record.values[facility] = value_number(0);
        assert_null(watch_kernel_messages.classify(&change));
}

/* The host's own log: a line that matches comes once, and only then. */
static void test_real_log(void **unused) {
        _cleanup_buffer_ struct buffer key = BUFFER_NULL;
        _cleanup_free_ char *word = NULL, *line = NULL;
        struct watch_settings settings = { 0 };
        struct test_collector test;
        struct host host = HOST_NULL;
        void *state = NULL;
        int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

        (void)unused;
        if (log < 0 || access("/dev/kmsg", R_OK) < 0) {
                fd_close(log);
                skip();
        }
        assert_true(asprintf(&word, "nephronix-test-%d", (int)getpid()) > 0);
        assert_true(asprintf(&line, "%s: a line\n", word) > 0);
        settings.match = word;
        assert_int_equal(host_open(&host, "/"), 0);
        assert_int_equal(watch_kernel_messages.open(&settings, &host, &state), 0);
        test_collector_init(&test, &watch_kernel_messages);
        if (test_collect(&test, state) == WATCH_E_UNAVAILABLE)
                goto end;
        assert_int_equal(test.count, 0);
        assert_int_equal(write(log, "another line\n", 13), 13);
        assert_int_equal(write(log, line, strlen(line)), (ssize_t)strlen(line));
        assert_int_equal(test_collect(&test, state), WATCH_OK);
        assert_int_equal(test.count, 1);
        assert_non_null(strstr(buffer_string(&test.records), "origin=user space priority=4 facility=1"));
        buffer_append_bytes(&key, buffer_bytes(&test.key));
        assert_int_equal(test_collect_after(&test, state, buffer_bytes(&key)), WATCH_OK);
        assert_int_equal(test.count, 0);

        watch_kernel_messages.close(state);
        assert_int_equal(watch_kernel_messages.open(&settings, &host, &state), 0);
        assert_int_equal(test_collect_after(&test, state, buffer_bytes(&key)), WATCH_OK);
        assert_int_equal(test.count, 0);
        assert_int_equal(test_collect(&test, state), WATCH_OK); /* it knows nothing: everything, under the same key */
        assert_int_equal(test.count, 1);
        assert_true(bytes_equal(buffer_bytes(&test.key), buffer_bytes(&key)));
end:
        watch_kernel_messages.close(state);
        test_collector_done(&test);
        host_close(&host);
        fd_close(log);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),   cmocka_unit_test(test_match),
                cmocka_unit_test(test_records), cmocka_unit_test(test_each_once),
                cmocka_unit_test(test_losses_are_counted),
                cmocka_unit_test(test_hostile), cmocka_unit_test(test_not_here),
                cmocka_unit_test(test_forged_is_low), cmocka_unit_test(test_real_log),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
