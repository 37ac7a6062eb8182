/* test-uevent-message.c - the kernel's messages about its objects, and what only looks like one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "uevent-message.h"

#define MESSAGE(text) bytes_of(text, sizeof(text)) /* the NUL behind the last string too */

static void expect(struct bytes message, const char *action, const char *module, bool on_request) {
        struct uevent event;

        assert_int_equal(uevent_parse(message, &event), 0);
        assert_true(bytes_equal(event.action, bytes_of_string(action)));
        assert_true(bytes_equal(uevent_module(&event), bytes_of_string(module)));
        assert_int_equal(event.on_request, on_request);
}

static void test_modules(void **unused) {
        (void)unused;
        expect(MESSAGE("add@/module/dummy\0ACTION=add\0DEVPATH=/module/dummy\0SUBSYSTEM=module\0SEQNUM=12"), "add", "dummy",
               false);
        expect(MESSAGE("remove@/module/dummy\0ACTION=remove\0DEVPATH=/module/dummy\0SUBSYSTEM=module\0SEQNUM=13"), "remove",
               "dummy", false);
        expect(MESSAGE("add@/module/dummy\0ACTION=add\0DEVPATH=/module/dummy\0SUBSYSTEM=module\0SYNTH_UUID=0\0SEQNUM=1"), "add",
               "dummy", true);
        expect(MESSAGE("add@/devices/virtual/net/dummy0\0ACTION=add\0DEVPATH=/devices/virtual/net/dummy0\0SUBSYSTEM=net"),
               "add", "", false);
        expect(MESSAGE("add@/module/a/b\0ACTION=add\0DEVPATH=/module/a/b\0SUBSYSTEM=module"), "add", "", false);
        expect(MESSAGE("add@/module/\0ACTION=add\0DEVPATH=/module/\0SUBSYSTEM=module"), "add", "", false);
        expect(MESSAGE("add@/module/x\0ACTION=add\0DEVPATH=/module/x"), "add", "", false);
}

static void test_no_messages(void **unused) {
        static const struct bytes cases[] = {
                { NULL, 0 },
                { (const uint8_t *)"libudev\0\xfe\xed\xca\xfe", 12 },
                { (const uint8_t *)"add@/module/x", 13 },                       /* no NUL */
                { (const uint8_t *)"add@/module/x\0ACTION=add\0DEVPATH=/module/x", 42 }, /* the last has none */
                { (const uint8_t *)"@/module/x\0ACTION=add\0DEVPATH=/x", 34 },
                { (const uint8_t *)"add@/module/x\0ACTION=\0DEVPATH=/x", 33 },
                { (const uint8_t *)"\0\0\0\0", 4 },
        };
        struct uevent event;

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(uevent_parse(cases[i], &event), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_modules),
                cmocka_unit_test(test_no_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
