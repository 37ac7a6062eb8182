/* test-text-log.c - blocks written once whatever stands already; rotated without losing or doubling a line, stopped wherever. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <time.h>
#include <zlib.h>

#include "buffer.h"
#include "fd.h"
#include "small-disk.h"
#include "text-log.h"
#include "timestamp.h"

struct fixture {
        struct tree tree;
        char *path, *archive;   /* owned */
        struct text_log *log;
        unsigned line;          /* number of the next one */
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        tree_folder(&fixture->tree, "var");
        fixture->path = tree_path(&fixture->tree, "var/nephronix.log");
        fixture->archive = tree_path(&fixture->tree, "archive");
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        fixture->log = text_log_close(fixture->log);
        tree_remove(&fixture->tree);
        free(fixture->path);
        free(fixture->archive);
        free(fixture);
        return 0;
}

static void open_log(struct fixture *fixture, uint64_t max_size) {
        fixture->log = text_log_close(fixture->log);
        assert_int_equal(text_log_open(fixture->path, fixture->archive, max_size, &fixture->log), 0);
}

static void write_block(struct fixture *fixture, const char *text) {
        struct text_log_place place;

        assert_int_equal(text_log_place(fixture->log, &place), 0);
        assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string(text)), 0);
}

/* Lines "0\n", "1\n", ... until the log has that size. */
static void write_lines(struct fixture *fixture, unsigned count) {
        for (unsigned i = 0; i < count; i++) {
                char line[32];

                (void)snprintf(line, sizeof(line), "%u\n", fixture->line++);
                write_block(fixture, line);
        }
}

static void read_into(struct buffer *buffer, int folder, const char *name) {
        gzFile file = gzdopen(openat(folder, name, O_RDONLY | O_CLOEXEC), "rb");
        char part[4096];
        int n;

        assert_non_null(file);
        while ((n = gzread(file, part, sizeof(part))) > 0)
                buffer_append(buffer, part, (size_t)n);
        assert_int_equal(n, 0);
        assert_int_equal(gzclose(file), Z_OK);
}

static void assert_content(struct fixture *fixture, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        read_into(&found, AT_FDCWD, fixture->path);
        assert_string_equal(buffer_string(&found), expected);
}

static int is_archive(const struct dirent *entry) {
        return entry->d_name[0] != '.' && strcmp(entry->d_name + strlen(entry->d_name) - 3, ".gz") == 0;
}

/* Every line that was ever written stands once, in order, through archives, what waits to be packed, and the log. */
static void assert_all_lines(struct fixture *fixture, unsigned archives) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL, expected = BUFFER_NULL;
        _cleanup_close_ int archive = open(fixture->archive, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *rotating = tree_path(&fixture->tree, "var/nephronix.log.rotating");
        struct dirent **entries = NULL;
        int count = scandir(fixture->archive, &entries, is_archive, alphasort);

        assert_int_equal(count, archives);
        for (int i = 0; i < count; i++) {
                const char *name = entries[i]->d_name;

                assert_int_equal(strncmp(name, "nephronix_", 10), 0);
                assert_int_equal(strspn(name + 10, "0123456789"), 14);
                assert_string_equal(name + 24, ".log.gz");
                read_into(&found, archive, name);
                free(entries[i]);
        }
        free(entries);
        if (access(rotating, F_OK) == 0)
                read_into(&found, AT_FDCWD, rotating);
        read_into(&found, AT_FDCWD, fixture->path);
        for (unsigned i = 0; i < fixture->line; i++)
                buffer_printf(&expected, "%u\n", i);
        assert_string_equal(buffer_string(&found), buffer_string(&expected));
}

/* When the log was last written: what the archive is named by. */
static void set_time(struct fixture *fixture, const char *name, time_t second) {
        const struct timespec times[2] = { { .tv_sec = second, .tv_nsec = 5 }, { .tv_sec = second, .tv_nsec = 5 } };
        _cleanup_free_ char *path = tree_path(&fixture->tree, name);

        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static char *archive_name(time_t second, const char *suffix) {
        _cleanup_buffer_ struct buffer name = BUFFER_NULL;
        const struct timespec at = { .tv_sec = second };

        buffer_append_string(&name, "archive/nephronix_");
        timestamp_compact(&name, &at);
        buffer_append_string(&name, ".log.gz");
        buffer_append_string(&name, suffix);
        return strdup(buffer_string(&name));
}

/* ---- opening ---- */

static void test_opened(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *fifo = tree_path(&fixture->tree, "var/fifo"), *link = tree_path(&fixture->tree, "var/link");
        struct stat status;

        (void)umask(0);
        open_log(fixture, 1000);
        assert_int_equal(stat(fixture->path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0640);
        assert_int_equal(stat(fixture->archive, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0750);
        write_block(fixture, "kept\n");
        open_log(fixture, 1000);
        assert_int_equal(text_log_size(fixture->log), 5);
        write_block(fixture, "more\n");
        assert_content(fixture, "kept\nmore\n");
        assert_int_equal(text_log_sync(fixture->log), 0);
        fixture->log = text_log_close(fixture->log);

        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(text_log_open(fifo, fixture->archive, 1000, &fixture->log), -EINVAL); /* and does not wait for a reader */
        assert_int_equal(symlink("nephronix.log", link), 0);
        assert_int_equal(text_log_open(link, fixture->archive, 1000, &fixture->log), -ELOOP);
        assert_int_equal(text_log_open(fixture->archive, fixture->archive, 1000, &fixture->log), -EISDIR);
        assert_int_equal(text_log_open("name", fixture->archive, 1000, &fixture->log), -EINVAL);
        assert_int_equal(text_log_open("/tmp/", fixture->archive, 1000, &fixture->log), -EINVAL);
        assert_int_equal(text_log_open("/no/such/folder/log", fixture->archive, 1000, &fixture->log), -ENOENT);
        assert_null(fixture->log);
        assert_null(text_log_close(NULL));
}

/* ---- blocks ---- */

/* A crash may come at any byte of a block; the block comes again, and then stands once. */
static void test_standing(void **state) {
        static const char block[] = "one\ntwo\nthree\n";
        static const size_t size = sizeof(block) - 1;
        struct fixture *fixture = *state;

        for (size_t done = 0; done <= size; done++) {
                struct text_log_place place;
                char before[64];

                tree_text(&fixture->tree, "var/nephronix.log", "before\n");
                open_log(fixture, 1000);
                assert_int_equal(text_log_place(fixture->log, &place), 0);
                assert_int_equal(place.offset, 7);
                (void)snprintf(before, sizeof(before), "before\n%.*s", (int)done, block);
                {
                        int fd = open(fixture->path, O_WRONLY | O_APPEND | O_CLOEXEC);

                        assert_int_equal(write(fd, block, done), done);
                        (void)close(fd);
                }
                for (int again = 0; again < 3; again++) {
                        open_log(fixture, 1000);
                        assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of(block, size)), 0);
                        assert_content(fixture, "before\none\ntwo\nthree\n");
                        assert_int_equal(text_log_size(fixture->log), 7 + size);
                }
                assert_int_equal(text_log_append_at(fixture->log, &place, BYTES_NULL), 0);
        }
}

/* What stands at the place is not ours: the whole block goes behind it. */
static void test_not_standing(void **state) {
        static const struct {
                const char *what, *before, *then, *expected;
                bool replace;           /* by another file of the same content */
        } cases[] = {
                { "somebody wrote there", "a\n", "a\nforeign\n", "a\nforeign\nblock\n", false },
                { "half of it, then somebody", "a\n", "a\nblo and more\n", "a\nblo and more\nblock\n", false },
                { "cut shorter than the place", "a\nb\n", "a\n", "a\nblock\n", false },
                { "emptied", "a\n", "", "block\n", false },
                { "the same bytes in another file", "a\n", "a\nblock\n", "a\nblock\nblock\n", true },
        };
        struct fixture *fixture = *state;
        _cleanup_free_ char *other = tree_path(&fixture->tree, "var/other");

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct text_log_place place;

                tree_text(&fixture->tree, "var/nephronix.log", cases[i].before);
                open_log(fixture, 1000);
                assert_int_equal(text_log_place(fixture->log, &place), 0);
                if (cases[i].replace) {
                        tree_text(&fixture->tree, "var/other", cases[i].then);
                        assert_int_equal(rename(other, fixture->path), 0);
                } else {
                        tree_text(&fixture->tree, "var/nephronix.log", cases[i].then);
                }
                open_log(fixture, 1000);
                assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string("block\n")), 0);
                assert_content(fixture, cases[i].expected);
        }
}

static void test_no_room(void **state) {
        struct fixture *fixture = *state;
        struct text_log_place place;
        char block[1001];

        memset(block, 'b', 999);
        block[999] = '\n';
        block[1000] = '\0';
        open_log(fixture, 100000);
        write_block(fixture, "before\n");
        assert_int_equal(text_log_place(fixture->log, &place), 0);
        for (rlim_t limit = 7; limit < 1000; limit += 331) {
                limit_files(limit);
                assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string(block)), -EFBIG);
                limit_files(RLIM_INFINITY);
                assert_content(fixture, "before\n"); /* nobody reads half a block */
                assert_int_equal(text_log_size(fixture->log), 7);
        }
        assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string(block)), 0);
        assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string(block)), 0);
        assert_int_equal(text_log_size(fixture->log), 1007);
}

static bool append_only(const char *path, bool on) {
        int fd = open(path, O_RDONLY | O_CLOEXEC), flags, r;

        if (fd < 0)
                return false;
        r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
        if (r == 0) {
                flags = on ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
                r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
        }
        (void)close(fd);
        return r == 0;
}

/* A log that may only be appended to (chattr +a): what a failing write left cannot be taken back, and is continued. */
static void test_append_only(void **state) {
        struct fixture *fixture = *state;
        struct text_log_place place;

        open_log(fixture, 100000);
        write_block(fixture, "before\n");
        assert_int_equal(text_log_place(fixture->log, &place), 0);
        if (!append_only(fixture->path, true))
                skip();
        limit_files(10);
        assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string("one\ntwo\n")), -EFBIG);
        limit_files(RLIM_INFINITY);
        assert_int_equal(text_log_size(fixture->log), 10);
        assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string("one\ntwo\n")), 0);
        (void)append_only(fixture->path, false);
        assert_content(fixture, "before\none\ntwo\n");
        assert_int_equal(text_log_size(fixture->log), 15);
}

/* ---- moved and removed under us ---- */

/* A power cut: the second block is zeros, or its beginning is there; the third is there, or not. */
static void test_zeros(void **state) {
        static const char *const blocks[] = { "first\n", "second, a longer one\n", "third\n" };
        struct fixture *fixture = *state;

        for (unsigned kept = 0; kept < 9; kept += 3) {
                for (unsigned third = 0; third < 2; third++) {
                        struct text_log_place places[3];
                        _cleanup_close_ int fd = -1;

                        (void)unlink(fixture->path);
                        open_log(fixture, 100000);
                        for (size_t i = 0; i < 3; i++) {
                                assert_int_equal(text_log_place(fixture->log, &places[i]), 0);
                                assert_int_equal(text_log_append_at(fixture->log, &places[i], bytes_of_string(blocks[i])), 0);
                        }
                        fd = open(fixture->path, O_RDWR | O_CLOEXEC);
                        assert_int_equal(ftruncate(fd, (off_t)places[1].offset + kept), 0);
                        assert_int_equal(ftruncate(fd, (off_t)places[2].offset + 3), 0);
                        if (third)
                                assert_int_equal(pwrite(fd, blocks[2], strlen(blocks[2]), (off_t)places[2].offset), 6);

                        open_log(fixture, 100000);
                        assert_content(fixture, blocks[0]);
                        for (size_t i = 1; i < 3; i++) /* out of the outbox */
                                assert_int_equal(text_log_append_at(fixture->log, &places[i], bytes_of_string(blocks[i])), 0);
                        assert_content(fixture, "first\nsecond, a longer one\nthird\n");
                }
        }
}

static void test_moved(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *moved = tree_path(&fixture->tree, "var/nephronix.log.1"), *folder = tree_path(&fixture->tree, "var");
        _cleanup_free_ char *away = tree_path(&fixture->tree, "away"), *archived = NULL;
        struct text_log_place first, place;
        int fd;

        open_log(fixture, 1000);
        write_block(fixture, "first\n");
        assert_int_equal(text_log_place(fixture->log, &first), 0);
        assert_int_equal(rename(fixture->path, moved), 0); /* logrotate, create */
        write_block(fixture, "second\n");
        assert_content(fixture, "second\n");
        assert_int_equal(text_log_place(fixture->log, &place), 0);
        assert_int_equal(place.offset, 7);
        assert_true(place.inode != first.inode);

        assert_int_equal(unlink(fixture->path), 0);
        write_block(fixture, "third\n");
        assert_content(fixture, "third\n");

        fd = open(fixture->path, O_WRONLY | O_TRUNC | O_CLOEXEC); /* logrotate, copytruncate */
        (void)close(fd);
        write_block(fixture, "fourth\n");
        assert_content(fixture, "fourth\n");
        assert_int_equal(text_log_size(fixture->log), 7);

        /* its folder goes: an error, until there is one again */
        assert_int_equal(rename(folder, away), 0);
        assert_int_equal(text_log_place(fixture->log, &place), -ENOENT);
        tree_folder(&fixture->tree, "var");
        write_block(fixture, "fifth\n");
        assert_content(fixture, "fifth\n");

        /* the archive goes: made anew when it is needed */
        assert_int_equal(rmdir(fixture->archive), 0);
        fixture->log = text_log_close(fixture->log);
        open_log(fixture, 6);
        assert_int_equal(rmdir(fixture->archive), 0);
        set_time(fixture, "var/nephronix.log", 1800000000);
        assert_int_equal(text_log_rotate(fixture->log), 1);
        archived = archive_name(1800000000, "");
        tree_delete(&fixture->tree, archived);
}

/* ---- rotation ---- */

static void test_rotated(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *archived = NULL, *whole = NULL;
        struct text_log_place place;
        char block[32];

        open_log(fixture, 20);
        write_lines(fixture, 9);
        assert_int_equal(text_log_rotate(fixture->log), 0); /* 18 bytes */
        write_lines(fixture, 1);
        assert_int_equal(text_log_place(fixture->log, &place), 0);
        set_time(fixture, "var/nephronix.log", 1800000000);
        assert_int_equal(text_log_rotate(fixture->log), 1);
        assert_int_equal(text_log_size(fixture->log), 0);
        assert_content(fixture, "");
        assert_all_lines(fixture, 1);
        assert_int_equal(text_log_rotate(fixture->log), 0);
        archived = archive_name(1800000000, "");
        whole = tree_path(&fixture->tree, archived);
        assert_int_equal(access(whole, F_OK), 0);

        /* a block whose place is in the file that was rotated away goes into the new one */
        (void)snprintf(block, sizeof(block), "%u\n", fixture->line++);
        assert_int_equal(text_log_append_at(fixture->log, &place, bytes_of_string(block)), 0);
        assert_all_lines(fixture, 1);
}

/* A second archive in the same second would have the same name: it waits. */
static void test_same_second(void **state) {
        struct fixture *fixture = *state;

        open_log(fixture, 20);
        for (time_t second = 1800000000; second < 1800000003; second++) {
                unsigned archives = (unsigned)(second - 1800000000) + 1;

                write_lines(fixture, 20);
                set_time(fixture, "var/nephronix.log", second);
                assert_int_equal(text_log_rotate(fixture->log), 1);
                write_lines(fixture, 20);
                set_time(fixture, "var/nephronix.log", second);
                for (int i = 0; i < 3; i++)
                        assert_int_equal(text_log_rotate(fixture->log), 0);
                assert_all_lines(fixture, archives);
        }
        write_lines(fixture, 1);
        set_time(fixture, "var/nephronix.log", 1800000009);
        assert_int_equal(text_log_rotate(fixture->log), 1);
        assert_all_lines(fixture, 4);
}

/* Stopped between any two steps of a rotation; the next start finishes it, at once and after more was written. */
static void test_interrupted(void **state) {
        static const struct {
                const char *what;
                bool renamed, begun, partial, packed;
        } cases[] = {
                { "before anything", false, false, false, false },
                { "renamed", true, false, false, false },
                { "renamed, the new one begun", true, true, false, false },
                { "packing", true, true, true, false },
                { "packed, but still there", true, true, false, true },
        };
        struct fixture *fixture = *state;
        _cleanup_free_ char *rotating = tree_path(&fixture->tree, "var/nephronix.log.rotating");
        unsigned archives = 0;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                const time_t second = 1800000000 + (time_t)i;
                _cleanup_free_ char *partial = archive_name(second, ".new"), *done = archive_name(second, "");

                open_log(fixture, 20);
                write_lines(fixture, 20);
                set_time(fixture, "var/nephronix.log", second);
                if (cases[i].packed) {
                        /* what it leaves is what a finished one leaves, and the source */
                        _cleanup_free_ char *copy = tree_path(&fixture->tree, "copy");

                        assert_int_equal(link(fixture->path, copy), 0);
                        assert_int_equal(text_log_rotate(fixture->log), 1);
                        assert_int_equal(rename(copy, rotating), 0);
                } else if (cases[i].renamed) {
                        assert_int_equal(rename(fixture->path, rotating), 0);
                }
                if (cases[i].partial)
                        tree_text(&fixture->tree, partial, "half");
                if (cases[i].begun && !cases[i].packed)
                        tree_text(&fixture->tree, "var/nephronix.log", "");
                open_log(fixture, 20);
                archives += cases[i].renamed;
                assert_int_equal(access(rotating, F_OK), -1);
                assert_all_lines(fixture, archives);
                write_lines(fixture, 20);
                set_time(fixture, "var/nephronix.log", second + 1000);
                assert_int_equal(text_log_rotate(fixture->log), 1);
                assert_all_lines(fixture, ++archives);
                tree_delete(&fixture->tree, "var/nephronix.log");
                fixture->log = text_log_close(fixture->log);
                /* the next case begins anew */
                if (cases[i].renamed)
                        tree_delete(&fixture->tree, done);
                {
                        _cleanup_free_ char *later = archive_name(second + 1000, "");

                        tree_delete(&fixture->tree, later);
                }
                archives = fixture->line = 0;
        }
}

/* The archive cannot be written for a while: lines wait where they are, and none is written over by the next full log. */
static void test_archive_refuses(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *first = archive_name(1800000000, ".new");

        open_log(fixture, 20);
        write_lines(fixture, 20);
        set_time(fixture, "var/nephronix.log", 1800000000);
        tree_folder(&fixture->tree, first); /* in the way of what is to be packed */
        assert_int_equal(text_log_rotate(fixture->log), -EISDIR);
        assert_all_lines(fixture, 0);
        for (int i = 0; i < 3; i++) {
                write_lines(fixture, 20);
                set_time(fixture, "var/nephronix.log", 1800000000); /* the same second: they would have one name */
                assert_true(text_log_rotate(fixture->log) < 0);
                assert_all_lines(fixture, 0);
        }
        tree_delete(&fixture->tree, first);
        assert_int_equal(text_log_rotate(fixture->log), 0); /* the first is packed; the second waits for another name */
        assert_all_lines(fixture, 1);
        set_time(fixture, "var/nephronix.log", 1800000001);
        assert_int_equal(text_log_rotate(fixture->log), 1);
        assert_all_lines(fixture, 2);
}

static int rotate_on_full_disk(void *context) {
        struct fixture *fixture = context;
        struct text_log *log = NULL;
        struct text_log_place place;
        _cleanup_buffer_ struct buffer block = BUFFER_NULL;
        uint32_t number = 1;

        for (size_t i = 0; i < 60000; i++) {
                number = number * 1664525 + 1013904223;
                buffer_append_byte(&block, (uint8_t)(number >> 24));
        }
        if (text_log_open(fixture->path, fixture->archive, 50000, &log) < 0 || text_log_place(log, &place) < 0 ||
            text_log_append_at(log, &place, buffer_bytes(&block)) < 0)
                return 1;
        if (text_log_rotate(log) != -ENOSPC)
                return 2;
        (void)text_log_close(log);
        log = NULL;
        if (text_log_open(fixture->path, fixture->archive, 50000, &log) < 0) /* full or not, it starts */
                return 3;
        if (text_log_place(log, &place) < 0 || text_log_append_at(log, &place, bytes_of_string("after\n")) < 0)
                return 4;
        return 0;
}

static void test_full_disk(void **state) {
        struct fixture *fixture = *state;

        tree_folder(&fixture->tree, "archive");
        if (!on_small_disk(fixture->archive, "32k", rotate_on_full_disk, fixture))
                skip();
        /* there is room again */
        open_log(fixture, 50000);
        {
                _cleanup_free_ char *rotating = tree_path(&fixture->tree, "var/nephronix.log.rotating");
                struct dirent **entries = NULL;
                int count = scandir(fixture->archive, &entries, is_archive, alphasort);

                assert_int_equal(count, 1);
                free(entries[0]);
                free(entries);
                assert_int_equal(access(rotating, F_OK), -1);
                assert_content(fixture, "after\n");
        }
}


static void test_harm(void **state) {
        struct fixture *fixture = *state;
        int fd;

        open_log(fixture, 10);
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_STANDS);
        write_block(fixture, "0123456789\n");
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_STANDS);
        assert_int_equal(text_log_rotate(fixture->log), 1);
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_STANDS); /* that was us */

        write_block(fixture, "0123456789\n");
        assert_int_equal(truncate(fixture->path, 3), 0);
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_CUT);
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_STANDS); /* said once */
        assert_int_equal(truncate(fixture->path, 0), 0);
        write_block(fixture, "a\n");    /* whoever writes before it is asked does not hide it */
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_CUT);
        assert_int_equal(unlink(fixture->path), 0);
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_GONE);
        write_block(fixture, "b\n");
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_STANDS);

        assert_int_equal(unlink(fixture->path), 0);
        fd = open(fixture->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0 && write(fd, "b\n", 2) == 2);
        (void)close(fd);
        assert_int_equal(text_log_stand(fixture->log), TEXT_LOG_GONE);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                LOG_TEST(test_opened),      LOG_TEST(test_standing),        LOG_TEST(test_not_standing), LOG_TEST(test_no_room),
                LOG_TEST(test_append_only), LOG_TEST(test_moved),           LOG_TEST(test_rotated),      LOG_TEST(test_same_second),
                LOG_TEST(test_interrupted), LOG_TEST(test_archive_refuses), LOG_TEST(test_full_disk),  LOG_TEST(test_zeros),
                LOG_TEST(test_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
