/* test-verify.c - whatever somebody does to a ledger's files, the first record that is not as it was written is named, and how. */
#include "ledger-folder.h"

#include "buffer.h"
#include "verify.h"

enum { RECORDS = 12, PER_FILE = 4, FILES = 3, LINES_MOST = 40 };

/* A ledger as lines in files, to be tampered with. */
struct forgery {
        char *lines[FILES][LINES_MOST]; /* owned */
        size_t count[FILES];
};

static void read_file(struct ledger_folder *folder, struct forgery *forgery, size_t file) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        size_t size = 0;
        ssize_t length;
        FILE *stream;
        char name[64];

        segment_name(name, file * PER_FILE + 1, LEDGER_SUFFIX);
        path = tree_path(&folder->tree, name);
        stream = fopen(path, "re");
        assert_non_null(stream);
        while ((length = getline(&line, &size, stream)) > 0) {
                line[length - 1] = 0;
                forgery->lines[file][forgery->count[file]++] = strdup(line);
        }
        (void)fclose(stream);
}

/* Twelve records in three files, as the daemon writes them. */
static void forgery_make(struct ledger_folder *folder, struct forgery *forgery) {
        *forgery = (struct forgery){ .count = { 0 } };
        for (size_t file = 0; file < FILES; file++) {
                /* so small that each file is full, so large that none is packed before it was read */
                open_ledger(folder, 1);
                append_lines(folder, file * PER_FILE + 1, (file + 1) * PER_FILE);
                read_file(folder, forgery, file);
                if (file + 1 < FILES)
                        assert_int_equal(ledger_rotate(folder->ledger), 1);
        }
        folder->ledger = ledger_close(folder->ledger);
}

static void forgery_done(struct forgery *forgery) {
        for (size_t file = 0; file < FILES; file++)
                for (size_t i = 0; i < forgery->count[file]; i++)
                        free(forgery->lines[file][i]);
}

static void remove_files(struct ledger_folder *folder) {
        struct dirent **entries = NULL;
        int count = scandir(folder->path, &entries, take_all, alphasort);

        for (int i = 0; i < count; i++) {
                _cleanup_free_ char *path = NULL;

                assert_true(asprintf(&path, "%s/%s", folder->path, entries[i]->d_name) > 0);
                assert_int_equal(unlink(path), 0);
                free(entries[i]);
        }
        free(entries);
}

static void forgery_write(struct ledger_folder *folder, const struct forgery *forgery) {
        remove_files(folder);
        for (size_t file = 0; file < FILES; file++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                if (forgery->count[file] == 0)
                        continue;
                for (size_t i = 0; i < forgery->count[file]; i++)
                        buffer_printf(&text, "%s\n", forgery->lines[file][i]);
                leave(folder, file * PER_FILE + 1, LEDGER_SUFFIX, text.data, text.size);
        }
}

static char **line_at(struct forgery *forgery, size_t sequence) {
        return &forgery->lines[(sequence - 1) / PER_FILE][(sequence - 1) % PER_FILE];
}

static void cut(struct forgery *forgery, size_t sequence) {
        size_t file = (sequence - 1) / PER_FILE, at = (sequence - 1) % PER_FILE;

        free(forgery->lines[file][at]);
        memmove(&forgery->lines[file][at], &forgery->lines[file][at + 1],
                (forgery->count[file] - at - 1) * sizeof(forgery->lines[file][0]));
        forgery->count[file]--;
}

static void insert_before(struct forgery *forgery, size_t sequence, char *line) {
        size_t file = (sequence - 1) / PER_FILE, at = (sequence - 1) % PER_FILE;

        memmove(&forgery->lines[file][at + 1], &forgery->lines[file][at],
                (forgery->count[file] - at) * sizeof(forgery->lines[file][0]));
        forgery->lines[file][at] = line;
        forgery->count[file]++;
}

static char *linked(const char *object, const char *before) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        struct chain_link link = { .begins = CHAIN_GOES_ON };

        chain_hash(bytes_of_string(before), link.prev);
        assert_int_equal(chain_append(&line, bytes_of_string(object), &link), 0);
        return strdup(buffer_string(&line));
}

static void edit(struct forgery *forgery, size_t sequence) {
        char *at = strstr(*line_at(forgery, sequence), "\"message\"");

        assert_non_null(at);
        memcpy(at, "\"massage\"", 9);
}

/* ---- what somebody does ---- */

static void nothing(struct forgery *forgery) {
        (void)forgery;
}

static void edit_first(struct forgery *forgery) {
        edit(forgery, 1);
}

static void edit_one(struct forgery *forgery) {
        edit(forgery, 6);
}

static void edit_last_of_file(struct forgery *forgery) {
        edit(forgery, 8);
}

static void edit_two(struct forgery *forgery) {
        edit(forgery, 9);
        edit(forgery, 3);
}

static void edit_link(struct forgery *forgery) {
        char *at = strstr(*line_at(forgery, 6), "\"prev\":\"");

        at[10] = at[10] == '0' ? '1' : '0';
}

static void strip_link(struct forgery *forgery) {
        char **line = line_at(forgery, 6);

        free(*line);
        *line = strdup("{\"event\":{\"sequence\":6},\"message\":\"\"}");
}

static void edit_and_link_again(struct forgery *forgery) {
        char **line = line_at(forgery, 6);

        free(*line);
        *line = linked("{\"event\":{\"sequence\":6},\"message\":\"nothing\"}", *line_at(forgery, 5));
}

static void cut_one(struct forgery *forgery) {
        cut(forgery, 6);
}

static void cut_three(struct forgery *forgery) {
        cut(forgery, 7);
        cut(forgery, 6);
        cut(forgery, 5);
}

static void cut_file(struct forgery *forgery) {
        for (size_t i = 0; i < PER_FILE; i++)
                cut(forgery, 5);
}

static void insert_foreign(struct forgery *forgery) {
        insert_before(forgery, 6, strdup("{\"event\":{\"sequence\":6},\"message\":\"forged\"}"));
}

static void insert_noise(struct forgery *forgery) {
        insert_before(forgery, 6, strdup("\1\2\3"));
}

static void insert_linked(struct forgery *forgery) {
        insert_before(forgery, 6, linked("{\"event\":{\"sequence\":6},\"message\":\"forged\"}", *line_at(forgery, 5)));
}

static void insert_three_linked(struct forgery *forgery) {
        char *one = linked("{\"event\":{\"sequence\":6},\"message\":\"forged\"}", *line_at(forgery, 5));
        char *two = linked("{\"event\":{\"sequence\":7},\"message\":\"forged\"}", one);
        char *three = linked("{\"event\":{\"sequence\":8},\"message\":\"forged\"}", two);

        insert_before(forgery, 6, three);
        insert_before(forgery, 6, two);
        insert_before(forgery, 6, one);
}

static void say_twice(struct forgery *forgery) {
        insert_before(forgery, 6, strdup(*line_at(forgery, 5)));
}

static void swap(struct forgery *forgery, size_t a, size_t b) {
        char *kept = *line_at(forgery, a);

        *line_at(forgery, a) = *line_at(forgery, b);
        *line_at(forgery, b) = kept;
}

static void swap_neighbours(struct forgery *forgery) {
        swap(forgery, 6, 7);
}

static void swap_far(struct forgery *forgery) {
        swap(forgery, 6, 11);
}

static void move_up(struct forgery *forgery) {
        insert_before(forgery, 3, strdup(*line_at(forgery, 10)));
        cut(forgery, 10);
}

static void swap_files(struct forgery *forgery) {
        for (size_t i = 5; i <= 8; i++)
                swap(forgery, i, i + 4);
}

/* Records with the same numbers, tied to each other, of another host. */
static void exchange_file(struct forgery *forgery) {
        const char *before = "of another host";

        for (size_t i = 5; i <= 8; i++) {
                _cleanup_free_ char *object = NULL;

                assert_true(asprintf(&object, "{\"event\":{\"sequence\":%zu},\"message\":\"other\"}", i) > 0);
                free(*line_at(forgery, i));
                before = *line_at(forgery, i) = linked(object, before);
        }
}

static void begin_again(struct forgery *forgery) {
        struct chain_link link = { .prev = { 9 }, .begins = CHAIN_GENESIS };
        const char *before = NULL;

        for (size_t i = 9; i <= RECORDS; i++) {
                _cleanup_buffer_ struct buffer line = BUFFER_NULL;
                _cleanup_free_ char *object = NULL;

                assert_true(asprintf(&object, "{\"event\":{\"sequence\":%zu},\"message\":\"other\"}", i) > 0);
                free(*line_at(forgery, i));
                if (before) {
                        before = *line_at(forgery, i) = linked(object, before);
                        continue;
                }
                assert_int_equal(chain_append(&line, bytes_of_string(object), &link), 0);
                before = *line_at(forgery, i) = strdup(buffer_string(&line));
        }
}

static void renumber(struct forgery *forgery) {
        free(*line_at(forgery, 12));
        *line_at(forgery, 12) = linked("{\"event\":{\"sequence\":7},\"message\":\"\"}", *line_at(forgery, 11));
}

static void expire_file(struct forgery *forgery) {
        for (size_t i = 0; i < PER_FILE; i++)
                cut(forgery, 1);
}

static const struct {
        const char *what;
        void (*act)(struct forgery *forgery);
        enum verify_kind kind;
        uint64_t first, last;
        const char *text;
} cases[] = {
        { "nothing", nothing, VERIFY_FINE, 0, 0, "" },
        { "an old file has expired", expire_file, VERIFY_FINE, 0, 0, "" },
        { "the first", edit_first, VERIFY_EDITED, 1, 1, "record 1 was edited" },
        { "one in the middle", edit_one, VERIFY_EDITED, 6, 6, "record 6 was edited" },
        { "the last of a file", edit_last_of_file, VERIFY_EDITED, 8, 8, "record 8 was edited" },
        { "two", edit_two, VERIFY_EDITED, 3, 3, "record 3 was edited" },
        { "a link", edit_link, VERIFY_EDITED, 6, 6, "record 6 was edited" },
        { "no link", strip_link, VERIFY_EDITED, 6, 6, "record 6 has no link to the one before" },
        { "one, and its link fits", edit_and_link_again, VERIFY_EDITED, 6, 6, "record 6 was edited" },
        { "one is cut out", cut_one, VERIFY_REMOVED, 6, 6, "record 6 is missing" },
        { "three are cut out", cut_three, VERIFY_REMOVED, 5, 7, "records 5 to 7 are missing" },
        { "a file is removed", cut_file, VERIFY_REMOVED, 5, 8, "records 5 to 8 are missing" },
        { "a forged line", insert_foreign, VERIFY_INSERTED, 6, 6, "record 6 was inserted" },
        { "noise", insert_noise, VERIFY_INSERTED, 0, 0, "a record without a number was inserted" },
        { "a forged line with a link", insert_linked, VERIFY_INSERTED, 6, 6, "record 6 was inserted" },
        { "three of them", insert_three_linked, VERIFY_INSERTED, 6, 8, "records 6 to 8 were inserted" },
        { "one stands there twice", say_twice, VERIFY_INSERTED, 5, 5, "record 5 was inserted" },
        { "neighbours change places", swap_neighbours, VERIFY_REORDERED, 7, 7, "record 7 stands before its place" },
        { "far ones change places", swap_far, VERIFY_REORDERED, 11, 11, "record 11 stands before its place" },
        { "one is moved up", move_up, VERIFY_REORDERED, 10, 10, "record 10 stands before its place" },
        { "two files change names", swap_files, VERIFY_SWAPPED, 9, 9,
          "record 9 does not belong where it stands: the file events-00000000000000000005.jsonl* holds the records of another one" },
        { "a file of another host", exchange_file, VERIFY_SWAPPED, 5, 5,
          "record 5 does not belong where it stands: the file events-00000000000000000005.jsonl* is of another ledger" },
        { "another chain behind it", begin_again, VERIFY_JOINED, 9, 9, "record 9 begins another chain, behind record 8" },
        { "a number that was", renumber, VERIFY_EDITED, 7, 7, "record 7 comes behind record 11" },
};

static void assert_verdict(struct ledger_folder *folder, const struct verify_options *options, const char *what,
                           enum verify_kind kind, uint64_t first, uint64_t last, const char *text) {
        struct verify_options whole = *options;
        struct verify_result result;

        whole.folder = folder->path;
        assert_int_equal(verify_ledger(&whole, &result), 0);
        if (result.kind != kind || result.bad_first != first || result.bad_last != last ||
            strcmp(buffer_string(&result.text), text) != 0)
                fail_msg("%s: %s, %llu to %llu: %s", what, verify_kind_name(result.kind), (unsigned long long)result.bad_first,
                         (unsigned long long)result.bad_last, buffer_string(&result.text));
        verify_result_done(&result);
}

static void test_manipulations(void **state) {
        struct ledger_folder *folder = *state;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct forgery forgery;

                forgery_make(folder, &forgery);
                cases[i].act(&forgery);
                forgery_write(folder, &forgery);
                assert_verdict(folder, &(struct verify_options){ 0 }, cases[i].what, cases[i].kind, cases[i].first, cases[i].last,
                               cases[i].text);
                forgery_done(&forgery);
                remove_files(folder);
        }
}

static void test_whole(void **state) {
        struct ledger_folder *folder = *state;
        struct verify_result result;
        uint8_t head[CHAIN_HASH_SIZE];

        tree_folder(&folder->tree, "ledger");
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path }, &result), 0);
        assert_int_equal(result.kind, VERIFY_FINE);
        assert_int_equal(result.records, 0);
        verify_result_done(&result);

        for (uint64_t life = 0; life < 4; life++) { /* a chain goes on across starts and packed files */
                open_ledger(folder, 1);
                append_lines(folder, life * 2 + 1, life * 2 + 2);
                if (life < 3)
                        assert_int_equal(ledger_rotate(folder->ledger), 1);
        }
        ledger_head(folder->ledger, head);
        assert_files(folder, "1.jsonl.gz 3.jsonl.gz 5.jsonl.gz 7.jsonl");
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path }, &result), 0);
        assert_string_equal(buffer_string(&result.text), "");
        assert_int_equal(result.kind, VERIFY_FINE);
        assert_true(result.genesis);
        assert_int_equal(result.first, 1);
        assert_int_equal(result.last, 8);
        assert_int_equal(result.records, 8);
        assert_int_equal(result.breaks, 0);
        assert_memory_equal(result.head, head, sizeof(head));
        verify_result_done(&result);
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = "/no/such/folder" }, &result), -ENOENT);
        verify_result_done(&result);
}

static void test_damaged_file(void **state) {
        struct ledger_folder *folder = *state;

        open_ledger(folder, 1);
        append_lines(folder, 1, 3);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 4, 6);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 7, 7);
        leave(folder, 4, LEDGER_PACKED, "\x1f\x8b half", 7);
        assert_verdict(folder, &(struct verify_options){ 0 }, "half a file", VERIFY_DAMAGED, 4, 4,
                       "record 4 cannot be read: the file events-00000000000000000004.jsonl* is damaged");
}

/* What nothing in the files can show: a head that was noted elsewhere. */
static void test_anchors(void **state) {
        struct ledger_folder *folder = *state;
        struct forgery forgery;
        struct verify_anchor anchor = { .sequence = 12 };
        struct verify_options options = { .anchors = &anchor, .n_anchors = 1 };
        uint8_t rewritten[CHAIN_HASH_SIZE];
        _cleanup_free_ char *text = NULL;
        _cleanup_buffer_ struct buffer hex = BUFFER_NULL;

        forgery_make(folder, &forgery);
        forgery_write(folder, &forgery);
        chain_hash(bytes_of_string(*line_at(&forgery, 12)), anchor.head);
        chain_hex_append(&hex, anchor.head);
        assert_verdict(folder, &options, "as noted", VERIFY_FINE, 0, 0, "");
        anchor.found = false;
        cut(&forgery, 12);
        cut(&forgery, 11);
        forgery_write(folder, &forgery);
        assert_verdict(folder, &(struct verify_options){ 0 }, "cut off, nobody knows", VERIFY_FINE, 0, 0, "");
        assert_true(asprintf(&text, "the head %s of record 12 is not there: the records behind 10 were cut off", buffer_string(&hex)) > 0);
        assert_verdict(folder, &options, "cut off", VERIFY_TRUNCATED, 12, 12, text);
        anchor.sequence = 0;
        free(text);
        assert_true(asprintf(&text, "the head %s is no record's: those behind 10 were cut off, or it is another ledger's", buffer_string(&hex)) > 0);
        assert_verdict(folder, &options, "cut off, number unknown", VERIFY_TRUNCATED, 11, 11, text);

        /* an old head still stands: before what has expired, too */
        chain_hash(bytes_of_string(*line_at(&forgery, 4)), anchor.head);
        expire_file(&forgery);
        forgery_write(folder, &forgery);
        assert_verdict(folder, &options, "expired", VERIFY_FINE, 0, 0, "");

        /* the last one is rewritten: its link fits, its head does not */
        anchor.found = false;
        anchor.sequence = 10;
        chain_hash(bytes_of_string(*line_at(&forgery, 10)), anchor.head);
        edit(&forgery, 10);
        forgery_write(folder, &forgery);
        chain_hash(bytes_of_string(*line_at(&forgery, 10)), rewritten);
        assert_memory_not_equal(rewritten, anchor.head, sizeof(rewritten));
        buffer_clear(&hex);
        chain_hex_append(&hex, anchor.head);
        free(text);
        assert_true(asprintf(&text, "the head %s is not that of record 10: it or one before it was rewritten", buffer_string(&hex)) > 0);
        assert_verdict(folder, &options, "rewritten", VERIFY_EDITED, 10, 10, text);
        forgery_done(&forgery);
}

/* A host that is updated: what was written before there was a chain is counted, and cannot be said of what came later. */
static void test_from_before_the_chain(void **state) {
        struct ledger_folder *folder = *state;
        static const char old[] = "{\"event\":{\"sequence\":1},\"message\":\"\"}\n{\"event\":{\"sequence\":2},\"message\":\"\"}\n";
        static const char edited[] = "{\"event\":{\"sequence\":1},\"message\":\"\"}\n{\"event\":{\"sequence\":2},\"massage\":\"\"}\n";
        struct verify_result result;

        tree_folder(&folder->tree, "ledger");
        leave(folder, 1, LEDGER_SUFFIX, old, strlen(old));
        open_ledger(folder, 1);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 3, 4);
        assert_int_equal(verify_ledger(&(struct verify_options){ .folder = folder->path }, &result), 0);
        assert_string_equal(buffer_string(&result.text), "");
        assert_int_equal(result.unchained, 2);
        assert_int_equal(result.first, 3);
        assert_int_equal(result.records, 2);
        verify_result_done(&result);

        leave(folder, 1, LEDGER_SUFFIX, edited, strlen(edited));
        assert_verdict(folder, &(struct verify_options){ 0 }, "edited", VERIFY_EDITED, 2, 2, "record 2 has no link to the one before");
}

/* ---- what the daemon notices itself: the chain states it ---- */

static void live_path(struct ledger_folder *folder, uint64_t number, char **ret) {
        char name[64];

        segment_name(name, number, LEDGER_SUFFIX);
        *ret = tree_path(&folder->tree, name);
}

static void test_truncated_live(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_free_ char *path = NULL;
        struct stat status;

        open_ledger(folder, 1000000);
        append_lines(folder, 1, 3);
        live_path(folder, 1, &path);
        assert_int_equal(stat(path, &status), 0);
        append_lines(folder, 4, 6);
        assert_int_equal(ledger_stand(folder->ledger), LEDGER_STANDS);
        assert_int_equal(truncate(path, status.st_size), 0);
        assert_int_equal(ledger_stand(folder->ledger), LEDGER_CUT);
        assert_int_equal(ledger_stand(folder->ledger), LEDGER_STANDS);
        append_lines(folder, 7, 9);
        assert_files(folder, "1.jsonl 7.jsonl");
        assert_verdict(folder, &(struct verify_options){ 0 }, "cut", VERIFY_REMOVED, 4, 6,
                       "records 4 to 6 are missing; the daemon noticed, and says so in record 7");
}

static void test_removed_live(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_free_ char *path = NULL;

        open_ledger(folder, 1);
        append_lines(folder, 1, 3);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 4, 6);
        live_path(folder, 4, &path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(ledger_stand(folder->ledger), LEDGER_GONE);
        append_lines(folder, 7, 9);
        assert_verdict(folder, &(struct verify_options){ 0 }, "gone", VERIFY_REMOVED, 4, 6,
                       "records 4 to 6 are missing; the daemon noticed, and says so in record 7");
}

static void test_written_to_live(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_free_ char *path = NULL;
        int fd;

        open_ledger(folder, 1000000);
        append_lines(folder, 1, 3);
        live_path(folder, 1, &path);
        fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "{\"event\":{\"sequence\":4}}\n", 25), 25);
        (void)close(fd);
        assert_int_equal(ledger_stand(folder->ledger), LEDGER_GREW);
        append_lines(folder, 4, 5);
        assert_verdict(folder, &(struct verify_options){ 0 }, "written to", VERIFY_INSERTED, 4, 4, "record 4 was inserted");
}

static void test_edited_live(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_free_ char *path = NULL;
        int fd;

        open_ledger(folder, 1000000);
        append_lines(folder, 1, 3);
        assert_int_equal(ledger_check(folder->ledger), LEDGER_STANDS);
        live_path(folder, 1, &path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "m", 1, 4), 1);
        (void)close(fd);
        assert_int_equal(ledger_stand(folder->ledger), LEDGER_STANDS); /* of the same length */
        assert_int_equal(ledger_check(folder->ledger), LEDGER_EDITED);
        append_lines(folder, 4, 5);
        assert_files(folder, "1.jsonl 4.jsonl");
        assert_verdict(folder, &(struct verify_options){ 0 }, "edited", VERIFY_EDITED, 1, 1, "record 1 was edited");
}

/* ---- what the memory knows at a start ---- */

static void test_expected(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_free_ char *path = NULL;
        uint8_t heads[10][CHAIN_HASH_SIZE];
        struct stat status[10];

        live_path(folder, 1, &path);
        open_ledger(folder, 1000000);
        for (uint64_t i = 1; i < 10; i++) {
                append_lines(folder, i, i);
                ledger_head(folder->ledger, heads[i]);
                assert_int_equal(stat(path, &status[i]), 0);
        }
        for (uint64_t i = 1; i < 10; i++) { /* each of them stands */
                open_ledger(folder, 1000000);
                assert_int_equal(ledger_expect(folder->ledger, i, heads[i]), LEDGER_STANDS);
        }
        open_ledger(folder, 1000000);
        assert_int_equal(ledger_expect(folder->ledger, 5, heads[6]), LEDGER_EDITED);
        open_ledger(folder, 1000000);
        assert_int_equal(truncate(path, status[5].st_size), 0);
        open_ledger(folder, 1000000);
        assert_int_equal(ledger_expect(folder->ledger, 5, heads[5]), LEDGER_STANDS);
        assert_int_equal(ledger_expect(folder->ledger, 8, heads[8]), LEDGER_CUT);
        append_lines(folder, 6, 10); /* 6 to 8 were settled: only what came behind comes again */
        assert_files(folder, "1.jsonl 9.jsonl");
        assert_verdict(folder, &(struct verify_options){ 0 }, "cut", VERIFY_REMOVED, 6, 8,
                       "records 6 to 8 are missing; the daemon noticed, and says so in record 9");
        remove_files(folder);
        open_ledger(folder, 1000000);
        assert_int_equal(ledger_expect(folder->ledger, 10, heads[9]), LEDGER_GONE);
        append_lines(folder, 11, 11);
        assert_verdict(folder, &(struct verify_options){ 0 }, "gone", VERIFY_REMOVED, 10, 10,
                       "record 10 is missing, with what came before it; the daemon noticed, and says so in record 11");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                LEDGER_TEST(test_manipulations),
                LEDGER_TEST(test_whole),
                LEDGER_TEST(test_damaged_file),
                LEDGER_TEST(test_anchors),
                LEDGER_TEST(test_from_before_the_chain),
                LEDGER_TEST(test_truncated_live),
                LEDGER_TEST(test_removed_live),
                LEDGER_TEST(test_written_to_live),
                LEDGER_TEST(test_edited_live),
                LEDGER_TEST(test_expected),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
