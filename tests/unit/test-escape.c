#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "escape.h"
#include "hostile.h"

static void escapes_the_hostile(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                escape_append(&buffer, hostile_table[i].in);
                assert_string_equal(buffer_string(&buffer), hostile_table[i].escaped);
                assert_int_equal(escape_is_clean(hostile_table[i].in), hostile_table[i].clean);
                assert_true(escape_is_clean(buffer_bytes(&buffer)));
        }
}

static void escapes_every_byte(void **state) {
        (void)state;
        for (unsigned byte = 0; byte < 256; byte++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
                uint8_t in = (uint8_t)byte;
                char expected[8];

                if (byte == '\\')
                        (void)snprintf(expected, sizeof(expected), "\\\\");
                else if (byte >= 0x20 && byte < 0x7f)
                        (void)snprintf(expected, sizeof(expected), "%c", (int)byte);
                else
                        (void)snprintf(expected, sizeof(expected), "\\x%02x", byte);
                escape_append(&buffer, bytes_of(&in, 1));
                assert_string_equal(buffer_string(&buffer), expected);
        }
}

/* Cleanness is judged eight bytes at a time: every byte at every place among them. */
static void judges_every_place(void **state) {
        (void)state;
        for (unsigned byte = 0; byte < 256; byte++)
                for (size_t place = 0; place < 17; place++) {
                        uint8_t in[17];

                        memset(in, 'a', sizeof(in));
                        in[place] = (uint8_t)byte;
                        assert_int_equal(escape_is_clean(bytes_of(in, sizeof(in))), byte >= 0x20 && byte < 0x7f);
                }
}

static void escapes_long_names(void **state) {
        _cleanup_buffer_ struct buffer name = BUFFER_NULL, buffer = BUFFER_NULL;

        (void)state;
        buffer_append_fill(&name, 'a', 4096);
        escape_append(&buffer, buffer_bytes(&name));
        assert_true(bytes_equal(buffer_bytes(&name), buffer_bytes(&buffer)));

        buffer_clear(&name);
        buffer_clear(&buffer);
        buffer_append_fill(&name, '\n', 4096);
        escape_append(&buffer, buffer_bytes(&name));
        assert_int_equal(buffer.size, 4 * 4096);
        assert_memory_equal(buffer.data + 4 * 4095, "\\x0a", 4);
}

static void reads_sequences(void **state) {
        static const struct {
                struct bytes in;
                size_t length;
                uint32_t code;
        } table[] = {
                { HOSTILE_BYTES(""), 0, 0 },
                { HOSTILE_BYTES("a"), 1, 'a' },
                { HOSTILE_BYTES("\0"), 1, 0 },
                { HOSTILE_BYTES("\x7f\x80"), 1, 0x7f },
                { HOSTILE_BYTES("\xc2\x80"), 2, 0x80 },
                { HOSTILE_BYTES("\xdf\xbf"), 2, 0x7ff },
                { HOSTILE_BYTES("\xe0\xa0\x80"), 3, 0x800 },
                { HOSTILE_BYTES("\xed\x9f\xbf"), 3, 0xd7ff },
                { HOSTILE_BYTES("\xee\x80\x80"), 3, 0xe000 },
                { HOSTILE_BYTES("\xef\xbf\xbf"), 3, 0xffff },
                { HOSTILE_BYTES("\xf0\x90\x80\x80"), 4, 0x10000 },
                { HOSTILE_BYTES("\xf4\x8f\xbf\xbf"), 4, 0x10ffff },
                { HOSTILE_BYTES("\xc1\xbf"), 0, 0 },
                { HOSTILE_BYTES("\xe0\x9f\xbf"), 0, 0 },
                { HOSTILE_BYTES("\xf0\x8f\xbf\xbf"), 0, 0 },
                { HOSTILE_BYTES("\xed\xbf\xbf"), 0, 0 },
                { HOSTILE_BYTES("\xf5\x80\x80\x80"), 0, 0 },
                { HOSTILE_BYTES("\xff"), 0, 0 },
                { HOSTILE_BYTES("\xe2\x28\xa1"), 0, 0 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                uint32_t code = 0;

                assert_int_equal(utf8_sequence(table[i].in, &code), table[i].length);
                assert_int_equal(code, table[i].code);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(escapes_the_hostile),
                cmocka_unit_test(escapes_every_byte),
                cmocka_unit_test(judges_every_place),
                cmocka_unit_test(escapes_long_names),
                cmocka_unit_test(reads_sequences),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
