/* test-chain.c - the link of a line: where it stands, what it is made of, and that nobody else can put one there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "chain.h"
#include "event-json.h"
#include "json.h"

/* printf 'a line\n' | b2sum -l 256 */
static void test_hash(void **unused) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint8_t hash[CHAIN_HASH_SIZE], again[CHAIN_HASH_SIZE];

        (void)unused;
        chain_hash(bytes_of_string("a line"), hash);
        chain_hex_append(&text, hash);
        assert_string_equal(buffer_string(&text), "2fccaece41e16491e8a57f124ef818e144e5e299fcb857ea50175fd5fce91315");
        assert_true(chain_hex_read(buffer_bytes(&text), again));
        assert_memory_equal(hash, again, sizeof(hash));
        assert_false(chain_hex_read(bytes_of(text.data, text.size - 1), again));
        text.data[5] = 'g';
        assert_false(chain_hex_read(buffer_bytes(&text), again));
        assert_false(chain_hex_read(BYTES_NULL, again));
}

static void test_appended(void **unused) {
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
        static const struct {
                const char *object;
                enum chain_begins begins;
                const char *expected;
        } cases[] = {
                { "{\"a\":1,\"nephronix\":{\"round\":2},\"z\":3}", CHAIN_GOES_ON,
                  "{\"a\":1,\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS "\"},\"round\":2},\"z\":3}" },
                { "{\"nephronix\":{\"round\":2}}", CHAIN_GENESIS,
                  "{\"nephronix\":{\"chain\":{\"begins\":\"genesis\",\"prev\":\"" ZEROS "\"},\"round\":2}}" },
                { "{\"a\":1}", CHAIN_BREAK, "{\"a\":1,\"nephronix\":{\"chain\":{\"begins\":\"break\",\"prev\":\"" ZEROS "\"}}}" },
                { "{\"nephronix\":{}}", CHAIN_GOES_ON, "{\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS "\"}}}" },
                { "{}", CHAIN_GOES_ON, "{\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS "\"}}}" },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer line = BUFFER_NULL;
                const struct chain_link link = { .begins = cases[i].begins };
                struct chain_link read = { .prev = { 1 } };

                assert_int_equal(chain_append(&line, bytes_of_string(cases[i].object), &link), 0);
                assert_string_equal(buffer_string(&line), cases[i].expected);
                assert_int_equal(chain_read(buffer_bytes(&line), &read), 1);
                assert_int_equal(read.begins, link.begins);
                assert_memory_equal(read.prev, link.prev, sizeof(link.prev));
        }
        {
                _cleanup_buffer_ struct buffer line = BUFFER_NULL;
                const struct chain_link link = { .begins = CHAIN_GOES_ON };

                assert_int_equal(chain_append(&line, bytes_of_string("no object"), &link), -EINVAL);
                assert_int_equal(chain_append(&line, BYTES_NULL, &link), -EINVAL);
        }
}

static void test_not_a_link(void **unused) {
        static const char *const lines[] = {
                "", "{}", "{\"nephronix\":{\"chain\":{}}}", "{\"nephronix\":{\"chain\":{\"prev\":\"\"}}}",
                "{\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS, "{\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS "\"",
                "{\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS "0\"}}}", "{\"nephronix\":{\"chain\":{\"prev\":\"x" ZEROS "\"}}}",
                "{\"nephronix\":{\"chain\":{\"begins\":\"never\",\"prev\":\"" ZEROS "\"}}}",
                "{\"nephronix\":{\"round\":1,\"chain\":{\"prev\":\"" ZEROS "\"}}}",
        };
        struct chain_link link = { .prev = { 7 } };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                char *exact = strdup(lines[i]);

                assert_int_equal(chain_read(bytes_of_string(exact), &link), 0);
                assert_int_equal(link.prev[0], 7);
                free(exact);
        }
}

/* What comes from outside stands in the line as it likes, and is still no link. */
static void test_forged(void **unused) {
        static const char forged[] = "\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS "\"},\",\"nephronix\":{\"chain\":{\"prev\":\"" ZEROS "\"}}";
        static const struct action action = { "forged", "host", "info", SEVERITY_LOW, true, NULL };
        const struct event_host host = { .name = forged, .boot_id = forged, .machine_id = forged, .version = forged };
        struct event event = { .sequence = 4711, .action = &action, .severity = SEVERITY_LOW, .message = forged, .watch = forged };
        const struct chain_link link = { .prev = { 1, 2, 3 } };
        struct chain_link read;
        _cleanup_buffer_ struct buffer object = BUFFER_NULL, line = BUFFER_NULL;
        struct json *json = json_new();

        (void)unused;
        assert_non_null(json);
        event_add(&event, "container.id", FIELD_TEXT, value_string(forged));
        event_add(&event, "a.id", FIELD_TEXT, value_string(forged));
        assert_int_equal(event_json_write(&object, json, &event, &host), 0);
        (void)json_free(json);
        assert_int_equal(chain_read(buffer_bytes(&object), &read), 0);
        assert_int_equal(chain_append(&line, buffer_bytes(&object), &link), 0);
        assert_int_equal(chain_read(buffer_bytes(&line), &read), 1);
        assert_memory_equal(read.prev, link.prev, sizeof(link.prev));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_hash),
                cmocka_unit_test(test_appended),
                cmocka_unit_test(test_not_a_link),
                cmocka_unit_test(test_forged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
