#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "event-json.h"
#include "hostile.h"
#include "json.h"

enum { PATH, SIZE, UID, MODE, MTIME, DIGEST, SEALED, USER, SOURCE, COUNTER, LOOKED, WORDS };

static const struct field fields[] = {
        [PATH] = { "path", "file.path", FIELD_TEXT, FIELD_KEY_PATH },
        [SIZE] = { "size", "file.size", FIELD_NUMBER, 0 },
        [UID] = { "uid", "file.uid", FIELD_IDENTIFIER, 0 },
        [MODE] = { "mode", "file.mode", FIELD_MODE, 0 },
        [MTIME] = { "mtime", "file.mtime", FIELD_TIME, 0 },
        [DIGEST] = { "blake2b", NULL, FIELD_DIGEST, 0 },
        [SEALED] = { "sealed", NULL, FIELD_FLAG, 0 },
        [USER] = { "user", "user.name", FIELD_TEXT, 0 },
        [SOURCE] = { "remote", "source.ip", FIELD_TEXT, 0 },
        [COUNTER] = { "counter", NULL, FIELD_NUMBER, FIELD_QUIET },
        [LOOKED] = { "looked", NULL, FIELD_TIME, FIELD_LOOKED },
        [WORDS] = { "acl", "nephronix.file.acl", FIELD_SET, 0 },
        { NULL },
};
static const struct watch watch = { .noun = "file", .label = "{path}", .dataset = "files", .fields = fields };
static const struct action modified = { "file-modified", "file", "change", SEVERITY_HIGH, false, NULL };
static const struct event_host host = { "box", "m-id", "b-id", "0.1.0" };

#define BEGIN                                                                                                          \
        "\"@timestamp\":\"2026-11-23T22:34:03.123456Z\","                                                              \
        "\"agent\":{\"type\":\"nephronix\",\"version\":\"0.1.0\"},"
#define ID "\"id\":\"01010101-0101-0101-0101-010101010101\","

#define EVERY(action, category, dataset, kind, provider, severity, type)                                               \
        "{" BEGIN "\"ecs\":{\"version\":\"8.17.0\"},"                                                                  \
        "\"event\":{\"action\":\"" action "\",\"category\":[" category "],"                                            \
        "\"dataset\":\"nephronix." dataset "\"," ID                                                                    \
        "\"kind\":\"" kind "\","                                                                                       \
        "\"module\":\"nephronix\"," provider "\"sequence\":42,\"severity\":" severity ",\"type\":[" type "]},"

#define HOST "\"host\":{\"boot\":{\"id\":\"b-id\"},\"id\":\"m-id\",\"name\":\"box\"},"
#define LOG(syslog, message) "\"log\":{\"syslog\":{\"severity\":{\"code\":" syslog "}}},\"message\":\"" message "\","
#define ROUND "\"round\":\"02020202-0202-0202-0202-020202020202\""

static int set_zone(void **state) {
        (void)state;
        if (setenv("TZ", "UTC0", 1) < 0)
                return -1;
        tzset();
        return 0;
}

static struct event an_event(const struct change *change) {
        struct event event = {
                .sequence = 42,
                .at = { 1795473243, 123456789 },
                .watch = "boot",
                .kind = &watch,
                .action = &modified,
                .severity = SEVERITY_HIGH,
                .seen_by = "reconcile",
                .sensor = "stat",
                .change = change,
        };

        memset(event.id, 1, sizeof(event.id));
        memset(event.round, 2, sizeof(event.round));
        return event;
}

static void assert_json(const struct event *event, const char *expected) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
        struct json *json = json_new();

        assert_non_null(json);
        /* What the scratch held before does not matter. */
        json_add_text(json, "left.over", "\n");
        assert_int_equal(event_json_write(&buffer, json, event, &host), 0);
        assert_string_equal(buffer_string(&buffer), expected);
        json = json_free(json);
}

static void change_of_a_file(void **state) {
        struct record before = { .key = bytes_of("boot\0x", 6) }, after;
        const struct change change = { CHANGE_CHANGED, fields, &before, &after };
        struct event event;

        (void)state;
        before.values[PATH] = value_string("/boot/x");
        before.values[SIZE] = value_number(10);
        before.values[UID] = value_number(0);
        before.values[MODE] = value_number(0644);
        before.values[MTIME] = value_number(1000000000u);
        before.values[DIGEST] = value_bytes(bytes_of("\x00\x01", 2));
        before.values[COUNTER] = value_number(1);
        before.values[LOOKED] = value_number(1);
        after = before;
        after.values[MODE] = value_number(04755);
        after.values[MTIME] = value_number(2000001000u);
        after.values[DIGEST] = value_bytes(bytes_of("\xff\xfe", 2));
        after.values[SEALED] = value_number(1);
        after.values[COUNTER] = value_number(2);
        after.values[LOOKED] = value_number(2);
        after.values[UID].present = false;
        before.values[WORDS] = value_string("user::rw-");
        after.values[WORDS] = value_string("user::rw- user:1:rwx");
        event = an_event(&change);
        assert_json(&event,
                    EVERY("file-modified", "\"file\"", "files", "alert", "\"provider\":\"stat\",", "4", "\"change\"")
                    "\"file\":{\"mode\":\"4755\",\"mtime\":\"1970-01-01T00:00:02.000001Z\",\"path\":\"/boot/x\","
                    "\"size\":10},"
                    HOST
                    LOG("3", "file /boot/x: uid 0 is gone; mode 0644 to 4755 (now set-user-id); "
                             "mtime 1970-01-01T00:00:01 to 1970-01-01T00:00:02; content changed (10 bytes); "
                             "sealed was absent, now yes; acl gained user:1:rwx")
                    "\"nephronix\":{\"actor\":\"unknown\",\"change\":{"
                    "\"acl\":{\"after\":[\"user::rw-\",\"user:1:rwx\"],\"before\":[\"user::rw-\"]},"
                    "\"blake2b\":{\"after\":\"fffe\",\"before\":\"0001\"},"
                    "\"mode\":{\"after\":\"4755\",\"before\":\"0644\"},"
                    "\"mtime\":{\"after\":\"1970-01-01T00:00:02.000001Z\",\"before\":\"1970-01-01T00:00:01.000000Z\"},"
                    "\"sealed\":{\"after\":true},\"uid\":{\"before\":\"0\"}},"
                    "\"file\":{\"acl\":[\"user::rw-\",\"user:1:rwx\"]},"
                    "\"files\":{\"blake2b\":\"fffe\",\"counter\":2,\"sealed\":true},"
                    ROUND ",\"seen_by\":\"reconcile\",\"sensor\":\"stat\",\"watch\":\"boot\"},"
                    "\"related\":{\"hash\":[\"fffe\",\"0001\"]}}");
}

static void appeared_with_facts(void **state) {
        struct record record = { .key = bytes_of("k", 1) };
        const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        const struct action login = { "logged-in", "authentication  session ", "start", SEVERITY_LOW, false,
                                      "{user} logged in from {remote}" };
        struct event event = an_event(&change);

        (void)state;
        event.action = &login;
        event.severity = SEVERITY_LOW;
        event.actor = &(const struct actor){ .process = { .pid = 1, .name = bytes_of_string("init") } };
        record.values[USER] = value_string("alice");
        record.values[SOURCE] = value_string("192.0.2.7");
        record.values[UID] = value_number(1000);
        event_add(&event, "nephronix.count", FIELD_NUMBER, value_number(3));
        event_add(&event, "event.start", FIELD_TIME, value_number(1000000000u));
        event_add(&event, "destination.ip", FIELD_TEXT, value_string("2001:db8::1"));
        event_add(&event, "user.name", FIELD_TEXT, value_string("the record's stays"));
        event_add(&event, "nephronix.absent", FIELD_TEXT, value_string(NULL));
        assert_json(&event,
                    "{" BEGIN
                    "\"destination\":{\"ip\":\"2001:db8::1\"},\"ecs\":{\"version\":\"8.17.0\"},"
                    "\"event\":{\"action\":\"logged-in\",\"category\":[\"authentication\",\"session\"],"
                    "\"dataset\":\"nephronix.files\"," ID "\"kind\":\"event\","
                    "\"module\":\"nephronix\",\"provider\":\"stat\",\"sequence\":42,\"severity\":2,"
                    "\"start\":\"1970-01-01T00:00:01.000000Z\",\"type\":[\"start\"]},\"file\":{\"uid\":\"1000\"},"
                    HOST LOG("5", "alice logged in from 192.0.2.7")
                    "\"nephronix\":{\"actor\":\"init (pid 1)\",\"count\":3," ROUND ",\"seen_by\":\"reconcile\","
                    "\"sensor\":\"stat\",\"watch\":\"boot\"},\"process\":{\"name\":\"init\",\"pid\":1},"
                    "\"related\":{\"ip\":[\"192.0.2.7\",\"2001:db8::1\"],\"user\":[\"alice\",\"the record's stays\"]},"
                    "\"source\":{\"ip\":\"192.0.2.7\"},\"user\":{\"name\":\"alice\"}}");
}

static void folded(void **state) {
        struct record record = { .key = bytes_of("k", 1) };
        const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        const struct action created = { "file-created", "file", "creation", SEVERITY_LOW, false, NULL };
        struct event event = an_event(&change);

        (void)state;
        event.action = &created;
        event.severity = SEVERITY_LOW;
        event.seen_by = "event";
        event.count = 412;
        event.first_ns = 1795473243123456789u;
        event.last_ns = 1795473303000000000u;
        record.values[PATH] = value_string("/boot/x");
        assert_json(&event,
                    "{" BEGIN "\"ecs\":{\"version\":\"8.17.0\"},"
                    "\"event\":{\"action\":\"file-created\",\"category\":[\"file\"],"
                    "\"dataset\":\"nephronix.files\",\"end\":\"2026-11-23T22:35:03.000000Z\"," ID "\"kind\":\"event\","
                    "\"module\":\"nephronix\",\"provider\":\"stat\",\"sequence\":42,\"severity\":2,"
                    "\"start\":\"2026-11-23T22:34:03.123456Z\",\"type\":[\"creation\"]},\"file\":{\"path\":\"/boot/x\"},"
                    HOST LOG("5", "file /boot/x appeared; 412 files like it between 2026-11-23T22:34:03 and "
                                  "2026-11-23T22:35:03")
                    "\"nephronix\":{\"actor\":\"unknown\",\"count\":412," ROUND ",\"seen_by\":\"event\","
                    "\"sensor\":\"stat\",\"watch\":\"boot\"}}");

        /* one is not a fold */
        event.count = 1;
        assert_json(&event,
                    "{" BEGIN "\"ecs\":{\"version\":\"8.17.0\"},"
                    "\"event\":{\"action\":\"file-created\",\"category\":[\"file\"],"
                    "\"dataset\":\"nephronix.files\"," ID "\"kind\":\"event\","
                    "\"module\":\"nephronix\",\"provider\":\"stat\",\"sequence\":42,\"severity\":2,"
                    "\"type\":[\"creation\"]},\"file\":{\"path\":\"/boot/x\"},"
                    HOST LOG("5", "file /boot/x appeared")
                    "\"nephronix\":{\"actor\":\"unknown\"," ROUND ",\"seen_by\":\"event\","
                    "\"sensor\":\"stat\",\"watch\":\"boot\"}}");
}

static void of_nephronix_itself(void **state) {
        const struct action started = { "monitor-started", "process", "start", SEVERITY_INFO, true, NULL };
        struct event event = an_event(NULL);

        (void)state;
        event.kind = NULL;
        event.watch = event.seen_by = event.sensor = NULL;
        event.action = &started;
        event.severity = SEVERITY_INFO;
        event.message = "nephronix 0.1.0 started on \"box\"";
        assert_json(&event,
                    EVERY("monitor-started", "\"process\"", "self", "event", "", "1", "\"start\"")
                    HOST LOG("6", "nephronix 0.1.0 started on \\\"box\\\"") "\"nephronix\":{" ROUND "}}");
}

static void severities(void **state) {
        static const struct {
                enum severity severity;
                bool quiet;
                const char *kind, *code;
        } table[] = {
                { SEVERITY_INFO, false, "\"kind\":\"event\"", "\"code\":6" },
                { SEVERITY_LOW, false, "\"kind\":\"event\"", "\"code\":5" },
                { SEVERITY_MEDIUM, false, "\"kind\":\"event\"", "\"code\":4" },
                { SEVERITY_HIGH, false, "\"kind\":\"alert\"", "\"code\":3" },
                { SEVERITY_CRITICAL, false, "\"kind\":\"alert\"", "\"code\":2" },
                { SEVERITY_CRITICAL, true, "\"kind\":\"event\"", "\"code\":2" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
                struct event event = an_event(NULL);
                struct json *json = json_new();

                event.severity = table[i].severity;
                event.quiet = table[i].quiet;
                assert_int_equal(event_json_write(&buffer, json, &event, &host), 0);
                assert_non_null(strstr(buffer_string(&buffer), table[i].kind));
                assert_non_null(strstr(buffer_string(&buffer), table[i].code));
                json = json_free(json);
        }
}

/* Escaped in the value and in the message, the bytes themselves in nephronix.raw alone, and all on one line. */
static void hostile_names(void **state) {
        struct json *json = json_new();

        (void)state;
        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL, piece = BUFFER_NULL;
                const struct hostile *hostile = &hostile_table[i];
                struct record before = { .key = hostile->in }, after = before;
                const struct change change = { CHANGE_CHANGED, fields, &before, &after };
                struct event event = an_event(&change);
                const char *text;

                before.values[USER] = value_string("bob");
                after.values[PATH] = before.values[PATH] = value_bytes(hostile->in);
                after.values[USER] = value_bytes(hostile->in);
                assert_int_equal(event_json_write(&buffer, json, &event, &host), 0);
                text = buffer_string(&buffer);
                assert_int_equal(strlen(text), buffer.size);
                for (size_t j = 0; j < buffer.size; j++)
                        assert_true(buffer.data[j] >= 0x20 && buffer.data[j] != 0x7f);

                buffer_append_string(&piece, "\"message\":\"file ");
                for (const char *at = hostile->escaped; *at; at++) {
                        if (*at == '"' || *at == '\\')
                                buffer_append_byte(&piece, '\\');
                        buffer_append_byte(&piece, (uint8_t)*at);
                }
                buffer_append_string(&piece, ": user bob to ");
                assert_non_null(strstr(text, buffer_string(&piece)));

                buffer_clear(&piece);
                if (hostile->clean) {
                        assert_null(strstr(text, "\"raw\""));
                        continue;
                }
                buffer_append_string(&piece, "\"raw\":{\"file.path\":\"");
                base64_append(&piece, hostile->in);
                buffer_append_string(&piece, "\",\"nephronix.change.user.after\":\"");
                base64_append(&piece, hostile->in);
                buffer_append_string(&piece, "\",\"related.user.0\":\"");
                base64_append(&piece, hostile->in);
                buffer_append_string(&piece, "\",\"user.name\":\"");
                base64_append(&piece, hostile->in);
                buffer_append_string(&piece, "\"},");
                assert_non_null(strstr(text, buffer_string(&piece)));
        }
        json = json_free(json);
}

static void long_names(void **state) {
        _cleanup_buffer_ struct buffer name = BUFFER_NULL, buffer = BUFFER_NULL;
        struct record record = { 0 };
        const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        struct event event = an_event(&change);
        struct json *json = json_new();

        (void)state;
        buffer_append_fill(&name, '\n', 4096);
        record.key = buffer_bytes(&name);
        record.values[PATH] = value_bytes(buffer_bytes(&name));
        assert_int_equal(event_json_write(&buffer, json, &event, &host), 0);
        /* The path: 5 bytes for each of its own; the message: cut; raw: 4 for 3. */
        assert_true(buffer.size > 4096 * 5 + 4096 + 4096 * 4 / 3);
        assert_true(buffer.size < 4096 * 5 + 4096 * 5 / 4 + 4096 * 4 / 3 + 1200);
        json = json_free(json);
}

/* Many files that their packages explain. */
static void of_packages(void **state) {
        static const struct event_package list[] = {
                { .name = { (const uint8_t *)"s\"sl", 4 }, .before = { (const uint8_t *)"1", 1 }, .version = { (const uint8_t *)"2", 1 },
                  .architecture = { (const uint8_t *)"amd64", 5 }, .manager = "dpkg", .what = "upgraded", .files = 14 },
                { .name = { (const uint8_t *)"x", 1 }, .files = 1 },
        };
        const struct bytes paths[] = { bytes_of_string("/a"), bytes_of_string("/b\n") };
        const struct event_packages packages = { .items = list, .count = 2, .all = 70, .paths = paths, .n_paths = 2, .links = 3 };
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
        struct event event = an_event(NULL);
        struct json *json = json_new();

        (void)state;
        event.message = "apt upgraded";
        event.packages = &packages;
        event.count = 1;
        event.first_ns = 1000000000u;
        event.last_ns = 2000000000u;
        assert_int_equal(event_json_write(&buffer, json, &event, &host), 0);
        assert_non_null(strstr(buffer_string(&buffer), "\"start\":\"1970-01-01T00:00:01.000000Z\""));
        assert_non_null(strstr(buffer_string(&buffer), "\"end\":\"1970-01-01T00:00:02.000000Z\""));
        assert_non_null(strstr(buffer_string(&buffer), "\"count\":1,"));
        assert_non_null(strstr(buffer_string(&buffer),
                               "\"packages\":{\"count\":70,\"links\":3,\"list\":["
                               "{\"architecture\":\"amd64\",\"before\":\"1\",\"manager\":\"dpkg\",\"name\":\"s\\\"sl\","
                               "\"version\":\"2\",\"what\":\"upgraded\",\"files\":14},{\"name\":\"x\",\"files\":1}],"
                               "\"sample\":[\"/a\",\"/b\\\\x0a\"]}"));
        json = json_free(json);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(change_of_a_file),    cmocka_unit_test(appeared_with_facts),
                cmocka_unit_test(of_nephronix_itself), cmocka_unit_test(severities),
                cmocka_unit_test(hostile_names),       cmocka_unit_test(long_names),
                cmocka_unit_test(folded),              cmocka_unit_test(of_packages),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
