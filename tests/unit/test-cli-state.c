/* inventory and status, over a baseline and a page that the daemon's own code wrote. */
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "lmdb-baseline.h"
#include "page.h"
#include "scene.h"
#include "timestamp.h"

/* ---- a baseline ---- */

enum { PATH, TYPE, SIZE, MODE, WHEN, DIGEST, FLAG, FIELDS };

static const struct field test_fields[] = {
        [PATH] = { "path", "file.path", FIELD_TEXT },
        [TYPE] = { "type", NULL, FIELD_TEXT },
        [SIZE] = { "size", NULL, FIELD_NUMBER },
        [MODE] = { "mode", NULL, FIELD_MODE },
        [WHEN] = { "mtime", NULL, FIELD_TIME },
        [DIGEST] = { "blake2b", NULL, FIELD_DIGEST },
        [FLAG] = { "odd", NULL, FIELD_FLAG },
        { 0 },
};

static void put(struct baseline *baseline, const char *watch, const char *path, uint64_t size) {
        struct record record = { .key = bytes_of_string(path) };

        record.values[PATH] = value_string(path);
        record.values[TYPE] = value_string("file");
        record.values[SIZE] = value_number(size);
        record.values[MODE] = value_number(0644);
        record.values[WHEN] = value_number(1795444220123456789u);
        record.values[DIGEST] = value_bytes(bytes_of("\x01\xfe", 2));
        record.values[FLAG] = value_number(1);
        assert_int_equal(baseline->ops->put(baseline, watch, test_fields, &record), 0);
}

static void make_baseline(struct scene *scene) {
        _cleanup_free_ char *folder = tree_path(&scene->tree, "state/baseline");
        struct lmdb_baseline *lmdb;
        struct baseline *baseline;

        assert_int_equal(lmdb_baseline_open(folder, &lmdb), LMDB_BASELINE_E_NEW);
        baseline = lmdb_baseline_interface(lmdb);
        assert_int_equal(baseline->ops->begin(baseline), 0);
        assert_int_equal(baseline->ops->set_known(baseline, "boot", test_fields), 0);
        assert_int_equal(baseline->ops->set_known(baseline, "empty", test_fields), 0);
        put(baseline, "boot", "/boot/a", 5);
        put(baseline, "boot", "/boot/b\033[31m\n", 12345);
        assert_int_equal(baseline->ops->commit(baseline), 0);
        lmdb_baseline_close(lmdb);
}

static void inventory_for_people(void **state) {
        struct scene *scene = *state;

        make_baseline(scene);
        RUN(scene, "inventory", "boot");
        assert_answer(scene, VERB_FINE);
        assert_string_equal(buffer_string(&scene->out),
                            "TYPE  MODE   SIZE  MTIME                PATH\n"
                            "file  0644      5  2026-11-23T14:30:20  /boot/a\n"
                            "file  0644  12345  2026-11-23T14:30:20  /boot/b\\x1b[31m\\x0a\n");
        RUN(scene, "inventory");
        assert_answer(scene, VERB_FINE);
        assert_string_equal(buffer_string(&scene->out), "WATCH  KIND              RECORDS\n"
                                                        "boot   files                   2\n"
                                                        "empty  (not configured)        0\n");
        /* of no kind that is known: its first fields */
        RUN(scene, "inventory", "empty");
        assert_answer(scene, VERB_FINE);
        assert_string_equal(buffer_string(&scene->out), "PATH  TYPE  SIZE  MODE  MTIME  ODD\n");
}

static void inventory_as_json(void **state) {
        struct scene *scene = *state;

        make_baseline(scene);
        RUN(scene, "inventory", "boot", "--json");
        assert_answer(scene, VERB_FINE);
        assert_string_equal(
                buffer_string(&scene->out),
                "{\"blake2b\":\"01fe\",\"mode\":\"0644\",\"mtime\":\"2026-11-23T14:30:20.123456Z\",\"odd\":true,"
                "\"path\":\"/boot/a\",\"size\":5,\"type\":\"file\"}\n"
                "{\"blake2b\":\"01fe\",\"mode\":\"0644\",\"mtime\":\"2026-11-23T14:30:20.123456Z\","
                "\"nephronix\":{\"raw\":{\"path\":\"L2Jvb3QvYhtbMzFtCg==\"}},\"odd\":true,"
                "\"path\":\"/boot/b\\\\x1b[31m\\\\x0a\",\"size\":12345,\"type\":\"file\"}\n");
        RUN(scene, "inventory", "-j");
        assert_answer(scene, VERB_FINE);
        assert_string_equal(buffer_string(&scene->out), "{\"kind\":\"files\",\"records\":2,\"watch\":\"boot\"}\n"
                                                        "{\"records\":0,\"watch\":\"empty\"}\n");
}

static void inventory_of_nothing(void **state) {
        struct scene *scene = *state;
        char name[1000];

        RUN(scene, "inventory");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "there is no baseline in ");
        make_baseline(scene);
        RUN(scene, "inventory", "bot");
        assert_answer(scene, VERB_TROUBLE);
        assert_string_equal(buffer_string(&scene->err), "nephronix: no watch \"bot\"; there are: boot, empty\n");
        RUN(scene, "inventory", "packages");
        assert_answer(scene, VERB_TROUBLE);
        assert_string_equal(buffer_string(&scene->err), "nephronix: packages: nothing is known of it yet\n");
        RUN(scene, "inventory", "");
        assert_answer(scene, VERB_TROUBLE);
        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        RUN(scene, "inventory", name);
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "there are: boot, empty");
        RUN(scene, "inventory", "boot", "empty");
        assert_answer(scene, VERB_TROUBLE);
}

static void damaged_baseline(void **state) {
        struct scene *scene = *state;

        tree_text(&scene->tree, "state/baseline/data.mdb", "this is no data base");
        RUN(scene, "inventory", "boot");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "the baseline in ");
        assert_holds(&scene->err, "damaged");
}

/* ---- a status page ---- */

/* "PID" and "LAST" are put in; the rest as roles/status-page.c writes it. */
static void publish(struct scene *scene, pid_t pid, uint64_t age_s, const char *daemon, const char *watches,
                    const char *behind) {
        _cleanup_free_ char *path = tree_path(&scene->tree, "run/status");
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint64_t last_ns = clock_ns(CLOCK_REALTIME) - age_s * 1000000000u;
        struct timespec last = timestamp_of_ns(last_ns);
        struct page *page;

        buffer_printf(&text, "{\"daemon\":{\"cpu_ms\":1234,\"events\":1,\"guard_pid\":%d,\"host\":\"h\",", pid);
        buffer_append_string(&text, "\"interval_ms\":2000,\"last_round\":\"");
        timestamp_utc(&text, &last);
        buffer_printf(&text, "\",\"last_round_ns\":%llu,\"log_file\":\"/l\",\"profile\":\"full\",\"rounds\":7,"
                      "\"started\":\"2026-11-23T10:00:00.000000Z\",\"state_directory\":\"/s\","
                      "\"version\":\"0.1.0\"%s},",
                      (unsigned long long)last_ns, daemon);
        buffer_printf(&text, "\"watches\":{%s}%s}", watches, behind);
        assert_int_equal(buffer_error(&text), 0);
        assert_int_equal(page_create(path, &page), 0);
        assert_int_equal(page_publish(page, buffer_bytes(&text)), 0);
        page_close(page);
}

#define WATCH(name, order, state, more)                                                                        \
        "\"" name "\":{\"cadence_ms\":2000,\"changes\":1,\"cost_us\":312,\"kind\":\"files\","                  \
        "\"looks\":7,\"lost\":0,\"mechanism\":\"poll\",\"order\":" order ",\"priority\":\"high\",\"records\":42,"\
        "\"sensor\":\"walk\",\"state\":\"" state "\"" more "}"

static void all_is_well(void **state) {
        struct scene *scene = *state;

        publish(scene, getpid(), 0, ",\"configuration\":\"/c\"",
                WATCH("a", "2", "watched", "") ","
                WATCH("boot", "1", "watched", ",\"last_look\":\"2999-01-01T00:00:00.000000Z\"")
                ",\"zz\":{\"kind\":\"x\",\"order\":1001,\"state\":\"disabled\"}", "");
        RUN(scene, "status");
        assert_answer(scene, VERB_FINE);
        assert_int_equal(scene->err.size, 0);
        assert_holds(&scene->out, "nephronix 0.1.0 on h, watching since 2026-11-23T10:00:00 (");
        assert_holds(&scene->out, "profile full, 7 rounds, 1 event, 1.23 s of CPU time\n"
                                  "log /l, state /s, configuration /c\n\n");
        assert_holds(&scene->out, "WATCH  STATE     HOW                  RECORDS  LAST LOOK  LAST CHANGE    COST\n"
                                  "boot   watched   poll every 2s, walk       42   just now        never  312 us\n"
                                  "a      watched   poll every 2s, walk       42      never        never  312 us\n"
                                  "zz     disabled  -                          -          -            -       -\n");
        RUN(scene, "status", "--json");
        assert_answer(scene, VERB_FINE);
        assert_int_equal(lines_of(&scene->out), 1);
        assert_holds(&scene->out, "{\"daemon\":{\"cpu_ms\":1234,");
}

/* Who is told by sources, and how these do; a page without them shows neither table. */
static void what_tells(void **state) {
        struct scene *scene = *state;

        publish(scene, getpid(), 0, "",
                "\"boot\":{\"cadence_ms\":600000,\"covered_since\":\"2999-01-01T00:00:00.000000Z\",\"events\":7,\"cost_us\":3,"
                "\"last_reconcile\":\"2999-01-01T00:00:00.000000Z\",\"limits\":[\"one\",\"t\\u001bwo\"],\"lost\":2,"
                "\"mechanism\":\"fanotify inode marks\",\"order\":1,\"reconcile_found\":1,\"records\":1,"
                "\"sensor\":\"walk\",\"state\":\"watched\"},"
                WATCH("users", "2", "watched", ""),
                ",\"sources\":{\"bpf\":{\"events\":0,\"lost\":0,\"order\":1,\"reason\":\"EPERM\",\"state\":\"closed\"},"
                "\"fanotify\":{\"events\":12,\"lost\":2,\"order\":0,\"state\":\"open\"}}");
        RUN(scene, "status");
        assert_answer(scene, VERB_FINE);
        assert_holds(&scene->out,
                     "boot   watched  events, all every 10min, walk        1      never        never    3 us\n"
                     "users  watched  poll every 2s, walk                 42      never        never  312 us\n"
                     "\n"
                     "WATCH  TOLD BY                  SINCE  EVENTS  LOST  COMPARED  FOUND\n"
                     "boot   fanotify inode marks  just now       7     2  just now      1\n"
                     "\n"
                     "SOURCE    STATE   EVENTS  LOST  WHY\n"
                     "fanotify  open        12     2  -\n"
                     "bpf       closed       0     0  EPERM\n"
                     "\n"
                     "boot: limits: one\n"
                     "boot: limits: t\\x1bwo\n"
                     "boot: lost before it could be read: 2\n");

        publish(scene, getpid(), 0, "", WATCH("users", "2", "watched", ""), "");
        RUN(scene, "status");
        assert_null(strstr(buffer_string(&scene->out), "TOLD BY"));
        assert_null(strstr(buffer_string(&scene->out), "SOURCE"));
}

static void how_far_it_has_come(void **state) {
        struct scene *scene = *state;

        publish(scene, getpid(), 0, "",
                WATCH("boot", "1", "watched", "") ","
                WATCH("system", "2", "watched", ",\"sweep\":\"learning\",\"sweep_records\":41203,\"sweep_bytes\":2254857830,"
                      "\"sweep_ms\":7000") ","
                WATCH("config", "3", "watched", ",\"sweep\":\"comparing\",\"sweep_records\":7,\"sweep_bytes\":0,\"sweep_ms\":4"),
                "");
        RUN(scene, "status");
        assert_answer(scene, VERB_FINE);
        assert_holds(&scene->out, "\n\nsystem: first look: 41,203 files, 2.1 GiB, 307.2 MiB/s so far\n"
                                  "config: comparing everything: 7 files, 0 B so far\n");
        RUN(scene, "status", "--json");
        assert_holds(&scene->out, "\"sweep\":\"learning\",\"sweep_records\":41203");
}

static void what_is_wrong(void **state) {
        struct scene *scene = *state;

        publish(scene, getpid(), 0, "",
                WATCH("boot", "1", "failing", ",\"error\":\"Input/output error\","
                      "\"failing_since\":\"2026-11-23T11:00:00.000000Z\""),
                "");
        RUN(scene, "status");
        assert_answer(scene, VERB_DIFFERENCES);
        assert_holds(&scene->out, "\nboot: cannot be watched: Input/output error, since 2026-11-23T11:00:00\n");
        RUN(scene, "status", "--json");
        assert_answer(scene, VERB_DIFFERENCES);

        publish(scene, getpid(), 0, ",\"trouble\":\"No space left on device\"", WATCH("boot", "1", "watched", ""), "");
        RUN(scene, "status");
        assert_answer(scene, VERB_DIFFERENCES);
        assert_holds(&scene->out, "\nlog: cannot be written: No space left on device\n");
}

/* Conditions come as lines in one string, escaped because of the newlines; or, one day, as an array. */
static void not_seen(void **state) {
        struct scene *scene = *state;

        publish(scene, getpid(), 0, "",
                WATCH("boot", "1", "unavailable", ",\"not_seen\":\"no /boot\\\\x0aa \\\\\\\\x0a name\\\\x0a\"") ","
                WATCH("b", "2", "watched", ",\"not_seen\":[\"one\",\"t\\u001bwo\"]") ","
                WATCH("c", "3", "watched", ",\"not_seen\":\"plain \\\\x0a text\"") ","
                "\"d\":{\"lost\":3,\"mechanism\":\"poll\",\"order\":4,\"state\":\"watched\"}",
                ",\"nephronix\":{\"raw\":{\"watches.boot.not_seen\":\"eA==\"}}");
        RUN(scene, "status");
        assert_answer(scene, VERB_FINE);
        assert_holds(&scene->out, "\n\nboot: not seen: no /boot\n"
                                  "boot: not seen: a \\\\x0a name\n"
                                  "b: not seen: one\n"
                                  "b: not seen: t\\x1bwo\n"
                                  "c: not seen: plain \\x0a text\n"
                                  "d: lost before it could be read: 3\n");
}

static void nobody_is_watching(void **state) {
        struct scene *scene = *state;
        pid_t gone = fork();

        if (gone == 0)
                _exit(0);
        assert_int_equal(waitpid(gone, NULL, 0), gone);

        RUN(scene, "status");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "nephronixd is not running: there is no ");

        publish(scene, gone, 0, "", WATCH("boot", "1", "watched", ""), "");
        RUN(scene, "status");
        assert_answer(scene, VERB_TROUBLE);
        assert_int_equal(scene->out.size, 0);
        assert_holds(&scene->err, "is gone; its last round was ");

        publish(scene, 0, 0, "", WATCH("boot", "1", "watched", ""), "");
        RUN(scene, "status");
        assert_answer(scene, VERB_TROUBLE);

        publish(scene, getpid(), 12, "", WATCH("boot", "1", "watched", ""), "");
        RUN(scene, "status");
        assert_answer(scene, VERB_FINE);
        publish(scene, getpid(), 30, "", WATCH("boot", "1", "watched", ""), "");
        RUN(scene, "status");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "its last round was 30 s ago: nobody is watching");
        assert_holds(&scene->out, "boot");

        tree_text(&scene->tree, "run/status", "nephrpg1");
        RUN(scene, "status");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "is not a whole status page");
}

/* Nobody but root writes there; all the same nothing may crash or reach the terminal. */
static void hostile_pages(void **state) {
        static const char *const pages[] = {
                "", "{", "[]", "{}", "{\"daemon\":3}", "{\"daemon\":{},\"watches\":[]}",
                "{\"daemon\":{\"guard_pid\":-1}}", "{\"daemon\":{\"guard_pid\":99999999999999999999999}}",
        };
        struct scene *scene = *state;
        _cleanup_free_ char *path = tree_path(&scene->tree, "run/status");

        for (size_t i = 0; i < ELEMENTS(pages); i++) {
                struct page *page;

                assert_int_equal(page_create(path, &page), 0);
                assert_int_equal(page_publish(page, bytes_of_string(pages[i])), 0);
                page_close(page);
                RUN(scene, "status");
                assert_answer(scene, VERB_TROUBLE);
        }
        publish(scene, getpid(), 0, ",\"trouble\":7",
                "\"b\\u001boot\":{\"state\":\"\\u009b\",\"mechanism\":3,\"sensor\":[],"
                "\"cadence_ms\":18446744073709551615},\"x\":5", "");
        RUN(scene, "status");
        assert_answer(scene, VERB_DIFFERENCES);
        assert_lacks(&scene->out, "\033");
        assert_holds(&scene->out, "b\\x1boot");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                SCENE_TEST(inventory_for_people),
                SCENE_TEST(inventory_as_json),
                SCENE_TEST(inventory_of_nothing),
                SCENE_TEST(damaged_baseline),
                SCENE_TEST(all_is_well),
                SCENE_TEST(what_tells),
                SCENE_TEST(how_far_it_has_come),
                SCENE_TEST(what_is_wrong),
                SCENE_TEST(not_seen),
                SCENE_TEST(nobody_is_watching),
                SCENE_TEST(hostile_pages),
        };

        (void)setenv("TZ", "UTC", 1);
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
