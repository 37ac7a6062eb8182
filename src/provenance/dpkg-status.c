#include "dpkg-status.h"

#include <strings.h>

#include "ownership.h"
#include "text-line.h"

/* A word of the Status field and its letter in the first column of dpkg -l. */
struct word {
        const char *text;
        char letter;
};

static const struct word wants[] = {
        { "unknown", 'u' }, { "install", 'i' }, { "hold", 'h' }, { "deinstall", 'r' }, { "purge", 'p' },
};

static const struct word flags[] = {
        { "ok", ' ' }, { "reinstreq", 'R' },
};

static const struct word states[] = {
        [DPKG_NOT_INSTALLED] = { "not-installed", 'n' },
        [DPKG_CONFIG_FILES] = { "config-files", 'c' },
        [DPKG_HALF_INSTALLED] = { "half-installed", 'H' },
        [DPKG_UNPACKED] = { "unpacked", 'U' },
        [DPKG_HALF_CONFIGURED] = { "half-configured", 'F' },
        [DPKG_TRIGGERS_AWAITED] = { "triggers-awaited", 'W' },
        [DPKG_TRIGGERS_PENDING] = { "triggers-pending", 't' },
        [DPKG_INSTALLED] = { "installed", 'i' },
};

static bool is_blank(uint8_t byte) {
        return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct bytes trim(struct bytes text) {
        while (text.size && is_blank(text.data[0]))
                text = bytes_of(text.data + 1, text.size - 1);
        while (text.size && is_blank(text.data[text.size - 1]))
                text.size--;
        return text;
}

static bool same_word(struct bytes text, const char *word) {
        size_t size = strlen(word);

        return text.size == size && strncasecmp((const char *)text.data, word, size) == 0;
}

/* Cuts the next word off the text; empty at the end. */
static struct bytes take_word(struct bytes *text) {
        struct bytes word;
        size_t size = 0;

        *text = trim(*text);
        while (size < text->size && !is_blank(text->data[size]))
                size++;
        word = bytes_of(text->data, size);
        if (size)
                *text = bytes_of(text->data + size, text->size - size);
        return word;
}

static size_t find_word(const struct word *words, size_t count, struct bytes text) {
        size_t i = 0;

        while (i < count && !same_word(text, words[i].text))
                i++;
        return i;
}

static char letter(const struct word *words, size_t count, struct bytes text) {
        size_t i = find_word(words, count, text);

        return i < count ? words[i].letter : '?';
}

enum dpkg_state dpkg_status_state(struct bytes status) {
        if (trim(status).size == 0)
                return DPKG_NOT_INSTALLED;
        (void)take_word(&status);
        (void)take_word(&status);
        _Static_assert(ELEMENTS(states) == DPKG_STATE_OTHER, "a state without its word");
        return (enum dpkg_state)find_word(states, ELEMENTS(states), take_word(&status));
}

static void abbreviate(struct dpkg_paragraph *paragraph) {
        struct bytes status = paragraph->status;

        if (status.size == 0) {
                memcpy(paragraph->abbreviation, "un ", DPKG_ABBREVIATION_SIZE);
                return;
        }
        paragraph->abbreviation[0] = letter(wants, ELEMENTS(wants), take_word(&status));
        paragraph->abbreviation[2] = letter(flags, ELEMENTS(flags), take_word(&status));
        paragraph->abbreviation[1] = letter(states, ELEMENTS(states), take_word(&status));
}

static bool has_nul(struct bytes text) {
        return text.size && memchr(text.data, '\0', text.size);
}

/* False if the line is no field. The first of two equal fields counts. *ret_lines: where the lines go that continue it; NULL:
 * they are of no interest. */
static bool take_field(struct dpkg_paragraph *paragraph, struct bytes line, struct bytes **ret_lines) {
        const struct {
                const char *name;
                struct bytes *place;
        } wanted[] = {
                { "Package", &paragraph->package },
                { "Status", &paragraph->status },
                { "Version", &paragraph->version },
                { "Architecture", &paragraph->architecture },
                { "Description", &paragraph->description },
        };
        const uint8_t *colon = memchr(line.data, ':', line.size);
        struct bytes name, value;

        *ret_lines = NULL;
        if (!colon || colon == line.data)
                return false;
        name = trim(bytes_of(line.data, (size_t)(colon - line.data)));
        value = bytes_of(colon + 1, line.size - (size_t)(colon - line.data) - 1);
        if (same_word(name, "Conffiles") && paragraph->conffiles.size == 0)
                *ret_lines = &paragraph->conffiles;
        for (size_t i = 0; i < ELEMENTS(wanted); i++)
                if (same_word(name, wanted[i].name)) {
                        if (wanted[i].place->size == 0)
                                *wanted[i].place = trim(value);
                        break;
                }
        return true;
}

static void extend(struct bytes *lines, struct bytes line) {
        if (lines->size == 0)
                *lines = line;
        else
                lines->size = (size_t)(line.data - lines->data) + line.size;
}

bool dpkg_status_next(struct dpkg_status *reader, struct dpkg_paragraph *ret) {
        struct dpkg_paragraph found = { 0 };
        struct bytes *lines = NULL;
        bool begun = false;

        for (;;) {
                struct bytes line = BYTES_NULL;
                bool more = text_line_next(&reader->rest, &line);

                if (more && trim(line).size) {
                        begun = true;
                        /* After a blank the field before goes on: a long description, conffiles. */
                        if (!is_blank(line.data[0])) {
                                if (!take_field(&found, line, &lines))
                                        reader->damaged++;
                        } else if (lines)
                                extend(lines, line);
                        continue;
                }
                if (begun && found.package.size && !has_nul(found.package) && !has_nul(found.architecture)) {
                        found.state = dpkg_status_state(found.status);
                        abbreviate(&found);
                        *ret = found;
                        return true;
                }
                if (begun)
                        reader->nameless++;
                if (!more)
                        return false;
                found = (struct dpkg_paragraph){ 0 };
                lines = NULL;
                begun = false;
        }
}
