/* The same tests over every baseline there is; test-lmdb-baseline.c has what only a file can do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "baseline-text.h"
#include "lmdb-baseline.h"
#include "memory-baseline.h"

static const struct field fields[] = {
        { .name = "n", .kind = FIELD_NUMBER },
        { .name = "t", .kind = FIELD_TEXT },
        { 0 },
};

struct backend {
        const char *name;
        struct baseline *(*open)(void);
        void (*close)(void);
};

static char folder[64];
static struct lmdb_baseline *lmdb;
static struct memory_baseline *memory;

static struct baseline *open_lmdb(void) {
        snprintf(folder, sizeof(folder), "/tmp/baseline-XXXXXX");
        assert_non_null(mkdtemp(folder));
        assert_int_equal(lmdb_baseline_open(folder, &lmdb), LMDB_BASELINE_E_NEW);
        return lmdb_baseline_interface(lmdb);
}

static void close_lmdb(void) {
        static const char *const files[] = { "data.mdb", "lock.mdb", "journal" };
        char path[128];

        lmdb = lmdb_baseline_close(lmdb);
        for (size_t i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
                unlink(path);
        }
        rmdir(folder);
}

static struct baseline *open_memory(void) {
        memory = memory_baseline_new();
        return memory_baseline_interface(memory);
}

static void close_memory(void) {
        memory = memory_baseline_free(memory);
}

static const struct backend backends[] = {
        { "lmdb", open_lmdb, close_lmdb },
        { "memory", open_memory, close_memory },
};

/* What every test says of the baseline under test. */
static struct baseline *baseline;

#define CALL(operation, ...) baseline->ops->operation(baseline, ##__VA_ARGS__)
#define FINE(operation, ...) assert_int_equal(CALL(operation, ##__VA_ARGS__), 0)

static struct bytes text(const char *string) {
        return bytes_of_string(string);
}

static int put_text(const char *watch, const char *key, uint64_t number, const char *string) {
        struct record record = { .key = text(key), .values = { value_number(number), value_string(string) } };

        return CALL(put, watch, fields, &record);
}

static void put(const char *watch, const char *key, uint64_t number) {
        assert_int_equal(put_text(watch, key, number, NULL), 0);
}

static void assert_records(enum baseline_view view, const char *watch, const char *after, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        baseline_text_records(baseline, view, watch, fields, text(after), &found);
        assert_string_equal(buffer_string(&found), expected);
}

static void assert_both(const char *watch, const char *expected) {
        assert_records(BASELINE_BEFORE, watch, "", expected);
        assert_records(BASELINE_NOW, watch, "", expected);
}

static void assert_outbox(const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        baseline_text_outbox(baseline, &found);
        assert_string_equal(buffer_string(&found), expected);
}

static void assert_last_key(const char *watch, const char *expected) {
        uint8_t key[64];
        size_t size;

        FINE(last_key, watch, key, sizeof(key), &size);
        assert_true(bytes_equal(bytes_of(key, size), text(expected)));
}

static void test_empty(void **state) {
        uint8_t room[8];
        size_t size;

        (void)state;
        assert_both("boot", "");
        assert_last_key("boot", "");
        assert_int_equal(CALL(known, "boot"), 0);
        assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 0);
        assert_outbox("");
        FINE(begin);
        FINE(remove, "boot", text("a"));
        FINE(prune, "boot", 0);
        FINE(settle, 100);
        assert_both("boot", "");
        FINE(commit);
        assert_both("boot", "");
}

static void test_views(void **state) {
        (void)state;
        FINE(begin);
        put("boot", "b", 2);
        put("boot", "a", 1);
        put("users", "a", 9);
        assert_records(BASELINE_BEFORE, "boot", "", "");
        assert_records(BASELINE_NOW, "boot", "", "a:n=1 b:n=2");
        assert_last_key("boot", "b");
        FINE(commit);
        assert_both("boot", "a:n=1 b:n=2");
        assert_both("users", "a:n=9");

        FINE(begin);
        FINE(remove, "boot", text("a"));
        FINE(remove, "boot", text("no such key"));
        put("boot", "b", 3);
        assert_int_equal(put_text("boot", "c", 4, "text"), 0);
        assert_records(BASELINE_BEFORE, "boot", "", "a:n=1 b:n=2");
        assert_records(BASELINE_BEFORE, "boot", "a", "b:n=2");
        assert_records(BASELINE_NOW, "boot", "", "b:n=3 c:n=4,t=text");
        assert_records(BASELINE_NOW, "boot", "b", "c:n=4,t=text");
        assert_records(BASELINE_NOW, "boot", "bb", "c:n=4,t=text");
        assert_records(BASELINE_NOW, "boot", "c", "");
        CALL(abort);
        assert_both("boot", "a:n=1 b:n=2");
        CALL(abort);
}

/* The engine reads what was known, and begins to write when it finds the first change. */
static void test_lazy_begin(void **state) {
        struct stream *stream;
        struct record record;
        char key[16];

        (void)state;
        FINE(begin);
        for (uint64_t i = 0; i < 500; i++) {
                snprintf(key, sizeof(key), "k%04u", (unsigned)i);
                put("boot", key, i);
        }
        FINE(commit);

        FINE(read, BASELINE_BEFORE, "boot", fields, BYTES_NULL, &stream);
        for (uint64_t i = 0; i < 500; i++) {
                assert_int_equal(stream_next(stream, &record), 1);
                snprintf(key, sizeof(key), "k%04u", (unsigned)i);
                assert_true(bytes_equal(record.key, text(key)));
                assert_int_equal(record.values[0].number, i);
                if (i == 10)
                        FINE(begin);
                if (i == 20)
                        FINE(begin_part);
                if (i > 20) {
                        put("boot", key, 1000);
                        snprintf(key, sizeof(key), "k%04ux", (unsigned)i);
                        put("boot", key, i);
                        assert_true(bytes_starts_with(text(key), record.key));
                }
                if (i == 300) {
                        FINE(end_part, true);
                        FINE(begin_part);
                }
        }
        assert_int_equal(stream_next(stream, &record), 0);
        stream = stream_close(stream);
        FINE(end_part, false);
        assert_records(BASELINE_BEFORE, "boot", "k0497", "k0498:n=498 k0499:n=499");
        assert_records(BASELINE_NOW, "boot", "k0497", "k0498:n=498 k0499:n=499");
        FINE(remove, "boot", text("k0301"));
        FINE(prune, "boot", 202);
        assert_last_key("boot", "k0499");
        FINE(commit);
        assert_records(BASELINE_NOW, "boot", "k0497", "k0498:n=498 k0499:n=499");
}

static void test_parts(void **state) {
        (void)state;
        FINE(begin);
        put("boot", "a", 1);
        FINE(begin_part);
        put("users", "u", 1);
        FINE(set_known, "users", fields);
        FINE(file, OUTBOX_LEDGER, text("dropped"));
        FINE(set_fact, "f", text("dropped"));
        FINE(remove, "boot", text("a"));
        assert_records(BASELINE_NOW, "boot", "", "");
        FINE(end_part, false);
        assert_records(BASELINE_NOW, "boot", "", "a:n=1");
        assert_records(BASELINE_NOW, "users", "", "");
        assert_int_equal(CALL(known, "users"), 0);
        /* A table goes with its part. */
        FINE(begin_part);
        put("users", "u", 1);
        FINE(end_part, false);
        put("users", "v", 7);
        FINE(remove, "users", text("v"));

        FINE(begin_part);
        put("users", "u", 2);
        put("modules", "m", 3);
        FINE(set_known, "users", fields);
        FINE(file, OUTBOX_TEXT, text("kept"));
        FINE(end_part, true);
        FINE(begin_part);
        put("modules", "n", 4);
        FINE(end_part, false);
        FINE(begin_part);
        put("modules", "o", 5);
        FINE(end_part, true);
        assert_int_equal(CALL(known, "users"), 1);
        FINE(commit);
        assert_both("boot", "a:n=1");
        assert_both("users", "u:n=2");
        assert_both("modules", "m:n=3 o:n=5");
        assert_outbox("2:2:kept");

        FINE(begin);
        FINE(begin_part);
        put("users", "u", 3);
        FINE(end_part, true);
        FINE(begin_part);
        put("users", "u", 4);
        CALL(abort);
        assert_both("users", "u:n=2");
}

static void test_changes_under_a_stream(void **state) {
        struct stream *stream;
        struct record record;

        (void)state;
        FINE(begin);
        put("boot", "a", 1);
        put("boot", "c", 3);
        FINE(read, BASELINE_NOW, "boot", fields, BYTES_NULL, &stream);
        assert_int_equal(stream_next(stream, &record), 1);
        put("boot", "b", 2);
        for (char letter = 'e'; letter <= 'z'; letter++)
                put("boot", (char[]){ letter, '\0' }, (uint64_t)letter);
        assert_int_equal(stream_next(stream, &record), 1);
        assert_true(bytes_equal(record.key, text("b")));
        FINE(begin_part);
        FINE(remove, "boot", text("b"));
        put("boot", "d", 4);
        assert_int_equal(stream_next(stream, &record), 1);
        assert_true(bytes_equal(record.key, text("c")));
        FINE(end_part, true);
        assert_int_equal(stream_next(stream, &record), 1);
        assert_true(bytes_equal(record.key, text("d")));
        assert_int_equal(record.values[0].number, 4);
        for (char letter = 'e'; letter <= 'z'; letter++) {
                assert_int_equal(stream_next(stream, &record), 1);
                assert_int_equal(record.values[0].number, letter);
        }
        assert_int_equal(stream_next(stream, &record), 0);
        stream = stream_close(stream);

        FINE(read, BASELINE_NOW, "users", fields, BYTES_NULL, &stream);
        put("users", "a", 'a');
        for (char letter = 'a'; letter <= 'z'; letter++) {
                assert_int_equal(stream_next(stream, &record), 1);
                assert_int_equal(record.values[0].number, letter);
                if (letter < 'z')
                        put("users", (char[]){ (char)(letter + 1), '\0' }, (uint64_t)letter + 1);
                FINE(remove, "users", text((char[]){ letter, '\0' }));
                assert_int_equal(record.key.data[0], letter);
        }
        assert_int_equal(stream_next(stream, &record), 0);
        stream = stream_close(stream);
        FINE(commit);
}

static void test_streams_end_with_the_transaction(void **state) {
        struct stream *early, *before, *late;
        struct record record;

        (void)state;
        for (int commit = 0; commit < 2; commit++) {
                FINE(begin);
                put("boot", "a", 1);
                FINE(commit);
                FINE(read, BASELINE_BEFORE, "boot", fields, BYTES_NULL, &early);
                FINE(begin);
                put("boot", "b", 1);
                FINE(read, BASELINE_BEFORE, "boot", fields, BYTES_NULL, &before);
                FINE(read, BASELINE_NOW, "boot", fields, BYTES_NULL, &late);
                assert_int_equal(stream_next(late, &record), 1);
                if (commit)
                        FINE(commit);
                else
                        CALL(abort);
                assert_int_equal(stream_next(early, &record), -ESTALE);
                assert_int_equal(stream_next(before, &record), -ESTALE);
                assert_int_equal(stream_next(late, &record), -ESTALE);
                early = stream_close(early);
                before = stream_close(before);
                late = stream_close(late);
        }
}

static void test_prune(void **state) {
        (void)state;
        FINE(begin);
        for (char letter = 'a'; letter <= 'j'; letter++)
                put("kernel-messages", (char[]){ letter, '\0' }, (uint64_t)letter);
        FINE(prune, "kernel-messages", 20);
        FINE(prune, "kernel-messages", 10);
        assert_last_key("kernel-messages", "j");
        FINE(prune, "kernel-messages", 2);
        assert_records(BASELINE_NOW, "kernel-messages", "", "i:n=105 j:n=106");
        FINE(commit);
        assert_both("kernel-messages", "i:n=105 j:n=106");
        FINE(begin);
        FINE(prune, "kernel-messages", 0);
        assert_last_key("kernel-messages", "");
        FINE(commit);
        assert_both("kernel-messages", "");
}

static void test_last_key(void **state) {
        uint8_t key[4];
        size_t size = 9;

        (void)state;
        FINE(begin);
        put("boot", "four", 1);
        FINE(commit);
        FINE(last_key, "boot", key, sizeof(key), &size);
        assert_int_equal(size, 4);
        assert_memory_equal(key, "four", 4);
        assert_int_equal(CALL(last_key, "boot", key, 3, &size), -ENOBUFS);
}

static int settle_each(void *context, const struct outbox_entry *entry) {
        size_t *count = context;

        (*count)++;
        FINE(begin);
        FINE(settle, entry->number);
        FINE(file, OUTBOX_ALERT, text("said"));
        FINE(commit);
        return 0;
}

static int stop_at_first(void *context, const struct outbox_entry *entry) {
        (void)context, (void)entry;
        return -EINTR;
}

static void test_outbox(void **state) {
        _cleanup_buffer_ struct buffer large = BUFFER_NULL, found = BUFFER_NULL;
        size_t count = 0;

        (void)state;
        FINE(begin);
        FINE(file, OUTBOX_LEDGER, text("one"));
        FINE(file, OUTBOX_TEXT, text(""));
        FINE(file, OUTBOX_ALERT, bytes_of("t\0wo", 4));
        assert_outbox("");
        FINE(commit);
        baseline_text_outbox(baseline, &found);
        assert_true(bytes_equal(buffer_bytes(&found), bytes_of("1:1:one 2:2: 3:3:t\0wo", 21)));
        assert_int_equal(CALL(outbox, stop_at_first, NULL), -EINTR);

        FINE(begin);
        FINE(settle, 2);
        FINE(file, OUTBOX_LEDGER, text("four"));
        FINE(commit);
        FINE(begin);
        FINE(settle, 3);
        FINE(commit);
        assert_outbox("4:1:four");

        FINE(begin);
        FINE(settle, UINT64_MAX);
        FINE(commit);
        assert_outbox("");
        FINE(begin);
        FINE(file, OUTBOX_LEDGER, text("lost"));
        CALL(abort);
        FINE(begin);
        FINE(file, OUTBOX_LEDGER, text("six"));
        FINE(commit);
        assert_outbox("6:1:six");

        buffer_append_fill(&large, 'x', 3 << 20);
        FINE(begin);
        FINE(settle, 6);
        FINE(file, OUTBOX_LEDGER, buffer_bytes(&large));
        FINE(commit);
        buffer_clear(&found);
        baseline_text_outbox(baseline, &found);
        assert_int_equal(found.size, large.size + 4);

        FINE(begin);
        FINE(file, OUTBOX_LEDGER, text("eight"));
        FINE(commit);
        FINE(outbox, settle_each, &count);
        assert_int_equal(count, 2);
        assert_outbox("9:3:said 10:3:said");
}

static void test_facts(void **state) {
        char room[8] = "";
        size_t size = 0;

        (void)state;
        FINE(begin);
        FINE(set_fact, "clean stop", bytes_of("a\0b", 3));
        FINE(set_fact, "none", BYTES_NULL);
        assert_int_equal(CALL(get_fact, "clean stop", room, sizeof(room), &size), 1);
        assert_int_equal(CALL(set_fact, "", text("x")), -EINVAL);
        assert_int_equal(CALL(set_fact, ".format", text("x")), -EINVAL);
        FINE(commit);
        assert_int_equal(CALL(get_fact, "clean stop", room, sizeof(room), &size), 1);
        assert_int_equal(size, 3);
        assert_memory_equal(room, "a\0b", 3);
        assert_int_equal(CALL(get_fact, "clean stop", room, 2, &size), -ENOBUFS);
        assert_int_equal(CALL(get_fact, "none", room, sizeof(room), &size), 1);
        assert_int_equal(size, 0);
        FINE(begin);
        FINE(set_fact, "clean stop", text("new"));
        CALL(abort);
        assert_int_equal(CALL(get_fact, "clean stop", room, sizeof(room), &size), 1);
        assert_memory_equal(room, "a\0b", 3);
}

static void test_known(void **state) {
        (void)state;
        FINE(begin);
        put("boot", "a", 1);
        assert_int_equal(CALL(known, "boot"), 0);
        FINE(set_known, "boot", fields);
        FINE(set_known, "empty", fields);
        assert_int_equal(CALL(known, "boot"), 1);
        FINE(commit);
        assert_int_equal(CALL(known, "boot"), 1);
        assert_int_equal(CALL(known, "empty"), 1);
        assert_int_equal(CALL(known, "other"), 0);
        FINE(begin);
        put("boot", "a", 2);
        FINE(commit);
        assert_int_equal(CALL(known, "boot"), 1);
}

static void test_names(void **state) {
        char name[202];
        struct stream *stream;
        struct record record = { .key = text("k") };
        uint8_t key[8];
        size_t size;

        (void)state;
        memset(name, 'w', sizeof(name));
        name[201] = '\0';
        FINE(begin);
        assert_int_equal(CALL(put, name, fields, &record), -ENAMETOOLONG);
        assert_int_equal(CALL(set_known, name, fields), -ENAMETOOLONG);
        assert_int_equal(CALL(remove, name, text("k")), -ENAMETOOLONG);
        assert_int_equal(CALL(prune, name, 0), -ENAMETOOLONG);
        assert_int_equal(CALL(put, "", fields, &record), -EINVAL);
        name[200] = '\0';
        put(name, "k", 1);
        FINE(set_known, name, fields);
        put("\xff \n\"%s/..", "k", 2);
        put("boo", "k", 3);
        put("boot", "k", 4);
        FINE(commit);
        assert_both(name, "k:n=1");
        assert_both("\xff \n\"%s/..", "k:n=2");
        assert_both("boo", "k:n=3");
        assert_both("boot", "k:n=4");
        assert_int_equal(CALL(known, name), 1);
        name[200] = 'w';
        assert_int_equal(CALL(known, name), -ENAMETOOLONG);
        assert_int_equal(CALL(last_key, name, key, sizeof(key), &size), -ENAMETOOLONG);
        assert_int_equal(CALL(read, BASELINE_NOW, name, fields, BYTES_NULL, &stream), -ENAMETOOLONG);
        assert_int_equal(CALL(read, BASELINE_NOW, "", fields, BYTES_NULL, &stream), -EINVAL);
}

/* A newer nephronix has other fields: it reads what the older one wrote, and what it puts lives beside it. */
static void test_migration(void **state) {
        static const struct field newer[] = {
                { .name = "added", .kind = FIELD_NUMBER },
                { .name = "t", .kind = FIELD_TEXT },
                { .name = "n", .kind = FIELD_IDENTIFIER },
                { 0 },
        };
        struct record record = {
                .key = text("b"),
                .values = { value_number(7), value_string("new"), value_number(8) },
        };
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;
        char key[8];

        (void)state;
        FINE(begin);
        assert_int_equal(put_text("boot", "", 0, "empty key"), 0);
        assert_int_equal(put_text("boot", "a", 1, "one"), 0);
        assert_int_equal(put_text("boot", "b", 2, "two"), 0);
        put("boot", "c", 3);
        for (unsigned i = 0; i < 300; i++) {
                snprintf(key, sizeof(key), "z%03u", i);
                put("long", key, i);
        }
        FINE(set_known, "boot", fields);
        FINE(commit);

        baseline_text_records(baseline, BASELINE_BEFORE, "boot", newer, BYTES_NULL, &found);
        assert_string_equal(buffer_string(&found), ":t=empty key,n=0 a:t=one,n=1 b:t=two,n=2 c:n=3");

        FINE(begin);
        FINE(begin_part);
        FINE(put, "boot", newer, &record);
        FINE(end_part, false);
        assert_records(BASELINE_NOW, "boot", "", ":n=0,t=empty key a:n=1,t=one b:n=2,t=two c:n=3");
        FINE(begin_part);
        FINE(put, "boot", newer, &record);
        FINE(set_known, "long", newer);
        FINE(end_part, true);
        buffer_clear(&found);
        baseline_text_records(baseline, BASELINE_NOW, "boot", newer, BYTES_NULL, &found);
        assert_string_equal(buffer_string(&found), ":t=empty key,n=0 a:t=one,n=1 b:added=7,t=new,n=8 c:n=3");
        buffer_clear(&found);
        baseline_text_records(baseline, BASELINE_BEFORE, "boot", newer, BYTES_NULL, &found);
        assert_string_equal(buffer_string(&found), ":t=empty key,n=0 a:t=one,n=1 b:t=two,n=2 c:n=3");
        FINE(commit);
        assert_int_equal(CALL(known, "boot"), 1);
        assert_both("boot", ":n=0,t=empty key a:n=1,t=one b:n=8,t=new c:n=3");
        assert_records(BASELINE_NOW, "long", "z297", "z298:n=298 z299:n=299");
}

static void test_misuse(void **state) {
        struct record record = { .key = text("k") };

        (void)state;
        assert_int_equal(CALL(put, "boot", fields, &record), -EINVAL);
        assert_int_equal(CALL(remove, "boot", text("k")), -EINVAL);
        assert_int_equal(CALL(prune, "boot", 0), -EINVAL);
        assert_int_equal(CALL(set_known, "boot", fields), -EINVAL);
        assert_int_equal(CALL(file, OUTBOX_LEDGER, text("x")), -EINVAL);
        assert_int_equal(CALL(settle, 1), -EINVAL);
        assert_int_equal(CALL(set_fact, "f", text("x")), -EINVAL);
        assert_int_equal(CALL(commit), -EINVAL);
        assert_int_equal(CALL(begin_part), -EINVAL);
        assert_int_equal(CALL(end_part, true), -EINVAL);
        FINE(begin);
        assert_int_equal(CALL(begin), -EBUSY);
        assert_int_equal(CALL(end_part, true), -EINVAL);
        FINE(begin_part);
        assert_int_equal(CALL(begin_part), -EBUSY);
        put("boot", "k", 1);
        assert_int_equal(CALL(file, (enum outbox_destination)9, text("x")), -EINVAL);
        assert_int_equal(CALL(commit), -EINVAL);
        assert_both("boot", "");
        FINE(begin);
        put("boot", "k", 2);
        FINE(commit);
        assert_both("boot", "k:n=2");
}

static void test_long_keys(void **state) {
        static char key[6001];
        uint8_t last[6000];
        size_t size;

        (void)state;
        memset(key, 'p', sizeof(key) - 1);
        FINE(begin);
        put("boot", key, 6000);
        put("boot", key + 1800, 4200);
        put("boot", key + 5500, 500);
        put("boot", "p", 1);
        FINE(commit);
        FINE(last_key, "boot", last, sizeof(last), &size);
        assert_int_equal(size, 6000);
        FINE(begin);
        FINE(prune, "boot", 3);
        FINE(last_key, "boot", last, sizeof(last), &size);
        assert_int_equal(size, 6000);
        FINE(remove, "boot", text(key));
        FINE(last_key, "boot", last, sizeof(last), &size);
        assert_int_equal(size, 4200);
        FINE(remove, "boot", text(key + 1800));
        FINE(last_key, "boot", last, sizeof(last), &size);
        assert_int_equal(size, 500);
        FINE(commit);
}

static void note(const char *watch, const char *key, uint64_t number) {
        struct record record = { .key = text(key), .values = { value_number(number) } };

        FINE(note_put, watch, fields, &record);
}

static int append_note(void *context, const char *name, struct bytes key, bool gone) {
        struct buffer *found = context;

        buffer_printf(found, "%s%s%s:", found->size ? " " : "", gone ? "-" : "+", name);
        buffer_append_bytes(found, key);
        return 0;
}

static void text_noted(struct baseline *of, struct buffer *found) {
        assert_int_equal(of->ops->noted(of, NULL, BYTES_NULL, append_note, found), 0);
}

static void assert_noted(const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        text_noted(baseline, &found);
        assert_string_equal(buffer_string(&found), expected);
}

static void assert_noted_above(const char *name, const char *above, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        FINE(noted, name, text(above), append_note, &found);
        assert_string_equal(buffer_string(&found), expected);
}

static int append_until_c(void *context, const char *name, struct bytes key, bool gone) {
        return bytes_equal(key, text("c")) ? 1 : append_note(context, name, key, gone);
}

static void text_record(struct baseline *of, const char *watch, struct bytes key, struct buffer *found) {
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        struct record record;
        int r = of->ops->get(of, watch, fields, key, &room, &record);

        if (r <= 0) {
                buffer_printf(found, "%d", r);
                return;
        }
        assert_true(bytes_equal(record.key, key));
        if (record.values[0].present)
                buffer_printf(found, "n=%llu", (unsigned long long)record.values[0].number);
        if (record.values[1].present) {
                buffer_append_string(found, "t=");
                buffer_append_bytes(found, record.values[1].bytes);
        }
}

static void assert_got(const char *watch, const char *key, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        text_record(baseline, watch, text(key), &found);
        assert_string_equal(buffer_string(&found), expected);
}

static void know(const char *watch) {
        FINE(begin);
        FINE(set_known, watch, fields);
        FINE(commit);
}

static void test_get(void **state) {
        static const struct field paths[] = {
                { .name = "path", .kind = FIELD_TEXT, .flags = FIELD_KEY_PATH },
                { .name = "t", .kind = FIELD_TEXT },
                { 0 },
        };
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        struct record record;

        (void)state;
        assert_got("boot", "a", "0");
        assert_got("", "a", "-22");
        FINE(begin);
        put("boot", "a", 1);
        assert_int_equal(put_text("boot", "a\1b", 2, "two"), 0);
        assert_got("boot", "a", "n=1");
        FINE(begin_part);
        put("boot", "a", 3);
        assert_got("boot", "a", "n=3");
        FINE(end_part, false);
        assert_got("boot", "a", "n=1");
        assert_got("boot", "b", "0");
        FINE(commit);
        assert_got("boot", "a", "n=1");
        assert_got("boot", "a\1b", "n=2t=two");
        assert_got("boot", "", "0");
        assert_got("users", "a", "0");

        /* With the fields of another table, and a path that no record holds. */
        assert_int_equal(CALL(get, "boot", paths, text("a\1b"), &room, &record), 1);
        assert_true(bytes_equal(record.values[0].bytes, text("/a\1b")));
        assert_true(bytes_equal(record.values[1].bytes, text("two")));
        know("users");
        record.key = text("u");
        FINE(note_put, "users", paths, &record);
        FINE(note_commit, true);
        assert_int_equal(CALL(get, "users", paths, text("u"), &room, &record), 1);
        assert_true(bytes_equal(record.values[0].bytes, text("/u")));
        assert_true(bytes_equal(record.values[1].bytes, text("two")));
}

static void test_notes(void **state) {
        _cleanup_buffer_ struct buffer until = BUFFER_NULL;
        struct record empty = { .key = text("d") };

        (void)state;
        know("boot");
        know("users");
        FINE(begin);
        put("boot", "a", 1);
        put("boot", "b", 2);
        FINE(commit);

        note("boot", "b", 3);
        assert_got("boot", "b", "n=2");
        assert_noted("");
        FINE(note_commit, true);
        assert_got("boot", "b", "n=3");
        note("boot", "c", 4);
        FINE(note_remove, "boot", text("a"));
        note("users", "u", 5);
        FINE(note_put, "boot", fields, &empty);
        FINE(note_commit, false);
        assert_got("boot", "a", "0");
        assert_got("boot", "c", "n=4");
        assert_got("boot", "d", "");
        assert_noted("-boot:a +boot:b +boot:c +boot:d +users:u");
        assert_noted_above("boot", "", "-boot:a +boot:b +boot:c +boot:d");
        assert_noted_above("boot", "b", "+boot:c +boot:d");
        assert_noted_above("boot", "bb", "+boot:c +boot:d");
        assert_noted_above("boot", "d", "");
        assert_noted_above("users", "", "+users:u");
        assert_noted_above("nobody", "", "");
        FINE(noted, "boot", BYTES_NULL, append_until_c, &until);
        assert_string_equal(buffer_string(&until), "-boot:a +boot:b");
        assert_both("boot", "a:n=1 b:n=2");

        /* What was only noted and goes again never was; what was committed is gone. */
        note("boot", "b", 6);
        FINE(note_remove, "boot", text("c"));
        FINE(note_remove, "boot", text("nowhere"));
        note("boot", "e", 7);
        FINE(note_remove, "boot", text("e"));
        FINE(note_remove, "users", text("u"));
        FINE(note_commit, true);
        assert_noted("-boot:a +boot:b +boot:d");
        assert_got("boot", "c", "0");

        FINE(begin);
        assert_records(BASELINE_BEFORE, "boot", "", "a:n=1 b:n=2");
        assert_records(BASELINE_NOW, "boot", "", "b:n=6 d");
        assert_got("boot", "a", "0");
        put("boot", "a", 8);
        assert_got("boot", "a", "n=8");
        CALL(abort);
        assert_both("boot", "a:n=1 b:n=2");
        assert_got("boot", "a", "0");
        assert_noted("-boot:a +boot:b +boot:d");

        note("boot", "a", 9);
        FINE(note_commit, true);
        FINE(begin);
        FINE(remove, "boot", text("d"));
        FINE(commit);
        assert_noted("");
        assert_both("boot", "a:n=9 b:n=6");
        assert_both("users", "");
        assert_got("boot", "d", "0");
        FINE(begin);
        assert_records(BASELINE_NOW, "boot", "", "a:n=9 b:n=6");
        FINE(commit);
}

static void test_staged(void **state) {
        (void)state;
        know("boot");
        note("boot", "a", 1);
        FINE(note_file, OUTBOX_LEDGER, text("x"));
        FINE(note_fact, "f", text("v"));
        CALL(note_abort);
        FINE(note_commit, true);
        assert_noted("");
        assert_outbox("");
        /* A transaction leaves nothing staged either. */
        note("boot", "a", 1);
        FINE(begin);
        assert_records(BASELINE_NOW, "boot", "", "");
        FINE(commit);
        FINE(note_commit, true);
        assert_noted("");
        FINE(note_commit, true);
        CALL(note_abort);
}

static void test_noted_outbox(void **state) {
        (void)state;
        FINE(begin);
        FINE(file, OUTBOX_LEDGER, text("one"));
        FINE(file, OUTBOX_ALERT, text("two"));
        FINE(commit);
        FINE(note_file, OUTBOX_LEDGER, text("three"));
        FINE(note_file, OUTBOX_ALERT, text("four"));
        assert_outbox("1:1:one 2:3:two");
        FINE(note_commit, true);
        FINE(note_file, OUTBOX_SENTENCE, text(""));
        FINE(note_commit, false);
        assert_outbox("1:1:one 2:3:two 3:1:three 4:3:four 5:4:");
        assert_int_equal(CALL(note_file, (enum outbox_destination)5, text("x")), -EINVAL);

        FINE(note_alerted, 2);
        assert_outbox("1:1:one 3:1:three 4:3:four 5:4:");
        FINE(note_alerted, 1);
        FINE(note_alerted, UINT64_MAX);
        assert_outbox("1:1:one 3:1:three 5:4:");
        FINE(note_file, OUTBOX_ALERT, text("six"));
        FINE(note_commit, true);
        assert_outbox("1:1:one 3:1:three 5:4: 6:3:six");

        FINE(begin);
        FINE(file, OUTBOX_TEXT, text("seven"));
        FINE(settle, 3);
        assert_outbox("1:1:one 3:1:three 5:4: 6:3:six");
        CALL(abort);
        assert_outbox("1:1:one 3:1:three 5:4: 6:3:six");
        FINE(begin);
        FINE(file, OUTBOX_TEXT, text("eight"));
        FINE(settle, 3);
        FINE(commit);
        assert_outbox("5:4: 6:3:six 8:2:eight");
        FINE(note_alerted, 6);
        FINE(note_file, OUTBOX_LEDGER, text("nine"));
        FINE(note_commit, true);
        assert_outbox("5:4: 8:2:eight 9:1:nine");
        FINE(begin);
        FINE(settle, 9);
        FINE(commit);
        assert_outbox("");
        FINE(begin);
        FINE(file, OUTBOX_LEDGER, text("ten"));
        FINE(commit);
        assert_outbox("10:1:ten");
}

static int settle_all(void *context, const struct outbox_entry *entry) {
        buffer_append_bytes(context, entry->data);
        FINE(begin);
        FINE(commit);
        FINE(note_file, OUTBOX_LEDGER, text("later"));
        FINE(note_commit, true);
        return 0;
}

/* Whoever is told of an entry may begin a transaction, and note more. */
static void test_outbox_moves_on(void **state) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        (void)state;
        FINE(begin);
        FINE(file, OUTBOX_LEDGER, text("a"));
        FINE(commit);
        FINE(note_file, OUTBOX_LEDGER, text("b"));
        FINE(note_file, OUTBOX_LEDGER, text("c"));
        FINE(note_commit, true);
        FINE(outbox, settle_all, &found);
        assert_string_equal(buffer_string(&found), "abc");
        assert_outbox("1:1:a 2:1:b 3:1:c 4:1:later 5:1:later 6:1:later");
}

static void test_noted_facts(void **state) {
        char room[8] = "";
        size_t size = 0;

        (void)state;
        FINE(begin);
        FINE(set_fact, "f", text("old"));
        FINE(commit);
        FINE(note_fact, "f", text("new"));
        FINE(note_fact, "none", BYTES_NULL);
        assert_int_equal(CALL(note_fact, ".journal", text("x")), -EINVAL);
        assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 1);
        assert_memory_equal(room, "old", 3);
        FINE(note_commit, true);
        assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 1);
        assert_memory_equal(room, "new", 3);
        assert_int_equal(CALL(get_fact, "f", room, 2, &size), -ENOBUFS);
        assert_int_equal(CALL(get_fact, "none", room, sizeof(room), &size), 1);
        assert_int_equal(size, 0);
        FINE(begin);
        assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 1);
        assert_memory_equal(room, "new", 3);
        FINE(set_fact, "f", text("now"));
        assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 1);
        assert_memory_equal(room, "now", 3);
        FINE(commit);
        assert_int_equal(CALL(get_fact, "f", room, sizeof(room), &size), 1);
        assert_memory_equal(room, "now", 3);
}

static void test_noting_misuse(void **state) {
        struct record record = { .key = text("k") };

        (void)state;
        FINE(begin);
        put("boot", "k", 1);
        FINE(commit);
        assert_int_equal(CALL(note_put, "boot", fields, &record), -ENOENT);
        assert_int_equal(CALL(note_put, "", fields, &record), -EINVAL);
        assert_int_equal(CALL(note_remove, "boot", text("k")), -ENOENT);
        assert_int_equal(CALL(note_fact, "", text("x")), -EINVAL);
        know("boot");
        FINE(begin);
        assert_int_equal(CALL(note_put, "boot", fields, &record), -EBUSY);
        assert_int_equal(CALL(note_remove, "boot", text("k")), -EBUSY);
        assert_int_equal(CALL(note_fact, "f", text("x")), -EBUSY);
        assert_int_equal(CALL(note_file, OUTBOX_LEDGER, text("x")), -EBUSY);
        assert_int_equal(CALL(note_alerted, 1), -EBUSY);
        assert_int_equal(CALL(note_commit, true), -EBUSY);
        CALL(note_abort);
        FINE(commit);
}

static uint64_t seed;

static uint32_t draw(uint32_t below) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        return (uint32_t)(seed >> 33) % below;
}

static void act(struct baseline *on, uint32_t action, const char *watch, struct bytes key, uint64_t number) {
        struct record record = { .key = key, .values = { value_number(number), value_string("text") } };

        switch (action) {
        default:
                assert_int_equal(on->ops->put(on, watch, fields, &record), 0);
                return;
        case 1:
                assert_int_equal(on->ops->remove(on, watch, key), 0);
                return;
        case 2:
                assert_int_equal(on->ops->prune(on, watch, 40 + number % 100), 0);
                return;
        case 3:
                assert_int_equal(on->ops->file(on, OUTBOX_LEDGER, key), 0);
                return;
        case 4:
                assert_int_equal(on->ops->settle(on, number % 1000), 0);
                return;
        }
}

static void act_note(struct baseline *on, uint32_t action, const char *watch, struct bytes key, uint64_t number) {
        struct record record = { .key = key, .values = { value_number(number), value_string("note") } };

        switch (action) {
        default:
                assert_int_equal(on->ops->note_put(on, watch, fields, &record), 0);
                return;
        case 1:
        case 2:
                assert_int_equal(on->ops->note_remove(on, watch, key), 0);
                return;
        case 3:
                assert_int_equal(on->ops->note_file(on, number % 2 ? OUTBOX_ALERT : OUTBOX_LEDGER, key), 0);
                return;
        case 4:
                assert_int_equal(on->ops->note_fact(on, watch, key), 0);
                return;
        case 5:
                assert_int_equal(on->ops->note_alerted(on, number % 500), 0);
                return;
        case 6:
                assert_int_equal(on->ops->note_commit(on, number % 3), 0);
                return;
        case 7:
                on->ops->note_abort(on);
                return;
        }
}

static struct bytes draw_key(void) {
        static uint8_t data[1600];
        size_t size = draw(4) ? draw(6) : draw(sizeof(data));

        memset(data, 'k', sizeof(data));
        for (unsigned changes = 0; changes < 2 && size; changes++)
                data[draw(2) ? size - 1 : draw((uint32_t)size)] = (uint8_t)('a' + draw(8));
        return bytes_of(data, size);
}

static void assert_same_notes(struct baseline *twins[static 2], const char *watch, struct bytes key) {
        _cleanup_buffer_ struct buffer a = BUFFER_NULL, b = BUFFER_NULL;

        text_noted(twins[0], &a);
        text_noted(twins[1], &b);
        text_record(twins[0], watch, key, &a);
        text_record(twins[1], watch, key, &b);
        baseline_text_outbox(twins[0], &a);
        baseline_text_outbox(twins[1], &b);
        assert_true(bytes_equal(buffer_bytes(&a), buffer_bytes(&b)));
}

/* The two of them live through the same and must tell the same. */
static void test_twins(void) {
        static const char *const watches[] = { "boot", "users", "modules" };
        struct baseline *twins[2] = { open_lmdb(), open_memory() };

        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(twins[i]->ops->begin(twins[i]), 0);
                for (size_t watch = 0; watch < 3; watch++)
                        assert_int_equal(twins[i]->ops->set_known(twins[i], watches[watch], fields), 0);
                assert_int_equal(twins[i]->ops->commit(twins[i]), 0);
        }
        for (unsigned round = 0; round < 150; round++) {
                uint32_t end = draw(4);

                for (unsigned step = draw(40); step > 0; step--) {
                        uint32_t action = draw(14), watch = draw(3), number = draw(100000);
                        struct bytes key = draw_key();

                        for (size_t i = 0; i < 2; i++)
                                act_note(twins[i], action, watches[watch], key, number);
                        assert_same_notes(twins, watches[watch], key);
                }
                for (size_t i = 0; i < 2; i++)
                        assert_int_equal(twins[i]->ops->begin(twins[i]), 0);
                for (unsigned part = draw(4); part < 4; part++) {
                        bool keep = draw(3);

                        for (size_t i = 0; i < 2; i++)
                                assert_int_equal(twins[i]->ops->begin_part(twins[i]), 0);
                        for (unsigned step = draw(30); step > 0; step--) {
                                uint32_t action = draw(9), watch = draw(3), number = draw(100000);
                                struct bytes key = draw_key();

                                for (size_t i = 0; i < 2; i++)
                                        act(twins[i], action, watches[watch], key, number);
                                assert_same_notes(twins, watches[watch], key);
                        }
                        for (size_t i = 0; i < 2; i++)
                                assert_int_equal(twins[i]->ops->end_part(twins[i], keep), 0);
                }
                for (size_t watch = 0; watch < 3; watch++)
                        for (int view = BASELINE_BEFORE; view <= BASELINE_NOW; view++) {
                                _cleanup_buffer_ struct buffer a = BUFFER_NULL, b = BUFFER_NULL;

                                baseline_text_records(twins[0], view, watches[watch], fields, BYTES_NULL, &a);
                                baseline_text_records(twins[1], view, watches[watch], fields, BYTES_NULL, &b);
                                assert_true(bytes_equal(buffer_bytes(&a), buffer_bytes(&b)));
                        }
                for (size_t i = 0; i < 2; i++) {
                        if (end)
                                assert_int_equal(twins[i]->ops->commit(twins[i]), 0);
                        else
                                twins[i]->ops->abort(twins[i]);
                }
                {
                        _cleanup_buffer_ struct buffer a = BUFFER_NULL, b = BUFFER_NULL;

                        baseline_text_outbox(twins[0], &a);
                        baseline_text_outbox(twins[1], &b);
                        assert_true(bytes_equal(buffer_bytes(&a), buffer_bytes(&b)));
                }
        }
        close_lmdb();
        close_memory();
}

static void test_twins_over_seed(void **state) {
        (void)state;
        test_twins();
}

static void test_memory_fails_on_request(void **state) {
        (void)state;
        baseline = open_memory();
        memory_baseline_fail_commit(memory, -ENOSPC);
        FINE(begin);
        put("boot", "k", 1);
        assert_int_equal(CALL(commit), -ENOSPC);
        assert_both("boot", "");
        FINE(begin);
        FINE(commit);
        assert_int_equal(memory_baseline_begun(memory), 2);

        know("boot");
        memory_baseline_fail_note(memory, -ENOSPC);
        note("boot", "n", 1);
        assert_int_equal(CALL(note_commit, true), -ENOSPC);
        FINE(note_commit, true);
        assert_noted("");
        close_memory();
}

static int set_up(void **state) {
        baseline = ((const struct backend *)*state)->open();
        return 0;
}

static int tear_down(void **state) {
        ((const struct backend *)*state)->close();
        return 0;
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                CMUnitTestFunction function;
        } cases[] = {
                { "empty", test_empty },
                { "views", test_views },
                { "lazy begin", test_lazy_begin },
                { "parts", test_parts },
                { "changes under a stream", test_changes_under_a_stream },
                { "streams end with the transaction", test_streams_end_with_the_transaction },
                { "prune", test_prune },
                { "last key", test_last_key },
                { "outbox", test_outbox },
                { "facts", test_facts },
                { "known", test_known },
                { "names", test_names },
                { "migration", test_migration },
                { "misuse", test_misuse },
                { "long keys", test_long_keys },
                { "get", test_get },
                { "notes", test_notes },
                { "staged notes", test_staged },
                { "noted outbox", test_noted_outbox },
                { "outbox moves on", test_outbox_moves_on },
                { "noted facts", test_noted_facts },
                { "noting misuse", test_noting_misuse },
        };
        enum { CASES = sizeof(cases) / sizeof(cases[0]), BACKENDS = sizeof(backends) / sizeof(backends[0]) };
        static struct CMUnitTest tests[CASES * BACKENDS + 2];
        static char names[CASES * BACKENDS][64];
        size_t count = 0;

        for (size_t i = 0; i < BACKENDS; i++)
                for (size_t j = 0; j < CASES; j++, count++) {
                        snprintf(names[count], sizeof(names[count]), "%s: %s", backends[i].name, cases[j].name);
                        tests[count] = (struct CMUnitTest){ .name = names[count], .test_func = cases[j].function,
                                                            .setup_func = set_up, .teardown_func = tear_down,
                                                            .initial_state = (void *)(uintptr_t)&backends[i] };
                }
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_twins_over_seed);
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_memory_fails_on_request);

        seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
        print_message("seed %llu\n", (unsigned long long)seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
