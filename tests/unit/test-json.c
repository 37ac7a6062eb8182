#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "hostile.h"
#include "json.h"

struct fixture {
        struct json *json;
        struct buffer buffer;
};

static int set_up(void **state) {
        static struct fixture fixture;

        fixture = (struct fixture){ .json = json_new(), .buffer = BUFFER_NULL };
        *state = &fixture;
        return fixture.json ? 0 : -1;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        fixture->json = json_free(fixture->json);
        buffer_done(&fixture->buffer);
        return 0;
}

static const char *written(struct fixture *fixture) {
        buffer_clear(&fixture->buffer);
        assert_int_equal(json_write(fixture->json, &fixture->buffer), 0);
        return buffer_string(&fixture->buffer);
}

static void nothing(void **state) {
        struct fixture *fixture = *state;

        assert_string_equal(written(fixture), "{}");
        assert_null(json_free(NULL));
}

static void nests_and_sorts(void **state) {
        struct fixture *fixture = *state;
        struct json *json = fixture->json;

        json_add_text(json, "process.parent.name", "sh");
        json_add_text(json, "a-b", "minus sorts before the dot as a byte, behind it as a path");
        json_add_number(json, "a.c", 2);
        json_add_text(json, "process.pid.x.y", "deep");
        json_add_text(json, "@timestamp", "t");
        json_add_number(json, "a.b", 1);
        json_add_text(json, "processes", "p");
        json_add_text(json, "none", NULL);
        assert_string_equal(written(fixture),
                            "{\"@timestamp\":\"t\",\"a\":{\"b\":1,\"c\":2},"
                            "\"a-b\":\"minus sorts before the dot as a byte, behind it as a path\","
                            "\"process\":{\"parent\":{\"name\":\"sh\"},\"pid\":{\"x\":{\"y\":\"deep\"}}},"
                            "\"processes\":\"p\"}");
        /* Writing changes nothing; clearing forgets everything. */
        assert_string_equal(written(fixture), written(fixture));
        json_clear(json);
        assert_string_equal(written(fixture), "{}");
        json_add_bool(json, "x", true);
        assert_string_equal(written(fixture), "{\"x\":true}");
}

static void writes_values(void **state) {
        struct fixture *fixture = *state;
        struct json *json = fixture->json;

        json_add_number(json, "a", 0);
        json_add_number(json, "b", UINT64_MAX);
        json_add_signed(json, "c", INT64_MIN);
        json_add_signed(json, "d", INT64_MAX);
        json_add_signed(json, "e", -1);
        json_add_bool(json, "f", false);
        json_add_string(json, "g", BYTES_NULL);
        json_add_text(json, "h", "\"\\/");
        assert_string_equal(written(fixture),
                            "{\"a\":0,\"b\":18446744073709551615,\"c\":-9223372036854775808,\"d\":9223372036854775807,"
                            "\"e\":-1,\"f\":false,\"g\":\"\",\"h\":\"\\\"\\\\/\"}");
}

static void gathers_arrays(void **state) {
        struct fixture *fixture = *state;
        struct json *json = fixture->json;

        json_append(json, "t", bytes_of("start", 5));
        json_append(json, "t.under", bytes_of("dropped", 7));
        json_append(json, "a.c", bytes_of("z", 1));
        json_append(json, "t", bytes_of("connection", 10));
        json_append(json, "a.c", bytes_of("y", 1));
        json_append(json, "t", bytes_of("start", 5));
        json_append(json, "a.c", bytes_of("z", 1));
        json_append(json, "a.c", bytes_of("", 0));
        json_append(json, "a.d", bytes_of("x", 1));
        json_add_text(json, "a.c", "not an element");
        assert_string_equal(written(fixture),
                            "{\"a\":{\"c\":[\"z\",\"y\",\"\"],\"d\":[\"x\"]},\"t\":[\"start\",\"connection\"]}");
}

static void first_one_stays(void **state) {
        struct fixture *fixture = *state;
        struct json *json = fixture->json;

        json_add_text(json, "a", "first");
        json_add_text(json, "a", "second");
        json_append(json, "a", bytes_of("third", 5));
        json_add_text(json, "b.c.d", "longer, added before");
        json_add_text(json, "b.c", "shorter");
        json_add_text(json, "b.c.e.f", "longer, added behind");
        json_add_text(json, "b.cc", "only looks like it");
        assert_string_equal(written(fixture),
                            "{\"a\":\"first\",\"b\":{\"c\":\"shorter\",\"cc\":\"only looks like it\"}}");
}

static void odd_paths(void **state) {
        struct fixture *fixture = *state;
        struct json *json = fixture->json;

        json_add_number(json, ".", 1);
        json_add_number(json, "a..b", 2);
        json_add_number(json, "q\"q", 3);
        json_add_number(json, "\x1b[m", 4);
        json_add_number(json, "\\x1b[m", 5);
        assert_string_equal(written(fixture),
                            "{\"\":{\"\":1},\"\\\\x1b[m\":4,\"\\\\\\\\x1b[m\":5,\"a\":{\"\":{\"b\":2}},\"q\\\"q\":3}");
        json_clear(json);
        json_add_number(json, "", 1);
        json_add_number(json, ".x", 2);
        assert_string_equal(written(fixture), "{\"\":1}");
}

static void raw_bytes(void **state) {
        struct fixture *fixture = *state;
        struct json *json = fixture->json;

        json_add_text(json, "nephronix.watch", "boot");
        json_add_string(json, "file.path", bytes_of("a\nb", 3));
        json_add_string(json, "file.path.x", bytes_of("\n", 1));
        json_add_string(json, "file.path", bytes_of("\r", 1));
        json_add_text(json, "nephronix.change.name.after", "\xff");
        json_append(json, "related.user", bytes_of("clean", 5));
        json_append(json, "related.user", bytes_of("\t", 1));
        json_append(json, "related.user", bytes_of("\t", 1));
        json_append(json, "related.user", bytes_of("\v", 1));
        assert_string_equal(written(fixture),
                            "{\"file\":{\"path\":\"a\\\\x0ab\"},"
                            "\"nephronix\":{\"change\":{\"name\":{\"after\":\"\\\\xff\"}},"
                            "\"raw\":{\"file.path\":\"YQpi\",\"nephronix.change.name.after\":\"/w==\","
                            "\"related.user.1\":\"CQ==\",\"related.user.2\":\"Cw==\"},\"watch\":\"boot\"},"
                            "\"related\":{\"user\":[\"clean\",\"\\\\x09\",\"\\\\x0b\"]}}");
}

static void raw_is_taken(void **state) {
        struct fixture *fixture = *state;
        struct json *json = fixture->json;

        json_add_text(json, "nephronix", "x");
        json_add_text(json, "nephronix.raw", "x");
        json_add_text(json, "nephronix.raw.file.path", "x");
        json_add_text(json, "nephronix.rawer", "mine");
        assert_string_equal(written(fixture), "{\"nephronix\":{\"rawer\":\"mine\"}}");

        /* No raw object for a string that is dropped. */
        json_clear(json);
        json_add_text(json, "a", "clean");
        json_add_text(json, "a.b", "\n");
        json_add_text(json, "a", "\n");
        assert_string_equal(written(fixture), "{\"a\":\"clean\"}");
}

static void hostile_strings(void **state) {
        struct fixture *fixture = *state;

        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer expected = BUFFER_NULL, shown = BUFFER_NULL;
                const struct hostile *hostile = &hostile_table[i];

                json_clear(fixture->json);
                json_add_string(fixture->json, "a.b", hostile->in);

                if (hostile->clean)
                        buffer_append_bytes(&shown, hostile->in);
                else
                        buffer_append_string(&shown, hostile->escaped);
                buffer_append_string(&expected, "{\"a\":{\"b\":\"");
                for (size_t j = 0; j < shown.size; j++) {
                        if (shown.data[j] == '"' || shown.data[j] == '\\')
                                buffer_append_byte(&expected, '\\');
                        buffer_append_byte(&expected, shown.data[j]);
                }
                buffer_append_string(&expected, "\"}");
                if (!hostile->clean) {
                        buffer_append_string(&expected, ",\"nephronix\":{\"raw\":{\"a.b\":\"");
                        base64_append(&expected, hostile->in);
                        buffer_append_string(&expected, "\"}}");
                }
                buffer_append_string(&expected, "}");
                assert_string_equal(written(fixture), buffer_string(&expected));
        }
}

/* 20,000 paths in the worst order, arrays with as many elements: a second or two if anything were quadratic. */
static void many_paths(void **state) {
        enum { MANY = 20000 };
        struct fixture *fixture = *state;
        const char *text;
        char path[64];

        for (int i = MANY - 1; i >= 0; i--) {
                (void)snprintf(path, sizeof(path), "p%d.q%05d", i % 7, i);
                json_add_number(fixture->json, path, (uint64_t)i);
                (void)snprintf(path, sizeof(path), "%d", i % (MANY / 2));
                json_append(fixture->json, "elements", bytes_of_string(path));
        }
        text = written(fixture);
        assert_memory_equal(text, "{\"elements\":[\"9999\",\"9998\",", 27);
        assert_non_null(strstr(text, "\"0\"],\"p0\":{\"q00000\":0,\"q00007\":7,"));
        assert_non_null(strstr(text, "\"q19998\":19998}}"));
}

static void base64(void **state) {
        static const struct {
                struct bytes in;
                const char *out;
        } table[] = {
                /* RFC 4648 section 10 */
                { HOSTILE_BYTES(""), "" },
                { HOSTILE_BYTES("f"), "Zg==" },
                { HOSTILE_BYTES("fo"), "Zm8=" },
                { HOSTILE_BYTES("foo"), "Zm9v" },
                { HOSTILE_BYTES("foob"), "Zm9vYg==" },
                { HOSTILE_BYTES("fooba"), "Zm9vYmE=" },
                { HOSTILE_BYTES("foobar"), "Zm9vYmFy" },
                { HOSTILE_BYTES("\0\0\0"), "AAAA" },
                { HOSTILE_BYTES("\xff\xff\xfe"), "///+" },
        };
        struct fixture *fixture = *state;

        for (size_t i = 0; i < ELEMENTS(table); i++) {
                buffer_clear(&fixture->buffer);
                base64_append(&fixture->buffer, table[i].in);
                assert_string_equal(buffer_string(&fixture->buffer), table[i].out);
        }
}

static void quotes_in_place(void **state) {
        struct fixture *fixture = *state;

        buffer_append_string(&fixture->buffer, "\"kept\\");
        json_quote(&fixture->buffer, bytes_of("\"\\\n", 3));
        json_quote(&fixture->buffer, BYTES_NULL);
        json_quote(&fixture->buffer, bytes_of("\\\\", 2));
        assert_string_equal(buffer_string(&fixture->buffer),
                            "\"kept\\" "\"\\\"\\\\\\\\\\\\x0a\"" "\"\"" "\"\\\\\\\\\"");
}

/* Elements that are JSON already come out as they are, in the order in which they were added. */
static void written_elements(void **state) {
        struct fixture *fixture = *state;

        json_append_written(fixture->json, "a.list", bytes_of_string("{\"z\":1}"));
        json_append_written(fixture->json, "a.list", bytes_of_string("{\"b\":\"\\\\\"}"));
        json_append_written(fixture->json, "nephronix.raw", bytes_of_string("{}"));
        json_add_number(fixture->json, "a.n", 2);
        assert_string_equal(written(fixture), "{\"a\":{\"list\":[{\"z\":1},{\"b\":\"\\\\\"}],\"n\":2}}");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(nothing),         TEST(nests_and_sorts), TEST(writes_values),   TEST(gathers_arrays),
                TEST(first_one_stays), TEST(odd_paths),       TEST(raw_bytes),       TEST(raw_is_taken),
                TEST(hostile_strings), TEST(many_paths),      TEST(base64),          TEST(quotes_in_place),
                TEST(written_elements),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
