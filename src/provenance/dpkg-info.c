#include "dpkg-info.h"

#include "text-line.h"

enum { DIGEST_DIGITS = 2 * DPKG_MD5_SIZE, DIGEST_GAP = 2 };

static struct bytes from(struct bytes text, size_t place) {
        return bytes_of(text.data + place, text.size - place);
}

static struct bytes without_slash(struct bytes path) {
        if (path.size == 0 || path.data[0] != '/')
                return BYTES_NULL;
        return from(path, 1);
}

struct bytes dpkg_info_list_path(struct bytes line) {
        return without_slash(line);
}

struct bytes dpkg_info_digest_path(struct bytes line) {
        struct bytes path;

        if (line.size <= DIGEST_DIGITS + DIGEST_GAP || line.data[DIGEST_DIGITS] != ' ')
                return BYTES_NULL;
        path = from(line, DIGEST_DIGITS + DIGEST_GAP);
        /* As dpkg: what packages of old have before it counts for nothing. */
        for (;;)
                if (path.size && path.data[0] == '/')
                        path = from(path, 1);
                else if (path.size > 1 && path.data[0] == '.' && path.data[1] == '/')
                        path = from(path, 2);
                else
                        return path;
}

static int hex_value(uint8_t digit) {
        if (digit >= '0' && digit <= '9')
                return digit - '0';
        if (digit >= 'a' && digit <= 'f')
                return digit - 'a' + 10;
        if (digit >= 'A' && digit <= 'F')
                return digit - 'A' + 10;
        return -1;
}

bool dpkg_info_digest(struct bytes line, uint8_t ret[DPKG_MD5_SIZE]) {
        uint8_t digest[DPKG_MD5_SIZE];

        if (line.size < DIGEST_DIGITS || (line.size > DIGEST_DIGITS && line.data[DIGEST_DIGITS] != ' '))
                return false;
        for (size_t i = 0; i < DPKG_MD5_SIZE; i++) {
                int high = hex_value(line.data[2 * i]), low = hex_value(line.data[2 * i + 1]);

                if (high < 0 || low < 0)
                        return false;
                digest[i] = (uint8_t)(high << 4 | low);
        }
        memcpy(ret, digest, sizeof(digest));
        return true;
}

/* The word at the end, cut off with the blanks before it. */
static struct bytes take_last_word(struct bytes *line) {
        size_t begin = line->size, size;
        struct bytes word;

        while (begin && line->data[begin - 1] != ' ')
                begin--;
        word = from(*line, begin);
        size = begin;
        while (size && line->data[size - 1] == ' ')
                size--;
        line->size = size;
        return word;
}

bool dpkg_info_conffile_next(struct bytes *lines, struct dpkg_conffile *ret) {
        struct bytes line;

        while (text_line_next(lines, &line)) {
                struct dpkg_conffile found = { .path = BYTES_NULL };
                struct bytes word, path;

                /* " /etc/with blanks/x 0123... obsolete": words at the end, because a path may hold blanks */
                while (line.size && line.data[0] == ' ')
                        line = from(line, 1);
                word = take_last_word(&line);
                while (bytes_equal(word, bytes_of_string("obsolete")) || bytes_equal(word, bytes_of_string("remove-on-upgrade")))
                        word = take_last_word(&line);
                path = without_slash(line);
                if (path.size == 0)
                        continue;
                found.path = path;
                found.has_digest = word.size == DIGEST_DIGITS && dpkg_info_digest(word, found.digest);
                *ret = found;
                return true;
        }
        return false;
}

bool dpkg_info_diversion_next(struct bytes *text, struct dpkg_diversion *ret) {
        struct bytes old, new, package;

        while (text_line_next(text, &old) && text_line_next(text, &new) && text_line_next(text, &package)) {
                struct dpkg_diversion found = { .from = without_slash(old), .to = without_slash(new), .package = package };

                if (found.from.size == 0 || found.to.size == 0 || package.size == 0)
                        continue;
                *ret = found;
                return true;
        }
        return false;
}

static struct bytes take_first_word(struct bytes *line) {
        size_t size = 0;
        struct bytes word;

        while (size < line->size && line->data[size] != ' ')
                size++;
        word = bytes_of(line->data, size);
        *line = from(*line, size < line->size ? size + 1 : size);
        return word;
}

static bool parse_mode(struct bytes text, unsigned *ret) {
        unsigned mode = 0;

        if (text.size == 0 || text.size > 5)
                return false;
        for (size_t i = 0; i < text.size; i++) {
                if (text.data[i] < '0' || text.data[i] > '7')
                        return false;
                mode = mode << 3 | (unsigned)(text.data[i] - '0');
        }
        if (mode > 07777)
                return false;
        *ret = mode;
        return true;
}

bool dpkg_info_override_next(struct bytes *text, struct dpkg_override *ret) {
        struct bytes line;

        while (text_line_next(text, &line)) {
                struct dpkg_override found;

                found.user = take_first_word(&line);
                found.group = take_first_word(&line);
                if (!parse_mode(take_first_word(&line), &found.mode))
                        continue;
                found.path = without_slash(line);
                if (found.user.size == 0 || found.group.size == 0 || found.path.size == 0)
                        continue;
                *ret = found;
                return true;
        }
        return false;
}

static bool parse_id(struct bytes text, uint32_t *ret) {
        uint64_t id = 0;

        if (text.size == 0)
                return false;
        for (size_t i = 0; i < text.size; i++) {
                if (text.data[i] < '0' || text.data[i] > '9')
                        return false;
                id = id * 10 + (uint64_t)(text.data[i] - '0');
                if (id > UINT32_MAX)
                        return false;
        }
        *ret = (uint32_t)id;
        return true;
}

/* The field before the next colon, cut off. */
static struct bytes take_account_field(struct bytes *line) {
        const uint8_t *colon = line->size ? memchr(line->data, ':', line->size) : NULL;
        struct bytes field = bytes_of(line->data, colon ? (size_t)(colon - line->data) : line->size);

        *line = colon ? from(*line, field.size + 1) : BYTES_NULL;
        return field;
}

bool dpkg_info_account_id(struct bytes accounts, struct bytes name, uint32_t *ret) {
        struct bytes line;

        if (name.size && name.data[0] == '#')
                return parse_id(from(name, 1), ret);
        while (name.size && text_line_next(&accounts, &line)) {
                if (!bytes_equal(take_account_field(&line), name))
                        continue;
                (void)take_account_field(&line);
                if (parse_id(take_account_field(&line), ret))
                        return true;
        }
        return false;
}

void dpkg_info_split_name(struct bytes name, struct bytes *ret_package, struct bytes *ret_architecture) {
        const uint8_t *colon = name.size ? memchr(name.data, ':', name.size) : NULL;

        *ret_package = name;
        *ret_architecture = BYTES_NULL;
        if (colon) {
                ret_package->size = (size_t)(colon - name.data);
                *ret_architecture = from(name, ret_package->size + 1);
        }
}
