/* test-alert-notice.c - what stands on the terminals: sentences, and below them who did it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "alert-notice.h"
#include "rounds-text.h"

#define TEXT(text) { .data = (const uint8_t *)(text), .size = sizeof(text) - 1 }

static const struct field fields[] = { { "path", "file.path", FIELD_TEXT, 0 }, { NULL } };
static const struct watch watch = { .noun = "file", .label = "{path}", .dataset = "files", .fields = fields };
static const struct actor vim = { .process = { .pid = 812, .name = TEXT("vim") } }, rm = { .process = { .pid = 9, .name = TEXT("rm") } };

struct told {
        const char *path;
        const struct actor *actor;
};

static int no_line(void *context, const struct round *round, struct bytes line) {
        (void)context, (void)round, (void)line;
        return 0;
}

static void add(struct rounds_text *rounds, uint64_t sequence, const struct told *told) {
        struct record record = { .key = bytes_of_string(told->path) };
        const struct change change = { CHANGE_APPEARED, fields, NULL, &record };
        const struct event event = {
                .sequence = sequence, .watch = "boot", .kind = &watch, .severity = SEVERITY_HIGH, .seen_by = "event",
                .sensor = "stat", .change = &change, .actor = told->actor,
        };

        record.values[0] = value_string(told->path);
        assert_int_equal(rounds_text_event(rounds, &event, bytes_of_string("{}")), 0);
}

static void assert_notice(const struct told *told, size_t count, bool decoded, const char *expected) {
        const struct rounds_text_writer writer = { .line = no_line };
        const struct round round = { .at = { 1795473243, 0 } };
        struct alert_notice notice = { .events = 0 };
        struct rounds_text *rounds;
        _cleanup_buffer_ struct buffer encoded = BUFFER_NULL;

        assert_int_equal(rounds_text_new(NULL, NULL, 0, -1, SEVERITY_HIGH, &writer, &rounds), 0);
        for (size_t i = 0; i < count; i++) {
                add(rounds, i + 1, &told[i]);
                if (!decoded)
                        continue;
                /* as one that waited in the baseline */
                buffer_clear(&encoded);
                assert_int_equal(rounds_text_encode(rounds, &encoded), 0);
                rounds_text_give_back(rounds, i + 1);
                assert_int_equal(rounds_text_decode(rounds, buffer_bytes(&encoded), BYTES_NULL, 0), 0);
        }
        assert_int_equal(alert_notice_gather(&notice, rounds, SEVERITY_HIGH, 0, count + 1), 0);
        alert_notice_finish(&notice, "box", "/var/log/x.log", &round, NULL);
        assert_string_equal(buffer_string(&notice.text), expected);
        alert_notice_done(&notice);
        (void)rounds_text_free(rounds);
}

#define BEGIN(changes) "nephronix on box, 2026-11-23T22:34:03: " changes "\n"
#define END "  Read on: nephronix events, or grep 00000000-0000-0000-0000-000000000000 /var/log/x.log\n"

static void says_who(void **state) {
        const struct told table[] = { { "/a", NULL }, { "/b", &vim }, { "/c", &vim }, { "/d", &rm } };

        (void)state;
        for (int decoded = 0; decoded < 2; decoded++) {
                assert_notice(table, 1, decoded, BEGIN("1 high change") "  file /a appeared\n  who: unknown\n" END);
                assert_notice(table + 1, 2, decoded,
                              BEGIN("2 high changes") "  file /b appeared\n  file /c appeared\n  who: vim (pid 812)\n" END);
                assert_notice(table, 4, decoded,
                              BEGIN("4 high changes") "  file /a appeared\n  who: unknown\n"
                              "  file /b appeared\n  file /c appeared\n  who: vim (pid 812)\n"
                              "  file /d appeared\n  who: rm (pid 9)\n" END);
        }
}

static void counts_the_rest(void **state) {
        struct told table[10];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++)
                table[i] = (struct told){ "/x", i < 8 ? &vim : &rm };
        assert_notice(table, ELEMENTS(table), false,
                      BEGIN("10 high changes")
                      "  file /x appeared\n  file /x appeared\n  file /x appeared\n  file /x appeared\n"
                      "  file /x appeared\n  file /x appeared\n  file /x appeared\n  file /x appeared\n"
                      "  who: vim (pid 812)\n  and 2 more\n" END);

        /* authors take lines too */
        for (size_t i = 0; i < ELEMENTS(table); i++)
                table[i] = (struct told){ "/x", i % 2 ? &vim : &rm };
        assert_notice(table, ELEMENTS(table), false,
                      BEGIN("10 high changes")
                      "  file /x appeared\n  who: rm (pid 9)\n  file /x appeared\n  who: vim (pid 812)\n"
                      "  file /x appeared\n  who: rm (pid 9)\n  file /x appeared\n  who: vim (pid 812)\n"
                      "  and 6 more\n" END);
}

static int set_zone(void **state) {
        (void)state;
        if (setenv("TZ", "UTC0", 1) < 0)
                return -1;
        tzset();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(says_who),
                cmocka_unit_test(counts_the_rest),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
