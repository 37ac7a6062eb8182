/* test-incidents.c - what leaves no state, in words and fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>

#include "event-json.h"
#include "incidents.h"
#include "json.h"

#define TEXT(text) { .data = (const uint8_t *)(text), .size = sizeof(text) - 1 }
#define SECOND UINT64_C(1000000000)

static const struct {
        struct incident_facts facts;
        const char *action, *sentence, *fields; /* fields: "path=value" in their order */
} table[] = {
        { { INCIDENT_PRIVILEGES_RAISED, .numbers = { 1000, 0 } }, "privileges-raised",
          "a process of user 1000 became root without starting a program",
          "nephronix.incident.user_before=1000 nephronix.incident.user_now=0 " },
        { { INCIDENT_RAW_SOCKET, .what = TEXT("raw"), .numbers = { 1 } }, "raw-socket-opened",
          "a raw socket was opened (icmp)",
          "network.transport=icmp nephronix.incident.protocol=1 nephronix.incident.socket=raw " },
        { { INCIDENT_RAW_SOCKET, .what = TEXT("raw"), .numbers = { 255 } }, "raw-socket-opened",
          "a raw socket was opened (protocol 255)", "nephronix.incident.protocol=255 nephronix.incident.socket=raw " },
        { { INCIDENT_RAW_SOCKET, .what = TEXT("packet"), .numbers = { 3 } }, "raw-socket-opened",
          "a packet socket was opened (protocol 0x0003)", "nephronix.incident.protocol=3 nephronix.incident.socket=packet " },
        { { INCIDENT_MOUNTED, .what = TEXT("/dev/sdb1"), .where = TEXT("/mnt\n") }, "filesystem-mounted",
          "/dev/sdb1 was mounted on /mnt\\x0a", "nephronix.incident.device=/dev/sdb1 nephronix.incident.mount_point=/mnt\n " },
        { { INCIDENT_MOUNTED }, "filesystem-mounted", "something was mounted on an unknown place", "" },
        { { INCIDENT_UNMOUNTED, .where = TEXT("/mnt") }, "filesystem-unmounted", "/mnt was unmounted",
          "nephronix.incident.mount_point=/mnt " },
        { { INCIDENT_MODULE_REFUSED, .what = TEXT("/tmp/evil.ko"), .numbers = { EKEYREJECTED } }, "kernel-module-refused",
          "the kernel refused to load the module /tmp/evil.ko: Key was rejected by service",
          "error.code=EKEYREJECTED error.message=Key was rejected by service event.outcome=failure file.path=/tmp/evil.ko " },
        { { INCIDENT_MODULE_REFUSED, .what = TEXT("evil"), .numbers = { 123456 } }, "kernel-module-refused",
          "the kernel refused to load the module evil: error 123456", "event.outcome=failure nephronix.kernel.name=evil " },
        { { INCIDENT_LOGIN, .what = TEXT("alice"), .where = TEXT("192.0.2.7") }, "logged-in", "alice logged in from 192.0.2.7",
          "event.outcome=success source.address=192.0.2.7 user.name=alice " },
        { { INCIDENT_LOGIN, .what = TEXT("alice"), .where = TEXT("tty1") }, "logged-in", "alice logged in on tty1",
          "event.outcome=success nephronix.incident.terminal=tty1 user.name=alice " },
        { { INCIDENT_LOGIN }, "logged-in", "somebody logged in", "event.outcome=success " },
        { { INCIDENT_CLOCK_SET, .numbers = { 3 * SECOND + SECOND / 2, 1 } }, "clock-set", "the clock was set back by 3.5 s",
          "nephronix.incident.backwards=1 nephronix.incident.step_ns=3500000000 " },
        { { INCIDENT_CLOCK_SET, .numbers = { 90 * SECOND, 0 } }, "clock-set", "the clock was set forward by 1 min 30 s",
          "nephronix.incident.backwards=0 nephronix.incident.step_ns=90000000000 " },
        { { INCIDENT_SUSPENDED, .numbers = { 7500 * SECOND } }, "host-suspended", "the machine slept for 2 h 5 min",
          "event.duration=7500000000000 " },
};

static void describes(void **state) {
        static const char severities[INCIDENT_KINDS + 1] = "43224231";
        bool seen[INCIDENT_KINDS] = { false };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer room = BUFFER_NULL, fields = BUFFER_NULL;
                struct event event = { .sequence = 7 };

                seen[table[i].facts.kind] = true;
                assert_int_equal(incident_describe(&table[i].facts, &event, &room), 0);
                assert_string_equal(event.action->action, table[i].action);
                assert_int_equal(event.severity, severities[table[i].facts.kind] - '0');
                assert_string_equal(event.message, table[i].sentence);
                assert_string_equal(event.seen_by, "event");
                for (size_t k = 0; k < event.n_facts; k++) {
                        const struct fact *fact = &event.facts[k];

                        buffer_printf(&fields, "%s=", fact->path);
                        if (fact->kind == FIELD_TEXT)
                                buffer_append_bytes(&fields, fact->value.bytes);
                        else
                                buffer_printf(&fields, "%llu", (unsigned long long)fact->value.number);
                        buffer_append_byte(&fields, ' ');
                }
                assert_string_equal(buffer_string(&fields), table[i].fields);
        }
        for (size_t i = 0; i < INCIDENT_KINDS; i++)
                assert_true(seen[i]);
}

static void refuses_what_it_does_not_know(void **state) {
        const struct incident_facts facts = { .kind = INCIDENT_KINDS };
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        struct event event = { .sequence = 7 };

        (void)state;
        assert_int_equal(incident_describe(&facts, &event, &room), -EINVAL);
        assert_null(event.action);
}

/* A login of one, reported by the process of another: neither gets the other's number. */
static void stands_beside_its_actor(void **state) {
        const struct incident_facts facts = { .kind = INCIDENT_LOGIN, .what = TEXT("alice"), .where = TEXT("192.0.2.7") };
        const struct actor actor = { .process = { .pid = 9, .name = TEXT("sshd"), .flags = PROCESS_HAS_USERS },
                                     .user_name = TEXT("root") };
        const struct event_host host = { "box", "m", "b", "0" };
        _cleanup_buffer_ struct buffer room = BUFFER_NULL, line = BUFFER_NULL;
        struct event event = { .sequence = 7, .actor = &actor };
        struct json *json = json_new();

        (void)state;
        assert_int_equal(incident_describe(&facts, &event, &room), 0);
        assert_int_equal(event_json_write(&line, json, &event, &host), 0);
        assert_non_null(strstr(buffer_string(&line), "\"dataset\":\"nephronix.incidents\""));
        assert_non_null(strstr(buffer_string(&line), "\"process\":{\"name\":\"sshd\",\"pid\":9,\"user\":{\"id\":\"0\","
                                                     "\"name\":\"root\"}}"));
        assert_non_null(strstr(buffer_string(&line), "\"user\":{\"name\":\"alice\"}}"));
        json = json_free(json);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(describes),
                cmocka_unit_test(refuses_what_it_does_not_know),
                cmocka_unit_test(stands_beside_its_actor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
