#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "event-line.h"

static const struct {
        const char *what, *line, *shown;        /* shown NULL: refused */
} lines[] = {
        { "ordinary",
          "{\"@timestamp\":\"2026-11-23T22:34:03.123456Z\",\"event\":{\"severity\":4},"
          "\"message\":\"file /boot/x was created\","
          "\"nephronix\":{\"actor\":\"unknown\",\"watch\":\"boot\"}}",
          "2026-11-23T22:34:03 high     boot            file /boot/x was created (who: unknown)\n" },
        { "nephronix's own, no watch",
          "{\"@timestamp\":\"2026-11-23T22:34:03Z\",\"event\":{\"severity\":1},\"message\":\"m\"}",
          "2026-11-23T22:34:03 info     nephronix       m\n" },
        { "no message", "{\"event\":{\"action\":\"file-created\",\"severity\":5}}",
          "(no time stamp)     critical nephronix       file-created\n" },
        { "empty object", "{}", "(no time stamp)     unknown  nephronix       (no message)\n" },
        { "all of other types",
          "{\"@timestamp\":5,\"event\":[],\"message\":{\"a\":1},\"nephronix\":\"x\"}",
          "(no time stamp)     unknown  nephronix       (no message)\n" },
        { "severity out of range", "{\"event\":{\"severity\":4294967300},\"message\":\"m\"}",
          "(no time stamp)     unknown  nephronix       m\n" },
        { "negative severity", "{\"event\":{\"severity\":-4},\"message\":\"m\"}",
          "(no time stamp)     unknown  nephronix       m\n" },
        { "a number beyond 2^63", "{\"event\":{\"severity\":4},\"message\":\"m\",\"size\":18446744073709551615}",
          "(no time stamp)     high     nephronix       m\n" },
        { "severity beyond all", "{\"event\":{\"severity\":1e300},\"message\":\"m\"}",
          "(no time stamp)     unknown  nephronix       m\n" },
        { "tampered: control characters",
          "{\"event\":{\"severity\":4},\"message\":\"a\\u001b[31mb\\u0000c\\u202ed\\n2026 fine\","
          "\"nephronix\":{\"actor\":\"\\u009b1m\",\"watch\":\"b\\too\\rt\"}}",
          "(no time stamp)     high     b\\x09oo\\x0dt          "
          "a\\x1b[31mb\\x00c\\u{202e}d\\x0a2026 fine (who: \\xc2\\x9b1m)\n" },
        { "array", "[1]", NULL },
        { "string", "\"x\"", NULL },
        { "cut", "{\"message\":\"x", NULL },
        { "two", "{}{}", NULL },
        { "raw control character", "{\"message\":\"a\033b\"}", NULL },
        { "not UTF-8", "{\"message\":\"\xff\"}", NULL },
        { "nothing", "", NULL },
        { "rubbish", "rubbish", NULL },
};

static void shown(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                _cleanup_event_line_ json_t *event = NULL;
                const char *why = NULL;

                event = event_line_parse(bytes_of_string(lines[i].line), &why);
                if (!!event != !!lines[i].shown)
                        fail_msg("%s: %s", lines[i].what, event ? "was taken" : why);
                if (!event) {
                        assert_non_null(why);
                        continue;
                }
                event_line_write(&text, false, event);
                assert_string_equal(buffer_string(&text), lines[i].shown);
        }
}

/* As deep as anybody can make it: refused, not followed. */
static void deep(void **state) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        const char *why = NULL;

        (void)state;
        for (int i = 0; i < 1000000; i++)
                buffer_append_string(&line, "{\"a\":");
        assert_null(event_line_parse(buffer_bytes(&line), &why));
}

static void paths(void **state) {
        _cleanup_event_line_ json_t *event = NULL;
        struct bytes text;
        const char *why;

        (void)state;
        event = event_line_parse(bytes_of_string("{\"a\":{\"b\":{\"c\":\"x\"}},\"n\":7,\"s\":\"t\"}"), &why);
        assert_non_null(event);
        assert_true(event_line_is(event, "a.b.c", "x"));
        assert_false(event_line_is(event, "a.b.c", "y"));
        assert_false(event_line_text(event, "a.b", &text));
        assert_null(event_line_get(event, "a.b.c.d"));
        assert_null(event_line_get(event, "s.t"));
        assert_null(event_line_get(event, "a.x.c"));
        assert_int_equal(event_line_number(event, "n"), 7);
        assert_int_equal(event_line_number(event, "s"), 0);
}

static void changes(void **state) {
        _cleanup_event_line_ json_t *event = NULL;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        const char *why;

        (void)state;
        event = event_line_parse(bytes_of_string(
                "{\"nephronix\":{\"change\":{\"mode\":{\"before\":\"0644\",\"after\":\"4755\"},\"size\":{\"after\":12},"
                "\"flag\":{\"before\":true},\"e\\u001bvil\":{\"before\":\"a\\nb\",\"after\":{\"x\":[\"\\u202e\"]}},"
                "\"odd\":3}}}"),
                &why);
        assert_non_null(event);
        event_line_write_changes(&text, event);
        assert_string_equal(buffer_string(&text), "    mode: 0644 -> 4755\n"
                                                  "    size: (absent) -> 12\n"
                                                  "    flag: true -> (absent)\n"
                                                  "    e\\x1bvil: a\\x0ab -> {\"x\":[\"\\u{202e}\"]}\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(shown),
                cmocka_unit_test(deep),
                cmocka_unit_test(paths),
                cmocka_unit_test(changes),
        };

        (void)setenv("TZ", "UTC", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
