/* Notes on disk: what stands after a daemon died between any two bytes; and the order of many. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "baseline-folder.h"
#include "baseline-text.h"
#include "journal.h"
#include "lmdb-baseline.h"
#include "notes.h"
#include "record-codec.h"
#include "small-disk.h"

static const struct field fields[] = {
        { .name = "n", .kind = FIELD_NUMBER },
        { .name = "t", .kind = FIELD_TEXT },
        { 0 },
};

static struct baseline_folder folder;
static char journal_path[80];
static struct lmdb_baseline *lmdb;
static struct baseline *baseline;

#define CALL(operation, ...) baseline->ops->operation(baseline, ##__VA_ARGS__)
#define FINE(operation, ...) assert_int_equal(CALL(operation, ##__VA_ARGS__), 0)

static void open_it(int expected) {
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), expected);
        baseline = lmdb_baseline_interface(lmdb);
}

static int set_up(void **state) {
        (void)state;
        baseline_folder_make(&folder);
        snprintf(journal_path, sizeof(journal_path), "%s/journal", folder.path);
        open_it(LMDB_BASELINE_E_NEW);
        FINE(begin);
        FINE(set_known, "boot", fields);
        FINE(set_known, "users", fields);
        FINE(commit);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        lmdb = lmdb_baseline_close(lmdb);
        unlink(journal_path);
        baseline_folder_remove(&folder);
        return 0;
}

static void note(const char *watch, const char *key, uint64_t number) {
        struct record record = { .key = bytes_of_string(key), .values = { value_number(number) } };

        FINE(note_put, watch, fields, &record);
}

static int append_note(void *context, const char *name, struct bytes key, bool gone) {
        struct buffer *found = context;

        buffer_printf(found, "%s%s:", gone ? "-" : "+", name);
        buffer_append_bytes(found, key);
        buffer_append_byte(found, ' ');
        return 0;
}

/* Notes, outbox, and the fact "f". */
static void tell(struct buffer *found) {
        _cleanup_buffer_ struct buffer outbox = BUFFER_NULL;
        char fact[16];
        size_t size;

        FINE(noted, NULL, BYTES_NULL, append_note, found);
        baseline_text_outbox(baseline, &outbox);
        buffer_append_bytes(found, buffer_bytes(&outbox));
        if (CALL(get_fact, "f", fact, sizeof(fact), &size) == 1) {
                buffer_append_string(found, " f=");
                buffer_append(found, fact, size);
        }
}

static void assert_told(const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        tell(&found);
        assert_string_equal(buffer_string(&found), expected);
}

static off_t journal_size(void) {
        struct stat status;

        return stat(journal_path, &status) < 0 ? -1 : status.st_size;
}

/* Three of them are durable. */
static void note_four_times(void) {
        note("boot", "a", 1);
        FINE(note_file, OUTBOX_LEDGER, bytes_of_string("one"));
        FINE(note_commit, true);
        note("users", "memory only", 2);
        FINE(note_file, OUTBOX_LEDGER, bytes_of_string("lost"));
        FINE(note_commit, false);
        note("users", "u", 3);
        FINE(note_remove, "boot", bytes_of_string("a"));
        FINE(note_fact, "f", bytes_of_string("v"));
        FINE(note_commit, true);
        note("boot", "b", 4);
        FINE(note_file, OUTBOX_ALERT, bytes_of_string("three"));
        FINE(note_file, OUTBOX_ALERT, bytes_of_string("four"));
        FINE(note_commit, true);
        FINE(note_alerted, 3);
        note("boot", "never committed", 5);
}

static int note_and_die(void *context) {
        (void)context;
        open_it(LMDB_BASELINE_OK);
        note_four_times();
        raise(SIGKILL);
        return 0;
}

static void test_killed(void **state) {
        struct record record;
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;

        (void)state;
        lmdb = lmdb_baseline_close(lmdb);
        assert_int_equal(in_child(note_and_die, NULL), -SIGKILL);
        for (int i = 0; i < 3; i++) {
                open_it(LMDB_BASELINE_OK);
                assert_told("+boot:b +users:u 1:1:one 4:3:four f=v");
                assert_int_equal(CALL(get, "users", fields, bytes_of_string("u"), &room, &record), 1);
                assert_int_equal(record.values[0].number, 3);
                assert_int_equal(CALL(get, "boot", fields, bytes_of_string("a"), &room, &record), 0);
                lmdb = lmdb_baseline_close(lmdb);
        }
        open_it(LMDB_BASELINE_OK);
        note("boot", "c", 5);
        FINE(note_file, OUTBOX_LEDGER, bytes_of_string("five"));
        FINE(note_commit, true);
        FINE(begin);
        FINE(settle, 1);
        FINE(commit);
        assert_told("4:3:four 5:1:five f=v");
        assert_int_equal(journal_size(), 0);
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        assert_told("4:3:four 5:1:five f=v");
        FINE(note_alerted, 4);
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        assert_told("5:1:five f=v");
        FINE(begin);
        FINE(commit);
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        assert_told("5:1:five f=v");
}

/* Numbers that only notes have used up are not given again. */
static void test_numbers(void **state) {
        (void)state;
        FINE(note_file, OUTBOX_ALERT, bytes_of_string("one"));
        FINE(note_file, OUTBOX_ALERT, bytes_of_string("two"));
        FINE(note_commit, true);
        FINE(note_alerted, 2);
        FINE(begin);
        FINE(commit);
        assert_told("");
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        FINE(note_file, OUTBOX_ALERT, bytes_of_string("three"));
        FINE(note_commit, true);
        assert_told("3:3:three");
}

/* Appends what lies there. */
static void read_journal(struct buffer *ret) {
        int file = open(journal_path, O_RDONLY | O_CLOEXEC);
        size_t before = ret->size, size = (size_t)journal_size();

        assert_true(file >= 0);
        buffer_append_fill(ret, 0, size);
        assert_int_equal(read(file, ret->data + before, size), size);
        close(file);
}

static void write_journal(const void *data, size_t size) {
        int file = open(journal_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(file >= 0);
        assert_int_equal(write(file, data, size), size);
        close(file);
}

static void test_torn_anywhere(void **state) {
        _cleanup_buffer_ struct buffer whole = BUFFER_NULL;
        const char *expected[] = {
                "", "+boot:a 1:1:one", "+users:u 1:1:one f=v", "+boot:b +users:u 1:1:one 3:3:three 4:3:four f=v",
                "+boot:b +users:u 1:1:one 4:3:four f=v",
        };
        size_t ends[5] = { 0 }, count = 0;
        struct bytes rest, payload;
        uint64_t generation;

        (void)state;
        note_four_times();
        lmdb = lmdb_baseline_close(lmdb);
        read_journal(&whole);
        rest = buffer_bytes(&whole);
        while (journal_next(&rest, &generation, &payload) > 0) {
                assert_true(count < 4);
                ends[++count] = whole.size - rest.size;
        }
        assert_int_equal(count, 4);
        for (size_t size = 0, good = 0; size <= whole.size; size++) {
                write_journal(whole.data, size);
                while (good < 4 && ends[good + 1] <= size)
                        good++;
                open_it(LMDB_BASELINE_OK);
                assert_told(expected[good]);
                assert_int_equal(journal_size(), ends[good]);
                lmdb = lmdb_baseline_close(lmdb);
        }
        /* What is noted after the cut is there the next time. */
        write_journal(whole.data, ends[2] - 1);
        open_it(LMDB_BASELINE_OK);
        note("users", "later", 1);
        FINE(note_commit, true);
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        assert_told("+boot:a +users:later 1:1:one");
}

/* Killed between the commit and the emptying of the journal. */
static void test_taken_once(void **state) {
        _cleanup_buffer_ struct buffer before = BUFFER_NULL;

        (void)state;
        note("boot", "a", 1);
        FINE(note_commit, true);
        read_journal(&before);
        FINE(begin);
        FINE(remove, "boot", bytes_of_string("a"));
        FINE(commit);
        lmdb = lmdb_baseline_close(lmdb);
        write_journal(before.data, before.size);
        open_it(LMDB_BASELINE_OK);
        assert_told("");

        note_four_times();
        CALL(note_abort);
        buffer_clear(&before);
        read_journal(&before);
        FINE(begin);
        FINE(settle, UINT64_MAX);
        FINE(remove, "boot", bytes_of_string("b"));
        FINE(commit);
        assert_int_equal(journal_size(), 0);
        lmdb = lmdb_baseline_close(lmdb);
        write_journal(before.data, before.size);
        open_it(LMDB_BASELINE_OK);
        assert_told(" f=v");
        assert_int_equal(journal_size(), 0);
        lmdb = lmdb_baseline_close(lmdb);

        /* Even if it could not be emptied and went on behind it. */
        open_it(LMDB_BASELINE_OK);
        note("boot", "new", 1);
        FINE(note_commit, true);
        read_journal(&before);
        lmdb = lmdb_baseline_close(lmdb);
        write_journal(before.data, before.size);
        open_it(LMDB_BASELINE_OK);
        assert_told("+boot:new  f=v");
        assert_int_equal(journal_size(), before.size);
}

static void test_abort_keeps_the_journal(void **state) {
        (void)state;
        note_four_times();
        FINE(begin);
        FINE(settle, UINT64_MAX);
        CALL(abort);
        assert_told("+boot:b +users:memory only +users:u 1:1:one 2:1:lost 4:3:four f=v");
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        assert_told("+boot:b +users:u 1:1:one 4:3:four f=v");
}

/* A journal without its baseline is nobody's. */
static void test_stray_journal(void **state) {
        (void)state;
        note_four_times();
        lmdb = lmdb_baseline_close(lmdb);
        baseline_folder_remove(&folder);
        open_it(LMDB_BASELINE_E_NEW);
        assert_told("");
        assert_int_equal(journal_size(), 0);
}

static void append_op(struct buffer *record, enum note_kind kind, const char *name, struct bytes key, struct bytes value) {
        const struct bytes parts[] = { bytes_of_string(name), key, value };

        buffer_append_byte(record, (uint8_t)kind);
        for (size_t i = 0; i < 3; i++) {
                buffer_append_fill(record, 0, 3);
                buffer_append_byte(record, (uint8_t)parts[i].size);
        }
        for (size_t i = 0; i < 3; i++)
                buffer_append_bytes(record, parts[i]);
}

/* Right checksums around what nobody noted. */
static void test_forged(void **state) {
        _cleanup_buffer_ struct buffer table = BUFFER_NULL, value = BUFFER_NULL;
        static const uint8_t numbers[][8] = { { 0 }, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 0x7f } };
        struct record record = { .values = { value_number(1) } };
        struct {
                enum note_kind kind;
                const char *name;
                struct bytes key, value;
        } cases[] = {
                { NOTE_PUT, "boot", bytes_of_string("k"), bytes_of_string("x") },       /* no fields yet */
                { NOTE_WATCH, "boot", BYTES_NULL, bytes_of_string("x") },
                { NOTE_WATCH, "", BYTES_NULL, BYTES_NULL },
                { NOTE_WATCH, "unknown", BYTES_NULL, BYTES_NULL },
                { NOTE_REMOVE, "unknown", bytes_of_string("k"), BYTES_NULL },
                { NOTE_REMOVE, "boot", bytes_of_string("k"), bytes_of_string("x") },
                { NOTE_FACT, "", bytes_of_string(".format"), bytes_of_string("x") },
                { NOTE_FACT, "", BYTES_NULL, bytes_of_string("x") },
                { NOTE_FACT, "", bytes_of("a\0b", 3), bytes_of_string("x") },
                { NOTE_FILE, "", bytes_of_string("short"), bytes_of("\1x", 2) },
                { NOTE_FILE, "", bytes_of(numbers[0], 8), bytes_of("\1x", 2) },
                { NOTE_FILE, "", bytes_of(numbers[1], 8), bytes_of("\1x", 2) },
                { NOTE_FILE, "", bytes_of(numbers[2], 8), bytes_of("\1x", 2) },
                { NOTE_ALERTED, "", bytes_of(numbers[1], 8), BYTES_NULL },
                { (enum note_kind)8, "", BYTES_NULL, BYTES_NULL },
                { (enum note_kind)0, "", BYTES_NULL, BYTES_NULL },
        };

        (void)state;
        fields_encode(&table, fields);
        record_encode(&value, fields, &record);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                _cleanup_buffer_ struct buffer forged = BUFFER_NULL, content = BUFFER_NULL;
                struct journal journal;
                int file;

                note("boot", "a", 1);
                FINE(note_file, OUTBOX_LEDGER, bytes_of_string("x"));
                FINE(note_commit, true);
                lmdb = lmdb_baseline_close(lmdb);
                file = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_int_equal(journal_open(&journal, file, &content), 0);
                assert_int_equal(journal_cut(&journal, content.size), 0);
                journal_begin(&forged);
                append_op(&forged, NOTE_FACT, "", bytes_of_string("f"), bytes_of_string("forged"));
                /* Fields for the cases that are not about them. */
                if (cases[i].kind == NOTE_REMOVE)
                        append_op(&forged, NOTE_WATCH, cases[i].name, BYTES_NULL, buffer_bytes(&table));
                append_op(&forged, cases[i].kind, cases[i].name, cases[i].key, cases[i].value);
                assert_int_equal(journal_append(&journal, i, &forged), 0);
                journal_done(&journal);
                close(file);

                open_it(LMDB_BASELINE_OK);
                {
                        char expected[32];

                        snprintf(expected, sizeof(expected), "+boot:a %zu:1:x", i + 1);
                        assert_told(expected);
                }
                assert_int_equal(journal_size(), content.size);
                FINE(begin);
                FINE(settle, UINT64_MAX);
                FINE(remove, "boot", bytes_of_string("a"));
                FINE(commit);
        }
}

/* A newer nephronix finds notes with the fields of an older one. */
static void test_other_fields(void **state) {
        static const struct field newer[] = { { .name = "t", .kind = FIELD_TEXT }, { .name = "m", .kind = FIELD_NUMBER }, { 0 } };
        struct record record = { .key = bytes_of_string("b"), .values = { value_string("new") } };
        _cleanup_buffer_ struct buffer room = BUFFER_NULL, found = BUFFER_NULL;
        struct record old = { .key = bytes_of_string("a"), .values = { value_number(1), value_string("old") } };

        (void)state;
        FINE(note_put, "boot", fields, &old);
        FINE(note_commit, true);
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        assert_int_equal(CALL(get, "boot", newer, bytes_of_string("a"), &room, &old), 1);
        assert_true(bytes_equal(old.values[0].bytes, bytes_of_string("old")));
        assert_int_equal(CALL(note_put, "boot", newer, &record), -ENOBUFS);
        CALL(note_abort);
        FINE(begin);
        FINE(commit);
        FINE(note_put, "boot", newer, &record);
        FINE(note_commit, true);
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        FINE(begin);
        baseline_text_records(baseline, BASELINE_NOW, "boot", newer, BYTES_NULL, &found);
        assert_string_equal(buffer_string(&found), "a:t=old b:t=new");
        FINE(commit);
}

static void test_full(void **state) {
        _cleanup_buffer_ struct buffer large = BUFFER_NULL;
        int r = 0;

        (void)state;
        buffer_append_fill(&large, 'x', 1 << 20);
        for (int i = 0; r == 0 && i < 100; i++) {
                FINE(note_file, OUTBOX_LEDGER, buffer_bytes(&large));
                r = CALL(note_commit, true);
        }
        assert_int_equal(r, -ENOBUFS);
        r = 0;
        for (int i = 0; r == 0 && i < 100; i++) {
                r = CALL(note_file, OUTBOX_LEDGER, buffer_bytes(&large));
                if (r == 0)
                        FINE(note_commit, false);
        }
        assert_int_equal(r, -ENOBUFS);
        FINE(begin);
        FINE(settle, UINT64_MAX);
        FINE(commit);
        FINE(note_file, OUTBOX_LEDGER, buffer_bytes(&large));
        FINE(note_commit, true);
}

static void test_disk_full(void **state) {
        (void)state;
        note("boot", "a", 1);
        FINE(note_commit, true);
        limit_files((rlim_t)journal_size() + 10);
        note("boot", "b", 1);
        FINE(note_file, OUTBOX_LEDGER, bytes_of_string("x"));
        assert_int_equal(CALL(note_commit, true), -EFBIG);
        limit_files(RLIM_INFINITY);
        FINE(note_commit, true);
        assert_told("+boot:a ");
        note("boot", "c", 1);
        FINE(note_commit, true);
        lmdb = lmdb_baseline_close(lmdb);
        open_it(LMDB_BASELINE_OK);
        assert_told("+boot:a +boot:c ");
}

static void test_reader(void **state) {
        struct record record = { .key = bytes_of_string("k") };
        struct lmdb_baseline *reader;
        struct baseline *reading;

        (void)state;
        assert_int_equal(lmdb_baseline_open_reader(folder.path, &reader), 0);
        reading = lmdb_baseline_interface(reader);
        assert_int_equal(reading->ops->note_put(reading, "boot", fields, &record), -EROFS);
        assert_int_equal(reading->ops->note_alerted(reading, 1), -EROFS);
        assert_int_equal(reading->ops->note_commit(reading, true), -EROFS);
        reader = lmdb_baseline_close(reader);
}

/* Many keys, in an order that would make a naive tree a list. */
static void test_many(void **state) {
        enum { KEYS = 100000 };
        struct notes notes;
        const struct note *found = NULL;
        struct notes_watch *watch;
        char key[16];

        (void)state;
        notes_init(&notes);
        for (unsigned i = 0; i < KEYS; i++) {
                snprintf(key, sizeof(key), "%08u", i);
                assert_int_equal(notes_stage(&notes, &(struct note_op){ .kind = NOTE_REMOVE, .name = bytes_of_string("boot"),
                                                                        .key = bytes_of_string(key) }), 0);
                notes_merge(&notes, false);
        }
        assert_int_equal(notes.count, KEYS);
        for (unsigned i = 0; i < KEYS; i += 2) {
                snprintf(key, sizeof(key), "%08u", i);
                assert_int_equal(notes_stage(&notes, &(struct note_op){ .kind = NOTE_FORGET, .name = bytes_of_string("boot"),
                                                                        .key = bytes_of_string(key) }), 0);
        }
        notes_merge(&notes, false);
        assert_int_equal(notes.count, KEYS / 2);
        watch = notes_find_watch(&notes, bytes_of_string("boot"));
        assert_non_null(watch);
        for (unsigned i = 0; i < KEYS; i++) {
                snprintf(key, sizeof(key), "%08u", i);
                assert_int_equal(notes_find(&watch->records, bytes_of_string(key)) != NULL, i % 2);
                if (i % 2 == 0)
                        continue;
                found = notes_above(&watch->records, found ? &found->op.key : NULL);
                assert_non_null(found);
                assert_true(bytes_equal(found->op.key, bytes_of_string(key)));
        }
        assert_null(notes_above(&watch->records, &found->op.key));
        notes_clear(&notes);
        assert_int_equal(notes.size, 0);
        notes_done(&notes);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(test_killed), CASE(test_numbers), CASE(test_torn_anywhere), CASE(test_taken_once),
                CASE(test_abort_keeps_the_journal), CASE(test_stray_journal), CASE(test_forged), CASE(test_other_fields),
                CASE(test_full), CASE(test_disk_full), CASE(test_reader), cmocka_unit_test(test_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
