/* test-actor-json.c - who did it beside what the record says of processes and users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "actor-json.h"
#include "buffer.h"
#include "event.h"
#include "json.h"

#define TEXT(text) { .data = (const uint8_t *)(text), .size = sizeof(text) - 1 }

enum { PID, PARENT, USER_ID, USER_NAME, NAME, PATH };

static const struct field fields[] = {
        [PID] = { "pid", "process.pid", FIELD_NUMBER, 0 },
        [PARENT] = { "parent", "process.parent.pid", FIELD_NUMBER, 0 },
        [USER_ID] = { "user_id", "user.id", FIELD_IDENTIFIER, 0 },
        [USER_NAME] = { "user", "user.name", FIELD_TEXT, 0 },
        [NAME] = { "name", "process.name", FIELD_TEXT, 0 },
        [PATH] = { "path", "file.path", FIELD_TEXT, 0 },
        { NULL },
};

static const struct process_facts apt = {
        .pid = 700, .start_ticks = 50, .name = TEXT("apt"), .executable = TEXT("/usr/bin/apt"),
        .command_line = TEXT("apt install x"), .flags = PROCESS_HAS_USERS | PROCESS_HAS_LOGIN, .login_user = 1000,
};

static const struct process_facts vim = {
        .pid = 812, .parent = 811, .start_ticks = 4711, .name = TEXT("vim"), .executable = TEXT("/usr/bin/vim"),
        .command_line = TEXT("vim /boot/x"), .working_directory = TEXT("/boot"),
        .flags = PROCESS_HAS_USERS | PROCESS_HAS_LOGIN, .login_user = 1000, .audit_session = 3,
        .tty = 0x8803, .tty_name = TEXT("pts/3"),
};

static struct actor an_actor(void) {
        struct actor actor = {
                .process = vim,
                .ancestors = {
                        { .pid = 811, .start_ticks = 4700, .name = TEXT("bash"), .executable = TEXT("/usr/bin/bash") },
                        { .pid = 810, .start_ticks = 4600, .name = TEXT("bash"), .executable = TEXT("/usr/bin/bash") },
                        { .pid = 809, .name = TEXT("sshd") },
                },
                .n_ancestors = 3,
                .entry_type = "sshd",
                .remote_address = TEXT("192.0.2.7"),
                .user_name = TEXT("root"),
                .login_name = TEXT("alice"),
        };

        return actor;
}

/* actor: its ancestors are its own, so the entry leader is set here. */
static void assert_told(enum change_kind kind, struct actor *actor, const struct record *record, const char *expected) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL, scratch = BUFFER_NULL;
        const struct change change = {
                kind, fields, kind == CHANGE_VANISHED ? record : NULL, kind == CHANGE_VANISHED ? NULL : record,
        };
        struct event event = { .change = record ? &change : NULL, .actor = actor };
        struct json *json = json_new();

        if (actor && actor->n_ancestors > 1)
                actor->entry_leader = &actor->ancestors[1];
        for (size_t i = 0; record && fields[i].name; i++) {
                if (!record->values[i].present)
                        continue;
                if (fields[i].kind == FIELD_TEXT)
                        json_add_string(json, fields[i].ecs, record->values[i].bytes);
                else if (fields[i].kind == FIELD_NUMBER)
                        json_add_number(json, fields[i].ecs, record->values[i].number);
                else {
                        buffer_clear(&scratch);
                        decimal_append(&scratch, record->values[i].number);
                        json_add_string(json, fields[i].ecs, buffer_bytes(&scratch));
                }
        }
        actor_json_add(json, &event, &scratch);
        assert_int_equal(json_write(json, &buffer), 0);
        assert_string_equal(buffer_string(&buffer), expected);
        json = json_free(json);
}

static void assert_actor(struct actor *actor, const struct record *record, const char *expected) {
        assert_told(CHANGE_APPEARED, actor, record, expected);
}

#define ANCESTORS                                                                                                      \
        "\"ancestors\":{\"entity_id\":[\"811-4700\",\"810-4600\"],\"executable\":[\"/usr/bin/bash\"],"                 \
        "\"name\":[\"bash\",\"sshd\"]}"
#define OUTER                                                                                                          \
        "\"ancestors\":{\"entity_id\":[\"812-4711\",\"811-4700\",\"810-4600\"],"                                       \
        "\"executable\":[\"/usr/bin/vim\",\"/usr/bin/bash\"],\"name\":[\"vim\",\"bash\",\"sshd\"]}"
#define SESSION "\"audit_session\":\"3\""
#define LEADER                                                                                                         \
        "\"entry_leader\":{\"entity_id\":\"810-4600\",\"entry_meta\":{\"source\":{\"ip\":\"192.0.2.7\"},"              \
        "\"type\":\"sshd\"},\"executable\":\"/usr/bin/bash\",\"name\":\"bash\",\"pid\":810}"
#define PARENT_BASH                                                                                                    \
        "\"parent\":{\"entity_id\":\"811-4700\",\"executable\":\"/usr/bin/bash\",\"name\":\"bash\",\"pid\":811}"
#define VIM_BEGIN "\"command_line\":\"vim /boot/x\",\"entity_id\":\"812-4711\""
#define TTY "\"tty\":{\"char_device\":{\"major\":136,\"minor\":3}}"
#define AUDIT "\"audit\":{\"id\":\"1000\",\"name\":\"alice\"}"
#define RELATED "\"related\":{\"ip\":[\"192.0.2.7\"],\"user\":[\"root\",\"alice\"]}"

static void stands_alone(void **state) {
        struct record file = { .values[PATH] = { .present = true, .bytes = TEXT("/boot/x") } };
        struct actor actor = an_actor();

        (void)state;
        assert_actor(NULL, &file, "{\"file\":{\"path\":\"/boot/x\"}}");
        assert_actor(&actor, &file,
                     "{\"file\":{\"path\":\"/boot/x\"},"
                     "\"nephronix\":{" ANCESTORS "," SESSION ",\"terminal\":\"pts/3\"},"
                     "\"process\":{" VIM_BEGIN "," LEADER ",\"executable\":\"/usr/bin/vim\",\"name\":\"vim\"," PARENT_BASH ","
                     "\"pid\":812," TTY ",\"working_directory\":\"/boot\"},"
                     RELATED ",\"user\":{" AUDIT ",\"id\":\"0\",\"name\":\"root\"}}");
        /* no record is concerned: an incident */
        actor.process.flags = 0;
        actor.n_ancestors = 0;
        actor.entry_leader = NULL;
        actor.remote_address = BYTES_NULL;
        actor.entry_type = NULL;
        actor.process.tty = 0;
        actor.process.tty_name = BYTES_NULL;
        actor.user_name = BYTES_NULL;
        assert_actor(&actor, NULL,
                     "{\"process\":{" VIM_BEGIN ",\"executable\":\"/usr/bin/vim\",\"name\":\"vim\",\"pid\":812,"
                     "\"working_directory\":\"/boot\"}}");
}

static void is_what_the_record_names(void **state) {
        struct record process = {
                .values = {
                        [PID] = { .present = true, .number = 812 },
                        [PARENT] = { .present = true, .number = 811 },
                        [USER_ID] = { .present = true, .number = 0 },
                        [NAME] = { .present = true, .bytes = TEXT("renamed") },
                },
        };
        struct actor actor = an_actor();

        (void)state;
        actor.process.exit_status = 2 << 8;
        actor.process.flags |= PROCESS_HAS_EXIT;
        assert_told(CHANGE_VANISHED, &actor, &process,
                     "{\"nephronix\":{" ANCESTORS "," SESSION ",\"terminal\":\"pts/3\"},"
                     "\"process\":{" VIM_BEGIN "," LEADER ",\"executable\":\"/usr/bin/vim\",\"exit_code\":2,"
                     "\"name\":\"renamed\"," PARENT_BASH ",\"pid\":812," TTY ",\"working_directory\":\"/boot\"},"
                     RELATED ",\"user\":{" AUDIT ",\"id\":\"0\",\"name\":\"root\"}}");

        /* orphaned meanwhile, killed, and the record's user is another one */
        process.values[PARENT].number = 1;
        process.values[USER_ID].number = 33;
        actor.process.exit_status = 9 | 0x80;
        assert_told(CHANGE_VANISHED, &actor, &process,
                     "{\"nephronix\":{" ANCESTORS "," SESSION ",\"exit_signal\":9,\"terminal\":\"pts/3\"},"
                     "\"process\":{" VIM_BEGIN "," LEADER ",\"executable\":\"/usr/bin/vim\","
                     "\"name\":\"renamed\",\"parent\":{\"pid\":1},\"pid\":812," TTY ","
                     "\"user\":{\"id\":\"0\",\"name\":\"root\"},\"working_directory\":\"/boot\"},"
                     RELATED ",\"user\":{" AUDIT ",\"id\":\"33\"}}");

        /* its start is told late, when the end is known already: the one says nothing of the other */
        process.values[PARENT].present = process.values[USER_ID].present = process.values[NAME].present = false;
        actor = (struct actor){ .process = { .pid = 812, .flags = PROCESS_HAS_EXIT, .exit_status = 2 << 8 } };
        assert_actor(&actor, &process, "{\"process\":{\"pid\":812}}");
}

static void is_the_parent_of_it(void **state) {
        struct record process = {
                .values = {
                        [PID] = { .present = true, .number = 900 },
                        [PARENT] = { .present = true, .number = 812 },
                        [USER_ID] = { .present = true, .number = 33 },
                        [NAME] = { .present = true, .bytes = TEXT("sh") },
                },
        };
        struct actor actor = an_actor();

        (void)state;
        actor.process.user = 1000;
        assert_actor(&actor, &process,
                     "{\"nephronix\":{" OUTER "," SESSION "},"
                     "\"process\":{" LEADER ",\"name\":\"sh\",\"parent\":{" VIM_BEGIN ",\"executable\":\"/usr/bin/vim\","
                     "\"name\":\"vim\",\"pid\":812,\"real_user\":{\"id\":\"1000\",\"name\":\"root\"},"
                     "\"user\":{\"id\":\"0\"},\"working_directory\":\"/boot\"},"
                     "\"pid\":900},\"related\":{\"ip\":[\"192.0.2.7\"],\"user\":[\"root\",\"alice\"]},"
                     "\"user\":{" AUDIT ",\"id\":\"33\"}}");
}

static void is_another_one(void **state) {
        struct record login = {
                .values = {
                        [PID] = { .present = true, .number = 900 },
                        [USER_NAME] = { .present = true, .bytes = TEXT("bob") },
                },
        };
        struct actor actor = an_actor();

        (void)state;
        assert_actor(&actor, &login,
                     "{\"nephronix\":{" OUTER "," SESSION ",\"author\":{" VIM_BEGIN "," LEADER ","
                     "\"executable\":\"/usr/bin/vim\",\"name\":\"vim\",\"pid\":812,"
                     "\"user\":{\"id\":\"0\",\"name\":\"root\"},\"working_directory\":\"/boot\"}},"
                     "\"process\":{\"pid\":900},\"related\":{\"ip\":[\"192.0.2.7\"],\"user\":[\"root\",\"alice\"]},"
                     "\"user\":{" AUDIT ",\"name\":\"bob\"}}");
}

static void users(void **state) {
        struct record record = { .values[PATH] = { .present = false } };
        struct actor actor = { .process = { .pid = 5, .flags = PROCESS_HAS_USERS, .user = 1000, .effective_user = 0 } };

        (void)state;
        assert_actor(&actor, &record, "{\"process\":{\"pid\":5},\"user\":{\"effective\":{\"id\":\"0\"},\"id\":\"1000\"}}");
        /* nobody logged in */
        actor.process.flags = PROCESS_HAS_LOGIN;
        actor.process.login_user = actor.process.audit_session = LOGIN_USER_UNSET;
        assert_actor(&actor, &record, "{\"process\":{\"pid\":5}}");
        /* a name that may be anybody's is not joined with a number */
        actor.process.flags = PROCESS_HAS_USERS;
        record.values[USER_NAME] = value_string("alice");
        assert_actor(&actor, &record,
                     "{\"process\":{\"pid\":5,\"real_user\":{\"id\":\"1000\"},\"user\":{\"id\":\"0\"}},"
                     "\"user\":{\"name\":\"alice\"}}");
}

static void run_container_and_more(void **state) {
        struct actor actor = {
                .process = { .pid = 5, .flags = PROCESS_CUT },
                .container = TEXT("0123456789abcdef"),
                .unit = TEXT("x.service"),
                .in_transaction = true,
                .transaction = { .process = &apt },
                .remote_address = TEXT("fe80::1%eth0"),
        };

        (void)state;
        memset(actor.transaction.id, 1, sizeof(actor.transaction.id));
        assert_actor(&actor, NULL,
                     "{\"container\":{\"id\":\"0123456789abcdef\"},\"nephronix\":{\"cut\":true,\"transaction\":{"
                     "\"command_line\":\"apt install x\",\"entity_id\":\"700-50\",\"executable\":\"/usr/bin/apt\","
                     "\"id\":\"01010101-0101-0101-0101-010101010101\",\"name\":\"apt\",\"pid\":700,"
                     "\"user\":{\"audit\":{\"id\":\"1000\"},\"id\":\"0\"}},\"unit\":\"x.service\"},"
                     "\"process\":{\"entry_leader\":{\"entry_meta\":{\"source\":{\"address\":\"fe80::1%eth0\"}}},"
                     "\"pid\":5}}");
}

static void hostile_bytes(void **state) {
        struct actor actor = { .process = { .pid = 5, .name = TEXT("a\n\"\xff") } };

        (void)state;
        actor.ancestors[0].name = bytes_of_string("\x1b[2J");
        actor.ancestors[0].pid = 4;
        actor.n_ancestors = 1;
        assert_actor(&actor, NULL,
                     "{\"nephronix\":{\"ancestors\":{\"name\":[\"\\\\x1b[2J\"]},\"raw\":{\"nephronix.ancestors.name.0\":"
                     "\"G1sySg==\",\"process.name\":\"YQoi/w==\",\"process.parent.name\":\"G1sySg==\"}},"
                     "\"process\":{\"name\":\"a\\\\x0a\\\"\\\\xff\",\"parent\":{\"name\":\"\\\\x1b[2J\",\"pid\":4},"
                     "\"pid\":5}}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(stands_alone),
                cmocka_unit_test(is_what_the_record_names),
                cmocka_unit_test(is_the_parent_of_it),
                cmocka_unit_test(is_another_one),
                cmocka_unit_test(users),
                cmocka_unit_test(run_container_and_more),
                cmocka_unit_test(hostile_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
