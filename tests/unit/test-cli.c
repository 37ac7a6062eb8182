/* events, diff, check-config and usage, over a ledger that the daemon's own code wrote. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "ledger.h"
#include "scene.h"

/* ---- a ledger ---- */

#define ROUND_1 "11111111-1111-4111-8111-111111111111"
#define ROUND_2 "22222222-2222-4222-8222-222222222222"
#define ROUND_3 "33333333-3333-4333-8333-333333333333"

/* Three rounds; in the last, nephronix says something of a watch that is no change. */
static const char *const ledger_lines[] = {
        "{\"@timestamp\":\"2026-11-20T10:00:00.000000Z\",\"event\":{\"sequence\":1,\"severity\":1},"
        "\"message\":\"nephronix started\",\"nephronix\":{\"round\":\"" ROUND_1 "\"}}",
        "{\"@timestamp\":\"2026-11-21T10:00:00.000000Z\",\"event\":{\"sequence\":2,\"severity\":4},"
        "\"message\":\"file /boot/a was created\",\"nephronix\":{\"actor\":\"unknown\",\"round\":\"" ROUND_1 "\","
        "\"seen_by\":\"poll\",\"watch\":\"boot\"}}",
        "{\"@timestamp\":\"2026-11-22T10:00:00.000000Z\",\"event\":{\"sequence\":3,\"severity\":4},"
        "\"message\":\"file /boot/a: mode 0644 to 4755\",\"nephronix\":{\"actor\":\"unknown\","
        "\"change\":{\"mode\":{\"after\":\"4755\",\"before\":\"0644\"}},\"round\":\"" ROUND_2 "\",\"seen_by\":\"poll\","
        "\"watch\":\"boot\"}}",
        "{\"@timestamp\":\"2026-11-22T10:00:00.000000Z\",\"event\":{\"sequence\":4,\"severity\":4},"
        "\"message\":\"file /boot/b was deleted\",\"nephronix\":{\"actor\":\"unknown\",\"round\":\"" ROUND_2 "\","
        "\"seen_by\":\"poll\",\"watch\":\"boot\"}}",
        "{\"@timestamp\":\"2026-11-22T10:00:00.000000Z\",\"event\":{\"sequence\":5,\"severity\":2},"
        "\"message\":\"ann logged in\",\"nephronix\":{\"actor\":\"unknown\",\"round\":\"" ROUND_2 "\","
        "\"seen_by\":\"poll\",\"watch\":\"users\"}}",
        "{\"@timestamp\":\"2026-11-23T10:00:00.000000Z\",\"event\":{\"sequence\":6,\"severity\":3},"
        "\"message\":\"boot: cannot be watched\",\"nephronix\":{\"round\":\"" ROUND_3 "\",\"watch\":\"boot\"}}",
};

static void make_ledger(struct scene *scene) {
        _cleanup_free_ char *folder = tree_path(&scene->tree, "state/ledger");
        struct ledger *ledger;

        assert_int_equal(ledger_open(folder, 1000000, &ledger), 0);
        for (size_t i = 0; i < ELEMENTS(ledger_lines); i++)
                assert_int_equal(ledger_append(ledger, i + 1, bytes_of_string(ledger_lines[i])), 0);
        ledger_close(ledger);
}

/* Takes out what ties a line to the one before. */
static void unlink_lines(struct buffer *text) {
        static const char mark[] = "\"chain\":{", end[] = "},";
        uint8_t *at;

        while (text->size && (at = memmem(text->data, text->size, mark, sizeof(mark) - 1))) {
                uint8_t *behind = memmem(at, (size_t)(text->data + text->size - at), end, sizeof(end) - 1);

                assert_non_null(behind);
                behind += sizeof(end) - 1;
                memmove(at, behind, (size_t)(text->data + text->size - behind));
                text->size -= (size_t)(behind - at);
        }
}

static void append_raw(struct scene *scene, const char *text) {
        _cleanup_free_ char *path = tree_path(&scene->tree, "state/ledger/events-00000000000000000001.jsonl");
        int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        (void)close(fd);
}

static void events_for_people(void **state) {
        struct scene *scene = *state;

        make_ledger(scene);
        RUN(scene, "events");
        assert_answer(scene, VERB_FINE);
        assert_int_equal(scene->err.size, 0);
        assert_string_equal(buffer_string(&scene->out),
                            "2026-11-20T10:00:00 info     nephronix       nephronix started\n"
                            "2026-11-21T10:00:00 high     boot            file /boot/a was created (who: unknown)\n"
                            "2026-11-22T10:00:00 high     boot            file /boot/a: mode 0644 to 4755 "
                            "(who: unknown)\n"
                            "2026-11-22T10:00:00 high     boot            file /boot/b was deleted (who: unknown)\n"
                            "2026-11-22T10:00:00 low      users           ann logged in (who: unknown)\n"
                            "2026-11-23T10:00:00 medium   boot            boot: cannot be watched\n");
}

static void events_as_they_are(void **state) {
        struct scene *scene = *state;
        _cleanup_buffer_ struct buffer whole = BUFFER_NULL;

        make_ledger(scene);
        for (size_t i = 0; i < ELEMENTS(ledger_lines); i++)
                buffer_printf(&whole, "%s\n", ledger_lines[i]);
        RUN(scene, "events", "--json");
        assert_answer(scene, VERB_FINE);
        unlink_lines(&scene->out);
        assert_string_equal(buffer_string(&scene->out), buffer_string(&whole));
}

static void events_chosen(void **state) {
        static const struct {
                const char *words[5];
                const char *sequences;  /* what comes out */
        } table[] = {
                { { "--watch", "boot" }, "2346" },
                { { "-w", "users" }, "5" },
                { { "--severity", "high" }, "234" },
                { { "--severity", "2" }, "23456" },
                { { "--since", "2026-11-22" }, "3456" },
                { { "--since", "2026-11-22 10:00:01" }, "6" },
                { { "--since", "@1795255200" }, "23456" },
                { { "--round", ROUND_2 }, "345" },
                { { "-n", "2" }, "56" },
                { { "-n", "1", "--watch", "users" }, "5" },
                { { "-n", "100" }, "123456" },
                { { "-n", "0" }, "" },
                { { "--watch", "packages" }, "" },
                { { "--watch", "boot", "--severity", "medium" }, "2346" },
        };
        struct scene *scene = *state;

        make_ledger(scene);
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                const char *words[8] = { "events", "--json" };
                const char *at = table[i].sequences;

                memcpy(words + 2, table[i].words, sizeof(table[i].words));
                run(scene, words);
                assert_answer(scene, VERB_FINE);
                if (lines_of(&scene->out) != strlen(at))
                        fail_msg("%s %s: %s", words[2], words[3], buffer_string(&scene->out));
                for (; *at; at++) {
                        char mark[] = "\"sequence\":0,";

                        mark[sizeof(mark) - 3] = *at;
                        assert_holds(&scene->out, mark);
                }
        }
}

/* More lines than -n allows, so that the ring turns; and more than its first room. */
static void events_last_of_many(void **state) {
        struct scene *scene = *state;

        make_ledger(scene);
        for (int i = 0; i < 100; i++) {
                _cleanup_buffer_ struct buffer line = BUFFER_NULL;

                buffer_printf(&line, "{\"message\":\"number %d.\"}\n", i);
                append_raw(scene, buffer_string(&line));
        }
        RUN(scene, "events", "-n", "40");
        assert_answer(scene, VERB_FINE);
        assert_int_equal(lines_of(&scene->out), 40);
        assert_lacks(&scene->out, "number 59.");
        /* the ring is full, and has hardly turned */
        RUN(scene, "events", "-n", "100");
        assert_int_equal(lines_of(&scene->out), 100);
        assert_holds(&scene->out, "number 0.\n");
        RUN(scene, "events", "-n", "40");
        assert_holds(&scene->out, "number 60.\n");
        for (int i = 60; i < 99; i++) {
                char first[16], second[16];

                (void)snprintf(first, sizeof(first), "number %d.", i);
                (void)snprintf(second, sizeof(second), "number %d.", i + 1);
                assert_true(strstr(buffer_string(&scene->out), first) < strstr(buffer_string(&scene->out), second));
        }
}

static void tampered_ledger(void **state) {
        struct scene *scene = *state;

        make_ledger(scene);
        append_raw(scene, "rubbish \033[31m\n"
                          "{\"message\":\"\\u001b]0;x\\u0007 \xc2\x9b" "31m \xe2\x80\xae\","
                          "\"event\":{\"severity\":5}}\n"
                          "[]\n");
        RUN(scene, "events", "-n", "1");
        assert_answer(scene, VERB_TROUBLE);
        assert_string_equal(buffer_string(&scene->out), "(no time stamp)     critical nephronix       "
                                                        "\\x1b]0;x\\x07 \\xc2\\x9b31m \\u{202e}\n");
        assert_string_equal(buffer_string(&scene->err),
                            "nephronix: line 7 of the ledger is skipped: it is not JSON\n"
                            "nephronix: line 9 of the ledger is skipped: it is not an object\n");
}

/* A file that claims to be packed and is not: what is behind it still comes. */
static void damaged_packed_segment(void **state) {
        struct scene *scene = *state;

        tree_write(&scene->tree, "state/ledger/events-00000000000000000001.jsonl.gz",
                   "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff", 18);
        tree_text(&scene->tree, "state/ledger/events-00000000000000000002.jsonl", "{\"message\":\"behind\"}\n");
        RUN(scene, "events");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->out, "behind");
        assert_holds(&scene->err, "a packed part of the ledger is damaged");
}

static void no_ledger(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *folder = tree_path(&scene->tree, "state/ledger");

        assert_int_equal(rmdir(folder), 0);
        RUN(scene, "events");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "there is no ledger in ");
        RUN(scene, "diff", "boot");
        assert_answer(scene, VERB_TROUBLE);
}

static void unknown_watch(void **state) {
        struct scene *scene = *state;

        make_ledger(scene);
        RUN(scene, "events", "--watch", "bot");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "no watch \"bot\"; there are: ");
        assert_holds(&scene->err, "boot");
        RUN(scene, "diff", "b\033ot");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, "no watch \"b\\x1bot\"; there are: ");
}

/* In another process, because it never ends by itself. */
static void events_followed(void **state) {
        struct scene *scene = *state;
        const struct command tables = { .watches = test_registry, .alert_kinds = test_alert_kinds };
        char line[256] = "";
        int ends[2], status;
        FILE *stream;
        pid_t child;

        make_ledger(scene);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        (void)fflush(stdout);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                char *argv[] = { (char *)(uintptr_t)"nephronix", (char *)(uintptr_t)"--config", scene->file,
                                 (char *)(uintptr_t)"events", (char *)(uintptr_t)"-f", (char *)(uintptr_t)"-n",
                                 (char *)(uintptr_t)"1", NULL };

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)dup2(ends[1], STDOUT_FILENO);
                (void)close(ends[0]);
                _exit(command_main(&tables, verbs, 7, argv));
        }
        (void)close(ends[1]);
        stream = fdopen(ends[0], "r");
        assert_non_null(stream);
        assert_non_null(fgets(line, sizeof(line), stream)); /* the last one that was there */
        assert_non_null(strstr(line, "boot: cannot be watched"));
        append_raw(scene, "{\"message\":\"half");
        append_raw(scene, " and half\"}\n");
        assert_non_null(fgets(line, sizeof(line), stream)); /* flushed: nothing more will come */
        assert_non_null(strstr(line, "half and half"));
        /* the reader goes away: the next line ends it without a word */
        (void)fclose(stream);
        append_raw(scene, "{\"message\":\"to nobody\"}\n");
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

static void last_difference(void **state) {
        struct scene *scene = *state;

        make_ledger(scene);
        RUN(scene, "diff", "boot");
        assert_answer(scene, VERB_DIFFERENCES);
        assert_string_equal(buffer_string(&scene->out),
                            "round " ROUND_2 " of 2026-11-22T10:00:00: 2 changes\n"
                            "2026-11-22T10:00:00 high     boot            file /boot/a: mode 0644 to 4755 "
                            "(who: unknown)\n"
                            "    mode: 0644 -> 4755\n"
                            "2026-11-22T10:00:00 high     boot            file /boot/b was deleted (who: unknown)\n");
        RUN(scene, "diff", "boot", "--json");
        assert_answer(scene, VERB_DIFFERENCES);
        assert_int_equal(lines_of(&scene->out), 2);
        unlink_lines(&scene->out);
        assert_int_equal(strncmp(buffer_string(&scene->out), ledger_lines[2], strlen(ledger_lines[2])), 0);
        RUN(scene, "diff", "packages");
        assert_answer(scene, VERB_FINE);
        assert_int_equal(scene->out.size, 0);
        RUN(scene, "diff");
        assert_answer(scene, VERB_TROUBLE);
}

/* ---- is it as it was written? ---- */

static void ledger_verified(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *folder = tree_path(&scene->tree, "state/ledger"), *anchor = NULL;
        const char *head;

        RUN(scene, "verify");
        assert_answer(scene, VERB_TROUBLE);
        make_ledger(scene);
        RUN(scene, "verify");
        assert_answer(scene, VERB_FINE);
        assert_int_equal(strncmp(buffer_string(&scene->out), "OK records 1 to 6, head ", 24), 0);
        head = buffer_string(&scene->out) + 24;
        assert_true(asprintf(&anchor, "6:%.64s", head) > 0);
        RUN(scene, "verify", "--head", anchor, "--head", anchor + 2, folder);
        assert_answer(scene, VERB_FINE);
        RUN(scene, "verify", "--since", "2026-11-22", "--json");
        assert_answer(scene, VERB_FINE);
        assert_non_null(strstr(buffer_string(&scene->out), "\"first\":3,\"genesis\":false,\"head\":\""));
        anchor[10] = anchor[10] == '0' ? '1' : '0';
        RUN(scene, "verify", "--head", anchor);
        assert_answer(scene, VERB_DIFFERENCES);
        assert_non_null(strstr(buffer_string(&scene->out), " is not that of record 6: it or one before it was rewritten (edited)"));

        append_raw(scene, "{\"event\":{\"sequence\":7},\"message\":\"\\u001b[31mforged\"}\n");
        RUN(scene, "verify");
        assert_answer(scene, VERB_DIFFERENCES);
        assert_int_equal(strncmp(buffer_string(&scene->out), "BROKEN record 7 has no link to the one before (edited)\n", 55), 0);
        RUN(scene, "verify", "--json");
        assert_answer(scene, VERB_DIFFERENCES);
        assert_non_null(strstr(buffer_string(&scene->out), "\"bad\":{\"first\":7,\"last\":7},"));

        RUN(scene, "verify", "--head", "12");
        assert_answer(scene, VERB_TROUBLE);
        RUN(scene, "verify", "--head", anchor + 3);
        assert_answer(scene, VERB_TROUBLE);
        anchor[0] = '0';
        RUN(scene, "verify", "--head", anchor);
        assert_answer(scene, VERB_TROUBLE);
        RUN(scene, "verify", "--since", "when I was young");
        assert_answer(scene, VERB_TROUBLE);
        RUN(scene, "verify", folder, folder);
        assert_answer(scene, VERB_TROUBLE);
        RUN(scene, "verify", "/no/such/folder");
        assert_answer(scene, VERB_TROUBLE);
}

/* ---- configuration, usage ---- */

static void configuration(void **state) {
        struct scene *scene = *state;

        RUN(scene, "check-config");
        assert_answer(scene, VERB_FINE);
        assert_holds(&scene->out, "nephronix.conf: fine (11 of 14 watches and 1 of 1 alerts enabled)\n");
        RUN(scene, "check-config", "--print");
        assert_answer(scene, VERB_FINE);
        assert_holds(&scene->out, "[Nephronix]\nStateDirectory=");
        assert_holds(&scene->out, "nephronix.conf:2\n");
        assert_holds(&scene->out, "\n\n[Watch \"old\"]\nKind=files ");
        RUN(scene, "check-config", "--json");
        assert_answer(scene, VERB_FINE);
        assert_holds(&scene->out, "{\"key\":\"Interval\",\"section\":\"Nephronix\",\"value\":\"2s\"}\n");
        assert_holds(&scene->out,
                     "nephronix.conf\",\"key\":\"Path\",\"line\":7,\"section\":\"Watch \\\"old\\\"\","
                     "\"value\":\"/old\"}\n");

        tree_text(&scene->tree, "nephronix.conf", "[Nephronix]\nIntervall=2s\n");
        RUN(scene, "check-config");
        assert_answer(scene, VERB_TROUBLE);
        assert_int_equal(scene->out.size, 0);
        assert_int_equal(strncmp(buffer_string(&scene->err), scene->file, strlen(scene->file)), 0);
        assert_int_equal(strncmp(buffer_string(&scene->err) + strlen(scene->file), ":2: ", 4), 0);
        RUN(scene, "events");
        assert_answer(scene, VERB_TROUBLE);
        assert_holds(&scene->err, ":2: ");
}

static void usage(void **state) {
        static const char *const wrong[][4] = {
                { "bogus" }, { "status", "x" }, { "status", "--bogus" }, { "events", "--since", "tomorrow" },
                { "events", "--severity", "6" }, { "events", "--round", "1" }, { "events", "-n", "x" },
                { "events", "-n", "99999999" }, { "events", "x" }, { "check-config", "x" }, { "diff", "a", "b" },
                { "--bogus" },
                { "events", "--round", "11111111-1111-4111-8111-11111111111g" }, { "events", "--severity", "" },
        };
        struct scene *scene = *state;

        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                run(scene, wrong[i]);
                assert_answer(scene, VERB_TROUBLE);
                assert_int_equal(scene->out.size, 0);
                assert_true(scene->err.size > 0);
        }
        RUN(scene, NULL);
        assert_answer(scene, VERB_TROUBLE);
        RUN(scene, "--help");
        assert_answer(scene, VERB_FINE);
        for (size_t i = 0; verbs[i]; i++)
                assert_holds(&scene->out, verbs[i]->name);
        for (size_t i = 0; verbs[i]; i++) {
                RUN(scene, verbs[i]->name, "--help");
                assert_answer(scene, VERB_FINE);
                assert_holds(&scene->out, verbs[i]->synopsis);
        }
        RUN(scene, "--version");
        assert_answer(scene, VERB_FINE);
        assert_int_equal(strncmp(buffer_string(&scene->out), "nephronix ", 10), 0);
}

/* What could not be written was not told. */
static void full_disk(void **state) {
        struct scene *scene = *state;
        const struct command tables = { .watches = test_registry, .alert_kinds = test_alert_kinds };
        pid_t child;
        int status;

        make_ledger(scene);
        (void)fflush(stdout);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                char *argv[] = { (char *)(uintptr_t)"nephronix", (char *)(uintptr_t)"--config", scene->file,
                                 (char *)(uintptr_t)"events", NULL };

                (void)dup2(open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
                (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
                _exit(command_main(&tables, verbs, 4, argv));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == VERB_TROUBLE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                SCENE_TEST(events_for_people),
                SCENE_TEST(events_as_they_are),
                SCENE_TEST(events_chosen),
                SCENE_TEST(events_last_of_many),
                SCENE_TEST(tampered_ledger),
                SCENE_TEST(damaged_packed_segment),
                SCENE_TEST(no_ledger),
                SCENE_TEST(unknown_watch),
                SCENE_TEST(events_followed),
                SCENE_TEST(last_difference),
                SCENE_TEST(ledger_verified),
                SCENE_TEST(configuration),
                SCENE_TEST(usage),
                SCENE_TEST(full_disk),
        };

        (void)setenv("TZ", "UTC", 1);
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
