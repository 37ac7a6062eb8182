#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "hostile.h"
#include "table.h"

static void harmless(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                const struct hostile *hostile = &hostile_table[i];

                output_safe(&text, hostile->in);
                if (hostile->clean)
                        assert_true(bytes_equal(buffer_bytes(&text), hostile->in));
                else
                        assert_string_equal(buffer_string(&text), hostile->escaped);
        }
}

static void styles(void **state) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        (void)state;
        output_styled(&text, true, STYLE_BAD, bytes_of_string("a\033b"));
        output_styled(&text, true, STYLE_PLAIN, bytes_of_string("c"));
        output_styled(&text, false, STYLE_BAD, bytes_of_string("d"));
        assert_string_equal(buffer_string(&text), "\033[31ma\\x1bb\033[0mcd");
}

/* Whatever stands in a line of valid JSON: what a terminal gets is clean, and the same JSON. */
static void json_for_terminals(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                json_t *value, *again;
                char *line;

                value = json_stringn((const char *)hostile_table[i].in.data, hostile_table[i].in.size);
                if (!value)
                        continue; /* not UTF-8: cannot stand in JSON */
                line = json_dumps(value, JSON_ENCODE_ANY);
                assert_non_null(line);
                output_json_harmless(&text, bytes_of_string(line));
                for (size_t k = 0; k < text.size; k++)
                        assert_true(text.data[k] >= 0x20 && text.data[k] != 0x7f);
                again = json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_true(json_equal(value, again));
                free(line);
                json_decref(value);
                json_decref(again);
        }
}

static void json_blanks(void **state) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        (void)state;
        output_json_harmless(&text, bytes_of_string("{\t\"a\":\r\"\xe2\x80\xae\xf3\xa0\x81\xa1\x7f\xff\"}"));
        assert_string_equal(buffer_string(&text), "{ \"a\": \"\\u202e\\udb40\\udc61\\u007f\\xff\"}");
}

static const struct table_column columns[] = { { "name", false }, { "size_now", true }, { "note", false }, { 0 } };

static void columns_fit(void **state) {
        _cleanup_(table_done) struct table table;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        (void)state;
        table_init(&table, columns);
        table_text(&table, STYLE_PLAIN, "a");
        table_text(&table, STYLE_PLAIN, "1");
        table_text(&table, STYLE_PLAIN, "x");
        table_text(&table, STYLE_BAD, "gr\xc3\xbc\xc3\x9f" "e");
        table_text(&table, STYLE_PLAIN, "123456789");
        table_text(&table, STYLE_PLAIN, "a\nb");
        table_write(&table, false, &text);
        assert_string_equal(buffer_string(&text), "NAME    SIZE NOW  NOTE\n"
                                                  "a              1  x\n"
                                                  "gr\xc3\xbc\xc3\x9f" "e  123456789  a\\x0ab\n");
}

/* One endless name does not push all others off the screen. */
static void a_long_cell_runs_over(void **state) {
        _cleanup_(table_done) struct table table;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        char name[4097];

        (void)state;
        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        table_init(&table, columns);
        for (int row = 0; row < 2; row++) {
                table_text(&table, STYLE_PLAIN, row ? "b" : name);
                table_text(&table, STYLE_PLAIN, "1");
                table_text(&table, STYLE_PLAIN, "x");
        }
        table_write(&table, false, &text);
        assert_non_null(strstr(buffer_string(&text), "\nb                                                1  x\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(harmless),
                cmocka_unit_test(styles),
                cmocka_unit_test(json_for_terminals),
                cmocka_unit_test(json_blanks),
                cmocka_unit_test(columns_fit),
                cmocka_unit_test(a_long_cell_runs_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
