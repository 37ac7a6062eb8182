/* test-new-file.c - a file that takes another one's place at once, or not at all. */
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "buffer.h"
#include "fd.h"
#include "new-file.h"
#include "small-disk.h"

struct fixture {
        struct tree tree;
        int folder;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        fixture->folder = open(fixture->tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fixture->folder >= 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        (void)fd_close(fixture->folder);
        tree_remove(&fixture->tree);
        free(fixture);
        return 0;
}

static void assert_content(struct fixture *fixture, const char *name, struct bytes expected) {
        _cleanup_buffer_ struct buffer there = BUFFER_NULL;
        _cleanup_close_ int fd = openat(fixture->folder, name, O_RDONLY | O_CLOEXEC);
        struct stat status;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_size, expected.size);
        buffer_append_fill(&there, 0, expected.size);
        assert_int_equal(read(fd, there.data, there.size), expected.size);
        assert_true(bytes_equal(buffer_bytes(&there), expected));
}

static void assert_none(struct fixture *fixture, const char *name) {
        assert_int_equal(faccessat(fixture->folder, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_placed(void **state) {
        struct fixture *fixture = *state;
        struct new_file file = NEW_FILE_NULL;
        struct stat status;

        (void)umask(0);
        for (int sync = 0; sync < 2; sync++) {
                tree_text(&fixture->tree, "name", "old");
                assert_int_equal(new_file_begin(&file, fixture->folder, "name", 0640), 0);
                assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
                new_file_write(&file, bytes_of_string("new "));
                new_file_write(&file, BYTES_NULL);
                new_file_write(&file, bytes_of_string("content"));
                assert_content(fixture, "name", bytes_of_string("old"));
                assert_int_equal(new_file_finish(&file, sync), 0);
                assert_content(fixture, "name", bytes_of_string("old"));
                assert_content(fixture, "name.new", bytes_of_string("new content"));
                assert_int_equal(new_file_place(&file), 0);
                assert_content(fixture, "name", bytes_of_string("new content"));
                assert_none(fixture, "name.new");
                assert_int_equal(fstatat(fixture->folder, "name", &status, 0), 0);
                assert_int_equal(status.st_mode & 07777, 0640);
                assert_int_equal(file.fd, -1);
                new_file_drop(&file); /* after all is done */
        }
}

/* Writes of any size round that of the room. */
static void test_sizes(void **state) {
        static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 200000 };
        struct fixture *fixture = *state;
        _cleanup_free_ uint8_t *content = malloc(200000);

        assert_non_null(content);
        for (size_t i = 0; i < 200000; i++)
                content[i] = (uint8_t)(i % 253);
        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                for (size_t step = 1; step <= 200000; step = step * 37 + 5) {
                        struct new_file file = NEW_FILE_NULL;

                        assert_int_equal(new_file_begin(&file, fixture->folder, "name", 0600), 0);
                        for (size_t at = 0; at < sizes[i]; at += step)
                                new_file_write(&file, bytes_of(content + at, at + step > sizes[i] ? sizes[i] - at : step));
                        assert_int_equal(new_file_finish(&file, false), 0);
                        assert_int_equal(new_file_place(&file), 0);
                        assert_content(fixture, "name", bytes_of(content, sizes[i]));
                }
}

static void test_dropped(void **state) {
        struct fixture *fixture = *state;
        struct new_file file = NEW_FILE_NULL;

        new_file_drop(&file); /* nothing was begun */
        tree_text(&fixture->tree, "name", "old");
        assert_int_equal(new_file_begin(&file, fixture->folder, "name", 0600), 0);
        new_file_write(&file, bytes_of_string("half"));
        new_file_drop(&file);
        new_file_drop(&file);
        assert_content(fixture, "name", bytes_of_string("old"));
        assert_none(fixture, "name.new");
}

/* What lies under the temporary name: left by a crash it goes; a link there leads nowhere; a folder is an error. */
static void test_in_the_way(void **state) {
        struct fixture *fixture = *state;
        struct new_file file = NEW_FILE_NULL;

        tree_text(&fixture->tree, "precious", "do not touch");
        tree_text(&fixture->tree, "name.new", "left by a crash, and longer than what comes now");
        for (int link = 0; link < 2; link++) {
                if (link)
                        assert_int_equal(symlinkat("precious", fixture->folder, "name.new"), 0);
                assert_int_equal(new_file_begin(&file, fixture->folder, "name", 0600), 0);
                new_file_write(&file, bytes_of_string("new"));
                assert_int_equal(new_file_finish(&file, false), 0);
                assert_int_equal(new_file_place(&file), 0);
                assert_content(fixture, "name", bytes_of_string("new"));
                assert_content(fixture, "precious", bytes_of_string("do not touch"));
        }
        tree_folder(&fixture->tree, "other.new");
        assert_int_equal(new_file_begin(&file, fixture->folder, "other", 0600), -EISDIR);
        assert_int_equal(file.fd, -1);
        assert_int_equal(new_file_begin(&file, -1, "name", 0600), -EBADF);

        /* a link in the place itself is replaced, not written through; a folder there stays */
        assert_int_equal(symlinkat("precious", fixture->folder, "linked"), 0);
        assert_int_equal(new_file_begin(&file, fixture->folder, "linked", 0600), 0);
        new_file_write(&file, bytes_of_string("new"));
        assert_int_equal(new_file_finish(&file, false), 0);
        assert_int_equal(new_file_place(&file), 0);
        assert_content(fixture, "precious", bytes_of_string("do not touch"));
        tree_folder(&fixture->tree, "folder");
        assert_int_equal(new_file_begin(&file, fixture->folder, "folder", 0600), 0);
        assert_int_equal(new_file_finish(&file, false), 0);
        assert_int_equal(new_file_place(&file), -EISDIR);
        new_file_drop(&file);
        assert_none(fixture, "folder.new");
}

/* The first error is kept for the end; the old file stands. */
static void test_full(void **state) {
        struct fixture *fixture = *state;
        struct new_file file = NEW_FILE_NULL;
        _cleanup_free_ char *content = calloc(1, 100000);
        struct rlimit limit, small;

        assert_non_null(content);
        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        small = limit;
        small.rlim_cur = 80000;
        tree_text(&fixture->tree, "name", "old");
        assert_int_equal(new_file_begin(&file, fixture->folder, "name", 0600), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        for (int i = 0; i < 5; i++)
                new_file_write(&file, bytes_of(content, 100000));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        new_file_write(&file, bytes_of_string("this would fit again"));
        assert_int_equal(new_file_finish(&file, true), -EFBIG);
        new_file_drop(&file);
        assert_content(fixture, "name", bytes_of_string("old"));
        assert_none(fixture, "name.new");
}

static void test_write_all(void **state) {
        struct fixture *fixture = *state;
        _cleanup_close_ int file = openat(fixture->folder, "short", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        int ends[2];
        char part[8];

        /* the kernel takes a part of it and no more: that is told */
        assert_true(file >= 0);
        limit_files(100);
        assert_int_equal(write_all(file, bytes_of(memset((char[150]){ 0 }, 'a', 150), 150)), -EFBIG);
        limit_files(RLIM_INFINITY);
        assert_int_equal(lseek(file, 0, SEEK_END), 100);

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write_all(ends[1], BYTES_NULL), 0);
        assert_int_equal(write_all(ends[1], bytes_of_string("abc")), 0);
        assert_int_equal(read(ends[0], part, sizeof(part)), 3);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)close(ends[0]);
        assert_int_equal(write_all(ends[1], bytes_of_string("abc")), -EPIPE);
        (void)close(ends[1]);
        assert_int_equal(write_all(-1, bytes_of_string("abc")), -EBADF);
        assert_int_equal(write_all(-1, BYTES_NULL), 0);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                FILE_TEST(test_placed),     FILE_TEST(test_sizes), FILE_TEST(test_dropped),
                FILE_TEST(test_in_the_way), FILE_TEST(test_full),  FILE_TEST(test_write_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
