/* ledger-folder.h - a ledger's folder for tests, and the sequences of the lines that a reader finds in it. */
#pragma once

#include <dirent.h>
#include <errno.h>

#include "ledger-reader.h"
#include "ledger.h"
#include "tree.h"

struct ledger_folder {
        struct tree tree;
        char *path;             /* owned */
        struct ledger *ledger;
};

static inline int set_up(void **state) {
        struct ledger_folder *folder = calloc(1, sizeof(*folder));

        assert_non_null(folder);
        tree_make(&folder->tree);
        folder->path = tree_path(&folder->tree, "ledger");
        *state = folder;
        return 0;
}

static inline int tear_down(void **state) {
        struct ledger_folder *folder = *state;

        folder->ledger = ledger_close(folder->ledger);
        tree_remove(&folder->tree);
        free(folder->path);
        free(folder);
        return 0;
}

static inline void open_ledger(struct ledger_folder *folder, uint64_t segment_size) {
        folder->ledger = ledger_close(folder->ledger);
        assert_int_equal(ledger_open(folder->path, segment_size, &folder->ledger), 0);
}

/* The line of a sequence, as long as the test wants it. */
static inline void line_of(struct buffer *line, uint64_t sequence, size_t size) {
        buffer_clear(line);
        buffer_printf(line, "{\"event\":{\"sequence\":%llu},\"message\":\"", (unsigned long long)sequence);
        if (size > line->size + 2)
                buffer_append_fill(line, 'x', size - line->size - 2);
        buffer_append_string(line, "\"}");
        assert_int_equal(buffer_error(line), 0);
}

static inline int append(struct ledger_folder *folder, uint64_t sequence, size_t size) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;

        line_of(&line, sequence, size);
        return ledger_append(folder->ledger, sequence, buffer_bytes(&line));
}

static inline void append_lines(struct ledger_folder *folder, uint64_t first, uint64_t last) {
        for (uint64_t i = first; i <= last; i++)
                assert_int_equal(append(folder, i, 0), 0);
}

/* Takes the link out of a line, which must have one, unless a test left it there. */
static inline void unlink_line(struct buffer *line) {
        static const char mark[] = ",\"nephronix\":{\"chain\":{";
        uint8_t *at = memmem(line->data, line->size, mark, sizeof(mark) - 1);
        struct chain_link link;

        if (!at)
                return;
        assert_int_equal(chain_read(buffer_bytes(line), &link), 1);
        line->size = (size_t)(at - line->data);
        buffer_append_byte(line, '}');
}

/* What a reader finds from where it stands: "1 2 3", a number that no line has as "?", -EBADMSG as "!". */
static inline void read_on(struct ledger_reader *reader, struct buffer *ret) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        int r;

        while ((r = ledger_reader_next(reader, &line)) != 0) {
                uint64_t sequence;

                if (ret->size)
                        buffer_append_byte(ret, ' ');
                if (r < 0) {
                        assert_int_equal(r, -EBADMSG);
                        buffer_append_byte(ret, '!');
                } else if (ledger_line_sequence(buffer_bytes(&line), &sequence) == 1) {
                        _cleanup_buffer_ struct buffer expected = BUFFER_NULL;

                        unlink_line(&line);
                        line_of(&expected, sequence, line.size);
                        assert_string_equal(buffer_string(&line), buffer_string(&expected));
                        buffer_printf(ret, "%llu", (unsigned long long)sequence);
                } else {
                        buffer_append_byte(ret, '?');
                }
        }
}

static inline void assert_reads(struct ledger_folder *folder, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;
        struct ledger_reader *reader = NULL;

        assert_int_equal(ledger_reader_open(folder->path, &reader), 0);
        read_on(reader, &found);
        (void)ledger_reader_close(reader);
        assert_string_equal(buffer_string(&found), expected);
}

static inline int take_all(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

/* The names in the folder, without "events-" and the zeros before the number: "1.jsonl.gz 3.jsonl". */
static inline void assert_files(struct ledger_folder *folder, const char *expected) {
        _cleanup_buffer_ struct buffer found = BUFFER_NULL;
        struct dirent **entries = NULL;
        int count = scandir(folder->path, &entries, take_all, alphasort);

        assert_true(count >= 0);
        for (int i = 0; i < count; i++) {
                const char *name = entries[i]->d_name;

                if (strncmp(name, LEDGER_PREFIX, strlen(LEDGER_PREFIX)) == 0) {
                        name += strlen(LEDGER_PREFIX);
                        name += strspn(name, "0");
                }
                if (found.size)
                        buffer_append_byte(&found, ' ');
                buffer_append_string(&found, name);
                free(entries[i]);
        }
        free(entries);
        assert_string_equal(buffer_string(&found), expected);
}

static inline void segment_name(char ret[64], uint64_t number, const char *suffix) {
        (void)snprintf(ret, 64, "ledger/" LEDGER_PREFIX "%020llu%s", (unsigned long long)number, suffix);
}

/* Writes a file that a crash, a clumsy admin or a bad disk left there. */
static inline void leave(struct ledger_folder *folder, uint64_t number, const char *suffix, const void *data, size_t size) {
        char name[64];

        segment_name(name, number, suffix);
        tree_write(&folder->tree, name, data, size);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
