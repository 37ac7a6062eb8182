/* test-process-event.c - messages of the process connector, whole and cut. */
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "process-event.h"

struct message {
        uint8_t data[128];
        size_t size;
};

static struct bytes make(struct message *message, uint32_t what, const uint32_t *words, size_t n_words) {
        struct cn_msg header = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .seq = 77, .len = (uint16_t)(16 + 4 * n_words) };
        uint32_t cpu = 3;
        uint64_t time = 123456789;

        memcpy(message->data, &header, sizeof(header));
        memcpy(message->data + 20, &what, 4);
        memcpy(message->data + 24, &cpu, 4);
        memcpy(message->data + 28, &time, 8);
        memcpy(message->data + 36, words, 4 * n_words);
        message->size = 36 + 4 * n_words;
        return bytes_of(message->data, message->size);
}

static void test_kinds(void **unused) {
        static const uint32_t fork_words[] = { 1, 2, 3, 4 }, exec_words[] = { 5, 6 }, uid_words[] = { 7, 8, 1000, 0 },
                              exit_words[] = { 9, 10, 256, 17 }, ack_words[] = { 22 };
        struct process_event event;
        struct message message;

        (void)unused;
        assert_int_equal(process_event_parse(make(&message, 1, fork_words, 4), &event), 0);
        assert_int_equal(event.kind, PROCESS_EVENT_FORKED);
        assert_true(event.parent == 2 && event.task == 3 && event.process == 4);
        assert_true(event.sequence == 77 && event.cpu == 3 && event.time == 123456789);
        assert_int_equal(process_event_parse(make(&message, 2, exec_words, 2), &event), 0);
        assert_true(event.kind == PROCESS_EVENT_EXECUTED && event.task == 5 && event.process == 6);
        assert_int_equal(process_event_parse(make(&message, 4, uid_words, 4), &event), 0);
        assert_true(event.kind == PROCESS_EVENT_USERS_CHANGED && event.process == 8);
        assert_true(event.user == 1000 && event.effective_user == 0);
        assert_int_equal(process_event_parse(make(&message, 0x80000000, exit_words, 4), &event), 0);
        assert_true(event.kind == PROCESS_EVENT_EXITED && event.process == 10 && event.exit_status == 256);
        assert_int_equal(process_event_parse(make(&message, 0, ack_words, 1), &event), 0);
        assert_true(event.kind == PROCESS_EVENT_ACKNOWLEDGED && event.error == 22);
        assert_int_equal(process_event_parse(make(&message, 0x40000000, exit_words, 4), &event), 0);
        assert_int_equal(event.kind, PROCESS_EVENT_OTHER);
}

static void test_cut(void **unused) {
        static const uint32_t words[] = { 1, 2, 3, 4 };
        static const uint32_t kinds[] = { 0, 1, 2, 4, 0x200, 0x80000000 };
        struct process_event event;
        struct message message;
        struct bytes whole = make(&message, 1, words, 4);

        (void)unused;
        for (size_t size = 0; size < whole.size; size++)
                assert_int_equal(process_event_parse(bytes_of(whole.data, size), &event), -EBADMSG);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                assert_int_equal(process_event_parse(make(&message, kinds[i], words, 0), &event), -EBADMSG);
        (void)make(&message, 1, words, 4);
        message.data[0] = 9; /* another connector */
        assert_int_equal(process_event_parse(whole, &event), -EBADMSG);
        (void)make(&message, 1, words, 4);
        message.data[16] = 15; /* shorter than an event */
        assert_int_equal(process_event_parse(whole, &event), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kinds),
                cmocka_unit_test(test_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
