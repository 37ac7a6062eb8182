/* test-recorder.c - the daemon dies at every moment between a change and its text; the next one tells what is left to tell, once.
 * The real baseline, ledger, text log; a watch whose truth the test sets; alerts go to a file. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "tree.h"

#include "engine.h"
#include "lmdb-baseline.h"
#include "lmdb-environment.h"
#include "recorder.h"

#define SECOND UINT64_C(1000000000)

/* Where the first life ends. */
enum end {
        END_AFTER_NOTE,         /* it stands in the journal, nobody was told */
        END_IN_ALERT,           /* people were told, which is not noted yet */
        END_AFTER_BATCH,        /* all were told, the text is still to come */
        END_BEFORE_COMMIT,      /* of the round that settles it */
        END_AFTER_COMMIT,       /* the text waits in the outbox */
        END_STOPPED,            /* none of it: it was stopped */
        ENDS
};

static const char *const end_names[] = { "after note", "in alert", "after batch", "before commit", "after commit", "stopped" };

static struct tree tree;
static const char *truth = "one", *content; /* NULL: it has none */
static enum end end = ENDS;
static bool acting;             /* the change is under way */
static const char *const boots[] = {
        "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
};
static const char *boot = "11111111-2222-3333-4444-555555555555";
static struct baseline_ops ops;
static const struct baseline_ops *real;

static const struct field fields[] = {
        { "value", NULL, FIELD_TEXT, 0 },
        { "text", NULL, FIELD_TEXT, FIELD_QUIET | FIELD_HIDDEN },
        { 0 },
};

static int fake_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        (void)settings;
        (void)host;
        *ret_state = &tree;
        return 0;
}

static void fake_close(void *state) {
        (void)state;
}

static int fake_collect(void *state, const struct collect_request *request, struct collector *collector) {
        struct record record = { .key = bytes_of_string("alpha") };

        (void)state;
        (void)request;
        record.values[0] = value_string(truth);
        record.values[1] = value_string(content);
        return collector->record(collector, &record);
}

static const struct watch fake = {
        .kind = "fake", .noun = "thing", .sensor = "fake", .dataset = "fake", .fields = fields, .label = "it",
        .can_look_within = true,
        .appeared = { "thing-appeared", "host", "creation", SEVERITY_HIGH, true, "a thing came: {value}" },
        .vanished = { "thing-vanished", "host", "deletion", SEVERITY_HIGH, true, "a thing went: {value}" },
        .changed = { "thing-changed", "host", "change", SEVERITY_HIGH, true, "it is {value} now" },
        .title_changed = "Things moved",
        .open = fake_open, .collect = fake_collect, .close = fake_close,
};

static int send_to_file(const struct alert_settings *settings, const struct host *host, struct favours *favours,
                        const struct notice *notice) {
        _cleanup_free_ char *path = tree_path(&tree, "alerts");
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        (void)settings;
        (void)host;
        (void)favours;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, notice->text.data, notice->text.size), notice->text.size);
        assert_true(notice->json.size == 0 || notice->json.data[0] == '{');
        (void)close(fd);
        if (acting && end == END_IN_ALERT)
                (void)raise(SIGKILL);
        return 0;
}

static int note_commit(struct baseline *baseline, bool durable) {
        int r = real->note_commit(baseline, durable);

        if (acting && end == END_AFTER_NOTE)
                (void)raise(SIGKILL);
        return r;
}

static int commit(struct baseline *baseline) {
        int r;

        if (acting && end == END_BEFORE_COMMIT)
                (void)raise(SIGKILL);
        r = real->commit(baseline);
        if (acting && end == END_AFTER_COMMIT)
                (void)raise(SIGKILL);
        return r;
}

/* ---- the clock ---- */

static uint64_t now_ns = 1000 * SECOND;

static struct timespec realtime(struct engine_clock *clock) {
        (void)clock;
        return (struct timespec){ .tv_sec = (time_t)(1800000000 + now_ns / SECOND) };
}

static uint64_t monotonic(struct engine_clock *clock) {
        (void)clock;
        return now_ns;
}

static void random_bytes(struct engine_clock *clock, void *ret, size_t size) {
        static uint8_t count;

        (void)clock;
        memset(ret, ++count, size);
}

/* ---- one life ---- */

struct life {
        struct settings settings;
        struct watch_settings watch_settings;
        struct alert_settings alert;
        struct engine_watch watch;
        struct engine_clock clock;
        struct lmdb_baseline *lmdb;
        struct recorder *recorder;
        struct engine *engine;
};

static void begin(struct life *life, bool once) {
        static const struct sink sink = { "file", send_to_file };
        static const struct sink *const sinks[] = { &sink, NULL };
        static char name[] = "things", kind[] = "fake", alert[] = "people", alert_kind[] = "file";
        _cleanup_free_ char *path = tree_path(&tree, "state/baseline");
        struct recorder_options recorder = { .once = once };
        struct engine_options engine = { .interval_ns = SECOND, .reconcile_ns = 600 * SECOND };

        tree_folder(&tree, "state");
        *life = (struct life){
                .watch_settings = { .name = name, .kind = kind, .enabled = true, .priority = PRIORITY_HIGH },
                .alert = { .name = alert, .kind = alert_kind, .enabled = true, .minimum = SEVERITY_HIGH },
                .clock = { .realtime = realtime, .monotonic_ns = monotonic, .cpu_ns = monotonic, .random = random_bytes },
        };
        life->settings = (struct settings){
                .state_directory = tree_path(&tree, "state"), .log_file = tree_path(&tree, "log"),
                .log_max_size = 1 << 20, .log_max_use = 1 << 24, .ledger_segment_size = 1 << 20, .log_keep_ns = UINT64_MAX / 2,
                .alerts = &life->alert, .n_alerts = 1,
        };
        life->watch = (struct engine_watch){ .kind = &fake, .settings = &life->watch_settings };
        assert_true(lmdb_baseline_open(path, &life->lmdb) >= 0);
        recorder.baseline = engine.baseline = lmdb_baseline_interface(life->lmdb);
        real = recorder.baseline->ops;
        ops = *real;
        ops.note_commit = note_commit;
        ops.commit = commit;
        recorder.baseline->ops = &ops;
        recorder.settings = &life->settings;
        recorder.watches = engine.watches = &life->watch;
        recorder.n_watches = engine.n_watches = 1;
        recorder.sinks = sinks;
        recorder.event_host = (struct event_host){ .name = "host", .boot_id = boot, .version = "0" };
        assert_int_equal(recorder_new(&recorder, &life->recorder), 0);
        engine.clock = &life->clock;
        engine.out = recorder_out(life->recorder);
        engine.next_sequence = recorder_next_sequence(life->recorder);
        engine.unsettled = recorder_restored(life->recorder);
        assert_int_equal(engine_new(&engine, &life->engine), 0);
        recorder_attach(life->recorder, life->engine);
        assert_int_equal(engine_round(life->engine, true), 0);
}

static void stop(struct life *life) {
        now_ns += 10 * SECOND;
        assert_int_equal(engine_round(life->engine, false), 0);
        assert_int_equal(recorder_stop(life->recorder), 0);
        life->engine = engine_free(life->engine);
        (void)recorder_free(life->recorder);
        (void)lmdb_baseline_close(life->lmdb);
        free(life->settings.state_directory);
        free(life->settings.log_file);
}

static void first_life(void) {
        struct life life;

        begin(&life, false);
        now_ns += SECOND / 2;
        truth = "two";
        engine_hint(life.engine, &(const struct hint){ .watch = "things", .key = bytes_of_string("alpha"), .source = "fake" });
        acting = true;
        assert_int_equal(engine_flush(life.engine), 0);
        if (end == END_AFTER_BATCH)
                (void)raise(SIGKILL);
        now_ns += 10 * SECOND;
        assert_int_equal(engine_round(life.engine, false), 0);
        acting = false;
        stop(&life);
}

static void later_life(bool once) {
        struct life life;

        end = ENDS;
        now_ns += 100 * SECOND;
        truth = "two";
        begin(&life, once);
        now_ns += 5 * SECOND;
        assert_int_equal(engine_round(life.engine, false), 0);
        stop(&life);
}

static void in_child(void (*function)(bool once), bool once) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                if (once) {
                        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

                        (void)dup2(null, STDOUT_FILENO);
                }
                function(once);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status))
                fail_msg("a life ended with %d", WEXITSTATUS(status));
}

static void first(bool once) {
        (void)once;
        first_life();
}

/* ---- what people and programs read ---- */

static size_t count_in(const char *name, const char *word) {
        _cleanup_free_ char *path = tree_path(&tree, name), *line = NULL;
        FILE *file = fopen(path, "re");
        size_t size = 0, count = 0;

        if (!file)
                return 0;
        while (getline(&line, &size, file) >= 0)
                count += strstr(line, word) != NULL;
        (void)fclose(file);
        return count;
}

static size_t count_in_ledger(const char *word) {
        _cleanup_free_ char *path = tree_path(&tree, "state/ledger");
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, NULL, alphasort);
        size_t count = 0;

        for (int i = 0; i < n; i++) {
                char name[300];

                (void)snprintf(name, sizeof(name), "state/ledger/%s", entries[i]->d_name);
                count += count_in(name, word);
                free(entries[i]);
        }
        free(entries);
        return count;
}

static void assert_told_once(const char *what) {
        size_t ledger = count_in_ledger("\"thing-changed\""), text = count_in("log", "it is two now"),
               alerts = count_in("alerts", "it is two now");
        size_t most = end == END_IN_ALERT ? 2 : 1; /* nobody can know that it was sent */

        if (ledger != 1 || text != 1 || alerts < 1 || alerts > most)
                fail_msg("%s, %s: %zu in the ledger, %zu in the log, %zu alerts", end_names[end], what, ledger, text, alerts);
}

static void test_crash(void **state) {
        (void)state;
        for (end = 0; end < ENDS; end++) {
                tree_make(&tree);
                in_child(first, false);
                in_child(later_life, false);
                in_child(later_life, false);
                assert_told_once("a daemon");
                tree_remove(&tree);
        }
}

/* A look by hand in between alerts nobody, and must not take the alert away from the daemon that comes after it. */
static void test_crash_and_once(void **state) {
        (void)state;
        for (end = 0; end < ENDS; end++) {
                tree_make(&tree);
                in_child(first, false);
                in_child(later_life, true);
                in_child(later_life, false);
                assert_told_once("--once and a daemon");
                tree_remove(&tree);
        }
}

/* A round that finds nothing, and settles nothing, comes between a change that was told at once and the round that settles it. */
static void between_life(bool once) {
        struct life life;

        begin(&life, once);
        now_ns += SECOND / 2;
        truth = "two";
        engine_hint(life.engine, &(const struct hint){ .watch = "things", .key = bytes_of_string("alpha"), .source = "fake" });
        assert_int_equal(engine_flush(life.engine), 0);
        assert_int_equal(engine_round(life.engine, false), 0);
        assert_int_equal(count_in("log", "it is two now"), 0); /* else this is no such round */
        stop(&life);
        assert_int_equal(count_in("log", "it is two now"), 1);
}

static void test_round_between(void **state) {
        (void)state;
        end = ENDS - 1;
        truth = "one";
        tree_make(&tree);
        in_child(between_life, false);
        in_child(later_life, false);
        assert_told_once("a round between");
        tree_remove(&tree);
}

/* ---- the log cannot be written ---- */

static void change(struct life *life, const char *now) {
        now_ns += SECOND / 2;
        truth = now;
        engine_hint(life->engine, &(const struct hint){ .watch = "things", .key = bytes_of_string("alpha"), .source = "fake" });
        assert_int_equal(engine_flush(life->engine), 0);
        now_ns += 10 * SECOND;
        assert_int_equal(engine_round(life->engine, false), 0);
}

static void blocked_life(bool once) {
        _cleanup_free_ char *log = tree_path(&tree, "log");
        struct life life;

        begin(&life, once);
        assert_int_equal(unlink(log), 0);
        assert_int_equal(mkdir(log, 0700), 0);
        change(&life, "one and a half");
        change(&life, "two");
        assert_int_equal(rmdir(log), 0);
        (void)raise(SIGKILL);
}

/* The text of both waits in the outbox; what it was made of does not, or it would be told again. */
static void test_blocked(void **state) {
        (void)state;
        end = ENDS - 1;
        tree_make(&tree);
        in_child(blocked_life, false);
        in_child(later_life, false);
        in_child(later_life, false);
        assert_int_equal(count_in_ledger("\"thing-changed\""), 2);
        assert_int_equal(count_in("log", "it is one and a half now"), 1);
        assert_int_equal(count_in("log", "it is two now"), 1);
        assert_int_equal(count_in("alerts", "it is one and a half now"), 1);
        assert_int_equal(count_in("alerts", "it is two now"), 1);
        tree_remove(&tree);
}

/* ---- rounds cannot be kept ---- */

static int full_commit(struct baseline *baseline) {
        baseline->ops->abort(baseline);
        return -ENOSPC;
}

static void full_life(bool once) {
        struct life life;

        begin(&life, once);
        change(&life, "one and a half");
        ops.commit = full_commit;
        now_ns += SECOND / 2;
        truth = "two";
        engine_hint(life.engine, &(const struct hint){ .watch = "things", .key = bytes_of_string("alpha"), .source = "fake" });
        assert_int_equal(engine_flush(life.engine), 0);
        assert_int_equal(count_in("alerts", "it is two now"), 0); /* so soon after the other */
        for (int i = 0; i < 100 && count_in("alerts", "it is two now") == 0; i++) {
                now_ns += 10 * SECOND;
                assert_int_equal(engine_round(life.engine, false), -ENOSPC);
                (void)usleep(100000);
        }
        assert_int_equal(count_in("alerts", "cannot be kept"), 1);
        for (int i = 0; i < 3; i++) {
                now_ns += 10 * SECOND;
                assert_int_equal(engine_round(life.engine, false), -ENOSPC);
        }
        ops.commit = commit;
        stop(&life);
}

/* What is noted waits for nobody: it is told once, as kept. */
static void test_full(void **state) {
        (void)state;
        end = ENDS - 1;
        tree_make(&tree);
        in_child(full_life, false);
        in_child(later_life, false);
        assert_int_equal(count_in_ledger("\"thing-changed\""), 2);
        assert_int_equal(count_in("log", "it is two now"), 1);
        assert_int_equal(count_in("alerts", "it is two now"), 1);
        tree_remove(&tree);
}

/* What is to be known does not fit into the baseline's map, and there is none that is larger: that is alerted, what was known stays, and
 * what is noted is told all the same, once. */
static void full_map_life(bool once) {
        static char large[3 << 20];
        struct life life;

        memset(large, 'x', sizeof(large) - 1);
        lmdb_environment_limit_map(1 << 20, 2 << 20);
        begin(&life, once);
        change(&life, "one and a half");
        now_ns += 10 * SECOND;
        content = large;
        truth = "two";
        for (int i = 0; i < 4; i++) {
                engine_hint(life.engine, &(const struct hint){ .watch = "things", .source = "fake" });
                now_ns += 10 * SECOND;
                assert_int_equal(engine_round(life.engine, true), -EFBIG);
        }
        assert_int_equal(recorder_trouble(life.recorder), -EFBIG);
        assert_int_equal(count_in("alerts", "cannot be kept"), 1);
        assert_int_equal(count_in_ledger("\"thing-changed\""), 2);
        lmdb_environment_limit_map(1 << 20, 0);
        for (int i = 0; i < 4 && recorder_trouble(life.recorder) < 0; i++) {
                now_ns += 10 * SECOND;
                (void)engine_round(life.engine, true);
        }
        assert_int_equal(recorder_trouble(life.recorder), 0);
        stop(&life);
        assert_int_equal(count_in_ledger("\"recording-blocked\""), 1);
        assert_int_equal(count_in_ledger("\"recording-resumed\""), 1);
        lmdb_environment_limit_map(0, 0);
}

static void test_full_map(void **state) {
        (void)state;
        end = ENDS - 1;
        tree_make(&tree);
        truth = "one";
        in_child(full_map_life, false);
        in_child(later_life, false);
        assert_int_equal(count_in_ledger("\"thing-changed\""), 2);
        assert_int_equal(count_in("log", "it is two now"), 1);
        tree_remove(&tree);
}

static void text_life(bool once) {
        static char many[4096];
        struct life life;
        size_t size = 0;

        content = "same\nbefore\n";
        begin(&life, once);
        content = "same\nnow \x1b[2J\n";
        change(&life, "changed");
        for (int i = 0; i < 300; i++)
                size += (size_t)snprintf(many + size, sizeof(many) - size, "line %d\n", i);
        content = many;
        change(&life, "grown");
        content = NULL;
        change(&life, "shut");
        content = "opened\n";
        change(&life, "two");
        stop(&life);
}

/* What changed in a text stands below the sentence; of one that only was, or only is now, nothing. */
static void test_text_diff(void **state) {
        (void)state;
        tree_make(&tree);
        in_child(text_life, false);
        assert_int_equal(count_in("log", " -   @@ -1,2 +1,2 @@"), 1);
        assert_int_equal(count_in("log", " -   -before\n"), 1);
        assert_int_equal(count_in("log", " -   +now \\x1b[2J\n"), 1);
        assert_int_equal(count_in("log", " -   +line 196\n"), 1);
        assert_int_equal(count_in("log", " -   +line 197\n"), 0);
        assert_int_equal(count_in("log", " -   ... 103 more lines\n"), 1);
        assert_int_equal(count_in("log", "line 299"), 0);
        assert_int_equal(count_in("log", "opened"), 0);
        assert_int_equal(count_in("alerts", "before"), 0);
        assert_int_equal(count_in_ledger("\"diff\":[\"@@ -1,2 +1,2 @@\",\" same\",\"-before\","), 1);
        assert_int_equal(count_in_ledger("+line 299"), 1);
        assert_int_equal(count_in_ledger("\"text\""), 0);
        assert_int_equal(count_in_ledger("opened"), 0);
        tree_remove(&tree);
}

/* ---- a baseline that is older than the ledger ---- */

static const char *const kept_files[] = { "data.mdb", "journal" };

/* Of what lies in 'from' below the tree, what is a baseline's. */
static void copy_baseline(const char *from, const char *to) {
        tree_folder(&tree, to);
        for (size_t i = 0; i < sizeof(kept_files) / sizeof(kept_files[0]); i++) {
                _cleanup_free_ char *source = NULL, *target = NULL;
                char name[100], block[4096];
                int in, out;
                ssize_t n;

                (void)snprintf(name, sizeof(name), "%s/%s", from, kept_files[i]);
                source = tree_path(&tree, name);
                (void)snprintf(name, sizeof(name), "%s/%s", to, kept_files[i]);
                target = tree_path(&tree, name);
                (void)unlink(target);
                in = open(source, O_RDONLY | O_CLOEXEC);
                if (in < 0)
                        continue;
                out = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(out >= 0);
                while ((n = read(in, block, sizeof(block))) > 0)
                        assert_int_equal(write(out, block, (size_t)n), n);
                (void)close(in);
                (void)close(out);
        }
}

static void remove_in(const char *folder, const char *beginning) {
        _cleanup_free_ char *path = tree_path(&tree, folder);
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, NULL, alphasort), at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.' && strncmp(entries[i]->d_name, beginning, strlen(beginning)) == 0)
                        assert_int_equal(unlinkat(at, entries[i]->d_name, 0), 0);
                free(entries[i]);
        }
        free(entries);
        (void)close(at);
}

static const char *next; /* what the truth changes to */

static void whole_life(bool once) {
        struct life life;

        begin(&life, once);
        change(&life, next);
        stop(&life);
}

/* The change is noted and told, and nothing of it settled. */
static void killed_life(bool once) {
        struct life life;

        begin(&life, once);
        now_ns += SECOND / 2;
        truth = next;
        engine_hint(life.engine, &(const struct hint){ .watch = "things", .key = bytes_of_string("alpha"), .source = "fake" });
        assert_int_equal(engine_flush(life.engine), 0);
        (void)raise(SIGKILL);
}

static void live(void (*life)(bool once), const char *to) {
        next = to;
        in_child(life, false);
        truth = to;
        now_ns += 100 * SECOND;
}

static void assert_said(const char *what, size_t rolled_back, size_t changes) {
        size_t said = count_in_ledger("\"baseline-rolled-back\""), told = count_in_ledger("\"thing-changed\"");

        if (said != rolled_back || told != changes)
                fail_msg("%s: said %zu times, not %zu; %zu changes, not %zu", what, said, rolled_back, told, changes);
}

static void begin_story(void) {
        tree_make(&tree);
        end = ENDS;
        truth = "one";
        boot = boots[0];
        live(whole_life, "two");
        copy_baseline("state/baseline", "old");
}

static void test_rolled_back_after_stop(void **state) {
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                begin_story();
                live(whole_life, "three");
                assert_said("nothing happened to it", 0, 2);
                boot = boots[i];
                copy_baseline("old", "state/baseline");
                live(whole_life, "three");
                assert_said("put back", 1, 3);
                live(whole_life, "four");
                assert_said("said once", 1, 4);
                tree_remove(&tree);
        }
}

/* In another boot it may have been the power; in the same one what was noted cannot be lost. */
static void test_rolled_back_after_kill(void **state) {
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                begin_story();
                live(killed_life, "three");
                boot = boots[i];
                copy_baseline("old", "state/baseline");
                live(whole_life, "three");
                assert_said("put back after a kill", i == 0, 3);
                tree_remove(&tree);
        }
}

static void test_not_rolled_back(void **state) {
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                begin_story();
                live(killed_life, "three");
                live(killed_life, "four");
                boot = boots[i];
                live(whole_life, "four");
                assert_said("killed", 0, 3);
                live(killed_life, "five");
                boot = boots[2];
                remove_in("state/baseline", "journal");
                live(whole_life, "five");
                assert_said("the power was cut", 0, 5);
                remove_in("state/ledger", "events-");
                live(whole_life, "five");
                assert_said("the ledger is gone", 0, 0);
                assert_int_equal(count_in_ledger("\"ledger-gone\""), 1);
                remove_in("state/ledger", "");
                live(whole_life, "five");
                assert_said("its seals, too", 0, 0);
                remove_in("state/baseline", "");
                live(whole_life, "six");
                assert_said("there is none", 0, 1);
                tree_remove(&tree);
        }
}

static void test_rolled_back_without_ledger(void **state) {
        (void)state;
        begin_story();
        live(whole_life, "three");
        live(whole_life, "four");
        copy_baseline("old", "state/baseline");
        remove_in("state/ledger", "events-");
        live(whole_life, "four");
        assert_said("the seals know it", 1, 1);
        assert_int_equal(count_in_ledger("\"sequence\":1,"), 0);
        tree_remove(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_crash),
                cmocka_unit_test(test_crash_and_once),
                cmocka_unit_test(test_round_between),
                cmocka_unit_test(test_blocked),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_full_map),
                cmocka_unit_test(test_text_diff),
                cmocka_unit_test(test_rolled_back_after_stop),
                cmocka_unit_test(test_rolled_back_after_kill),
                cmocka_unit_test(test_not_rolled_back),
                cmocka_unit_test(test_rolled_back_without_ledger),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
