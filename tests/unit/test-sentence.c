#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "escape.h"
#include "hostile.h"
#include "sentence.h"

enum { PATH, SIZE, OWNER, MODE, MTIME, CONTENT, SIGNED, TARGET, COUNTER, LOOKED, CTIME, ACL, CAPABILITIES };

static const struct field fields[] = {
        [PATH] = { "path", "file.path", FIELD_TEXT, 0 },
        [SIZE] = { "size", "file.size", FIELD_NUMBER, 0 },
        [OWNER] = { "owner_id", "file.uid", FIELD_IDENTIFIER, FIELD_USER },
        [MODE] = { "mode", "file.mode", FIELD_MODE, 0 },
        [MTIME] = { "mtime", "file.mtime", FIELD_TIME, 0 },
        [CONTENT] = { "blake2b", NULL, FIELD_DIGEST, 0 },
        [SIGNED] = { "signed", NULL, FIELD_FLAG, 0 },
        [TARGET] = { "link_target", "file.target_path", FIELD_TEXT, 0 },
        [COUNTER] = { "counter", NULL, FIELD_NUMBER, FIELD_QUIET },
        [LOOKED] = { "looked", NULL, FIELD_TIME, FIELD_LOOKED },
        [CTIME] = { "ctime", "file.ctime", FIELD_TIME, FIELD_FAINT },
        [ACL] = { "acl", NULL, FIELD_SET, 0 },
        [CAPABILITIES] = { "capabilities", NULL, FIELD_SET, 0 },
        { NULL },
};

static int set_zone(void **state) {
        (void)state;
        if (setenv("TZ", "UTC0", 1) < 0)
                return -1;
        tzset();
        return 0;
}

static struct record plain(void) {
        struct record record = { .key = bytes_of("boot\0x", 6) };

        record.values[PATH] = value_string("/boot/x");
        record.values[SIZE] = value_number(10);
        record.values[OWNER] = value_number(0);
        record.values[MODE] = value_number(0644);
        record.values[MTIME] = value_number(1795473243123456789u);
        record.values[CONTENT] = value_bytes(bytes_of("\x00\xff\x1b", 3));
        record.values[SIGNED] = value_number(1);
        record.values[COUNTER] = value_number(7);
        return record;
}

static void shows_values(void **state) {
        static const struct {
                int field;
                uint64_t number;
                const char *expected;
        } table[] = {
                { SIZE, 0, "0" },
                { SIZE, UINT64_MAX, "18446744073709551615" },
                { OWNER, 4294967295u, "4294967295" },
                { MODE, 0, "0000" },
                { MODE, 0644, "0644" },
                { MODE, 04755, "4755" },
                { MODE, 0100644, "100644" },
                { MODE, UINT64_MAX, "1777777777777777777777" },
                { MTIME, 0, "1970-01-01T00:00:00" },
                { MTIME, 1795473243999999999u, "2026-11-23T22:34:03" },
                { SIGNED, 0, "no" },
                { SIGNED, 1, "yes" },
        };
        _cleanup_buffer_ struct buffer digest = BUFFER_NULL;
        struct record record = plain();

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
                struct value value = value_number(table[i].number);

                sentence_value(&buffer, &fields[table[i].field], &value);
                assert_string_equal(buffer_string(&buffer), table[i].expected);
        }
        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
                struct value value = value_bytes(hostile_table[i].in);

                sentence_value(&buffer, &fields[PATH], &value);
                assert_string_equal(buffer_string(&buffer), hostile_table[i].escaped);
        }
        sentence_value(&digest, &fields[CONTENT], &record.values[CONTENT]);
        sentence_value(&digest, &fields[TARGET], &record.values[TARGET]);
        assert_string_equal(buffer_string(&digest), "00ff1b");
}

static void expands(void **state) {
        static const struct {
                const char *sentence, *expected;
        } table[] = {
                { "", "" },
                { "nothing to fill", "nothing to fill" },
                { "{path}", "/boot/y" },
                { "file {path} of {size} bytes", "file /boot/y of 12 bytes" },
                { "{path}{path}", "/boot/y/boot/y" },
                { "from {before.size} to {size}", "from 10 to 12" },
                { "{link_target}", "unknown" },
                { "a{link_target? to {link_target}}b", "ab" },
                { "a{mode? with mode {mode}, was {before.mode}}b", "a with mode 0600, was 0644b" },
                { "{before.mode?had a mode}", "had a mode" },
                { "{before.link_target?had a target}", "" },
                { "{size?}", "" },
                { "{size?a {mode?b {owner_id?c}}}", "a b c" },
                { "{size?why? {path}}", "why? /boot/y" },
                /* Mistakes of the template's writer stay to be seen. */
                { "{nosuch} {path}", "{nosuch} /boot/y" },
                { "{nosuch?x {path}}", "{nosuch?x {path}}" },
                { "{before.nosuch}", "{before.nosuch}" },
                { "{}", "{}" },
                { "{?x}", "{?x}" },
                { "{before.}", "{before.}" },
                { "open {path", "open {path" },
                { "{size?x {path}", "{size?x {path}" },
                { "close } {path}", "close } /boot/y" },
                { "%s %n {size}%", "%s %n 12%" },
        };
        struct record before = plain(), after = plain();
        const struct change change = { CHANGE_CHANGED, fields, &before, &after };

        (void)state;
        after.values[PATH] = value_string("/boot/y");
        after.values[SIZE] = value_number(12);
        after.values[MODE] = value_number(0600);
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                sentence_expand(&buffer, table[i].sentence, &change);
                assert_string_equal(buffer_string(&buffer), table[i].expected);
        }
}

static void expands_one_sided(void **state) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;
        struct record record = plain();
        struct change change = { CHANGE_APPEARED, fields, NULL, &record };

        (void)state;
        sentence_expand(&buffer, "{path}, {before.path}{before.size?!}", &change);
        assert_string_equal(buffer_string(&buffer), "/boot/x, unknown");
        buffer_clear(&buffer);
        change = (struct change){ CHANGE_VANISHED, fields, &record, NULL };
        sentence_expand(&buffer, "{path}, {before.path}{before.size?!}", &change);
        assert_string_equal(buffer_string(&buffer), "/boot/x, /boot/x!");
        buffer_clear(&buffer);
        sentence_expand(&buffer, "{path} stays", NULL);
        assert_string_equal(buffer_string(&buffer), "{path} stays");
}

static void values_are_not_templates(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(hostile_table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL, expected = BUFFER_NULL;
                struct record record = plain();
                const struct change change = { CHANGE_APPEARED, fields, NULL, &record };

                record.values[PATH] = value_bytes(hostile_table[i].in);
                sentence_expand(&buffer, "<{path}>{path? <{path}>}", &change);
                buffer_printf(&expected, "<%s> <%s>", hostile_table[i].escaped, hostile_table[i].escaped);
                assert_string_equal(buffer_string(&buffer), buffer_string(&expected));
        }
}

static const struct watch watch = { .noun = "file", .label = "{path}", .fields = fields };
static const struct action silent = { .action = "file-modified" };

static void assert_sentence(const struct event *event, const char *expected) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

        buffer_append_string(&buffer, "kept ");
        sentence_of_event(&buffer, event);
        assert_memory_equal(buffer_string(&buffer), "kept ", 5);
        assert_string_equal(buffer_string(&buffer) + 5, expected);
}

static void names_differences(void **state) {
        static const struct {
                int field;
                int64_t before, after;  /* -1: absent */
                const char *expected;
        } table[] = {
                { SIZE, 10, 12, "file /boot/x: size 10 to 12" },
                { SIZE, -1, 12, "file /boot/x: size was absent, now 12" },
                { SIZE, 10, -1, "file /boot/x: size 10 is gone" },
                { OWNER, 0, 1000, "file /boot/x: owner id 0 to 1000" },
                { MODE, 0644, 0600, "file /boot/x: mode 0644 to 0600" },
                { MODE, 0644, 04755, "file /boot/x: mode 0644 to 4755 (now set-user-id)" },
                { MODE, 04755, 0755, "file /boot/x: mode 4755 to 0755 (no longer set-user-id)" },
                { MODE, 04755, 03755,
                  "file /boot/x: mode 4755 to 3755 (now set-group-id, sticky; no longer set-user-id)" },
                { MODE, 0, 07000, "file /boot/x: mode 0000 to 7000 (now set-user-id, set-group-id, sticky)" },
                { MODE, 06755, 06711, "file /boot/x: mode 6755 to 6711" },
                { MODE, -1, 02755, "file /boot/x: mode was absent, now 2755 (now set-group-id)" },
                { MODE, 02755, -1, "file /boot/x: mode 2755 is gone" },
                { SIGNED, 1, 0, "file /boot/x: signed yes to no" },
                { MTIME, 0, 1000000000, "file /boot/x: mtime 1970-01-01T00:00:00 to 1970-01-01T00:00:01" },
                { MTIME, 1000000001, 1999999999,
                  "file /boot/x: mtime 1970-01-01T00:00:01.000000001 to 1970-01-01T00:00:01.999999999" },
                /* Not compared. */
                { COUNTER, 1, 2, "file /boot/x changed" },
                { LOOKED, 1, 2, "file /boot/x changed" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                struct record before = plain(), after = plain();
                const struct change change = { CHANGE_CHANGED, fields, &before, &after };
                const struct event event = { .kind = &watch, .action = &silent, .change = &change };

                before.values[table[i].field] = (struct value){ .present = table[i].before >= 0,
                                                                .number = (uint64_t)table[i].before };
                after.values[table[i].field] = (struct value){ .present = table[i].after >= 0,
                                                               .number = (uint64_t)table[i].after };
                assert_sentence(&event, table[i].expected);
        }
}

static void names_bits_of_what_appears(void **state) {
        static const struct action created = { .action = "file-created", .sentence = "{path} was created" };
        static const struct {
                uint64_t mode;
                const char *expected;
        } table[] = {
                { 0755, "/boot/x was created" },
                { 04755, "/boot/x was created (set-user-id)" },
                { 06755, "/boot/x was created (set-user-id, set-group-id)" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                struct record record = plain();
                struct change change = { CHANGE_APPEARED, fields, NULL, &record };
                const struct event event = { .kind = &watch, .action = &created, .change = &change };

                record.values[MODE] = value_number(table[i].mode);
                assert_sentence(&event, table[i].expected);
                change = (struct change){ CHANGE_VANISHED, fields, &record, NULL };
                assert_sentence(&event, "/boot/x was created");
        }
}

static void names_several(void **state) {
        struct record before = plain(), after = plain();
        const struct change change = { CHANGE_CHANGED, fields, &before, &after };
        struct event event = { .kind = &watch, .action = &silent, .change = &change };
        const struct watch nameless = { .noun = "file", .fields = fields };

        (void)state;
        after.values[SIZE] = value_number(12);
        after.values[CONTENT] = value_bytes(bytes_of("x", 1));
        after.values[TARGET] = value_string("a\nb");
        after.values[COUNTER] = value_number(8);
        before.values[SIGNED].present = false;
        assert_sentence(&event, "file /boot/x: content changed (10 to 12 bytes); signed was absent, now yes; "
                                "link target was absent, now a\\x0ab");
        before.values[CONTENT].present = false;
        after.values[TARGET] = value_string("");
        assert_sentence(&event, "file /boot/x: size 10 to 12; content was unknown; signed was absent, now yes; "
                                "link target was absent, now (empty)");
        before.values[CONTENT].present = true;
        after.values[CONTENT].present = false;
        before.values[TARGET] = value_string("t");
        before.values[SIGNED].present = true;
        event.kind = &nameless;
        assert_sentence(&event,
                        "file boot\\x00x: size 10 to 12; content is unknown; link target t to (empty)");
        event.kind = NULL;
        before = after;
        assert_sentence(&event, "record boot\\x00x changed");
}

static void names_words(void **state) {
        static const struct {
                const char *before, *after, *expected;
        } table[] = {
                { NULL, "a", "file /boot/x: acl gained a" },
                { "a", NULL, "file /boot/x: acl lost a" },
                { "a b c", "b d  e", "file /boot/x: acl gained d e, lost a c" },
                { "user.x=01 user.y=02", "user.x=03 user.y=02 user.z=04", "file /boot/x: acl gained user.z, changed in user.x" },
                { "a b", "b a", "file /boot/x: acl stands in another order" },
                { "", "a\n\x1b", "file /boot/x: acl gained a\\x0a\\x1b" },
        };
        _cleanup_buffer_ struct buffer many = BUFFER_NULL;
        struct record before = plain(), after = plain();
        const struct change change = { CHANGE_CHANGED, fields, &before, &after };
        const struct event event = { .kind = &watch, .action = &silent, .change = &change };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                before.values[ACL] = value_string(table[i].before);
                after.values[ACL] = value_string(table[i].after);
                assert_sentence(&event, table[i].expected);
        }
        /* whoever makes a list long must not make us slow */
        buffer_append_fill(&many, 'a', 4000);
        for (size_t i = 1; i < many.size; i += 2)
                many.data[i] = ' ';
        before.values[ACL] = value_string("b");
        after.values[ACL] = value_bytes(buffer_bytes(&many));
        assert_sentence(&event, "file /boot/x: acl changed, 1 entries to 2000");
}

static void leaves_out_what_is_faint(void **state) {
        struct record before = plain(), after = plain();
        const struct change change = { CHANGE_CHANGED, fields, &before, &after };
        const struct event event = { .kind = &watch, .action = &silent, .change = &change };

        (void)state;
        before.values[CTIME] = value_number(0);
        after.values[CTIME] = value_number(1000000000);
        assert_sentence(&event, "file /boot/x: ctime 1970-01-01T00:00:00 to 1970-01-01T00:00:01");
        after.values[MODE] = value_number(0600);
        assert_sentence(&event, "file /boot/x: mode 0644 to 0600");
        after.values[CONTENT] = value_bytes(bytes_of("x", 1));
        assert_sentence(&event, "file /boot/x: mode 0644 to 0600; content changed (10 bytes)");
        after.values[SIZE].present = false;
        assert_sentence(&event, "file /boot/x: size 10 is gone; mode 0644 to 0600; content changed");
}

static void names_users(void **state) {
        struct record before = plain(), after = plain();
        const struct change change = { CHANGE_CHANGED, fields, &before, &after };
        struct event event = { .kind = &watch, .action = &silent, .change = &change };

        (void)state;
        after.values[OWNER] = value_number(1000);
        event_add(&event, FACT_OWNER, FIELD_TEXT, value_string("al\nice"));
        assert_sentence(&event, "file /boot/x: owner id 0 to 1000 (al\\x0aice)");
        event_add(&event, FACT_OWNER_BEFORE, FIELD_TEXT, value_string("root"));
        assert_sentence(&event, "file /boot/x: owner id 0 (root) to 1000 (al\\x0aice)");
}

static void names_powers_of_what_is_new(void **state) {
        const struct action made = { .action = "file-created", .sentence = "{path} was created" };
        struct record record = plain();
        const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        const struct event event = { .kind = &watch, .action = &made, .change = &change };

        (void)state;
        record.values[CAPABILITIES] = value_string("cap_net_raw+ep");
        record.values[ACL] = value_string("user:1:rwx");
        assert_sentence(&event, "/boot/x was created (cap_net_raw+ep)");
}

static void chooses_the_sentence(void **state) {
        struct record record = plain();
        struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        const struct action spoken = { .action = "file-created", .sentence = "file {path} was created" };
        struct event event = { .kind = &watch, .action = &spoken, .change = &change, .message = "own words" };

        (void)state;
        assert_sentence(&event, "own words");
        event.message = "escaped already: a\\x0ab";
        assert_sentence(&event, "escaped already: a\\x0ab");
        event.message = "not escaped: \x1b[31m\\";
        assert_sentence(&event, "not escaped: \\x1b[31m\\\\");
        event.message = NULL;
        assert_sentence(&event, "file /boot/x was created");
        event.action = &silent;
        assert_sentence(&event, "file /boot/x appeared");
        change = (struct change){ CHANGE_VANISHED, fields, &record, NULL };
        assert_sentence(&event, "file /boot/x is gone");
        event.change = NULL;
        assert_sentence(&event, "file-modified");
        event.action = NULL;
        assert_sentence(&event, "");
}

static void cuts_long_sentences(void **state) {
        static const struct {
                const char *piece;
                size_t count;
                size_t length;  /* of the result */
        } table[] = {
                { "a", SENTENCE_MAX, SENTENCE_MAX },
                { "a", SENTENCE_MAX + 1, SENTENCE_MAX },
                /* 4093 bytes of room. */
                { "\xc3\xa9", 3000, 4092 + 3 },
                { "\xe6\x97\xa5", 3000, 4092 + 3 },
                { "\xf0\x9f\x90\xa2", 3000, 4092 + 3 },
                { "\n", 3000, 4092 + 3 },
                { "\\", 3000, 4092 + 3 },
                { "\xe2\x80\xae", 3000, 4088 + 3 },
                { "\xf3\xa0\x81\xa1", 3000, 4086 + 3 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer name = BUFFER_NULL, whole = BUFFER_NULL, buffer = BUFFER_NULL;
                struct record record = plain();
                const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
                const struct action action = { .sentence = "{path}" };
                const struct event event = { .kind = &watch, .action = &action, .change = &change };
                size_t kept;

                for (size_t j = 0; j < table[i].count; j++)
                        buffer_append_string(&name, table[i].piece);
                record.values[PATH] = value_bytes(buffer_bytes(&name));
                escape_append(&whole, buffer_bytes(&name));
                sentence_of_event(&buffer, &event);
                assert_true(escape_is_clean(buffer_bytes(&buffer)));
                if (whole.size <= SENTENCE_MAX) {
                        assert_true(bytes_equal(buffer_bytes(&whole), buffer_bytes(&buffer)));
                        continue;
                }
                assert_int_equal(buffer.size, table[i].length);
                kept = buffer.size - 3;
                assert_memory_equal(buffer.data, whole.data, kept);
                assert_memory_equal(buffer.data + kept, "...", 3);
        }
}

/* However long the sentence before: what hides itself and how often it was is said. */
static void tells_disguise_and_count(void **state) {
        static const struct watch kinds[] = {
                { .noun = "process", .label = "{path}" }, { .noun = "entry", .label = "{path}" }, { .label = "{path}" },
        };
        static const char *const nouns[] = { " processes", " entries", "" };
        _cleanup_buffer_ struct buffer name = BUFFER_NULL, whole = BUFFER_NULL;
        struct record record = plain();
        const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        const struct action action = { .sentence = "{path} started" };
        struct event event = { .kind = &kinds[0], .action = &action, .change = &change };

        (void)state;
        event_add(&event, "nephronix.disguise", FIELD_TEXT, value_string("runs from a memfd"));
        assert_sentence(&event, "/boot/x started, which runs from a memfd");
        event.count = 2;
        assert_sentence(&event, "/boot/x started, which runs from a memfd; 2 processes like it");
        event.n_facts = 0;
        event.first_ns = 1795473243123456789u;
        event.last_ns = 1795473303000000000u;
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                _cleanup_buffer_ struct buffer expected = BUFFER_NULL;

                event.kind = &kinds[i];
                buffer_printf(&expected, "/boot/x started; 2%s like it between 2026-11-23T22:34:03 and 2026-11-23T22:35:03",
                              nouns[i]);
                assert_sentence(&event, buffer_string(&expected));
        }

        event.change = NULL;
        event.kind = &kinds[0];
        event.action = &(const struct action){ .action = "process-executed", .sentence = "{path} started" };
        assert_sentence(&event, "2 processes: process-executed between 2026-11-23T22:34:03 and 2026-11-23T22:35:03");
        event.count = 1;
        assert_sentence(&event, "1 process: process-executed between 2026-11-23T22:34:03 and 2026-11-23T22:35:03");
        event.change = &change;
        event.action = &action;
        event.kind = &kinds[2];

        buffer_append_fill(&name, '\n', 5000);
        record.values[PATH] = value_bytes(buffer_bytes(&name));
        event.count = UINT64_MAX;
        event_add(&event, "nephronix.disguise", FIELD_TEXT, value_bytes(buffer_bytes(&name)));
        sentence_of_event(&whole, &event);
        assert_true(whole.size <= SENTENCE_MAX && whole.size > SENTENCE_MAX - 512);
        assert_non_null(strstr(buffer_string(&whole), "..., which \\x0a"));
        assert_non_null(strstr(buffer_string(&whole), "...; 18446744073709551615 like it between "));
}

static void tells_proof(void **state) {
        static const struct watch kind = { .noun = "file", .label = "{path}" };
        struct record record = plain();
        const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        const struct action action = { .sentence = "{path} was created" };
        struct event event = { .kind = &kind, .action = &action, .change = &change };

        (void)state;
        event_add(&event, "nephronix.proof.verdict", FIELD_TEXT, value_string("unowned"));
        assert_sentence(&event, "/boot/x was created");
        event_add(&event, "nephronix.proof.why", FIELD_TEXT, value_string("no package\n owns it"));
        assert_sentence(&event, "/boot/x was created; no package\\x0a owns it");
}

#define ALICE .flags = PROCESS_HAS_USERS | PROCESS_HAS_LOGIN, .user = 1000, .effective_user = 1000, .login_user = 1000
#define TEXT(text) { .data = (const uint8_t *)(text), .size = sizeof(text) - 1 }

static const struct process_facts apt = { .pid = 700, .name = TEXT("apt"), .command_line = TEXT("apt install x") };

static const struct {
        struct actor actor;
        const char *expected;
} actors[] = {
        { { .process = { .pid = 7 } }, "pid 7" },
        { { .process = { .pid = 7, .name = TEXT("vim") } }, "vim (pid 7)" },
        { { .process = { .pid = 7, .executable = TEXT("/usr/bin/vim") } }, "vim (pid 7)" },
        { { .process = { .pid = 7, .name = TEXT("vim"), .executable = TEXT("/usr/bin/vim") } }, "vim (pid 7)" },
        { { .process = { .pid = 7, .name = TEXT("backup"), .executable = TEXT("/bin/sh") } }, "backup (/bin/sh, pid 7)" },
        { { .process = { .pid = 7, .name = TEXT("systemd-journal"), .executable = TEXT("/lib/systemd-journald") } },
          "systemd-journal (pid 7)" },
        { { .process = { .pid = 7, .name = TEXT("kworker/0:1"), .executable = TEXT("/memfd:x (deleted)"),
                         .flags = PROCESS_FROM_MEMFD | PROCESS_DELETED } },
          "kworker/0:1 (/memfd:x (deleted), from a memfd, pid 7)" },
        { { .process = { .pid = 7, .name = TEXT("x"), .flags = PROCESS_DELETED } }, "x (its program deleted, pid 7)" },
        { { .process = { .pid = 7, .name = TEXT("x\n\x1b[31m") } }, "x\\x0a\\x1b[31m (pid 7)" },
        { { .process = { .pid = 812, .name = TEXT("vim"), .tty_name = TEXT("pts/3"), ALICE },
            .ancestors = { { .name = TEXT("sudo") }, { .name = TEXT("bash") }, { .executable = TEXT("/usr/sbin/sshd") },
                           { .pid = 1 } },
            .n_ancestors = 4,
            .user_name = TEXT("alice"), .login_name = TEXT("alice"), .remote_address = TEXT("192.0.2.7") },
          "vim (pid 812) of alice (login alice, pts/3 from 192.0.2.7), under sudo < bash < sshd < pid 1" },
        { { .process = { .pid = 8, .name = TEXT("a"), ALICE } }, "a (pid 8) of user 1000 (login user 1000)" },
        { { .process = { .pid = 8, .name = TEXT("a"), .flags = PROCESS_HAS_USERS | PROCESS_HAS_LOGIN, .user = 33,
                         .login_user = LOGIN_USER_UNSET },
            .unit = TEXT("apache2.service") },
          "a (pid 8) of user 33 as root, in apache2.service" },
        { { .process = { .pid = 8, .name = TEXT("a"), .tty_name = TEXT("tty1") } }, "a (pid 8) (tty1)" },
        { { .process = { .pid = 8, .name = TEXT("a") }, .remote_address = TEXT("2001:db8::1") },
          "a (pid 8) (from 2001:db8::1)" },
        { { .process = { .pid = 8, .name = TEXT("a") }, .unit = TEXT("docker-x.scope"),
            .container = TEXT("0123456789abcdef0123456789abcdef") },
          "a (pid 8), in container 0123456789ab" },
        { { .process = { .pid = 701, .name = TEXT("dpkg") }, .in_transaction = true, .transaction = { .process = &apt } },
          "dpkg (pid 701), for apt install x" },
        { { .process = { .pid = 700, .name = TEXT("apt") }, .in_transaction = true, .transaction = { .process = &apt } },
          "apt (pid 700)" },
};

static void names_actors(void **state) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL, name = BUFFER_NULL;
        struct actor actor = { .process = { .pid = 9 } };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(actors); i++) {
                buffer_clear(&buffer);
                sentence_actor(&buffer, &actors[i].actor);
                assert_string_equal(buffer_string(&buffer), actors[i].expected);
        }

        /* each part from outside is cut, none pushes the others out */
        buffer_append_fill(&name, 'x', 100000);
        actor.process.name = actor.process.executable = actor.container = buffer_bytes(&name);
        actor.process.tty_name = actor.remote_address = buffer_bytes(&name);
        buffer_clear(&buffer);
        sentence_actor(&buffer, &actor);
        assert_true(buffer.size < 4 * ACTOR_PART_MAX);
        assert_non_null(strstr(buffer_string(&buffer), "... (pid 9) (xxx"));
}

static void titles(void **state) {
        static const struct {
                const char *title, *path, *expected;
        } table[] = {
                { "No changes to {path} detected.", "/boot", "No changes to /boot detected." },
                { "{path}{path}", "/x", "/x/x" },
                { "no place", "/x", "no place" },
                { "{path} {pat} {", "a\nb{path}", "a\\x0ab{path} {pat} {" },
                { "<{path}>", NULL, "<>" },
                { "<{path}>", "\x1b]0;x\a", "<\\x1b]0;x\\x07>" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

                sentence_title(&buffer, table[i].title, table[i].path);
                assert_string_equal(buffer_string(&buffer), table[i].expected);
        }
}

static void severities(void **state) {
        static const char *const names[] = { "info", "low", "medium", "high", "critical" };
        static const char *const wrong[] = { "", "0", "6", "11", "High", "hig", "highh", " 1", "-1", "\xff" };

        (void)state;
        for (int i = 1; i <= 5; i++) {
                const char digit[2] = { (char)('0' + i), '\0' };

                assert_string_equal(severity_name((enum severity)i), names[i - 1]);
                assert_int_equal(severity_parse(names[i - 1]), i);
                assert_int_equal(severity_parse(digit), i);
        }
        assert_string_equal(severity_name((enum severity)0), "unknown");
        assert_string_equal(severity_name((enum severity)6), "unknown");
        assert_int_equal(severity_parse(NULL), 0);
        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                assert_int_equal(severity_parse(wrong[i]), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(shows_values),
                cmocka_unit_test(expands),
                cmocka_unit_test(expands_one_sided),
                cmocka_unit_test(values_are_not_templates),
                cmocka_unit_test(names_differences),
                cmocka_unit_test(names_bits_of_what_appears),
                cmocka_unit_test(tells_proof),
                cmocka_unit_test(names_several),
                cmocka_unit_test(names_words),
                cmocka_unit_test(names_users),
                cmocka_unit_test(leaves_out_what_is_faint),
                cmocka_unit_test(names_powers_of_what_is_new),
                cmocka_unit_test(chooses_the_sentence),
                cmocka_unit_test(cuts_long_sentences),
                cmocka_unit_test(tells_disguise_and_count),
                cmocka_unit_test(names_actors),
                cmocka_unit_test(titles),
                cmocka_unit_test(severities),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
