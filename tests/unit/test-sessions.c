/* test-sessions.c - logind's files and utmp records, sound and hostile; how the two are joined. */
#include "tree.h"

#include <errno.h>
#include <utmp.h>

#include "sessions.h"

static void assert_bytes(struct bytes bytes, const char *text) {
        if (!bytes_equal(bytes, bytes_of_string(text)))
                fail_msg("\"%.*s\" is not \"%s\"", (int)bytes.size, (const char *)bytes.data, text);
}

static int parse(const char *id, const char *text, struct session *session) {
        return session_parse_logind(bytes_of_string(id), bytes_of_string(text), session);
}

static void test_logind_file(void **unused) {
        struct session session;

        (void)unused;
        assert_int_equal(parse("c2",
                               "# This is private data. Do not parse.\nUID=1000\nUSER=alice\n"
                               "ACTIVE=1\nSTATE=active\nREMOTE=1\n"
                               "TYPE=tty\nCLASS=user\nTTY=pts/3\nREMOTE_HOST=192.0.2.7\nSERVICE=sshd\nLEADER=4711\n"
                               "REALTIME=1700000000123456\n",
                               &session),
                         1);
        assert_bytes(session.id, "c2");
        assert_bytes(session.user, "alice");
        assert_bytes(session.tty, "pts/3");
        assert_bytes(session.remote, "192.0.2.7");
        assert_bytes(session.service, "sshd");
        assert_bytes(session.type, "tty");
        assert_true(session.has_user_id);
        assert_int_equal(session.user_id, 1000);
        assert_int_equal(session.leader, 4711);
        assert_true(session.since_ns == 1700000000123456000);
        free(session.memory);
}

static void test_logind_answers(void **unused) {
        static const struct {
                const char *text;
                int expected;
        } cases[] = {
                { "UID=0\nUSER=root\nCLASS=user\nSTATE=online\n", 1 },
                { "UID=0\nUSER=root\nCLASS=user-early\nSTATE=active\n", 1 },
                { "UID=0\nUSER=root\nSTATE=active", 1 },
                { "UID=0\nUSER=root\nCLASS=user\nSTATE=closing\n", 0 },
                { "UID=117\nUSER=gdm\nCLASS=greeter\nSTATE=active\n", 0 },
                { "UID=0\nUSER=root\nCLASS=manager\n", 0 },
                { "UID=0\nUSER=root\nCLASS=background\n", 0 },
                { "UID=0\nUSER=root\nCLASS=user-incomplete\n", 0 },
                { "UID=4294967295\n", -EBADMSG },
                { "UID=x\nLEADER=-1\n", -EBADMSG },
                { "", -EBADMSG },
                { "\n\n===\n=\n", -EBADMSG },
        };

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct session session = { .memory = NULL };

                assert_int_equal(parse("1", cases[i].text, &session), cases[i].expected);
                free(session.memory);
        }
}

static void test_logind_escapes(void **unused) {
        struct session session;

        (void)unused;
        assert_int_equal(parse("1",
                               "UID=7\nREMOTE_HOST=a\\x1b[31m\\n\\\\\\101\\q\nSERVICE=\"login \\\"x\\\"\"\nTYPE='a\\b'\n"
                               "TTY=/dev/tty1\n"
                               "LEADER=99999999999\nREALTIME=18446744073709551615\nTTY_VALIDITY=\\",
                               &session),
                         1);
        assert_bytes(session.user, "7");
        assert_bytes(session.remote, "a\x1b[31m\n\\Aq");
        assert_bytes(session.service, "login \"x\"");
        assert_bytes(session.type, "a\\b");
        assert_bytes(session.tty, "tty1");
        assert_int_equal(session.leader, 0);
        assert_true(session.since_ns == 0);
        free(session.memory);
}

static struct utmp utmp_record(short type, int pid, const char *line, const char *user, const char *host) {
        struct utmp record = { .ut_type = type, .ut_pid = pid };

        memcpy(record.ut_line, line, strnlen(line, sizeof(record.ut_line)));
        memcpy(record.ut_user, user, strnlen(user, sizeof(record.ut_user)));
        memcpy(record.ut_host, host, strnlen(host, sizeof(record.ut_host)));
        record.ut_tv.tv_sec = 1700000000;
        record.ut_tv.tv_usec = 5;
        return record;
}

static void test_utmp_record(void **unused) {
        struct utmp record = utmp_record(USER_PROCESS, 77, "pts/0", "bob", "");
        struct session session;

        (void)unused;
        record.ut_addr_v6[0] = (int32_t)0x0100007f; /* 127.0.0.1 in memory order on this byte order */
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), 1);
        assert_bytes(session.user, "bob");
        assert_bytes(session.tty, "pts/0");
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        assert_bytes(session.remote, "127.0.0.1");
#endif
        assert_int_equal(session.leader, 77);
        assert_true(session.since_ns == 1700000000000005000);
        free(session.memory);

        /* nothing ends the strings */
        memset(record.ut_user, 'u', sizeof(record.ut_user));
        memset(record.ut_line, 'l', sizeof(record.ut_line));
        memset(record.ut_host, 'h', sizeof(record.ut_host));
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), 1);
        assert_int_equal(session.user.size, sizeof(record.ut_user));
        assert_int_equal(session.tty.size, sizeof(record.ut_line));
        assert_int_equal(session.remote.size, sizeof(record.ut_host));
        free(session.memory);
}

static void test_utmp_garbage(void **unused) {
        struct session session;
        struct utmp record = utmp_record(DEAD_PROCESS, 77, "pts/0", "bob", "");

        (void)unused;
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), 0);
        record.ut_type = 4242;
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), -EBADMSG);
        record.ut_type = -1;
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), -EBADMSG);
        record = utmp_record(USER_PROCESS, -5, "pts/0", "bob", "");
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), -EBADMSG);
        record = utmp_record(USER_PROCESS, 5, "", "bob", "");
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), -EBADMSG);
        record = utmp_record(USER_PROCESS, 5, "/dev/", "bob", "");
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), -EBADMSG);
        record = utmp_record(USER_PROCESS, 5, "pts/0", "", "");
        assert_int_equal(session_parse_utmp((const uint8_t *)&record, &session), -EBADMSG);
}

static void test_terminal_names(void **unused) {
        (void)unused;
        assert_true(session_terminal_ok(bytes_of_string("pts/0")));
        assert_true(session_terminal_ok(bytes_of_string("ttyS0.1")));
        assert_false(session_terminal_ok(bytes_of_string("")));
        assert_false(session_terminal_ok(bytes_of_string("/etc/passwd")));
        assert_false(session_terminal_ok(bytes_of_string("../etc/passwd")));
        assert_false(session_terminal_ok(bytes_of_string("pts/../../etc/passwd")));
        assert_false(session_terminal_ok(bytes_of_string("pts/0\n")));
        assert_false(session_terminal_ok(bytes_of_string(":0")));
        assert_false(session_terminal_ok(bytes_of("pts\0x", 5)));
}

static void write_utmp(const struct tree *tree, const struct utmp *records, size_t size) {
        tree_write(tree, "run/utmp", records, size);
}

/* sshd's process of root's session is the leader, and its child, the shell, stands in utmp. */
static void test_shell_in_utmp(void **unused) {
        struct utmp records[] = {
                utmp_record(USER_PROCESS, 51, "pts/0", "root", "192.0.2.1"),
                utmp_record(USER_PROCESS, 52, "pts/1", "root", "192.0.2.1"), /* child of another */
        };
        _cleanup_sessions_ struct sessions sessions = SESSIONS_NULL;
        struct host host = HOST_NULL;
        struct tree tree;

        (void)unused;
        tree_make(&tree);
        tree_text(&tree, "proc/51/stat", "51 (bash) S 50 51 51 34816 51 4194560 1 2 3 4 5 6 7 8 20 0 1 0 900 1 2 3 4 5 6 7 8 9 "
                  "10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 0\n");
        tree_text(&tree, "proc/52/stat", "52 (bash) S 1 52 52 34817 52 4194560 1 2 3 4 5 6 7 8 20 0 1 0 900 1 2 3 4 5 6 7 8 9 "
                  "10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 0\n");
        tree_text(&tree, "run/systemd/sessions/1", "UID=0\nUSER=root\nCLASS=user\nLEADER=50\n");
        write_utmp(&tree, records, sizeof(records));
        assert_int_equal(host_open(&host, tree.root), 0);

        assert_int_equal(sessions_read(&host, &sessions), 0);
        assert_int_equal(sessions.count, 2);
        assert_int_equal(sessions.items[0].source, SESSION_LOGIND);
        assert_bytes(sessions.items[0].tty, "pts/0");
        assert_int_equal(sessions.items[1].source, SESSION_UTMP);
        assert_bytes(sessions.items[1].tty, "pts/1");
        host_close(&host);
        tree_remove(&tree);
}

static void test_both_sources(void **unused) {
        struct utmp records[] = {
                utmp_record(USER_PROCESS, 10, "pts/0", "alice", "192.0.2.1"),   /* logind has the terminal */
                utmp_record(USER_PROCESS, 20, "pts/1", "alice", "192.0.2.2"),   /* logind has the leader, no terminal */
                utmp_record(USER_PROCESS, 30, "pts/2", "carol", "tmux(1).%0"),  /* only utmp */
                utmp_record(USER_PROCESS, 40, "pts/3", "dave", "192.0.2.4"),    /* its process is gone */
                utmp_record(BOOT_TIME, 0, "~", "reboot", ""),
        };
        _cleanup_sessions_ struct sessions sessions = SESSIONS_NULL;
        struct host host = HOST_NULL;
        struct tree tree;

        (void)unused;
        tree_make(&tree);
        tree_folder(&tree, "proc/10");
        tree_folder(&tree, "proc/20");
        tree_folder(&tree, "proc/30");
        tree_text(&tree, "run/systemd/sessions/1", "UID=1\nUSER=alice\nCLASS=user\nTTY=pts/0\nLEADER=10\n");
        tree_text(&tree, "run/systemd/sessions/2", "UID=1\nUSER=alice\nCLASS=user\nLEADER=20\n");
        tree_text(&tree, "run/systemd/sessions/2.ref", "UID=1\nUSER=alice\nCLASS=user\nLEADER=20\n");
        tree_text(&tree, "run/systemd/sessions/.#3abc", "UID=1\nUSER=alice\nCLASS=user\nLEADER=20\n");
        write_utmp(&tree, records, sizeof(records));
        assert_int_equal(host_open(&host, tree.root), 0);

        /* twice: the list is read anew */
        for (int i = 0; i < 2; i++) {
                assert_int_equal(sessions_read(&host, &sessions), 0);
                assert_true(sessions.has_logind && sessions.has_utmp);
                assert_int_equal(sessions.count, 3);
                assert_int_equal(sessions.skipped, 0);
                for (size_t j = 0; j < 2; j++) {
                        assert_int_equal(sessions.items[j].source, SESSION_LOGIND);
                        if (sessions.items[j].id.data[0] == '2') {
                                assert_bytes(sessions.items[j].tty, "pts/1");
                                assert_bytes(sessions.items[j].remote, "192.0.2.2");
                        } else
                                assert_bytes(sessions.items[j].tty, "pts/0");
                }
                assert_int_equal(sessions.items[2].source, SESSION_UTMP);
                assert_bytes(sessions.items[2].user, "carol");
        }

        /* cut in the middle of a record; the one before it still counts */
        write_utmp(&tree, &records[2], sizeof(records[0]) + 100);
        tree_text(&tree, "run/systemd/sessions/4", "garbage");
        assert_int_equal(sessions_read(&host, &sessions), 0);
        assert_int_equal(sessions.count, 3);
        assert_int_equal(sessions.skipped, 2);
        host_close(&host);
        tree_remove(&tree);
}

static void test_nothing_there(void **unused) {
        _cleanup_sessions_ struct sessions sessions = SESSIONS_NULL;
        struct host host = HOST_NULL;
        struct tree tree;

        (void)unused;
        tree_make(&tree);
        assert_int_equal(host_open(&host, tree.root), 0);
        assert_int_equal(sessions_read(&host, &sessions), 0);
        assert_false(sessions.has_logind || sessions.has_utmp);
        assert_int_equal(sessions.count, 0);

        /* the old place, and no proc to ask */
        tree_write(&tree, "var/run/utmp", "x", 1);
        assert_int_equal(sessions_read(&host, &sessions), 0);
        assert_true(sessions.has_utmp);
        assert_int_equal(sessions.skipped, 1);
        host_close(&host);
        tree_remove(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_logind_file),   cmocka_unit_test(test_logind_answers),
                cmocka_unit_test(test_logind_escapes), cmocka_unit_test(test_utmp_record),
                cmocka_unit_test(test_utmp_garbage),  cmocka_unit_test(test_terminal_names),
                cmocka_unit_test(test_shell_in_utmp), cmocka_unit_test(test_both_sources),
                cmocka_unit_test(test_nothing_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
