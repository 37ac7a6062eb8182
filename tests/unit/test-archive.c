/* test-archive.c - packed and put away without a moment in which it is nowhere; thrown away by age and by use, oldest first. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <time.h>
#include <zlib.h>

#include "archive.h"
#include "buffer.h"
#include "fd.h"
#include "small-disk.h"

#define SECOND UINT64_C(1000000000)
#define DAY (86400 * SECOND)

struct fixture {
        struct tree tree;
        int logs, archive;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        _cleanup_free_ char *logs = NULL, *archive = NULL;

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        tree_folder(&fixture->tree, "logs");
        tree_folder(&fixture->tree, "archive");
        logs = tree_path(&fixture->tree, "logs");
        archive = tree_path(&fixture->tree, "archive");
        fixture->logs = open(logs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fixture->archive = open(archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fixture->logs >= 0 && fixture->archive >= 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        (void)fd_close(fixture->logs);
        (void)fd_close(fixture->archive);
        tree_remove(&fixture->tree);
        free(fixture);
        return 0;
}

static bool there(int folder, const char *name) {
        return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_unpacks(int folder, const char *name, const void *expected, size_t size) {
        _cleanup_free_ char *content = malloc(size + 2);
        gzFile file = gzdopen(openat(folder, name, O_RDONLY | O_CLOEXEC), "rb");

        assert_non_null(content);
        assert_non_null(file);
        assert_int_equal(gzread(file, content, (unsigned)size + 1), size);
        assert_false(gzdirect(file));
        if (size)
                assert_memory_equal(content, expected, size);
        assert_int_equal(gzclose(file), Z_OK);
}

static void test_packed(void **state) {
        static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 1000000 };
        struct fixture *fixture = *state;
        _cleanup_free_ char *content = malloc(1000000);
        struct stat status;
        uint8_t head[10];
        int fd;

        assert_non_null(content);
        (void)umask(0);
        for (size_t i = 0; i < 1000000; i++)
                content[i] = "nephronix\n"[i % 10];
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                tree_write(&fixture->tree, "logs/log", content, sizes[i]);
                assert_int_equal(archive_pack(fixture->logs, "log", fixture->archive, "log.gz"), 0);
                assert_false(there(fixture->logs, "log"));
                assert_false(there(fixture->archive, "log.gz.new"));
                assert_unpacks(fixture->archive, "log.gz", content, sizes[i]);
        }
        assert_int_equal(fstatat(fixture->archive, "log.gz", &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0640);
        assert_true(status.st_size < 10000);
        fd = openat(fixture->archive, "log.gz", O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
        (void)close(fd);
        assert_int_equal(head[8], 2); /* packed as gzip -9 does */
}

static void test_interrupted(void **state) {
        struct fixture *fixture = *state;

        /* half packed; and packed, but the source still there: done again from the start */
        for (int done = 0; done < 2; done++) {
                tree_text(&fixture->tree, "logs/log", "content");
                tree_text(&fixture->tree, done ? "archive/log.gz" : "archive/log.gz.new", "left by a crash, longer than all of it");
                assert_int_equal(archive_pack(fixture->logs, "log", fixture->archive, "log.gz"), 0);
                assert_unpacks(fixture->archive, "log.gz", "content", 7);
                assert_false(there(fixture->logs, "log"));
                assert_false(there(fixture->archive, "log.gz.new"));
        }
}

static void test_refused(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(archive_pack(fixture->logs, "none", fixture->archive, "log.gz"), -ENOENT);
        assert_int_equal(symlinkat("/etc/passwd", fixture->logs, "link"), 0);
        assert_int_equal(archive_pack(fixture->logs, "link", fixture->archive, "log.gz"), -ELOOP);
        tree_folder(&fixture->tree, "logs/folder");
        assert_int_equal(archive_pack(fixture->logs, "folder", fixture->archive, "log.gz"), -EISDIR);
        assert_false(there(fixture->archive, "log.gz"));
        assert_false(there(fixture->archive, "log.gz.new"));

        /* nowhere to put it: the source stays */
        tree_text(&fixture->tree, "logs/log", "content");
        tree_folder(&fixture->tree, "archive/log.gz.new");
        assert_int_equal(archive_pack(fixture->logs, "log", fixture->archive, "log.gz"), -EISDIR);
        assert_true(there(fixture->logs, "log"));
        tree_folder(&fixture->tree, "archive/other.gz");
        assert_int_equal(archive_pack(fixture->logs, "log", fixture->archive, "other.gz"), -EISDIR);
        assert_true(there(fixture->logs, "log"));
        assert_false(there(fixture->archive, "other.gz.new"));
}

static int pack_on_full_disk(void *context) {
        struct fixture *fixture = context;
        _cleanup_free_ char *path = tree_path(&fixture->tree, "archive");
        int archive = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* what is mounted there now */

        if (archive_pack(fixture->logs, "log", archive, "log.gz") != -ENOSPC)
                return 1;
        if (!there(fixture->logs, "log") || there(archive, "log.gz") || there(archive, "log.gz.new"))
                return 2;
        return 0;
}

static void test_full_disk(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *path = tree_path(&fixture->tree, "archive");
        _cleanup_free_ uint8_t *noise = malloc(300000);
        uint32_t number = 1;

        assert_non_null(noise);
        for (size_t i = 0; i < 300000; i++) { /* nothing that packs well */
                number = number * 1664525 + 1013904223;
                noise[i] = (uint8_t)(number >> 24);
        }
        tree_write(&fixture->tree, "logs/log", noise, 300000);
        limit_files(100000);
        assert_int_equal(archive_pack(fixture->logs, "log", fixture->archive, "log.gz"), -EFBIG);
        limit_files(RLIM_INFINITY);
        assert_true(there(fixture->logs, "log"));
        assert_false(there(fixture->archive, "log.gz.new"));
        if (!on_small_disk(path, "64k", pack_on_full_disk, fixture))
                skip();
}

/* ---- what goes ---- */

static void make_old(struct fixture *fixture, int folder, const char *name, size_t size, uint64_t mtime_ns) {
        struct timespec times[2];
        _cleanup_free_ char *content = calloc(1, size + 1), *path = NULL;

        assert_non_null(content);
        assert_true(asprintf(&path, "%s/%s", folder == fixture->logs ? "logs" : "archive", name) > 0);
        tree_write(&fixture->tree, path, content, size);
        times[0] = times[1] = (struct timespec){ .tv_sec = (time_t)(mtime_ns / SECOND), .tv_nsec = (long)(mtime_ns % SECOND) };
        assert_int_equal(utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static int take_all(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static void assert_left(int folder, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;
        struct dirent **entries = NULL;
        int count = scandirat(folder, ".", &entries, take_all, alphasort);

        assert_true(count >= 0);
        for (int i = 0; i < count; i++) {
                buffer_printf(&found, "%s%s", i ? " " : "", entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        assert_string_equal(buffer_string(&found), expected);
}

static void test_expired(void **state) {
        enum { KB = 1000 };
        static const struct {
                const char *what;
                uint64_t keep_ns, max_use, live;
                int removed;
                const char *left, *left_in_ledger;
        } cases[] = {
                { "all are young and fit", 30 * DAY, 100 * KB, 0, 0, "n_1.gz n_2.gz n_3.gz", "e-1.gz e-2.gz" },
                { "by age", 15 * DAY, 100 * KB, 0, 2, "n_2.gz n_3.gz", "e-2.gz" },
                { "by age, to the nanosecond", 20 * DAY, 100 * KB, 0, 0, "n_1.gz n_2.gz n_3.gz", "e-1.gz e-2.gz" },
                { "by age, one nanosecond more", 20 * DAY - 1, 100 * KB, 0, 1, "n_2.gz n_3.gz", "e-1.gz e-2.gz" },
                { "by use, exactly", 30 * DAY, 50 * KB, 0, 0, "n_1.gz n_2.gz n_3.gz", "e-1.gz e-2.gz" },
                { "by use, one too many", 30 * DAY, 50 * KB - 1, 0, 1, "n_2.gz n_3.gz", "e-1.gz e-2.gz" },
                { "by use, oldest first in both", 30 * DAY, 25 * KB, 0, 3, "n_3.gz", "e-2.gz" },
                { "what is written counts", 30 * DAY, 50 * KB, 1, 1, "n_2.gz n_3.gz", "e-1.gz e-2.gz" },
                { "what is written is more than all", 30 * DAY, 50 * KB, 60 * KB, 5, "", "" },
                { "by both", 15 * DAY, 25 * KB, 0, 3, "n_3.gz", "e-2.gz" },
                { "everything", 0, 0, 0, 5, "", "" },
                { "for ever", UINT64_MAX, UINT64_MAX, 0, 0, "n_1.gz n_2.gz n_3.gz", "e-1.gz e-2.gz" },
        };
        struct fixture *fixture = *state;
        const struct archive_folder folders[] = { { fixture->archive, "n_", ".gz" }, { fixture->logs, "e-", ".gz" } };
        const uint64_t now = 1800000000 * SECOND;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int r;

                make_old(fixture, fixture->archive, "n_1.gz", 10 * KB, now - 20 * DAY);
                make_old(fixture, fixture->logs, "e-1.gz", 10 * KB, now - 16 * DAY);
                make_old(fixture, fixture->archive, "n_2.gz", 10 * KB, now - 5 * DAY);
                make_old(fixture, fixture->logs, "e-2.gz", 10 * KB, now - 4 * DAY);
                make_old(fixture, fixture->archive, "n_3.gz", 10 * KB, now - 1 * DAY);
                r = archive_expire(folders, 2, cases[i].keep_ns, cases[i].max_use, cases[i].live, now);
                if (r != cases[i].removed)
                        fail_msg("%s: %d", cases[i].what, r);
                assert_left(fixture->archive, cases[i].left);
                assert_left(fixture->logs, cases[i].left_in_ledger);
        }

        /* written in the future: the clock was set back */
        make_old(fixture, fixture->archive, "n_1.gz", 10, now + 20 * DAY);
        assert_int_equal(archive_expire(folders, 1, 0, 100, 0, now), 2);
        assert_left(fixture->archive, "n_1.gz");
}

/* What is not ours to remove, however old; and what two wrote in the same moment. */
static void test_others(void **state) {
        static const char *const others[] = {
                "N_1.gz", "n_.gz", "n_1.gz.new", "n_1.gz~", "n_important.gz", "n_1-important.gz", "n_1", "1.gz", "xn_1.gz",
        };
        struct fixture *fixture = *state;
        const struct archive_folder folder = { fixture->archive, "n_", ".gz" };
        const uint64_t now = 1800000000 * SECOND;

        for (size_t i = 0; i < ELEMENTS(others); i++)
                make_old(fixture, fixture->archive, others[i], 10, now - 1000 * DAY);
        tree_folder(&fixture->tree, "archive/n_5.gz");
        assert_int_equal(symlinkat("n_important.gz", fixture->archive, "n_6.gz"), 0);
        make_old(fixture, fixture->archive, "n_7.gz", 10, now - 1000 * DAY);
        assert_int_equal(archive_expire(&folder, 1, DAY, 0, 0, now), 1);
        for (size_t i = 0; i < ELEMENTS(others); i++)
                assert_true(there(fixture->archive, others[i]));
        assert_true(there(fixture->archive, "n_5.gz"));
        assert_true(there(fixture->archive, "n_6.gz"));
        assert_false(there(fixture->archive, "n_7.gz"));

        for (int i = 9; i > 0; i--) {
                char name[16];

                (void)snprintf(name, sizeof(name), "n_1%d.gz", i);
                make_old(fixture, fixture->archive, name, 10, now);
        }
        assert_int_equal(archive_expire(&folder, 1, DAY, 25, 0, now), 7);
        assert_true(there(fixture->archive, "n_18.gz"));
        assert_true(there(fixture->archive, "n_19.gz"));
        assert_int_equal(archive_expire(&(struct archive_folder){ -1, "n_", ".gz" }, 1, DAY, 25, 0, now), -EBADF);
}

#define ARCHIVE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                ARCHIVE_TEST(test_packed),    ARCHIVE_TEST(test_interrupted), ARCHIVE_TEST(test_refused),
                ARCHIVE_TEST(test_full_disk), ARCHIVE_TEST(test_expired),     ARCHIVE_TEST(test_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
