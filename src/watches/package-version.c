#include "package-version.h"

struct version {
        struct bytes epoch, main, revision;
};

static bool is_digit(uint8_t byte) {
        return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte) {
        return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static void skip(struct bytes *text, size_t size) {
        if (size)
                *text = bytes_of(text->data + size, text->size - size);
}

/* 0 at the end: no character of a version orders there. */
static uint8_t first(struct bytes text) {
        return text.size ? text.data[0] : 0;
}

static struct bytes take_while(struct bytes *text, bool (*is)(uint8_t byte)) {
        struct bytes taken;
        size_t size = 0;

        while (size < text->size && is(text->data[size]))
                size++;
        taken = bytes_of(text->data, size);
        skip(text, size);
        return taken;
}

/* Numbers of any length: without leading zeros the longer one is the larger. */
static int compare_digits(struct bytes a, struct bytes b) {
        while (first(a) == '0')
                skip(&a, 1);
        while (first(b) == '0')
                skip(&b, 1);
        if (a.size != b.size)
                return a.size < b.size ? -1 : 1;
        return bytes_compare(a, b);
}

static struct version split(struct bytes text) {
        struct version version = { .main = text };

        for (size_t i = 0; i < text.size; i++)
                if (text.data[i] == ':') {
                        version.epoch = bytes_of(text.data, i);
                        skip(&version.main, i + 1);
                        break;
                }
        for (size_t i = version.main.size; i > 0; i--)
                if (version.main.data[i - 1] == '-') {
                        version.revision = bytes_of(version.main.data + i, version.main.size - i);
                        version.main.size = i - 1;
                        break;
                }
        return version;
}

/* '~' before the end, the end before letters, letters before all else. */
static int deb_weight(struct bytes text) {
        if (text.size == 0 || is_digit(text.data[0]))
                return 0;
        if (text.data[0] == '~')
                return -1;
        return is_letter(text.data[0]) ? text.data[0] : text.data[0] + 256;
}

static int compare_deb_part(struct bytes a, struct bytes b) {
        while (a.size || b.size) {
                int order;

                while ((a.size && !is_digit(a.data[0])) || (b.size && !is_digit(b.data[0]))) {
                        order = deb_weight(a) - deb_weight(b);
                        if (order)
                                return order;
                        skip(&a, 1);
                        skip(&b, 1);
                }
                order = compare_digits(take_while(&a, is_digit), take_while(&b, is_digit));
                if (order)
                        return order;
        }
        return 0;
}

int package_version_compare_deb(struct bytes a, struct bytes b) {
        struct version left = split(a), right = split(b);
        int order = compare_digits(left.epoch, right.epoch);

        if (!order)
                order = compare_deb_part(left.main, right.main);
        return order ? order : compare_deb_part(left.revision, right.revision);
}

static bool only_separates(uint8_t byte) {
        return !is_digit(byte) && !is_letter(byte) && byte != '~' && byte != '^';
}

static int compare_rpm_part(struct bytes a, struct bytes b) {
        for (;;) {
                struct bytes left, right;
                int order;

                (void)take_while(&a, only_separates);
                (void)take_while(&b, only_separates);
                if (first(a) == '~' || first(b) == '~') {
                        if (first(a) != '~' || first(b) != '~')
                                return first(a) == '~' ? -1 : 1;
                        skip(&a, 1);
                        skip(&b, 1);
                        continue;
                }
                if (first(a) == '^' || first(b) == '^') {
                        if (a.size == 0 || b.size == 0)
                                return a.size == 0 ? -1 : 1;
                        if (first(a) != '^' || first(b) != '^')
                                return first(a) == '^' ? -1 : 1;
                        skip(&a, 1);
                        skip(&b, 1);
                        continue;
                }
                if (a.size == 0 || b.size == 0)
                        return a.size ? 1 : b.size ? -1 : 0;
                if (is_digit(a.data[0]) != is_digit(b.data[0]))
                        return is_digit(a.data[0]) ? 1 : -1; /* a number is newer than a word */
                if (is_digit(a.data[0])) {
                        left = take_while(&a, is_digit);
                        right = take_while(&b, is_digit);
                        order = compare_digits(left, right);
                } else {
                        left = take_while(&a, is_letter);
                        right = take_while(&b, is_letter);
                        order = bytes_compare(left, right);
                }
                if (order)
                        return order;
        }
}

int package_version_compare_rpm(struct bytes a, struct bytes b) {
        struct version left = split(a), right = split(b);
        int order = compare_digits(left.epoch, right.epoch);

        if (!order)
                order = compare_rpm_part(left.main, right.main);
        return order ? order : compare_rpm_part(left.revision, right.revision);
}
