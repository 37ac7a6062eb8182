/* test-ledger.c - lines appended once, torn ones cut off, segments packed: whatever interrupts it, nothing is lost or doubled. */
#include "ledger-folder.h"
#include "small-disk.h"

#include "event-json.h"
#include "fd.h"
#include "json.h"

static void test_sequence_of_line(void **unused) {
        static const struct {
                const char *line;
                int expected;
                uint64_t sequence;
        } cases[] = {
                { "{\"event\":{\"sequence\":7}}", 1, 7 },
                { "{\"sequence\":18446744073709551615,", 1, UINT64_MAX },
                { "{\"sequence\":18446744073709551616,", 0, 0 },
                { "{\"sequence\":99999999999999999999999,", 0, 0 },
                { "{\"sequence\":}", 0, 0 },
                { "{\"sequence\":-1}", 0, 0 },
                { "{\"sequence\":\"7\"}", 0, 0 },
                { "{\"sequence\": 7}", 0, 0 },
                { "{\"sequence\":", 0, 0 },
                { "{\"message\":\"\\\"sequence\\\":5\",\"sequence\":7}", 1, 7 },
                { "{}", 0, 0 },
                { "", 0, 0 },
        };
        uint64_t sequence;

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *exact = strndup(cases[i].line, strlen(cases[i].line)); /* no byte behind it is looked at */

                sequence = 1234;
                assert_int_equal(ledger_line_sequence(bytes_of_string(exact), &sequence), cases[i].expected);
                assert_true(sequence == (cases[i].expected ? cases[i].sequence : 1234));
        }
        assert_int_equal(ledger_line_sequence(BYTES_NULL, &sequence), 0);
}

/* As event-json writes it, with everything from outside that may stand before it in the line. */
static void test_sequence_of_event(void **unused) {
        static const char forged[] = "\",\"event\":{\"sequence\":1},\"sequence\":2,\\\"sequence\\\":3";
        static const struct action action = { "forged", "host", "info", SEVERITY_LOW, true, NULL };
        const struct event_host host = { .name = forged, .boot_id = forged, .machine_id = forged, .version = forged };
        struct event event = { .sequence = 4711, .action = &action, .severity = SEVERITY_LOW, .message = forged, .watch = forged };
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        struct json *json = json_new();
        uint64_t sequence = 0;

        (void)unused;
        assert_non_null(json);
        event_add(&event, "container.id", FIELD_TEXT, value_string(forged));
        assert_int_equal(event_json_write(&line, json, &event, &host), 0);
        (void)json_free(json);
        assert_int_equal(ledger_line_sequence(buffer_bytes(&line), &sequence), 1);
        assert_int_equal(sequence, 4711);
}

static void test_appended(void **state) {
        struct ledger_folder *folder = *state;
        struct stat status;

        (void)umask(022);
        open_ledger(folder, 1000000);
        assert_int_equal(ledger_last_sequence(folder->ledger), 0);
        assert_files(folder, "");
        assert_int_equal(ledger_sync(folder->ledger), 0);
        assert_int_equal(ledger_rotate(folder->ledger), 0);
        append_lines(folder, 5, 7);
        assert_files(folder, "5.jsonl");
        assert_int_equal(ledger_last_sequence(folder->ledger), 7);
        assert_int_equal(ledger_sync(folder->ledger), 0);

        /* what it has already is not written again */
        append_lines(folder, 1, 7);
        append_lines(folder, 9, 9);
        append_lines(folder, 8, 8);
        assert_reads(folder, "5 6 7 9");
        assert_int_equal(fstatat(ledger_folder(folder->ledger), ".", &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0750);
        assert_int_equal(fstatat(ledger_folder(folder->ledger), LEDGER_PREFIX "00000000000000000005" LEDGER_SUFFIX, &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0640);
        assert_int_equal(ledger_live_size(folder->ledger), status.st_size);

        open_ledger(folder, 1000000);
        assert_int_equal(ledger_last_sequence(folder->ledger), 9);
        assert_int_equal(ledger_live_size(folder->ledger), status.st_size);
        append_lines(folder, 9, 11);
        assert_reads(folder, "5 6 7 9 10 11");
}

/* What a crash left at the end of the last segment. */
static void test_torn(void **state) {
        struct ledger_folder *folder = *state;
        static const struct {
                const char *what;
                size_t whole, torn;     /* sizes of the last whole line and of what follows it */
                char fill;
        } cases[] = {
                { "nothing", 100, 0, 'x' },
                { "one byte", 100, 1, '{' },
                { "most of a line", 100, 90, 'x' },
                { "zeros of a block that was never written", 100, 4096, '\0' },
                { "exactly what is read at once", 100, 65536, 'x' },
                { "more than is read at once", 100, 70000, 'x' },
                { "several times that", 100, 300000, 'x' },
                { "a whole line longer than what is read at once", 200000, 1, 'x' },
                { "both", 70000, 70000, 'x' },
                { "the newline where reading stops", 65535, 65536, 'x' },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer file = BUFFER_NULL, line = BUFFER_NULL;

                for (uint64_t sequence = 1; sequence <= 3; sequence++) {
                        line_of(&line, sequence, sequence == 3 ? cases[i].whole : 0);
                        buffer_append_bytes(&file, buffer_bytes(&line));
                        buffer_append_byte(&file, '\n');
                }
                for (size_t before = 0; before < 2; before++) {
                        size_t whole = before ? 0 : file.size;
                        _cleanup_buffer_ struct buffer torn = BUFFER_NULL;

                        if (!before)
                                buffer_append_bytes(&torn, buffer_bytes(&file));
                        buffer_append_fill(&torn, (uint8_t)cases[i].fill, cases[i].torn);
                        leave(folder, 1, LEDGER_SUFFIX, torn.data, torn.size);
                        open_ledger(folder, 1000000);
                        if (ledger_last_sequence(folder->ledger) != (before ? 0 : 3) ||
                            ledger_live_size(folder->ledger) != whole)
                                fail_msg("%s: %llu, %llu bytes", cases[i].what,
                                         (unsigned long long)ledger_last_sequence(folder->ledger),
                                         (unsigned long long)ledger_live_size(folder->ledger));
                        append_lines(folder, before ? 1 : 3, 4);
                        assert_reads(folder, "1 2 3 4");
                }
        }
}

/* A power cut: the end of a later write is on the disk, that of an earlier one is not. */
static void test_torn_in_the_middle(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_buffer_ struct buffer file = BUFFER_NULL, line = BUFFER_NULL;
        size_t whole = 0;

        for (uint64_t sequence = 1; sequence <= 5; sequence++) {
                line_of(&line, sequence, 0);
                buffer_append_bytes(&file, buffer_bytes(&line));
                buffer_append_byte(&file, '\n');
                if (sequence == 3) {
                        whole = file.size;
                        buffer_append_string(&file, "{\"@timestamp\":");
                        buffer_append_fill(&file, 0, 70000);
                }
        }
        leave(folder, 1, LEDGER_SUFFIX, file.data, file.size);
        open_ledger(folder, 1000000);
        assert_int_equal(ledger_last_sequence(folder->ledger), 3);
        assert_int_equal(ledger_live_size(folder->ledger), whole);
        append_lines(folder, 3, 6);
        assert_reads(folder, "1 2 3 4 5 6");
}

/* A file that nothing is wrong with is not touched: one that may only be appended to stays usable, its times stay. */
static void test_whole_is_not_touched(void **state) {
        struct ledger_folder *folder = *state;
        struct stat before, after;
        char name[64];
        _cleanup_free_ char *path = NULL;

        open_ledger(folder, 1000000);
        append_lines(folder, 1, 3);
        segment_name(name, 1, LEDGER_SUFFIX);
        path = tree_path(&folder->tree, name);
        assert_int_equal(stat(path, &before), 0);
        (void)usleep(20000);
        open_ledger(folder, 1000000);
        assert_int_equal(stat(path, &after), 0);
        assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
}

static void test_rotated(void **state) {
        struct ledger_folder *folder = *state;

        open_ledger(folder, 400);
        append_lines(folder, 1, 2);
        assert_int_equal(ledger_rotate(folder->ledger), 0); /* not full */
        append_lines(folder, 3, 3);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        assert_files(folder, "1.jsonl.gz 4.jsonl");
        assert_int_equal(ledger_live_size(folder->ledger), 0);
        assert_int_equal(ledger_last_sequence(folder->ledger), 3);
        assert_int_equal(ledger_rotate(folder->ledger), 0);
        assert_reads(folder, "1 2 3");

        /* an empty segment knows where it stands by its name */
        open_ledger(folder, 400);
        assert_int_equal(ledger_last_sequence(folder->ledger), 3);
        append_lines(folder, 2, 6);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 7, 9);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 10, 10);
        assert_files(folder, "1.jsonl.gz 4.jsonl.gz 7.jsonl.gz 10.jsonl");
        assert_reads(folder, "1 2 3 4 5 6 7 8 9 10");
}

/* Stopped at any moment: every line is read once, before the next start and after it, which finishes what was begun. */
static void test_rotation_interrupted(void **state) {
        struct ledger_folder *folder = *state;
        static const struct {
                const char *what;
                bool next, partial, packed, whole;
        } cases[] = {
                { "before anything", false, false, false, true },
                { "the next segment was begun", true, false, false, true },
                { "packing was begun", true, true, false, true },
                { "it was packed, but is still there", true, false, true, true },
                { "all but the begin of the next write", true, false, true, false },
        };
        _cleanup_buffer_ struct buffer full = BUFFER_NULL;
        _cleanup_free_ char *keep = NULL;
        char name[64];

        for (uint64_t sequence = 1; sequence <= 3; sequence++) {
                _cleanup_buffer_ struct buffer line = BUFFER_NULL;

                line_of(&line, sequence, 0);
                buffer_append_bytes(&full, buffer_bytes(&line));
                buffer_append_byte(&full, '\n');
        }
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                tree_folder(&folder->tree, "ledger");
                leave(folder, 1, LEDGER_SUFFIX, full.data, full.size);
                if (cases[i].packed) {
                        open_ledger(folder, 100);
                        assert_int_equal(ledger_rotate(folder->ledger), 1);
                        folder->ledger = ledger_close(folder->ledger);
                        if (cases[i].whole)
                                leave(folder, 1, LEDGER_SUFFIX, full.data, full.size);
                } else if (cases[i].next) {
                        leave(folder, 4, LEDGER_SUFFIX, "", 0);
                }
                if (cases[i].partial)
                        leave(folder, 1, LEDGER_PACKED ".new", "\x1f\x8b half", 7);
                assert_reads(folder, "1 2 3");

                open_ledger(folder, 100);
                assert_int_equal(ledger_last_sequence(folder->ledger), 3);
                if (cases[i].next)
                        assert_files(folder, "1.jsonl.gz 4.jsonl");
                assert_reads(folder, "1 2 3");
                append_lines(folder, 3, 6);
                assert_int_equal(ledger_rotate(folder->ledger), 1);
                assert_reads(folder, "1 2 3 4 5 6");
                folder->ledger = ledger_close(folder->ledger);
                for (uint64_t number = 1; number < 10; number++)
                        for (int packed = 0; packed < 2; packed++) {
                                segment_name(name, number, packed ? LEDGER_PACKED : LEDGER_SUFFIX);
                                free(keep);
                                keep = tree_path(&folder->tree, name);
                                (void)unlink(keep);
                        }
                assert_files(folder, "");
        }
}

/* Copies and other things in the folder are neither written to, nor packed, nor taken for the last segment. */
static void test_foreign_names(void **state) {
        static const char *const names[] = {
                "events-copy.jsonl", "events-99999999999999999999.jsonl~", "events-00000000000000000002-old.jsonl",
                "events-2.jsonl", "events-.jsonl", "zzz.jsonl", "events-000000000000000000009.jsonl",
        };
        struct ledger_folder *folder = *state;

        open_ledger(folder, 100);
        append_lines(folder, 1, 3);
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_free_ char *path = NULL;

                assert_true(asprintf(&path, "ledger/%s", names[i]) > 0);
                tree_text(&folder->tree, path, "torn");
        }
        open_ledger(folder, 100);
        assert_int_equal(ledger_last_sequence(folder->ledger), 3);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 4, 4);
        assert_reads(folder, "1 2 3 4");
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                _cleanup_free_ char *path = NULL, *whole = NULL;
                struct stat status;

                assert_true(asprintf(&path, "ledger/%s", names[i]) > 0);
                whole = tree_path(&folder->tree, path);
                assert_int_equal(stat(whole, &status), 0);
                assert_int_equal(status.st_size, 4);
        }
}

/* A line that fits only in part is taken back, and comes whole when there is room. */
static void test_no_room(void **state) {
        struct ledger_folder *folder = *state;
        uint64_t size;

        open_ledger(folder, 1000000);
        append_lines(folder, 1, 2);
        size = ledger_live_size(folder->ledger);
        for (rlim_t limit = size; limit < size + 100; limit += 33) {
                limit_files(limit);
                assert_int_equal(append(folder, 3, 500), -EFBIG);
                limit_files(RLIM_INFINITY);
                assert_int_equal(ledger_live_size(folder->ledger), size);
                assert_int_equal(ledger_last_sequence(folder->ledger), 2);
                assert_reads(folder, "1 2");
        }
        assert_int_equal(append(folder, 3, 500), 0);
        append_lines(folder, 4, 4);
        assert_reads(folder, "1 2 3 4");
}

static int fill_disk(void *context) {
        struct ledger_folder *folder = context;
        uint64_t sequence = 0;
        int r = 0;

        if (ledger_open(folder->path, 40000, &folder->ledger) < 0)
                return 1;
        while (sequence < 1000 && (r = append(folder, sequence + 1, 1000)) == 0)
                sequence++;
        if (r != -ENOSPC || sequence < 10 || ledger_last_sequence(folder->ledger) != sequence)
                return 2;
        r = ledger_rotate(folder->ledger); /* no room to pack: told, and nothing is lost */
        if (r >= 0)
                return 3;
        folder->ledger = ledger_close(folder->ledger);
        if (ledger_open(folder->path, 40000, &folder->ledger) < 0 || ledger_last_sequence(folder->ledger) != sequence)
                return 4;
        {
                _cleanup_buffer_ struct buffer found = BUFFER_NULL, expected = BUFFER_NULL;
                struct ledger_reader *reader = NULL;

                for (uint64_t i = 1; i <= sequence; i++)
                        buffer_printf(&expected, "%s%llu", i > 1 ? " " : "", (unsigned long long)i);
                if (ledger_reader_open(folder->path, &reader) < 0)
                        return 5;
                read_on(reader, &found);
                (void)ledger_reader_close(reader);
                if (!bytes_equal(buffer_bytes(&found), buffer_bytes(&expected)))
                        return 6;
        }
        return 0;
}

static void test_full_disk(void **state) {
        struct ledger_folder *folder = *state;

        tree_folder(&folder->tree, "ledger");
        if (!on_small_disk(folder->path, "64k", fill_disk, folder))
                skip();
}

/* Removed, replaced or moved away while it is open: what comes next is where people read. */
static void test_removed(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_free_ char *away = tree_path(&folder->tree, "away"), *segment = NULL;
        char name[64];

        open_ledger(folder, 1000000);
        assert_int_equal(ledger_stand(folder->ledger), 0);
        append_lines(folder, 1, 2);
        assert_int_equal(ledger_stand(folder->ledger), 0);
        segment_name(name, 1, LEDGER_SUFFIX);
        segment = tree_path(&folder->tree, name);
        assert_int_equal(unlink(segment), 0);
        assert_int_equal(ledger_stand(folder->ledger), LEDGER_GONE);
        assert_int_equal(ledger_stand(folder->ledger), 0);
        append_lines(folder, 2, 3); /* what it had is not said again */
        assert_files(folder, "3.jsonl");
        assert_reads(folder, "3");

        assert_int_equal(rename(folder->path, away), 0);
        assert_int_equal(ledger_stand(folder->ledger), 1);
        append_lines(folder, 4, 4);
        assert_files(folder, "4.jsonl");

        /* a torn file put in its place is repaired as at a start, but what it says of sequences is not believed */
        leave(folder, 4, LEDGER_SUFFIX ".tmp", "{\"event\":{\"sequence\":99},\"message\":\"\"}\n{\"torn", 45);
        segment_name(name, 4, LEDGER_SUFFIX ".tmp");
        free(away);
        away = tree_path(&folder->tree, name);
        segment_name(name, 4, LEDGER_SUFFIX);
        free(segment);
        segment = tree_path(&folder->tree, name);
        assert_int_equal(rename(away, segment), 0);
        assert_int_equal(ledger_stand(folder->ledger), 1);
        append_lines(folder, 5, 5);
        assert_reads(folder, "99 5");
}

static void test_not_a_folder(void **state) {
        struct ledger_folder *folder = *state;

        tree_text(&folder->tree, "ledger", "a file");
        assert_int_equal(ledger_open(folder->path, 100, &folder->ledger), -ENOTDIR);
        assert_null(folder->ledger);
        assert_int_equal(ledger_open("/no/such/folder", 100, &folder->ledger), -ENOENT);
        assert_null(ledger_close(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sequence_of_line),
                cmocka_unit_test(test_sequence_of_event),
                LEDGER_TEST(test_appended),
                LEDGER_TEST(test_torn), LEDGER_TEST(test_torn_in_the_middle),
                LEDGER_TEST(test_whole_is_not_touched),
                LEDGER_TEST(test_rotated),
                LEDGER_TEST(test_rotation_interrupted),
                LEDGER_TEST(test_foreign_names),
                LEDGER_TEST(test_no_room),
                LEDGER_TEST(test_full_disk),
                LEDGER_TEST(test_removed),
                LEDGER_TEST(test_not_a_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
