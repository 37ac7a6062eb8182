/* A baseline file that was cut, overwritten or hit by stray bits. Each is opened, checked, read and written to in a
 * child: it may be refused as damaged, it may turn out usable, but nothing may kill the process. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "baseline-folder.h"
#include "lmdb-baseline.h"
#include "lmdb-verify.h"

enum { FLIPS = 50, PAGE = 4096 };

static const struct field fields[] = {
        { .name = "n", .kind = FIELD_NUMBER },
        { .name = "t", .kind = FIELD_TEXT },
        { 0 },
};

/* What became of it; the child's exit status. */
enum { REFUSED = 10, FOUND_BY_CHECK, USABLE, OTHER_ERROR };

static struct baseline_folder folder;
static uint8_t *sound;          /* the file as it should be */
static size_t sound_size;
static uint64_t seed;

static uint32_t draw(uint32_t below) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        return (uint32_t)(seed >> 33) % below;
}

static void put(struct baseline *baseline, const char *watch, unsigned number, size_t key_size, size_t text_size) {
        static char key[8000], text[20000];
        struct record record = { .values = { value_number(number), value_bytes(bytes_of(text, text_size)) } };

        memset(key, 'k', sizeof(key));
        memset(text, 't', sizeof(text));
        snprintf(key + key_size, sizeof(key) - key_size, "%05u", number);
        record.key = bytes_of(key, key_size + 5);
        assert_int_equal(baseline->ops->put(baseline, watch, fields, &record), 0);
}

/* Branches, overflow runs, long keys, free pages, several tables. */
static int set_up(void **state) {
        struct lmdb_baseline *lmdb;
        struct baseline *baseline;

        (void)state;
        baseline_folder_make(&folder);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), LMDB_BASELINE_E_NEW);
        baseline = lmdb_baseline_interface(lmdb);
        for (unsigned round = 0; round < 4; round++) {
                assert_int_equal(baseline->ops->begin(baseline), 0);
                /* Most of it at once, so that most pages are in use, and some free. */
                for (unsigned i = 0; i < (round ? 10 : 1200); i++)
                        put(baseline, "boot", i * 7 + round, 10 + i % 30, i % 200 ? i % 100 : 9000);
                for (unsigned i = 0; i < 20; i++)
                        put(baseline, "tree", i, 700 * (i % 4), 20);
                assert_int_equal(baseline->ops->file(baseline, OUTBOX_LEDGER, bytes_of_string("line")), 0);
                assert_int_equal(baseline->ops->set_known(baseline, "boot", fields), 0);
                assert_int_equal(baseline->ops->prune(baseline, "boot", 1100), 0);
                assert_int_equal(baseline->ops->commit(baseline), 0);
        }
        lmdb = lmdb_baseline_close(lmdb);
        sound = baseline_folder_read(&folder, &sound_size);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        free(sound);
        baseline_folder_remove(&folder);
        return 0;
}

static int read_all(struct baseline *baseline, const char *watch) {
        struct stream *stream;
        struct record record;
        int r;

        r = baseline->ops->read(baseline, BASELINE_BEFORE, watch, fields, BYTES_NULL, &stream);
        if (r < 0)
                return r;
        while ((r = stream_next(stream, &record)) > 0)
                ;
        stream = stream_close(stream);
        return r;
}

static int use(void *context) {
        static const char *const watches[] = { "boot", "tree" };
        struct buffer problem = BUFFER_NULL;
        struct lmdb_baseline *lmdb;
        struct baseline *baseline;
        int r, checked;

        (void)context;
        r = lmdb_baseline_open_reader(folder.path, &lmdb);
        if (r >= 0)
                lmdb = lmdb_baseline_close(lmdb);
        r = lmdb_baseline_open(folder.path, &lmdb);
        if (r == -EBADMSG)
                return REFUSED;
        if (r < 0)
                return OTHER_ERROR;
        /* What check() finds would end the use of it; it is used all the same. */
        checked = lmdb_baseline_check(lmdb, &problem);
        baseline = lmdb_baseline_interface(lmdb);
        for (size_t i = 0; i < 2; i++)
                (void)read_all(baseline, watches[i]);
        for (unsigned round = 0; round < 3; round++) {
                if (baseline->ops->begin(baseline) < 0)
                        break;
                for (unsigned i = 0; i < 60; i++) {
                        struct record record = { .key = bytes_of(&i, sizeof(i)) };

                        (void)baseline->ops->put(baseline, watches[i % 2], fields, &record);
                }
                (void)baseline->ops->prune(baseline, "boot", 800 - 400 * round);
                (void)baseline->ops->prune(baseline, "tree", 8 - 4 * round);
                (void)baseline->ops->settle(baseline, 2);
                (void)baseline->ops->commit(baseline);
        }
        lmdb = lmdb_baseline_close(lmdb);
        return checked == -EBADMSG ? FOUND_BY_CHECK : checked < 0 ? OTHER_ERROR : USABLE;
}

static int try_file(const uint8_t *data, size_t size) {
        baseline_folder_write(&folder, data, size);
        unlink(folder.lock);
        return in_child(use, NULL);
}

static void test_sound(void **state) {
        (void)state;
        assert_int_equal(try_file(sound, sound_size), USABLE);
}

static void test_cut(void **state) {
        static const size_t sizes[] = { 1, 100, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 20000 };
        int result;

        (void)state;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                result = try_file(sound, sizes[i]);
                if (result != REFUSED)
                        fail_msg("cut to %zu bytes: %d", sizes[i], result);
        }
        /* The last pages may all be free ones: then nothing is lost. */
        for (size_t i = 0; i < 20; i++) {
                size_t size = draw((uint32_t)sound_size);

                result = try_file(sound, size ? size : 1);
                if (result != REFUSED && (result != USABLE || size < sound_size / 2))
                        fail_msg("cut to %zu of %zu bytes: %d", size, sound_size, result);
        }
}

/* A run of pages at the very end, whose first page alone has a head. */
static void test_cut_run(void **state) {
        struct baseline_folder other = folder;
        struct lmdb_baseline *lmdb;
        struct baseline *baseline;
        uint8_t *data;
        size_t size;

        (void)state;
        baseline_folder_make(&folder);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), LMDB_BASELINE_E_NEW);
        baseline = lmdb_baseline_interface(lmdb);
        for (unsigned round = 0; round < 10; round++) {
                assert_int_equal(baseline->ops->begin(baseline), 0);
                put(baseline, "boot", round, 4, round == 9 ? 19000 : 10);
                assert_int_equal(baseline->ops->commit(baseline), 0);
        }
        lmdb = lmdb_baseline_close(lmdb);
        data = baseline_folder_read(&folder, &size);
        assert_int_equal(try_file(data, size), USABLE);
        for (size_t pages = 1; pages <= 4; pages++)
                assert_int_equal(try_file(data, size - pages * PAGE), REFUSED);
        free(data);
        baseline_folder_remove(&folder);
        folder = other;
}

/* More pages than there are, and nobody knows of the ones that are missing. */
static void test_pages_of_nobody(void **state) {
        size_t last_page, transactions[2];
        uint8_t *newest;

        (void)state;
        if (sysconf(_SC_PAGESIZE) != PAGE || sizeof(size_t) != 8)
                skip();
        memcpy(&transactions[0], sound + 144, sizeof(size_t));
        memcpy(&transactions[1], sound + PAGE + 144, sizeof(size_t));
        newest = sound + (transactions[1] > transactions[0] ? PAGE : 0) + 136;
        memcpy(&last_page, newest, sizeof(last_page));
        last_page += 3;
        memcpy(newest, &last_page, sizeof(last_page));
        assert_int_equal(try_file(sound, sound_size), REFUSED);
}

static void test_never_written(void **state) {
        struct lmdb_baseline *lmdb;

        (void)state;
        baseline_folder_write(&folder, "", 0);
        unlink(folder.lock);
        assert_int_equal(lmdb_baseline_open_reader(folder.path, &lmdb), -ENOENT);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), LMDB_BASELINE_E_NEW);
        lmdb = lmdb_baseline_close(lmdb);
}

static void test_overwritten(void **state) {
        static const struct {
                const char *what;
                size_t from, size;
                int with;       /* -1: noise */
        } cases[] = {
                { "first meta page zeroed", 0, PAGE, 0 },
                { "second meta page zeroed", PAGE, PAGE, 0 },
                { "both meta pages zeroed", 0, 2 * PAGE, 0 },
                { "both meta pages filled", 0, 2 * PAGE, 0xff },
                { "noise in the first meta page", 0, PAGE, -1 },
                { "noise in the second meta page", PAGE, PAGE, -1 },
                { "noise in both", 0, 2 * PAGE, -1 },
                { "noise all over", 0, SIZE_MAX, -1 },
                { "zeroes all over", 0, SIZE_MAX, 0 },
                { "zeroes behind the meta pages", 2 * PAGE, SIZE_MAX, 0 },
                { "noise behind the meta pages", 2 * PAGE, SIZE_MAX, -1 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint8_t *data = malloc(sound_size);
                size_t size = cases[i].size == SIZE_MAX ? sound_size - cases[i].from : cases[i].size;
                int result;

                assert_non_null(data);
                memcpy(data, sound, sound_size);
                for (size_t at = cases[i].from; at < cases[i].from + size; at++)
                        data[at] = cases[i].with < 0 ? (uint8_t)draw(256) : (uint8_t)cases[i].with;
                result = try_file(data, sound_size);
                if (result != REFUSED)
                        fail_msg("%s: %d", cases[i].what, result);
                free(data);
        }
}

/* Half of the bits hit the places that lead to others: the meta pages, the heads of pages and their tables of
 * entries. */
static void test_flips(void **state) {
        size_t counts[OTHER_ERROR + 1] = { 0 };
        uint8_t *data = malloc(sound_size);

        (void)state;
        assert_non_null(data);
        for (size_t i = 0; i < FLIPS; i++) {
                size_t at = draw((uint32_t)sound_size);
                uint8_t bit = (uint8_t)(1 << draw(8));
                int result;

                if (i % 4 == 0)
                        at = PAGE * draw(2) + draw(16 + 136);
                else if (i % 4 == 1)
                        at = at / PAGE * PAGE + draw(100);
                memcpy(data, sound, sound_size);
                data[at] ^= bit;
                result = try_file(data, sound_size);
                if (result < REFUSED || result > USABLE)
                        fail_msg("byte %zu ^ 0x%02x of %zu: %d", at, bit, sound_size, result);
                counts[result]++;
        }
        print_message("%d flips: %zu refused, %zu found by check, %zu without effect\n", FLIPS, counts[REFUSED],
                      counts[FOUND_BY_CHECK], counts[USABLE]);
        free(data);
}

static void test_other_files(void **state) {
        struct lmdb_baseline *lmdb;

        (void)state;
        unlink(folder.data);
        assert_int_equal(mkdir(folder.data, 0700), 0);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), -EBADMSG);
        rmdir(folder.data);
        assert_int_equal(mkfifo(folder.data, 0600), 0);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), -EBADMSG);
        unlink(folder.data);
        assert_int_equal(symlink("elsewhere", folder.data), 0);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), -EBADMSG);
        unlink(folder.data);
        assert_int_equal(symlink("/etc/passwd", folder.data), 0);
        assert_int_equal(lmdb_baseline_open(folder.path, &lmdb), -EBADMSG);
}

/* The words come with the answer. */
static void test_words(void **state) {
        _cleanup_buffer_ struct buffer problem = BUFFER_NULL;
        uint64_t transaction;
        int file;

        (void)state;
        sound[16] ^= 1;
        baseline_folder_write(&folder, sound, sound_size);
        file = open(folder.data, O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0);
        assert_int_equal(lmdb_verify_head(file, &transaction, &problem), -EBADMSG);
        assert_string_equal(buffer_string(&problem), "page 0: not a meta page of LMDB");
        sound[16] ^= 1;
        baseline_folder_write(&folder, sound, sound_size);
        assert_int_equal(lmdb_verify_head(file, &transaction, &problem), 0);
        assert_int_equal(lmdb_verify_tree(file, transaction, &problem), 0);
        assert_int_equal(lmdb_verify_tree(file, transaction + 2, &problem), -ESTALE);
        assert_int_equal(lmdb_verify_tree(file, transaction - 1, &problem), 0);
        close(file);
        assert_int_equal(lmdb_baseline_diagnose(folder.path, &problem), 0);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_sound, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_cut_run, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_pages_of_nobody, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_never_written, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_overwritten, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_flips, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_other_files, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_words, set_up, tear_down),
        };

        seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
        print_message("seed %llu\n", (unsigned long long)seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
