/* Whatever the text: entries hold what their contract says, on lines that are there, and errors have words. */
#include <errno.h>
#include <stdlib.h>

#include "escape.h"
#include "ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so) {
        if (!so)
                abort();
}

static void expect_text(const char *text) {
        for (const char *tab = text; *tab; tab++)
                expect(*tab == '\t' || ((unsigned char)*tab >= 0x20 && *tab != 0x7f));
        for (size_t at = 0, length; text[at]; at += length) {
                uint32_t code;

                length = utf8_sequence(bytes_of_string(text + at), &code);
                expect(length > 0);
        }
}

struct seen {
        unsigned line, lines;
};

static int entry(void *context, const struct ini_entry *entry) {
        struct seen *seen = context;

        expect(entry->line > seen->line && entry->line <= seen->lines);
        seen->line = entry->line;
        expect(entry->section && entry->section[0]);
        expect(!entry->key == !entry->value);
        expect_text(entry->section);
        if (entry->label)
                expect_text(entry->label);
        if (entry->key) {
                expect(entry->key[0] != '\0');
                expect_text(entry->key);
                expect_text(entry->value);
        }
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct seen seen = { .lines = 1 };
        struct ini_error error;
        int r;

        for (size_t i = 0; i < size; i++)
                seen.lines += data[i] == '\n';
        r = ini_parse(bytes_of(data, size), entry, &seen, &error);
        expect(r == 0 || r == -EBADMSG);
        expect((r == 0) == (error.text == NULL));
        expect(!error.text || (error.line >= 1 && error.line <= seen.lines));
        return 0;
}
