/* test-users.c - sessions as records: keys that hold still, and what is not a change. */
#include "collect.h"
#include "tree.h"

#include <utmp.h>

#include "host.h"
#include "users.h"

struct fixture {
        struct tree tree;
        struct host host;
        void *state;
        struct test_collector test;
};

static void fixture_open(struct fixture *fixture) {
        static const struct watch_settings settings = { 0 };

        tree_make(&fixture->tree);
        tree_text(&fixture->tree, "proc/10/comm", "sshd\n");
        tree_text(&fixture->tree, "proc/30/comm", "login\n");
        assert_int_equal(host_open(&fixture->host, fixture->tree.root), 0);
        assert_int_equal(watch_users.open(&settings, &fixture->host, &fixture->state), 0);
        test_collector_init(&fixture->test, &watch_users);
}

static void fixture_close(struct fixture *fixture) {
        watch_users.close(fixture->state);
        test_collector_done(&fixture->test);
        host_close(&fixture->host);
        tree_remove(&fixture->tree);
}

static void write_login(const struct tree *tree, int pid, const char *line, const char *user) {
        struct utmp record = { .ut_type = USER_PROCESS, .ut_pid = pid, .ut_tv = { .tv_sec = 1700000000 } };

        memcpy(record.ut_line, line, strlen(line));
        memcpy(record.ut_user, user, strlen(user));
        tree_write(tree, "run/utmp", &record, sizeof(record));
}

static void test_records(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_text(&fixture.tree, "run/systemd/sessions/7",
                  "UID=1000\nUSER=zoe\nACTIVE=1\nSTATE=active\nTYPE=tty\nCLASS=user\nTTY=pts/0\n"
                  "REMOTE_HOST=2001:db8::1\n"
                  "SERVICE=sshd\nLEADER=10\nREALTIME=1700000000000000\n");
        write_login(&fixture.tree, 30, "tty1", "bob");
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_OK);
        assert_string_equal(buffer_string(&fixture.test.records),
                            "user=bob tty=tty1 since=1700000000000000000 leader=30 leader_name=login source=utmp\n"
                            "user=zoe user_id=1000 tty=pts/0 remote=2001:db8::1 since=1700000000000000000 leader=10 "
                            "leader_name=sshd session=7 service=sshd type=tty source=logind\n");
        assert_string_equal(buffer_string(&fixture.test.conditions), "");
        fixture_close(&fixture);
}

static void test_state_is_not_compared(void **unused) {
        _cleanup_buffer_ struct buffer before = BUFFER_NULL;
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_text(&fixture.tree, "run/systemd/sessions/7",
                  "UID=1\nUSER=zoe\nACTIVE=1\nSTATE=active\nCLASS=user\nLEADER=10\n");
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_OK);
        buffer_append_bytes(&before, buffer_bytes(&fixture.test.records));
        buffer_append_bytes(&before, buffer_bytes(&fixture.test.key));
        tree_text(&fixture.tree, "run/systemd/sessions/7",
                  "UID=1\nUSER=zoe\nACTIVE=0\nSTATE=online\nCLASS=user\nLEADER=10\n");
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_OK);
        buffer_append_bytes(&fixture.test.records, buffer_bytes(&fixture.test.key));
        assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&fixture.test.records)));
        fixture_close(&fixture);
}

static void test_stamp_sees_a_dead_leader(void **unused) {
        struct fixture fixture;
        struct stamp first = { 0 }, second = { 0 };

        (void)unused;
        fixture_open(&fixture);
        write_login(&fixture.tree, 30, "tty1", "bob");
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_OK);
        assert_int_equal(fixture.test.count, 1);
        assert_int_equal(watch_users.stamp(fixture.state, &first), 0);
        assert_int_equal(watch_users.stamp(fixture.state, &second), 0);
        assert_true(bytes_equal(bytes_of(first.data, first.size), bytes_of(second.data, second.size)));
        tree_delete(&fixture.tree, "proc/30/comm");
        tree_delete(&fixture.tree, "proc/30");
        assert_int_equal(watch_users.stamp(fixture.state, &second), 0);
        assert_false(bytes_equal(bytes_of(first.data, first.size), bytes_of(second.data, second.size)));
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_OK);
        assert_int_equal(fixture.test.count, 0);

        tree_text(&fixture.tree, "run/systemd/sessions/7", "");
        assert_int_equal(watch_users.stamp(fixture.state, &first), 0);
        assert_false(bytes_equal(bytes_of(first.data, first.size), bytes_of(second.data, second.size)));
        fixture_close(&fixture);
}

static void test_what_cannot_be_seen_is_said(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_E_UNAVAILABLE);
        assert_string_equal(buffer_string(&fixture.test.conditions),
                            "neither systemd-logind's session files nor a utmp on this host\n");
        tree_write(&fixture.tree, "run/utmp", "\xff\xff\xff", 3);
        assert_int_equal(test_collect(&fixture.test, fixture.state), WATCH_OK);
        assert_string_equal(buffer_string(&fixture.test.conditions),
                            "session files or utmp records that cannot be understood were left out\n");
        fixture_close(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_records),
                cmocka_unit_test(test_state_is_not_compared),
                cmocka_unit_test(test_stamp_sees_a_dead_leader),
                cmocka_unit_test(test_what_cannot_be_seen_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
