/* The watch "processes" over a tree that stands for /proc, and once over the real one. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "collect.h"
#include "tree.h"

#include "delta.h"
#include "host.h"
#include "process.h"
#include "processes.h"

struct fixture {
        struct tree tree;
        struct host host;
        struct test_collector collector;
        void *state;
};

static void add_process(const struct tree *tree, unsigned pid, const char *stat, const char *arguments, size_t size,
                        unsigned user) {
        _cleanup_free_ char *path = NULL, *status = NULL;

        assert_true(asprintf(&path, "proc/%u/stat", pid) > 0);
        tree_text(tree, path, stat);
        free(path);
        assert_true(asprintf(&path, "proc/%u/cmdline", pid) > 0);
        tree_write(tree, path, arguments, size);
        free(path);
        assert_true(asprintf(&path, "proc/%u/status", pid) > 0);
        assert_true(asprintf(&status, "Name:\tx\nUid:\t%u\t%u\t%u\t%u\n", user, user, user, user) > 0);
        tree_text(tree, path, status);
}

static void add_link(const struct tree *tree, const char *path, const char *target) {
        _cleanup_free_ char *whole = tree_path(tree, path);

        assert_int_equal(symlink(target, whole), 0);
}

static void begin(struct fixture *fixture) {
        assert_int_equal(host_open(&fixture->host, fixture->tree.root), 0);
        assert_int_equal(watch_processes.open(NULL, &fixture->host, &fixture->state), 0);
        test_collector_init(&fixture->collector, &watch_processes);
}

static void end(struct fixture *fixture) {
        watch_processes.close(fixture->state);
        host_close(&fixture->host);
        test_collector_done(&fixture->collector);
        tree_remove(&fixture->tree);
}

static void make_tree(struct tree *tree) {
        tree_make(tree);
        tree_text(tree, "etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:\n");
        tree_text(tree, "proc/stat", "cpu 1 2\nbtime 1700000000\n");
        add_process(tree, 1, "1 (init) S 0 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 22 0 0 0 1 1 0\n", "/sbin/init\0",
                    11, 0);
        add_process(tree, 2, "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 22 0 0 0 0 0 0\n", "", 0, 0);
        /* Comes and goes by itself: not a record. */
        add_process(tree, 9, "9 (kworker/0:1-events) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 20 0 1 0 22 0 0 0 0 0 0\n",
                    "", 0, 0);
        /* Calls itself so: is a record. */
        add_process(tree, 10, "10 (kworker/0:2) S 1 0 0 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 90 0 0 0 7 8 9\n",
                    "[kworker/0:2]\0", 14, 33);
        add_process(tree, 812,
                    "812 (na) R 1 (me) S 1 812 812 34817 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0 7 8 9\n",
                    "/usr/bin/x\0a b\0\n20240101-00:00:00 forged\0\0", 41, 1234);
        /* Ended, its parent has not looked: not a record. */
        add_process(tree, 900, "900 (dead) Z 1 900 900 0 -1 4194564 0 0 0 0 0 0 0 0 20 0 1 0 5000 0 0 0 0 0 0\n", "", 0,
                    0);
        /* No command line, but a process. */
        add_process(tree, 901, "901 (bare) S 1 901 901 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 5001 0 0 0 7 8 9\n", "", 0,
                    0);
        tree_folder(tree, "proc/self-not-a-pid");
        tree_folder(tree, "proc/950"); /* ended between the listing and the look */
}

static const char expected[] =
        "pid=1 start=1700000000220000000 start_ticks=22 user=root user_id=0 parent=0 name=init command_line=/sbin/init "
        "kernel_thread=0 image=%llu\n"
        "pid=2 start=1700000000220000000 start_ticks=22 user=root user_id=0 parent=0 name=kthreadd "
        "bracket_name=kthreadd "
        "kernel_thread=1 image=0\n"
        "pid=10 start=1700000000900000000 start_ticks=90 user=www-data user_id=33 parent=1 name=kworker/0:2 "
        "command_line=[kworker/0:2] kernel_thread=0 image=%llu\n"
        "pid=812 start=1700000047110000000 start_ticks=4711 user_id=1234 parent=1 tty=pts/1 name=na) R 1 (me "
        "command_line=/usr/bin/x a b \n20240101-00:00:00 forged kernel_thread=0 image=%llu\n"
        "pid=901 start=1700000050010000000 start_ticks=5001 user=root user_id=0 parent=1 name=bare bracket_name=bare "
        "kernel_thread=0 image=%llu\n";

static unsigned long long image(uint64_t start, uint64_t stop, uint64_t stack) {
        return process_image(&(struct process_stat){ .code_start = start, .code_end = stop, .stack_start = stack });
}

static void test_collects(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };
        _cleanup_free_ char *wanted = NULL;

        (void)unused;
        make_tree(&fixture.tree);
        begin(&fixture);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        assert_true(asprintf(&wanted, expected, image(1, 1, 0), image(7, 8, 9), image(7, 8, 9), image(7, 8, 9)) > 0);
        assert_string_equal(buffer_string(&fixture.collector.records), wanted);
        assert_int_equal(fixture.collector.conditions.size, 0);

        /* What is true stays the same to the bit, whenever it is asked. */
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        assert_string_equal(buffer_string(&fixture.collector.records), wanted);
        end(&fixture);
}

static void test_long_command_line(void **unused) {
        static char arguments[3 * PROCESS_COMMAND_LINE_MAX];
        struct fixture fixture = { .host = HOST_NULL };
        const char *found;

        (void)unused;
        memset(arguments, 'x', sizeof(arguments));
        tree_make(&fixture.tree);
        add_process(&fixture.tree, 5, "5 (long) S 1 5 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 0 7 8 9\n", arguments,
                    sizeof(arguments), 0);
        begin(&fixture);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        found = strstr(buffer_string(&fixture.collector.records), "command_line=");
        assert_non_null(found);
        assert_int_equal(strspn(found + strlen("command_line="), "x"), PROCESS_COMMAND_LINE_MAX);
        end(&fixture);
}

/* The main thread of a program may end before the others: nobody hides so. */
static void test_leader_ended_before_thread(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };
        _cleanup_free_ char *wanted = NULL;

        (void)unused;
        tree_make(&fixture.tree);
        add_process(&fixture.tree, 30, "30 (main) Z 1 30 30 0 -1 4 0 0 0 0 0 0 0 0 20 0 3 0 77 0 0 0 0 0 0\n", "", 0,
                    0);
        tree_text(&fixture.tree, "proc/30/task/31/stat",
                  "31 (gone) X 1 30 30 0 -1 4 0 0 0 0 0 0 0 0 20 0 3 0 78 0 0 0 0 0 0\n");
        tree_text(&fixture.tree, "proc/30/task/32/stat",
                  "32 (work) S 1 30 30 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 79 0 0 0 7 8 9\n");
        tree_write(&fixture.tree, "proc/30/task/32/cmdline", "evil\0-d\0", 8);
        /* All of its threads are ending. */
        add_process(&fixture.tree, 40, "40 (over) Z 1 40 40 0 -1 4 0 0 0 0 0 0 0 0 20 0 2 0 80 0 0 0 0 0 0\n", "", 0,
                    0);
        tree_text(&fixture.tree, "proc/40/task/41/stat",
                  "41 (over) S 1 40 40 0 -1 4 0 0 0 0 0 0 0 0 20 0 2 0 80 0 0 0 0 0 0\n");
        begin(&fixture);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_OK);
        assert_true(asprintf(&wanted,
                             "pid=30 start_ticks=77 user_id=0 parent=1 name=main command_line=evil -d kernel_thread=0 "
                             "image=%llu\n",
                             image(7, 8, 9)) > 0);
        assert_string_equal(buffer_string(&fixture.collector.records), wanted);
        end(&fixture);
}

static void test_no_proc(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };

        (void)unused;
        tree_make(&fixture.tree);
        begin(&fixture);
        assert_int_equal(test_collect(&fixture.collector, fixture.state), WATCH_E_UNAVAILABLE);
        assert_string_equal(buffer_string(&fixture.collector.conditions), "no /proc on this host\n");
        end(&fixture);
}

static struct record record_of(uint8_t *key, size_t size, uint32_t pid, uint64_t ticks) {
        struct record record = { .key = bytes_of(key, size) };

        record.values[fields_find(watch_processes.fields, "pid")] = value_number(pid);
        record.values[fields_find(watch_processes.fields, "start_ticks")] = value_number(ticks);
        return record;
}

static void test_completes(void **unused) {
        const int executable = fields_find(watch_processes.fields, "executable");
        const int deleted = fields_find(watch_processes.fields, "executable_deleted");
        const int cgroup = fields_find(watch_processes.fields, "cgroup");
        struct fixture fixture = { .host = HOST_NULL };
        struct record record;
        uint8_t key[12] = { 0 };

        (void)unused;
        make_tree(&fixture.tree);
        add_link(&fixture.tree, "proc/812/exe", "/usr/bin/no such file (deleted)");
        tree_text(&fixture.tree, "proc/812/cgroup", "0::/user.slice\n");
        add_link(&fixture.tree, "proc/10/exe", "/usr/bin/kworker");
        tree_text(&fixture.tree, "proc/2/cgroup", "0::/\n");
        begin(&fixture);

        record = record_of(key, sizeof(key), 812, 4711);
        assert_int_equal(watch_processes.complete(fixture.state, &record), 0);
        assert_true(bytes_equal(record.values[executable].bytes, bytes_of_string("/usr/bin/no such file")));
        assert_int_equal(record.values[deleted].number, 1);
        assert_true(bytes_equal(record.values[cgroup].bytes, bytes_of_string("/user.slice")));

        record = record_of(key, sizeof(key), 10, 90);
        assert_int_equal(watch_processes.complete(fixture.state, &record), 0);
        assert_true(bytes_equal(record.values[executable].bytes, bytes_of_string("/usr/bin/kworker")));
        assert_int_equal(record.values[deleted].number, 0);
        assert_false(record.values[cgroup].present);

        record = record_of(key, sizeof(key), 2, 22);
        assert_int_equal(watch_processes.complete(fixture.state, &record), 0);
        assert_false(record.values[executable].present);
        assert_true(bytes_equal(record.values[cgroup].bytes, bytes_of_string("/")));

        /* Another process has the number now, or none. */
        record = record_of(key, sizeof(key), 10, 89);
        assert_int_equal(watch_processes.complete(fixture.state, &record), 0);
        assert_false(record.values[executable].present);
        record = record_of(key, sizeof(key), 4000, 89);
        assert_int_equal(watch_processes.complete(fixture.state, &record), 0);
        assert_false(record.values[executable].present || record.values[cgroup].present);
        end(&fixture);
}

static void test_classify(void **unused) {
        const int user = fields_find(watch_processes.fields, "user_id");
        struct record before = { 0 }, after = { 0 };
        struct change change = { CHANGE_CHANGED, watch_processes.fields, &before, &after };

        (void)unused;
        before.values[user] = value_number(0);
        after.values[user] = value_number(33);
        assert_string_equal(watch_processes.classify(&change)->action, "process-uid-changed");
        after.values[user] = value_number(0);
        assert_null(watch_processes.classify(&change));
        change = (struct change){ CHANGE_APPEARED, watch_processes.fields, NULL, &after };
        assert_null(watch_processes.classify(&change));
}

/* A line of the records that begins so, without its newline. */
static char *find_line(struct test_collector *collector, const char *beginning) {
        const char *line = buffer_string(&collector->records);

        while (line && *line) {
                if (strncmp(line, beginning, strlen(beginning)) == 0)
                        return strndup(line, strcspn(line, "\n"));
                line = strchr(line, '\n');
                line = line ? line + 1 : NULL;
        }
        return NULL;
}

/* On the real /proc: a child is there, an execve that keeps its name and arguments moves only "image", and once it has
 * ended it is no record, though nobody has waited for it. */
static const struct delta told = {
        .kind = DELTA_APPEARED,
        .subject = DELTA_PROCESS,
        .process = {
                .pid = 812, .parent = 1, .start_ticks = 4711, .flags = PROCESS_HAS_USERS, .user = 33, .effective_user = 1234,
                .tty = 34817,
        },
};

static void set_texts(struct delta *delta) {
        delta->process.name = bytes_of_string("na) R 1 (me");
        delta->process.executable = bytes_of_string("/usr/bin/x");
        delta->process.command_line = bytes_of_string("/usr/bin/x a b \n20240101-00:00:00 forged");
}

/* A delta and a look make the same record, with the same key. */
static void test_recognizes(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };
        _cleanup_free_ char *looked = NULL;
        struct delta delta = told;
        struct record record;

        (void)unused;
        make_tree(&fixture.tree);
        begin(&fixture);
        set_texts(&delta);
        assert_int_equal(watch_processes.recognize(fixture.state, &delta, &record), 1);
        assert_int_equal(test_collect_within(&fixture.collector, fixture.state, record.key), WATCH_OK);
        assert_int_equal(fixture.collector.count, 1);
        looked = strdup(buffer_string(&fixture.collector.records));
        assert_non_null(looked);
        *strstr(looked, " image=") = '\0';
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 1);
        assert_memory_equal(buffer_string(&fixture.collector.records), looked, strlen(looked));
        assert_string_equal(buffer_string(&fixture.collector.records) + strlen(looked),
                            " executable=/usr/bin/x executable_deleted=0\n");

        /* Of its end only that it was this one. */
        delta = told;
        delta.kind = DELTA_VANISHED;
        delta.process.flags = PROCESS_HAS_EXIT;
        delta.process.tty = 0;
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 1);
        assert_string_equal(buffer_string(&fixture.collector.records),
                            "pid=812 start=1700000047110000000 start_ticks=4711 parent=1 kernel_thread=0\n");

        delta.process.start_ticks = 0;
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 0);
        delta = told;
        delta.process.flags |= PROCESS_KERNEL_THREAD;
        assert_int_equal(test_recognize(&fixture.collector, fixture.state, &delta), 0);
        end(&fixture);
}

static void test_one_key(void **unused) {
        struct fixture fixture = { .host = HOST_NULL };
        struct delta delta = told;
        struct record record;

        (void)unused;
        make_tree(&fixture.tree);
        begin(&fixture);
        delta.process.start_ticks = 4712; /* another that had its number */
        assert_int_equal(watch_processes.recognize(fixture.state, &delta, &record), 1);
        assert_int_equal(test_collect_within(&fixture.collector, fixture.state, record.key), WATCH_OK);
        assert_int_equal(fixture.collector.count, 0);
        delta.process.pid = 4000;
        assert_int_equal(watch_processes.recognize(fixture.state, &delta, &record), 1);
        assert_int_equal(test_collect_within(&fixture.collector, fixture.state, record.key), WATCH_OK);
        assert_int_equal(fixture.collector.count, 0);
        assert_int_equal(test_collect_within(&fixture.collector, fixture.state, bytes_of_string("short")), WATCH_OK);
        assert_int_equal(fixture.collector.count, 0);
        end(&fixture);
}

static void test_real(void **unused) {
        struct test_collector collector;
        struct host host = HOST_NULL;
        _cleanup_free_ char *beginning = NULL, *first = NULL, *same = NULL, *second = NULL, *none = NULL;
        int go[2], ready[2], status;
        void *state = NULL;
        siginfo_t ended;
        char byte;
        pid_t pid;

        (void)unused;
        assert_int_equal(pipe(go), 0);
        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (dup2(go[0], 0) < 0 || dup2(ready[1], 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                        _exit(1);
                execl("/bin/sh", "sh", "-c", "echo; read x; exec /bin/sh -c \"$0\" \"$0\"", "echo; read x; read x",
                      (char *)NULL);
                _exit(1);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_true(asprintf(&beginning, "pid=%d ", (int)pid) > 0);

        assert_int_equal(host_open(&host, "/"), 0);
        assert_int_equal(watch_processes.open(NULL, &host, &state), 0);
        test_collector_init(&collector, &watch_processes);
        assert_int_equal(test_collect(&collector, state), WATCH_OK);
        first = find_line(&collector, beginning);
        assert_non_null(first);
        assert_non_null(strstr(first, " name=sh "));
        assert_int_equal(test_collect(&collector, state), WATCH_OK);
        same = find_line(&collector, beginning);
        assert_string_equal(same, first);
        assert_null(strstr(buffer_string(&collector.records), "name=kworker/"));

        assert_int_equal(write(go[1], "\n", 1), 1);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(test_collect(&collector, state), WATCH_OK);
        second = find_line(&collector, beginning);
        assert_non_null(second);
        assert_string_not_equal(strstr(second, " image="), strstr(first, " image="));

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
        assert_int_equal(test_collect(&collector, state), WATCH_OK);
        none = find_line(&collector, beginning);
        assert_null(none);
        assert_int_equal(waitpid(pid, &status, 0), pid);

        watch_processes.close(state);
        test_collector_done(&collector);
        host_close(&host);
        for (int i = 0; i < 2; i++) {
                (void)close(go[i]);
                (void)close(ready[i]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_collects), cmocka_unit_test(test_long_command_line),
                cmocka_unit_test(test_leader_ended_before_thread), cmocka_unit_test(test_no_proc),
                cmocka_unit_test(test_completes), cmocka_unit_test(test_classify), cmocka_unit_test(test_recognizes),
                cmocka_unit_test(test_one_key), cmocka_unit_test(test_real),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
