/* The table of processes: who is who, who belongs to whom, and how much it may hold. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "ownership.h"
#include "process-table.h"

#define SECOND UINT64_C(1000000000)

/* A host of a few processes. */
struct fake {
        struct process_lookup lookup;
        struct process_facts processes[32];
        size_t count, asked, remote_asked;
        const char *remote;
        uint32_t server, leader;
};

static int fake_read(struct process_lookup *lookup, uint32_t pid, struct buffer *room, struct process_facts *ret) {
        struct fake *fake = container_of(lookup, struct fake, lookup);

        fake->asked++;
        buffer_clear(room);
        for (size_t i = 0; i < fake->count; i++)
                if (fake->processes[i].pid == pid) {
                        *ret = fake->processes[i];
                        /* In the room, so that whoever keeps what is borrowed is found out. */
                        buffer_append_bytes(room, ret->executable);
                        if (ret->executable.size)
                                ret->executable = buffer_bytes(room);
                        return 0;
                }
        return -ESRCH;
}

static int fake_remote(struct process_lookup *lookup, uint32_t server, uint32_t leader, struct buffer *ret) {
        struct fake *fake = container_of(lookup, struct fake, lookup);

        fake->remote_asked++;
        if (!fake->remote)
                return -ENOENT;
        fake->server = server;
        fake->leader = leader;
        buffer_clear(ret);
        buffer_append_string(ret, fake->remote);
        return 0;
}

static struct process_facts facts_of(uint32_t pid, uint32_t parent, uint64_t start, const char *executable) {
        const char *slash = strrchr(executable, '/');

        return (struct process_facts){
                .pid = pid,
                .parent = parent,
                .start_ticks = start,
                .flags = PROCESS_HAS_USERS,
                .session_leader = 1,
                .name = bytes_of_string(slash ? slash + 1 : executable),
                .executable = bytes_of_string(executable),
                .command_line = bytes_of_string(executable),
                .cgroup = bytes_of_string("/system.slice/x.service"),
        };
}

static void live(struct fake *fake, struct process_facts facts) {
        assert_true(fake->count < ELEMENTS(fake->processes));
        fake->processes[fake->count++] = facts;
}

static void die(struct fake *fake, uint32_t pid) {
        for (size_t i = 0; i < fake->count; i++)
                if (fake->processes[i].pid == pid)
                        fake->processes[i] = fake->processes[--fake->count];
}

static const uint8_t seed[PROCESS_TABLE_SEED_SIZE] = "0123456789abcde";

static struct process_table *table_of(struct fake *fake) {
        struct process_table *table = NULL;

        fake->lookup = (struct process_lookup){ .read = fake_read, .remote_address = fake_remote };
        assert_int_equal(process_table_new(&fake->lookup, seed, &table), 0);
        return table;
}

static void tell(struct process_table *table, enum delta_kind kind, struct process_facts facts, uint64_t now) {
        struct delta delta = { .kind = kind, .subject = DELTA_PROCESS, .source = "test", .process = facts };

        process_table_delta(table, &delta, now);
}

static void starts(struct process_table *table, struct process_facts facts, uint64_t now) {
        tell(table, DELTA_APPEARED, facts, now);
}

static void ends(struct process_table *table, uint32_t pid, uint64_t start, uint64_t now) {
        tell(table, DELTA_VANISHED,
             (struct process_facts){ .pid = pid, .start_ticks = start, .flags = PROCESS_HAS_EXIT, .exit_status = 256 }, now);
}

static struct origin origin_of(uint32_t pid, uint64_t start) {
        return (struct origin){ .known = true, .pid = pid, .start_ticks = start };
}

static bool actor_of(struct process_table *table, uint32_t pid, uint64_t start, uint64_t now, struct actor *ret) {
        struct origin origin = origin_of(pid, start);

        return process_table_actor(table, &origin, now, ret);
}

static bool is(struct bytes bytes, const char *text) {
        return bytes_equal(bytes, bytes_of_string(text));
}

static void test_exit_is_merged(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        const struct process_facts *facts;
        char *text = strdup("/bin/true");

        (void)unused;
        process_table_follow(table, true);
        starts(table, facts_of(10, 1, 100, text), SECOND);
        memset(text, 'x', 9); /* bytes are copied */
        free(text);
        facts = process_table_find(table, 10, 100);
        assert_non_null(facts);
        assert_false(facts->flags & PROCESS_HAS_EXIT);
        ends(table, 10, 100, 2 * SECOND);
        facts = process_table_find(table, 10, 100);
        assert_non_null(facts);
        assert_true(is(facts->executable, "/bin/true"));
        assert_true(facts->flags & PROCESS_HAS_EXIT);
        assert_true(facts->flags & PROCESS_HAS_USERS);
        assert_int_equal(facts->exit_status, 256);
        /* for a while */
        starts(table, facts_of(11, 1, 101, "/bin/b"), 61 * SECOND);
        assert_non_null(process_table_find(table, 10, 100));
        starts(table, facts_of(12, 1, 101, "/bin/b"), 63 * SECOND);
        assert_null(process_table_find(table, 10, 100));
        /* The end of somebody of whom nothing was ever told says nothing. */
        ends(table, 77, 5, 64 * SECOND);
        assert_null(process_table_find(table, 77, 0));
}

static void test_reused_pid(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct actor actor;

        (void)unused;
        process_table_follow(table, true);
        starts(table, facts_of(10, 0, 100, "/bin/old"), SECOND);
        starts(table, facts_of(20, 10, 150, "/bin/child"), SECOND);
        /* Its end was not told: that another one has the pid says so. */
        starts(table, facts_of(10, 0, 200, "/bin/new"), 2 * SECOND);
        assert_true(is(process_table_find(table, 10, 100)->executable, "/bin/old"));
        assert_true(is(process_table_find(table, 10, 200)->executable, "/bin/new"));
        assert_true(is(process_table_find(table, 10, 0)->executable, "/bin/new"));
        assert_null(process_table_find(table, 10, 150));
        assert_true(is(process_table_parent(table, 20, 150)->executable, "/bin/old"));

        /* What comes late of the old one does not touch the new one. */
        ends(table, 10, 100, 3 * SECOND);
        assert_false(process_table_find(table, 10, 200)->flags & PROCESS_HAS_EXIT);

        /* A child told of late: its parent is whoever had the pid when it started. */
        starts(table, facts_of(21, 10, 199, "/bin/late"), 3 * SECOND);
        assert_true(is(process_table_parent(table, 21, 199)->executable, "/bin/old"));
        starts(table, facts_of(22, 10, 200, "/bin/late"), 3 * SECOND);
        assert_true(is(process_table_parent(table, 22, 200)->executable, "/bin/new"));
        starts(table, facts_of(23, 10, 99, "/bin/late"), 3 * SECOND);
        assert_null(process_table_parent(table, 23, 99));

        /* The host has a third one by now: an origin with a start is not answered with it. */
        live(&fake, facts_of(10, 1, 300, "/bin/third"));
        assert_false(actor_of(table, 10, 250, 4 * SECOND, &actor));
        assert_true(actor_of(table, 10, 200, 4 * SECOND, &actor));
        assert_true(is(actor.process.executable, "/bin/new"));
        assert_true(actor_of(table, 10, 100, 4 * SECOND, &actor));
        assert_true(is(actor.process.executable, "/bin/old"));
        assert_true(actor_of(table, 10, 300, 4 * SECOND, &actor));
        assert_true(is(actor.process.executable, "/bin/third"));
        assert_true(process_table_find(table, 10, 0)->start_ticks == 300);
}

static void test_execve(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        const struct process_facts *facts;
        struct process_facts shell = facts_of(10, 5, 100, "/bin/bash"), next = facts_of(10, 0, 100, "/usr/bin/vim.basic");

        (void)unused;
        shell.tty = 34816;
        shell.tty_name = bytes_of_string("pts/0");
        next.session_leader = 0;
        next.cgroup = BYTES_NULL;
        starts(table, facts_of(5, 0, 50, "/bin/login"), SECOND);
        starts(table, shell, SECOND);
        starts(table, next, 2 * SECOND);
        facts = process_table_find(table, 10, 100);
        assert_true(is(facts->executable, "/usr/bin/vim.basic"));
        assert_int_equal(facts->parent, 5);
        assert_int_equal(facts->session_leader, 1);
        assert_true(is(facts->tty_name, "pts/0"));
        assert_int_equal(process_table_parent(table, 10, 100)->pid, 5);
        /* ids changed */
        tell(table, DELTA_CHANGED,
             (struct process_facts){ .pid = 10, .start_ticks = 100, .flags = PROCESS_HAS_USERS, .user = 3, .effective_user = 4 },
             3 * SECOND);
        facts = process_table_find(table, 10, 100);
        assert_int_equal(facts->effective_user, 4);
        assert_true(is(facts->executable, "/usr/bin/vim.basic"));
        assert_true(is(facts->cgroup, "/system.slice/x.service"));
}

static void test_from_the_host(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct process_facts shell = facts_of(30, 20, 300, "/usr/bin/bash"), editor = facts_of(40, 30, 400, "/usr/bin/vim"),
                             server = facts_of(20, 2, 200, "/usr/sbin/sshd");
        struct actor actor;
        size_t asked;

        (void)unused;
        shell.session_leader = editor.session_leader = 30;
        shell.tty = editor.tty = 34816;
        editor.cgroup = shell.cgroup = bytes_of_string("/user.slice/user-0.slice/session-3.scope");
        server.session_leader = 20;
        live(&fake, facts_of(1, 0, 1, "/usr/lib/systemd/systemd"));
        live(&fake, facts_of(2, 1, 100, "/usr/sbin/sshd"));
        live(&fake, server);
        live(&fake, shell);
        live(&fake, editor);
        fake.remote = "2001:db8::7";

        assert_true(actor_of(table, 40, 400, SECOND, &actor));
        assert_true(is(actor.process.executable, "/usr/bin/vim"));
        assert_int_equal(actor.n_ancestors, 1);
        assert_int_equal(actor.ancestors[0].pid, 30);
        assert_non_null(actor.entry_leader);
        assert_int_equal(actor.entry_leader->pid, 30);
        assert_string_equal(actor.entry_type, "sshd");
        assert_true(is(actor.remote_address, "2001:db8::7"));
        assert_int_equal(fake.server, 20);
        assert_int_equal(fake.leader, 30);
        assert_true(is(actor.unit, "session-3.scope"));
        assert_int_equal(actor.container.size, 0);
        assert_false(actor.in_transaction);
        assert_int_equal(fake.asked, 5);

        /* Followed, it asks once more for certainty and then never again. */
        process_table_follow(table, true);
        assert_true(actor_of(table, 40, 0, 100 * SECOND, &actor));
        asked = fake.asked;
        assert_true(actor_of(table, 40, 0, 900 * SECOND, &actor));
        assert_int_equal(fake.asked, asked);
        process_table_doubt(table);
        assert_true(actor_of(table, 40, 0, 901 * SECOND, &actor));
        assert_int_equal(fake.asked, asked + 1);

        /* Gone with its shell and sshd: who it was is still known. */
        assert_int_equal(fake.remote_asked, 1);
        die(&fake, 40);
        ends(table, 40, 400, 902 * SECOND);
        ends(table, 30, 300, 902 * SECOND);
        ends(table, 20, 200, 902 * SECOND);
        assert_true(actor_of(table, 40, 400, 903 * SECOND, &actor));
        assert_true(is(actor.remote_address, "2001:db8::7"));
        assert_int_equal(actor.entry_leader->pid, 30);

        /* Nobody. */
        assert_false(actor_of(table, 99, 0, SECOND, &actor));
        assert_false(process_table_actor(table, &(struct origin){ .known = false, .pid = 40 }, SECOND, &actor));
}

/* What cannot be: each the other's parent. */
static void test_circle(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct actor actor;

        (void)unused;
        live(&fake, facts_of(10, 12, 5, "/bin/a"));
        live(&fake, facts_of(11, 10, 5, "/bin/b"));
        live(&fake, facts_of(12, 11, 5, "/bin/c"));
        assert_true(actor_of(table, 10, 0, SECOND, &actor));
        assert_int_equal(actor.n_ancestors, 2);
        assert_int_equal(actor.ancestors[0].pid, 12);
        assert_int_equal(actor.ancestors[1].pid, 11);
        live(&fake, facts_of(20, 20, 5, "/bin/own"));
        assert_true(actor_of(table, 20, 0, SECOND, &actor));
        assert_int_equal(actor.n_ancestors, 0);
}

/* Nobody tells of execve and exit: a pid alone proves little after a while. */
static void test_not_followed(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct actor actor;

        (void)unused;
        live(&fake, facts_of(10, 0, 100, "/bin/first"));
        assert_true(actor_of(table, 10, 0, SECOND, &actor));
        fake.processes[0].executable = bytes_of_string("/bin/second"); /* execve */
        assert_true(actor_of(table, 10, 0, 2 * SECOND, &actor));
        assert_true(is(actor.process.executable, "/bin/second"));
        die(&fake, 10);
        assert_true(actor_of(table, 10, 0, 3 * SECOND, &actor)); /* a moment ago */
        assert_true(is(actor.process.executable, "/bin/second"));

        live(&fake, facts_of(20, 0, 100, "/bin/first"));
        assert_true(actor_of(table, 20, 0, SECOND, &actor));
        die(&fake, 20);
        assert_false(actor_of(table, 20, 0, 30 * SECOND, &actor));
        assert_true(actor_of(table, 20, 100, 30 * SECOND, &actor)); /* that one it was for sure */

        live(&fake, facts_of(30, 0, 100, "/bin/first"));
        assert_true(actor_of(table, 30, 0, SECOND, &actor));
        die(&fake, 30);
        live(&fake, facts_of(30, 0, 200, "/bin/other"));
        assert_true(actor_of(table, 30, 0, 2 * SECOND, &actor));
        assert_true(is(actor.process.executable, "/bin/other"));
}

/* /proc is not believed where the kernel spoke. */
static void test_record_before_proc(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct process_facts record = facts_of(10, 0, 100, "/tmp/evil"), shown = facts_of(10, 0, 100, "/tmp/evil");
        struct actor actor;

        (void)unused;
        record.cgroup = BYTES_NULL;
        shown.command_line = bytes_of_string("[kworker/0:1]");
        live(&fake, shown);
        process_table_follow(table, true);
        starts(table, record, SECOND);
        assert_true(actor_of(table, 10, 100, SECOND, &actor));
        assert_true(is(actor.process.command_line, "/tmp/evil"));
        assert_true(is(actor.process.cgroup, "/system.slice/x.service")); /* a gap, filled */
        assert_int_equal(fake.asked, 1);
        assert_true(actor_of(table, 10, 100, SECOND, &actor));
        assert_int_equal(fake.asked, 1);
}

static void test_transaction(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake), *again = table_of(&fake);
        struct process_facts apt = facts_of(20, 10, 200, "/usr/bin/apt-get"), mine;
        struct actor actor, other;
        uint8_t id[TRANSACTION_ID_SIZE];

        (void)unused;
        apt.command_line = bytes_of_string("apt-get install -y hello");
        process_table_follow(table, true);
        process_table_follow(again, true);
        starts(table, facts_of(10, 0, 100, "/usr/bin/sudo"), SECOND);
        starts(table, apt, SECOND);
        starts(table, facts_of(30, 20, 300, "/usr/bin/dpkg"), SECOND);
        starts(table, facts_of(40, 30, 400, "/bin/sh"), SECOND);
        starts(table, facts_of(50, 40, 500, "/usr/sbin/update-initramfs"), SECOND);
        assert_true(actor_of(table, 50, 500, SECOND, &actor));
        assert_true(actor.in_transaction);
        assert_int_equal(actor.transaction.process->pid, 20);
        assert_true(is(actor.transaction.process->command_line, "apt-get install -y hello"));
        memcpy(id, actor.transaction.id, sizeof(id));
        assert_int_equal(id[6] & 0xf0, 0x80);
        assert_int_equal(id[8] & 0xc0, 0x80);
        for (uint32_t pid = 20; pid <= 40; pid += 10) {
                assert_true(actor_of(table, pid, 0, SECOND, &other));
                assert_true(other.in_transaction);
                assert_memory_equal(other.transaction.id, id, sizeof(id));
        }
        assert_true(actor_of(table, 10, 0, SECOND, &other));
        assert_false(other.in_transaction);

        /* All in between die: the orphan keeps it, and so does what it starts. */
        ends(table, 40, 400, 2 * SECOND);
        ends(table, 30, 300, 2 * SECOND);
        assert_true(actor_of(table, 50, 500, 100 * SECOND, &other));
        assert_true(other.in_transaction);
        assert_memory_equal(other.transaction.id, id, sizeof(id));
        assert_int_equal(other.n_ancestors, 4);
        starts(table, facts_of(51, 50, 501, "/bin/true"), 100 * SECOND);
        assert_true(actor_of(table, 51, 501, 100 * SECOND, &other));
        assert_memory_equal(other.transaction.id, id, sizeof(id));

        /* The manager ends: what it leaves behind belongs to it for a while, not for ever. */
        ends(table, 20, 200, 200 * SECOND);
        starts(table, facts_of(52, 50, 502, "/bin/true"), 230 * SECOND);
        assert_true(actor_of(table, 52, 502, 230 * SECOND, &other));
        assert_memory_equal(other.transaction.id, id, sizeof(id));
        assert_int_equal(other.transaction.process->pid, 20);
        assert_true(actor_of(table, 50, 500, 230 * SECOND, &other));
        assert_true(other.in_transaction);
        assert_true(actor_of(table, 50, 500, 261 * SECOND, &other));
        assert_false(other.in_transaction);
        starts(table, facts_of(53, 50, 503, "/bin/true"), 262 * SECOND);
        assert_true(actor_of(table, 53, 503, 262 * SECOND, &other));
        assert_false(other.in_transaction);

        /* The same run has the same id after a restart of ours; the next run another one. */
        starts(again, apt, SECOND);
        assert_true(actor_of(again, 20, 200, SECOND, &other));
        assert_memory_equal(other.transaction.id, id, sizeof(id));
        starts(again, facts_of(20, 10, 900, "/usr/bin/apt-get"), SECOND);
        assert_true(actor_of(again, 20, 900, SECOND, &other));
        assert_true(other.in_transaction && memcmp(other.transaction.id, id, sizeof(id)) != 0);

        /* A shell that becomes a package manager by execve. */
        starts(table, facts_of(60, 10, 600, "/bin/bash"), 300 * SECOND);
        assert_true(actor_of(table, 60, 600, 300 * SECOND, &other));
        assert_false(other.in_transaction);
        starts(table, facts_of(60, 10, 600, "/usr/bin/dpkg"), 301 * SECOND);
        assert_true(actor_of(table, 60, 600, 301 * SECOND, &other));
        assert_true(other.in_transaction);

        /* Not root: it can install nothing. */
        mine = facts_of(70, 10, 700, "/usr/bin/dpkg");
        mine.effective_user = 1000;
        starts(table, mine, 302 * SECOND);
        assert_true(actor_of(table, 70, 700, 302 * SECOND, &other));
        assert_false(other.in_transaction);
}

/* A child that was never seen to start, below a run that was; and a run found by asking. */
static void test_transaction_from_the_host(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct actor actor;

        (void)unused;
        live(&fake, facts_of(1, 0, 1, "/usr/lib/systemd/systemd"));
        live(&fake, facts_of(20, 1, 200, "/usr/bin/apt"));
        live(&fake, facts_of(30, 20, 300, "/usr/bin/dpkg"));
        live(&fake, facts_of(40, 30, 400, "/bin/sh"));
        assert_true(actor_of(table, 40, 0, SECOND, &actor));
        assert_true(actor.in_transaction);
        assert_int_equal(actor.transaction.process->pid, 20);
        /* Nobody tells of the manager's end: it is asked for. */
        die(&fake, 20);
        die(&fake, 30);
        assert_true(actor_of(table, 40, 0, 20 * SECOND, &actor));
        assert_true(actor.in_transaction);
        assert_true(actor_of(table, 40, 0, 81 * SECOND, &actor));
        assert_false(actor.in_transaction);
}

static void test_entry(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct process_facts facts;
        struct actor actor;

        (void)unused;
        process_table_follow(table, true);
        starts(table, facts_of(1, 0, 1, "/usr/lib/systemd/systemd"), SECOND);
        /* a service and its child */
        facts = facts_of(10, 1, 10, "/usr/sbin/nginx");
        facts.session_leader = 10;
        starts(table, facts, SECOND);
        facts = facts_of(11, 10, 11, "/usr/sbin/nginx");
        facts.session_leader = 10;
        starts(table, facts, SECOND);
        assert_true(actor_of(table, 11, 0, SECOND, &actor));
        assert_string_equal(actor.entry_type, "init");
        assert_int_equal(actor.entry_leader->pid, 10);
        assert_int_equal(actor.n_ancestors, 1);
        /* a shell below tmux below init: somebody's terminal */
        facts = facts_of(20, 1, 20, "/usr/bin/tmux");
        facts.session_leader = 20;
        starts(table, facts, SECOND);
        facts = facts_of(21, 20, 21, "/bin/bash");
        facts.session_leader = 21;
        facts.tty = 34817;
        starts(table, facts, SECOND);
        assert_true(actor_of(table, 21, 0, SECOND, &actor));
        assert_string_equal(actor.entry_type, "terminal");
        assert_int_equal(actor.entry_leader->pid, 21);
        /* an orphan that init took in: from where is not known */
        facts = facts_of(30, 1, 30, "/tmp/x");
        facts.session_leader = 29;
        starts(table, facts, SECOND);
        assert_true(actor_of(table, 30, 0, SECOND, &actor));
        assert_null(actor.entry_leader);
        assert_null(actor.entry_type);
        /* cron, and a generation more than ancestors are told */
        facts = facts_of(40, 1, 40, "/usr/sbin/cron");
        facts.session_leader = 40;
        starts(table, facts, SECOND);
        facts = facts_of(41, 40, 41, "/bin/sh");
        facts.session_leader = 41;
        starts(table, facts, SECOND);
        for (uint32_t pid = 42; pid < 55; pid++) {
                facts = facts_of(pid, pid - 1, pid, "/bin/sh");
                facts.session_leader = 41;
                facts.cgroup = BYTES_NULL;
                starts(table, facts, SECOND);
        }
        assert_true(actor_of(table, 54, 0, SECOND, &actor));
        assert_int_equal(actor.n_ancestors, ACTOR_ANCESTORS_MAX);
        assert_int_equal(actor.ancestors[0].pid, 53);
        assert_string_equal(actor.entry_type, "cron");
        assert_int_equal(actor.entry_leader->pid, 41);
        assert_true(is(actor.unit, "x.service")); /* of the session */
        /* a fake sshd begins no session */
        facts = facts_of(60, 30, 60, "/tmp/sshd");
        facts.session_leader = 60;
        starts(table, facts, SECOND);
        facts = facts_of(61, 60, 61, "/bin/sh");
        facts.session_leader = 61;
        starts(table, facts, SECOND);
        assert_true(actor_of(table, 61, 0, SECOND, &actor));
        assert_null(actor.entry_type);
}

static void test_forked_only(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct process_facts facts = facts_of(30, 20, 300, "/usr/bin/dpkg");
        struct actor actor;

        (void)unused;
        process_table_follow(table, true);
        starts(table, facts_of(20, 0, 200, "/usr/bin/dpkg"), SECOND);
        facts.flags |= PROCESS_FORKED_ONLY | PROCESS_HAS_EXIT;
        tell(table, DELTA_VANISHED, facts, SECOND);
        assert_true(actor_of(table, 30, 300, SECOND, &actor));
        assert_true(actor.in_transaction);
        assert_int_equal(actor.ancestors[0].pid, 20);
}

static void count(const struct process_table *table, size_t *ret_living, size_t *ret_dead) {
        size_t bytes;

        process_table_count(table, ret_living, ret_dead, &bytes);
        assert_true(bytes <= PROCESS_TABLE_BYTES_MAX);
}

static void test_bounds(void **unused) {
        struct fake fake = { .count = 0 };
        _cleanup_process_table_ struct process_table *table = table_of(&fake);
        struct process_facts facts;
        size_t living, dead;
        uint8_t *long_line;
        uint32_t pid = 100;

        (void)unused;
        process_table_follow(table, true);
        starts(table, facts_of(1, 0, 1, "/sbin/init"), SECOND);
        /* the dead */
        for (uint32_t i = 0; i < PROCESS_TABLE_DEAD_MAX * 2; i++, pid++) {
                starts(table, facts_of(pid, 1, pid, "/bin/true"), SECOND);
                ends(table, pid, pid, SECOND);
        }
        count(table, &living, &dead);
        assert_int_equal(living, 1);
        assert_int_equal(dead, PROCESS_TABLE_DEAD_MAX);
        assert_non_null(process_table_find(table, pid - 1, pid - 1));
        assert_null(process_table_find(table, 100, 100));

        /* A process that forks, dies, and so on: each dead one is needed by the next. */
        for (uint32_t i = 0; i < PROCESS_TABLE_DEAD_MAX * 2; i++, pid++) {
                starts(table, facts_of(pid, pid - 1, pid, "/bin/hop"), SECOND);
                ends(table, pid - 1, pid - 1, SECOND);
        }
        count(table, &living, &dead);
        assert_true(dead <= PROCESS_TABLE_DEAD_MAX);
        assert_int_equal(living, 2);
        assert_non_null(process_table_parent(table, pid - 1, pid - 1));

        /* Time clears all but parents of the living. */
        starts(table, facts_of(2, 1, 2, "/bin/true"), 100 * SECOND);
        count(table, &living, &dead);
        assert_true(dead <= PROCESS_TABLE_DEAD_MAX);
        ends(table, pid - 1, pid - 1, 100 * SECOND);
        starts(table, facts_of(3, 1, 3, "/bin/true"), 1000 * SECOND);
        count(table, &living, &dead);
        assert_int_equal(dead, 0);
        assert_int_equal(living, 3);

        /* Exits that are never told. */
        for (uint32_t i = 0; i < PROCESS_TABLE_LIVING_MAX + 100; i++, pid++)
                starts(table, facts_of(pid, 0, pid, "/bin/true"), 1000 * SECOND);
        count(table, &living, &dead);
        assert_int_equal(living, PROCESS_TABLE_LIVING_MAX);

        /* long command lines */
        facts = facts_of(0, 0, 0, "/bin/long");
        long_line = calloc(1, 40000);
        assert_non_null(long_line);
        facts.command_line = bytes_of(long_line, 40000);
        for (uint32_t i = 0; i < 2 * PROCESS_TABLE_BYTES_MAX / PROCESS_TABLE_COMMAND_LINE_MAX; i++, pid++) {
                facts.pid = pid;
                facts.start_ticks = pid;
                starts(table, facts, 1000 * SECOND);
        }
        count(table, &living, &dead);
        assert_true(process_table_find(table, pid - 1, 0)->flags & PROCESS_CUT);
        assert_int_equal(process_table_find(table, pid - 1, 0)->command_line.size, PROCESS_TABLE_COMMAND_LINE_MAX);
        for (uint32_t i = 1; i <= 4000; i++)
                ends(table, pid - i, pid - i, 1000 * SECOND);
        count(table, &living, &dead);
        assert_true(dead <= PROCESS_TABLE_DEAD_BYTES_MAX / PROCESS_TABLE_COMMAND_LINE_MAX);
        free(long_line);
}

static uint64_t draw(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* Any order of records, true or not: it stays whole (under the sanitizers), and answers about whom it was asked. */
static void test_any_order(void **unused) {
        static const char *const programs[] = { "/usr/bin/dpkg", "/bin/sh", "/usr/sbin/sshd", "", "/usr/sbin/cron" };

        (void)unused;
        for (uint64_t round = 1; round <= 10; round++) {
                struct fake fake = { .remote = "192.0.2.1" };
                _cleanup_process_table_ struct process_table *table = table_of(&fake);
                uint64_t state = round * UINT64_C(0x9e3779b97f4a7c15), now = 0;

                for (uint32_t pid = 1; pid < 20; pid++)
                        live(&fake, facts_of(pid, pid / 2, pid, programs[pid % ELEMENTS(programs)]));
                for (int i = 0; i < 20000; i++) {
                        uint32_t pid = (uint32_t)(draw(&state) % 60);
                        struct process_facts facts = facts_of(pid, (uint32_t)(draw(&state) % 60), draw(&state) % 50,
                                                              programs[draw(&state) % ELEMENTS(programs)]);
                        struct actor actor;

                        facts.session_leader = (uint32_t)(draw(&state) % 60);
                        now += draw(&state) % SECOND;
                        switch (draw(&state) % 6) {
                        case 0:
                                process_table_doubt(table);
                                process_table_follow(table, draw(&state) % 2);
                                break;
                        case 1:
                                fake.processes[draw(&state) % fake.count].start_ticks = draw(&state) % 50 + 1;
                                break;
                        case 2:
                                if (actor_of(table, pid, facts.start_ticks, now, &actor)) {
                                        assert_int_equal(actor.process.pid, pid);
                                        if (facts.start_ticks)
                                                assert_true(actor.process.start_ticks == facts.start_ticks);
                                        for (size_t n = 0; n < actor.n_ancestors; n++)
                                                assert_true(actor.ancestors[n].start_ticks <=
                                                            (n ? &actor.ancestors[n - 1] : &actor.process)->start_ticks);
                                }
                                break;
                        default:
                                tell(table, (enum delta_kind)(draw(&state) % 3), facts, now);
                        }
                }
        }
}

/* Who is held is remembered, with those he comes from, until he is released. */
static void test_held(void **state) {
        struct fake fake = { .count = 0 };
        struct process_table *table = table_of(&fake);
        const struct origin origin = origin_of(101, 20);
        struct actor actor;

        (void)state;
        process_table_follow(table, true);
        starts(table, facts_of(100, 1, 10, "/usr/bin/dpkg"), SECOND);
        starts(table, facts_of(101, 100, 20, "/bin/sh"), SECOND);
        assert_true(process_table_lives(table, &origin, SECOND));
        process_table_hold(table, 101, 20);
        process_table_hold(table, 101, 20);
        ends(table, 101, 20, 2 * SECOND);
        ends(table, 100, 10, 2 * SECOND);
        assert_false(process_table_lives(table, &origin, 2 * SECOND));
        starts(table, facts_of(102, 1, 30, "/bin/true"), 1000 * SECOND);
        assert_true(actor_of(table, 101, 20, 1000 * SECOND, &actor));
        assert_int_equal(actor.n_ancestors, 1);
        process_table_release(table, 101, 20);
        assert_true(actor_of(table, 101, 20, 1000 * SECOND, &actor));
        process_table_release(table, 101, 20);
        process_table_release(table, 101, 20);
        assert_false(actor_of(table, 101, 20, 1000 * SECOND, &actor));
        (void)process_table_free(table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_held),
                cmocka_unit_test(test_exit_is_merged),
                cmocka_unit_test(test_reused_pid),
                cmocka_unit_test(test_execve),
                cmocka_unit_test(test_from_the_host),
                cmocka_unit_test(test_circle),
                cmocka_unit_test(test_not_followed),
                cmocka_unit_test(test_record_before_proc),
                cmocka_unit_test(test_transaction),
                cmocka_unit_test(test_transaction_from_the_host),
                cmocka_unit_test(test_entry),
                cmocka_unit_test(test_forked_only),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_any_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
