/* test-ledger-reader.c - the ledger read beside a daemon that writes, rotates and packs it, and what a damaged segment costs. */
#include "ledger-folder.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <zlib.h>

#include "fd.h"

static struct ledger_reader *reader_of(struct ledger_folder *folder) {
        struct ledger_reader *reader = NULL;

        assert_int_equal(ledger_reader_open(folder->path, &reader), 0);
        return reader;
}

static void assert_goes_on(struct ledger_reader *reader, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;

        read_on(reader, &found);
        assert_string_equal(buffer_string(&found), expected);
}

static void test_opened(void **state) {
        struct ledger_folder *folder = *state;
        struct ledger_reader *reader = NULL;

        assert_int_equal(ledger_reader_open(folder->path, &reader), -ENOENT);
        assert_null(reader);
        tree_text(&folder->tree, "file", "");
        assert_int_equal(ledger_reader_open("/dev/null", &reader), -ENOTDIR);
        open_ledger(folder, 100);
        assert_reads(folder, "");
        assert_null(ledger_reader_close(NULL));
}

static void test_follows(void **state) {
        struct ledger_folder *folder = *state;
        struct ledger_reader *reader;

        open_ledger(folder, 150);
        reader = reader_of(folder);
        assert_goes_on(reader, "");
        append_lines(folder, 1, 1); /* the first segment there ever was */
        assert_goes_on(reader, "1");
        append_lines(folder, 2, 4);
        assert_goes_on(reader, "2 3 4");
        assert_goes_on(reader, "");
        /* packed while we stand in it, at its end or not */
        append_lines(folder, 5, 5);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        assert_goes_on(reader, "5");
        append_lines(folder, 6, 10);
        {
                _cleanup_buffer_ struct buffer line = BUFFER_NULL;

                assert_int_equal(ledger_reader_next(reader, &line), 1);
        }
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 11, 15);
        assert_int_equal(ledger_rotate(folder->ledger), 1);
        append_lines(folder, 16, 16);
        assert_goes_on(reader, "7 8 9 10 11 12 13 14 15 16");
        (void)ledger_reader_close(reader);
}

/* A line is handed over when it is whole. */
static void test_torn(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        struct ledger_reader *reader;
        char name[64];
        int fd;

        tree_folder(&folder->tree, "ledger");
        leave(folder, 1, LEDGER_SUFFIX, "", 0);
        reader = reader_of(folder);
        assert_goes_on(reader, "");
        segment_name(name, 1, LEDGER_SUFFIX);
        {
                _cleanup_free_ char *path = tree_path(&folder->tree, name);

                fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        }
        assert_true(fd >= 0);
        line_of(&line, 1, 0);
        for (size_t i = 0; i < line.size; i++) {
                assert_int_equal(write(fd, line.data + i, 1), 1);
                assert_goes_on(reader, "");
        }
        assert_int_equal(write(fd, "\n", 1), 1);
        assert_goes_on(reader, "1");

        /* torn by a crash, cut off and written again: the same bytes */
        line_of(&line, 2, 0);
        assert_int_equal(write(fd, line.data, 20), 20);
        assert_goes_on(reader, "");
        open_ledger(folder, 1000000);
        append_lines(folder, 2, 3);
        assert_goes_on(reader, "2 3");

        /* torn for good: what stands behind it is read */
        assert_int_equal(write(fd, "{\"event\":", 9), 9);
        leave(folder, 4, LEDGER_SUFFIX, "", 0);
        open_ledger(folder, 1000000);
        append_lines(folder, 4, 4);
        assert_goes_on(reader, "4");
        (void)close(fd);
        (void)ledger_reader_close(reader);
}

static void pack(struct buffer *ret, const void *data, size_t size) {
        z_stream stream = { 0 };

        assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        buffer_clear(ret);
        buffer_append_fill(ret, 0, deflateBound(&stream, size));
        stream.next_in = (Bytef *)(uintptr_t)data;
        stream.avail_in = (uInt)size;
        stream.next_out = ret->data;
        stream.avail_out = (uInt)ret->size;
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        buffer_truncate(ret, stream.total_out);
        (void)deflateEnd(&stream);
}

/* Whatever is wrong with one packed segment, it is said, and the others are read. */
static void test_damaged(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_buffer_ struct buffer lines = BUFFER_NULL, packed = BUFFER_NULL;
        static const struct {
                const char *what;
                size_t cut;             /* bytes that are left; 0: all */
                size_t flip;            /* place of a byte that is wrong; 0: none */
                const char *instead;    /* all of it */
        } cases[] = {
                { "cut in its head", 5, 0, NULL },
                { "cut in the middle", 60, 0, NULL },
                { "only its last byte is missing", SIZE_MAX, 0, NULL },
                { "another method", 0, 2, NULL },
                { "a byte in the middle", 0, 40, NULL },
                { "its checksum", 0, SIZE_MAX - 5, NULL },
                { "empty", 0, 0, "" },
                { "no gzip", 0, 0, "{\"event\":{\"sequence\":1},\"message\":\"\"}\n" },
                { "no gzip, short", 0, 0, "x" },
        };

        for (uint64_t sequence = 1; sequence <= 9; sequence++) {
                _cleanup_buffer_ struct buffer line = BUFFER_NULL;

                line_of(&line, sequence, 300);
                buffer_append_bytes(&lines, buffer_bytes(&line));
                buffer_append_byte(&lines, '\n');
        }
        pack(&packed, lines.data, lines.size);
        tree_folder(&folder->tree, "ledger");
        leave(folder, 1, LEDGER_PACKED, packed.data, packed.size);
        leave(folder, 11, LEDGER_SUFFIX, "{\"event\":{\"sequence\":11},\"message\":\"\"}\n", 39);
        assert_reads(folder, "1 2 3 4 5 6 7 8 9 11");
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer damaged = BUFFER_NULL, found = BUFFER_NULL;
                struct ledger_reader *reader;

                buffer_append_bytes(&damaged, buffer_bytes(&packed));
                if (cases[i].instead) {
                        buffer_clear(&damaged);
                        buffer_append_string(&damaged, cases[i].instead);
                }
                if (cases[i].cut)
                        buffer_truncate(&damaged, cases[i].cut == SIZE_MAX ? packed.size - 1 : cases[i].cut);
                if (cases[i].flip)
                        damaged.data[cases[i].flip > packed.size ? packed.size - (SIZE_MAX - cases[i].flip) : cases[i].flip] ^= 0x55;
                leave(folder, 1, LEDGER_PACKED, damaged.data, damaged.size);
                reader = reader_of(folder);
                read_on(reader, &found);
                (void)ledger_reader_close(reader);
                /* lines before the damage may have come or not, but only theirs */
                if (!strstr(buffer_string(&found), "! 11") || strchr(buffer_string(&found), '?') ||
                    strchr(buffer_string(&found), '!') != strrchr(buffer_string(&found), '!'))
                        fail_msg("%s: %s", cases[i].what, buffer_string(&found));
        }
}

/* What lies under a segment's name and is none: said, and passed. */
static void test_no_file(void **state) {
        struct ledger_folder *folder = *state;
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        struct ledger_reader *reader;
        char name[64];
        _cleanup_free_ char *path = NULL;

        tree_folder(&folder->tree, "ledger");
        leave(folder, 3, LEDGER_SUFFIX, "{\"event\":{\"sequence\":3},\"message\":\"\"}\n", 38);
        segment_name(name, 1, LEDGER_SUFFIX);
        tree_folder(&folder->tree, name);
        segment_name(name, 2, LEDGER_SUFFIX);
        path = tree_path(&folder->tree, name);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        tree_text(&folder->tree, "ledger/events-copy.jsonl", "{\"event\":{\"sequence\":8}}\n");
        tree_text(&folder->tree, "ledger/events-00000000000000000009.jsonl.gz.new", "half");
        reader = reader_of(folder);
        assert_int_equal(ledger_reader_next(reader, &line), -EBADMSG);
        assert_int_equal(ledger_reader_next(reader, &line), -ELOOP);
        assert_int_equal(line.size, 0);
        assert_goes_on(reader, "3");
        (void)ledger_reader_close(reader);
}

/* Longer than any of ours: dropped, all of it. */
static void test_long_lines(void **state) {
        static const size_t sizes[] = { 65535, 65536, 65537, 1000000, 17 * 1024 * 1024 };
        struct ledger_folder *folder = *state;
        uint64_t sequence = 1;

        open_ledger(folder, UINT64_MAX);
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                assert_int_equal(append(folder, sequence++, sizes[i]), 0);
                append_lines(folder, sequence, sequence);
                sequence++;
        }
        assert_reads(folder, "1 2 3 4 5 6 7 8 10");
}

/* The daemon begins a segment for every line and packs the one before, as fast as it can: each line is read once, in order,
 * though it may be appended, rotated away and packed between any two looks of ours. */
static void test_beside_a_writer(void **state) {
        enum { LINES = 3000 };
        struct ledger_folder *folder = *state;
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        char memory[] = "/dev/shm/nephronix-test-XXXXXX"; /* where fsync(2) costs nothing */
        struct ledger_reader *reader;
        uint64_t last = 0;
        pid_t writer;
        int status;

        if (!mkdtemp(memory))
                skip();
        free(folder->path);
        folder->path = strdup(memory);
        open_ledger(folder, 1);
        writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (uint64_t i = 1; i <= LINES; i++) {
                        if (append(folder, i, 0) < 0 || (i % 3 == 0 && ledger_rotate(folder->ledger) < 0))
                                _exit(1);
                }
                _exit(0);
        }
        reader = reader_of(folder);
        (void)alarm(120);
        while (last < LINES) {
                uint64_t sequence = 0;
                int r = ledger_reader_next(reader, &line);

                assert_true(r >= 0);
                if (r == 0)
                        continue;
                assert_int_equal(ledger_line_sequence(buffer_bytes(&line), &sequence), 1);
                assert_int_equal(sequence, ++last);
        }
        (void)alarm(0);
        assert_int_equal(ledger_reader_next(reader, &line), 0);
        (void)ledger_reader_close(reader);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_int_equal(status, 0);
        (void)snprintf(folder->tree.root, sizeof(folder->tree.root), "%s", memory);
}

static void test_waits(void **state) {
        struct ledger_folder *folder = *state;
        struct ledger_reader *reader;
        pid_t writer;
        int status;

        open_ledger(folder, 1000000);
        append_lines(folder, 1, 1);
        reader = reader_of(folder);
        assert_goes_on(reader, "1");
        (void)alarm(30);
        assert_int_equal(ledger_reader_wait(reader), 0); /* from here on nothing is missed */
        assert_goes_on(reader, "");
        writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
                (void)usleep(50000);
                _exit(append(folder, 2, 0) < 0);
        }
        assert_int_equal(ledger_reader_wait(reader), 0);
        assert_goes_on(reader, "2");
        (void)alarm(0);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_int_equal(status, 0);
        (void)ledger_reader_close(reader);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                LEDGER_TEST(test_opened),     LEDGER_TEST(test_follows),         LEDGER_TEST(test_torn),
                LEDGER_TEST(test_damaged),    LEDGER_TEST(test_no_file),         LEDGER_TEST(test_long_lines),
                LEDGER_TEST(test_beside_a_writer), LEDGER_TEST(test_waits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
