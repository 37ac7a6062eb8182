/* test-hunks.c - the lines of a classic diff, compared with what diff(1) says of the same two documents. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "dat.h"
#include "hunks.h"

enum { KEYS = 12, SECTIONS = 2 };

/* ---- streams over arrays ---- */

struct side {
        struct stream stream;
        const struct record *records;
        size_t count, at;
        int error;              /* at the end */
};

static int side_next(struct stream *stream, struct record *ret) {
        struct side *side = container_of(stream, struct side, stream);

        if (side->at == side->count)
                return side->error;
        *ret = side->records[side->at++];
        return 1;
}

static struct side side_of(const struct record *records, size_t count) {
        return (struct side){ .stream = { .next = side_next }, .records = records, .count = count };
}

/* ---- what comes out ---- */

struct listener {
        struct hunks_out out;
        struct buffer diff, before, now;
        int answer;
};

static int add(struct listener *listener, struct buffer *buffer, struct bytes line) {
        assert_true(line.size == 0 || !memchr(line.data, '\n', line.size));
        buffer_append_bytes(buffer, line);
        buffer_append_byte(buffer, '\n');
        return listener->answer;
}

static int on_diff(struct hunks_out *out, struct bytes line) {
        struct listener *listener = container_of(out, struct listener, out);

        return add(listener, &listener->diff, line);
}

static int on_now(struct hunks_out *out, struct bytes line) {
        struct listener *listener = container_of(out, struct listener, out);

        return add(listener, &listener->now, line);
}

static int on_before(struct hunks_out *out, struct bytes line) {
        struct listener *listener = container_of(out, struct listener, out);

        return add(listener, &listener->before, line);
}

static struct listener listener_of(void) {
        return (struct listener){ .out = { .diff = on_diff, .now = on_now, .before = on_before } };
}

static void listener_done(struct listener *listener) {
        buffer_done(&listener->diff);
        buffer_done(&listener->before);
        buffer_done(&listener->now);
}

static void assert_text(struct buffer *buffer, const char *expected) {
        assert_string_equal(buffer_string(buffer), expected);
}

/* ---- documents ---- */

static const struct field fields[] = {
        { "name", NULL, FIELD_TEXT, 0 },
        { "value", NULL, FIELD_TEXT, 0 },
        { "shown", NULL, FIELD_FLAG, 0 },
        { 0 },
};

static const struct column named[] = { { .field = "name" }, { .before = " ", .field = "value" }, { 0 } };
static const struct column nameless[] = { { .field = "value" }, { 0 } };

static const struct document lines = { .name = "test", .columns = named };
static const struct document some_lines = { .name = "test", .columns = named, .line_if = "shown" };
static const struct document same_lines = { .name = "test", .columns = nameless };
static const struct document one_line = { .name = "test", .columns = nameless, .joined = true };

static unsigned seed;

static unsigned dice(unsigned sides) {
        return (unsigned)rand_r(&seed) % sides;
}

static size_t roll(struct record records[KEYS], unsigned section, unsigned density) {
        static const char *const names[SECTIONS][KEYS] = {
                { "a", "a-b", "a/x", "aa", "b", "c", "d", "e", "\xc3\xbc", "\xff", "\xff\n", "\xff\\" },
                { "---", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "< x" },
        };
        static const char *const values[] = { "1", "2", "" };
        size_t count = 0;

        for (size_t i = 0; i < KEYS; i++) {
                struct record record = { .key = bytes_of_string(names[section][i]) };

                if (dice(10) >= density)
                        continue;
                record.values[0] = value_bytes(record.key);
                if (dice(5))
                        record.values[1] = value_string(values[dice(10) ? 0 : dice(3)]);
                if (dice(3))
                        record.values[2] = value_number(1);
                records[count++] = record;
        }
        return count;
}

/* Writes the document the plain way: header, then the line of each record that has one. */
static void render(struct buffer *text, const struct document *document, const struct record *records, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (dat_line(text, document, fields, &records[i]))
                        buffer_append_byte(text, '\n');
}

static int memory_file(const struct buffer *buffer) {
        int fd = memfd_create("document", 0); /* diff(1) opens it as /dev/fd/N */

        assert_true(fd >= 0);
        assert_int_equal(write(fd, buffer->data, buffer->size), buffer->size);
        return fd;
}

/* What diff(1) says; false if there is none on this host. */
static bool real_diff(const struct buffer *before, const struct buffer *now, struct buffer *ret) {
        int old = memory_file(before), new = memory_file(now), ends[2], status;
        char old_path[32], new_path[32], part[4096];
        ssize_t n;
        pid_t child;

        (void)snprintf(old_path, sizeof(old_path), "/dev/fd/%d", old);
        (void)snprintf(new_path, sizeof(new_path), "/dev/fd/%d", new);
        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)dup2(ends[1], STDOUT_FILENO);
                (void)close(ends[0]);
                (void)execlp("diff", "diff", "-a", old_path, new_path, (char *)NULL);
                _exit(127);
        }
        (void)close(ends[1]);
        while ((n = read(ends[0], part, sizeof(part))) > 0)
                buffer_append(ret, part, (size_t)n);
        (void)close(ends[0]);
        (void)close(old);
        (void)close(new);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 2);
        return WEXITSTATUS(status) != 127;
}

static void test_like_diff(void **unused) {
        static const struct {
                const struct document *document;
                const char *header;
                unsigned density_before, density_now;
        } cases[] = {
                { &lines, NULL, 6, 6 },      { &lines, "Head\n====\n", 6, 6 }, { &lines, NULL, 9, 9 },
                { &lines, NULL, 9, 1 },      { &lines, NULL, 0, 6 },           { &lines, NULL, 6, 0 },
                { &some_lines, NULL, 8, 8 }, { &some_lines, "Head\n", 5, 5 },  { &lines, "", 0, 0 },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases) * 12; i++) {
                const size_t which = i % ELEMENTS(cases);
                struct record before[SECTIONS][KEYS], now[SECTIONS][KEYS];
                struct listener listener = listener_of();
                struct hunks *hunks = hunks_new(&listener.out, cases[which].header, NULL, true);
                _cleanup_buffer_ struct buffer old = BUFFER_NULL, new = BUFFER_NULL, real = BUFFER_NULL;

                assert_non_null(hunks);
                if (cases[which].header) {
                        buffer_append_string(&old, cases[which].header);
                        buffer_append_string(&new, cases[which].header);
                }
                for (unsigned section = 0; section < SECTIONS; section++) {
                        size_t count_before = roll(before[section], section, cases[which].density_before);
                        size_t count_now = roll(now[section], section, cases[which].density_now);
                        struct side was = side_of(before[section], count_before), is = side_of(now[section], count_now);

                        render(&old, cases[which].document, before[section], count_before);
                        render(&new, cases[which].document, now[section], count_now);
                        assert_int_equal(hunks_section(hunks, cases[which].document, fields, &was.stream, &is.stream), 0);
                }
                assert_int_equal(hunks_end(hunks), 0);
                (void)hunks_free(hunks);
                assert_text(&listener.before, buffer_string(&old));
                assert_text(&listener.now, buffer_string(&new));
                if (!real_diff(&old, &new, &real)) {
                        listener_done(&listener);
                        skip();
                }
                assert_text(&listener.diff, buffer_string(&real));
                listener_done(&listener);
        }
}

/* ---- a diff that was not made by diff(1) must still lead from one document to the other ---- */

static const char *line_at(const char *text, size_t number) {
        while (number-- > 0) {
                text = strchr(text, '\n');
                assert_non_null(text);
                text++;
        }
        return text;
}

static void take_lines(const char **diff, const char *mark, size_t count, struct buffer *ret) {
        while (count-- > 0) {
                const char *end = strchr(*diff, '\n');

                assert_non_null(end);
                assert_int_equal(strncmp(*diff, mark, 2), 0);
                buffer_append(ret, *diff + 2, (size_t)(end + 1 - *diff) - 2);
                *diff = end + 1;
        }
}

/* Applies a classic diff to a document. */
static void apply(const char *diff, const char *document, struct buffer *ret) {
        size_t passed = 0;

        while (*diff) {
                unsigned long old, old_last, new, new_last;
                _cleanup_buffer_ struct buffer taken = BUFFER_NULL;
                const char *from = line_at(document, passed);
                char *end, kind;

                old = old_last = strtoul(diff, &end, 10);
                if (*end == ',')
                        old_last = strtoul(end + 1, &end, 10);
                kind = *end;
                new = new_last = strtoul(end + 1, &end, 10);
                if (*end == ',')
                        new_last = strtoul(end + 1, &end, 10);
                assert_int_equal(*end, '\n');
                assert_true(kind == 'a' || kind == 'd' || kind == 'c');
                diff = end + 1;
                /* "a" follows the old line, the others begin with it */
                old = kind == 'a' ? old : old - 1;
                assert_true(old >= passed);
                buffer_append(ret, from, (size_t)(line_at(document, old) - from));
                passed = old;
                if (kind != 'a') {
                        take_lines(&diff, "< ", old_last - old, &taken);
                        assert_int_equal(strncmp(line_at(document, old), buffer_string(&taken), taken.size), 0);
                        passed = old_last;
                }
                if (kind == 'c') {
                        assert_int_equal(strncmp(diff, "---\n", 4), 0);
                        diff += 4;
                }
                if (kind != 'd')
                        take_lines(&diff, "> ", new_last + 1 - new, ret);
        }
        buffer_append_string(ret, line_at(document, passed));
}

static void test_leads_from_old_to_new(void **unused) {
        (void)unused;
        for (int i = 0; i < 500; i++) {
                struct record before[KEYS], now[KEYS];
                struct side was = side_of(before, roll(before, 0, 6)), is = side_of(now, roll(now, 0, 6));
                struct listener listener = listener_of();
                struct hunks *hunks = hunks_new(&listener.out, NULL, NULL, true);
                _cleanup_buffer_ struct buffer result = BUFFER_NULL;

                assert_non_null(hunks);
                assert_int_equal(hunks_section(hunks, &same_lines, fields, &was.stream, &is.stream), 0);
                assert_int_equal(hunks_end(hunks), 0);
                (void)hunks_free(hunks);
                apply(buffer_string(&listener.diff), buffer_string(&listener.before), &result);
                assert_text(&listener.now, buffer_string(&result));
                listener_done(&listener);
        }
}

/* ---- headers, what is learned, one line ---- */

static struct record record_of(const char *name, const char *value, bool shown) {
        struct record record = { .key = bytes_of_string(name) };

        record.values[0] = value_string(name);
        record.values[1] = value_string(value);
        if (shown)
                record.values[2] = value_number(1);
        return record;
}

static void test_headers(void **unused) {
        const struct record a = record_of("a", "1", true), hidden = record_of("a", "1", false);
        const struct {
                const char *what, *header, *header_if;
                const struct record *before, *now;
                bool had_before;
                const char *diff, *current;
        } cases[] = {
                { "learned", "Head\n", NULL, NULL, &a, false, "0a1,2\n> Head\n> a 1\n", "Head\na 1\n" },
                { "learned, none", "Head\n", NULL, NULL, NULL, false, "0a1\n> Head\n", "Head\n" },
                { "learned, no header", NULL, NULL, NULL, &a, false, "0a1\n> a 1\n", "a 1\n" },
                { "emptied", "Head\n", NULL, &a, NULL, true, "2d1\n< a 1\n", "Head\n" },
                { "first", "Head\n", NULL, NULL, &a, true, "1a2\n> a 1\n", "Head\na 1\n" },
                { "only if, comes", "Head\n", "shown", NULL, &a, true, "0a1,2\n> Head\n> a 1\n", "Head\na 1\n" },
                { "only if, goes", "Head\n", "shown", &a, NULL, true, "1,2d0\n< Head\n< a 1\n", "" },
                { "only if, by another", "Head\n", "shown", &hidden, &a, true, "0a1\n> Head\n", "Head\na 1\n" },
                { "only if, by the other", "Head\n", "shown", &a, &hidden, true, "1d0\n< Head\n", "a 1\n" },
                { "only if, stays", "Head\n", "shown", &a, &a, true, "", "Head\na 1\n" },
                { "only if there is such a field", "Head\n", "other", &a, &a, true, "", "a 1\n" },
                { "header without its newline", "Head", NULL, NULL, NULL, false, "0a1\n> Head\n", "Head\n" },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct side was = side_of(cases[i].before, cases[i].before != NULL);
                struct side is = side_of(cases[i].now, cases[i].now != NULL);
                struct listener listener = listener_of();
                struct hunks *hunks = hunks_new(&listener.out, cases[i].header, cases[i].header_if, cases[i].had_before);

                assert_non_null(hunks);
                assert_int_equal(hunks_section(hunks, &lines, fields, &was.stream, &is.stream), 0);
                assert_int_equal(hunks_end(hunks), 0);
                (void)hunks_free(hunks);
                if (strcmp(buffer_string(&listener.diff), cases[i].diff) != 0 ||
                    strcmp(buffer_string(&listener.now), cases[i].current) != 0)
                        fail_msg("%s: \"%s\" \"%s\"", cases[i].what, buffer_string(&listener.diff),
                                 buffer_string(&listener.now));
                listener_done(&listener);
        }
}

static void test_joined(void **unused) {
        const struct record records[] = {
                record_of("1", "root", true), record_of("2", "alice", true), record_of("3", "root", true),
                record_of("4", "x\n\x1b", true),
        };
        const struct {
                size_t before, before_count, now, now_count;
                bool had_before;
                const char *diff, *current;
        } cases[] = {
                { 0, 3, 0, 3, true, "", "alice root root\n" },
                { 0, 1, 0, 3, true, "1c1\n< root\n---\n> alice root root\n", "alice root root\n" },
                { 0, 3, 0, 0, true, "1c1\n< alice root root\n---\n> \n", "\n" },
                { 0, 0, 0, 0, true, "", "\n" },
                { 0, 1, 2, 1, true, "", "root\n" }, /* another session of the same user: the line is the same */
                { 0, 0, 0, 2, false, "0a1\n> alice root\n", "alice root\n" },
                { 0, 1, 3, 1, true, "1c1\n< root\n---\n> x\\x0a\\x1b\n", "x\\x0a\\x1b\n" },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct side was = side_of(records + cases[i].before, cases[i].before_count);
                struct side is = side_of(records + cases[i].now, cases[i].now_count);
                struct listener listener = listener_of();
                struct hunks *hunks = hunks_new(&listener.out, NULL, NULL, cases[i].had_before);

                assert_non_null(hunks);
                assert_int_equal(hunks_section(hunks, &one_line, fields, &was.stream, &is.stream), 0);
                assert_int_equal(hunks_end(hunks), 0);
                (void)hunks_free(hunks);
                assert_text(&listener.diff, cases[i].diff);
                assert_text(&listener.now, cases[i].current);
                listener_done(&listener);
        }
}

/* ---- failures ---- */

static void test_failures(void **unused) {
        const struct record a = record_of("a", "1", true), b = record_of("b", "1", true);
        const struct document *const documents[] = { &lines, &one_line };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(documents); i++)
                for (int which = 0; which < 2; which++)
                        for (size_t count = 0; count < 2; count++) {
                                struct side was = side_of(&a, count), is = side_of(&b, count);
                                struct listener listener = listener_of();
                                struct hunks *hunks = hunks_new(&listener.out, "Head\n", NULL, true);

                                assert_non_null(hunks);
                                (which ? &was : &is)->error = -EBADMSG;
                                assert_int_equal(hunks_section(hunks, documents[i], fields, &was.stream, &is.stream), -EBADMSG);
                                (void)hunks_free(hunks);
                                listener_done(&listener);
                        }
        for (int which = 0; which < 3; which++) { /* whoever takes the lines says stop */
                struct side was = side_of(&a, 1), is = side_of(&b, 1);
                struct listener listener = listener_of();
                struct hunks *hunks;
                int r;

                listener.answer = -ENOSPC;
                if (which != 0)
                        listener.out.before = NULL;
                if (which != 1)
                        listener.out.now = NULL;
                hunks = hunks_new(&listener.out, NULL, NULL, true);
                assert_non_null(hunks);
                r = hunks_section(hunks, &lines, fields, &was.stream, &is.stream);
                if (which == 2) {
                        assert_int_equal(r, 0);
                        r = hunks_end(hunks);
                }
                assert_int_equal(r, -ENOSPC);
                (void)hunks_free(hunks);
                listener_done(&listener);
        }
        assert_null(hunks_free(NULL));
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_like_diff),
                cmocka_unit_test(test_leads_from_old_to_new),
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_joined),
                cmocka_unit_test(test_failures),
        };

        if (argc > 1)
                seed = (unsigned)strtoul(argv[1], NULL, 10);
        else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                return 1;
        (void)printf("seed %u\n", seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
