#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostile.h"
#include "message.h"

static const enum message_type types[] = {
        MESSAGE_READY, MESSAGE_WALL, MESSAGE_HOOK, MESSAGE_PACKAGE_DATABASE, MESSAGE_PACKAGE_FILES, MESSAGE_STOPPED,
        MESSAGE_ROLE_NOTED, MESSAGE_BEAT, MESSAGE_STOP, MESSAGE_RELOAD, MESSAGE_HOOK_DONE, MESSAGE_PACKAGE_DATABASE_DONE, MESSAGE_PACKAGE_FILES_DONE, MESSAGE_ROLE_ENDED,
        MESSAGE_HOOK_REFUSED, MESSAGE_HOOK_KILLED,
};

static void there_and_back(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(types); i++)
                for (size_t j = 0; j < ELEMENTS(hostile_table); j++) {
                        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
                        struct message message = {
                                .type = types[i], .id = UINT32_MAX - (uint32_t)j, .number = UINT64_MAX - i,
                                .at_ns = i << 40,
                                .texts = { hostile_table[j].in, bytes_of_string(hostile_table[j].escaped) },
                        }, back;

                        assert_int_equal(message_encode(&buffer, &message), 0);
                        assert_int_equal(message_decode(buffer_bytes(&buffer), &back), 0);
                        assert_int_equal(back.type, message.type);
                        assert_int_equal(back.id, message.id);
                        assert_true(back.number == message.number);
                        assert_true(back.at_ns == message.at_ns);
                        assert_true(bytes_equal(back.texts[0], message.texts[0]));
                        assert_true(bytes_equal(back.texts[1], message.texts[1]));
                }
}

static void the_bytes_are_these(void **state) {
        static const uint8_t expected[] = { 65, 0, 0, 0, 4, 3, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
                                            1, 0, 0, 0, 2, 0, 0, 0, 'a', 'b', 'c' };
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
        const struct message message = {
                .type = MESSAGE_RELOAD, .id = 0x01020304, .number = 8, .at_ns = (uint64_t)9 << 56,
                .texts = { bytes_of("a", 1), bytes_of("bc", 2) },
        };

        (void)state;
        assert_int_equal(message_encode(&buffer, &message), 0);
        assert_int_equal(buffer.size, sizeof(expected));
        assert_memory_equal(buffer.data, expected, sizeof(expected));
}

static void refuses_too_much(void **state) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, buffer = BUFFER_NULL;
        struct message message = { .type = MESSAGE_WALL }, back;

        (void)state;
        buffer_append_fill(&text, 'x', MESSAGE_SIZE_MAX);
        message.texts[0] = bytes_of(text.data, MESSAGE_SIZE_MAX - 32 - 10);
        message.texts[1] = bytes_of(text.data, 10);
        assert_int_equal(message_encode(&buffer, &message), 0);
        assert_int_equal(buffer.size, MESSAGE_SIZE_MAX);
        assert_int_equal(message_decode(buffer_bytes(&buffer), &back), 0);

        buffer_clear(&buffer);
        message.texts[1].size = 11;
        assert_int_equal(message_encode(&buffer, &message), -EMSGSIZE);
        message.texts[0] = BYTES_NULL;
        message.texts[1].size = SIZE_MAX;
        assert_int_equal(message_encode(&buffer, &message), -EMSGSIZE);
        message.texts[1] = BYTES_NULL;
        message.type = (enum message_type)(MESSAGE_STOP - 1);
        assert_int_equal(message_encode(&buffer, &message), -EINVAL);
        assert_int_equal(buffer.size, 0);
}

static void refuses_the_malformed(void **state) {
        _cleanup_buffer_ struct buffer good = BUFFER_NULL, bad = BUFFER_NULL;
        const struct message message = { .type = MESSAGE_HOOK, .texts = { bytes_of("hook", 4), bytes_of("out", 3) } };
        struct message back;

        (void)state;
        assert_int_equal(message_encode(&good, &message), 0);
        /* Cut anywhere, with a byte too many, empty. */
        for (size_t size = 0; size < good.size; size++)
                assert_int_equal(message_decode(bytes_of(good.data, size), &back), -EBADMSG);
        assert_int_equal(message_decode(BYTES_NULL, &back), -EBADMSG);
        buffer_append_byte(&good, 0);
        assert_int_equal(message_decode(buffer_bytes(&good), &back), -EBADMSG);
        buffer_truncate(&good, good.size - 1);

        /* Types that are not in the list, sizes that do not add up or wrap. */
        for (unsigned type = 0; type < 256; type++) {
                bool listed = false;

                for (size_t i = 0; i < ELEMENTS(types); i++)
                        listed |= types[i] == (enum message_type)type;
                good.data[0] = (uint8_t)type;
                assert_int_equal(message_decode(buffer_bytes(&good), &back), listed ? 0 : -EBADMSG);
        }
        good.data[0] = MESSAGE_HOOK;
        for (size_t at = 24; at < 32; at++) {
                buffer_clear(&bad);
                buffer_append_bytes(&bad, buffer_bytes(&good));
                bad.data[at] ^= 0xff;
                assert_int_equal(message_decode(buffer_bytes(&bad), &back), -EBADMSG);
        }

        buffer_clear(&bad);
        buffer_append_fill(&bad, 1, MESSAGE_SIZE_MAX + 1);
        assert_int_equal(message_decode(buffer_bytes(&bad), &back), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(there_and_back),
                cmocka_unit_test(the_bytes_are_these),
                cmocka_unit_test(refuses_too_much),
                cmocka_unit_test(refuses_the_malformed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
