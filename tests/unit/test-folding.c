/* Folding: the first is told, the rest is counted, and the sum is exact. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "folding.h"
#include "ownership.h"

#define SECOND UINT64_C(1000000000)
#define WALL (UINT64_C(1700000000) * SECOND)

struct told {
        size_t lines;
        uint64_t items, others;
        struct folding_group last;
        char sample[64];
        int answer;
        size_t answer_after;            /* lines */
};

static int note(void *context, const struct folding_group *group) {
        struct told *told = context;

        assert_true(group->count > 0);
        assert_true(group->first_ns <= group->last_ns);
        if (told->answer < 0 && told->lines >= told->answer_after)
                return told->answer;
        told->lines++;
        told->items += group->count;
        told->others += group->others ? group->count : 0;
        told->last = *group;
        (void)snprintf(told->sample, sizeof(told->sample), "%.*s", (int)group->sample.size, (const char *)group->sample.data);
        return 0;
}

static struct folding_key key_of(const char *executable) {
        return (struct folding_key){
                .watch = "processes",
                .action = "process-started",
                .executable = bytes_of_string(executable),
                .parent_executable = bytes_of_string("/bin/bash"),
                .user = 1000,
        };
}

static void test_one_group(void **unused) {
        _cleanup_folding_ struct folding *folding = NULL;
        struct folding_key key = key_of("/bin/true");
        struct told told = { 0 };
        uint64_t next;

        (void)unused;
        assert_int_equal(folding_new(0, &folding), 0);
        assert_int_equal(folding_due(folding, 0, &next), 0);
        assert_true(next == UINT64_MAX);

        assert_int_equal(folding_take(folding, &key, WALL, 5 * SECOND), FOLDING_TELL);
        assert_false(folding_wants_sample(folding));
        /* Nothing counted: nothing to wake up for. */
        assert_int_equal(folding_due(folding, 5 * SECOND, &next), 0);
        assert_true(next == UINT64_MAX);

        assert_int_equal(folding_take(folding, &key, WALL + 3, 6 * SECOND), FOLDING_COUNT);
        assert_true(folding_wants_sample(folding));
        folding_sample(folding, bytes_of_string("first"));
        assert_int_equal(folding_take(folding, &key, WALL + 2, 7 * SECOND), FOLDING_COUNT);
        assert_false(folding_wants_sample(folding));
        folding_sample(folding, bytes_of_string("second"));
        assert_int_equal(folding_take(folding, &key, WALL + 9, 7 * SECOND), FOLDING_COUNT);

        assert_int_equal(folding_due(folding, 64 * SECOND, &next), 0);
        assert_true(next == 70 * SECOND); /* 65 s, aligned */
        assert_int_equal(folding_flush(folding, 64 * SECOND, false, note, &told), 0);
        assert_int_equal(told.lines, 0);
        assert_int_equal(folding_due(folding, 70 * SECOND, &next), 1);
        assert_int_equal(folding_flush(folding, 70 * SECOND, false, note, &told), 0);
        assert_int_equal(told.lines, 1);
        assert_int_equal(told.items, 3);
        assert_true(told.last.first_ns == WALL + 2 && told.last.last_ns == WALL + 9);
        assert_string_equal(told.sample, "first");
        assert_false(told.last.others);
        assert_string_equal(told.last.key.watch, "processes");
        assert_int_equal(told.last.key.user, 1000);
        assert_int_equal(folding_due(folding, 70 * SECOND, &next), 0);
        assert_true(next == UINT64_MAX);
        assert_false(folding_wants_sample(folding));
}

static void test_window_grows(void **unused) {
        _cleanup_folding_ struct folding *folding = NULL;
        struct folding_key key = key_of("/bin/true");
        struct told told = { 0 };
        uint64_t items = 0, tells = 0;

        (void)unused;
        assert_int_equal(folding_new(0, &folding), 0);
        for (uint64_t now = 0; now <= 3600 * SECOND; now += SECOND / 10) {
                tells += folding_take(folding, &key, WALL + now, now) == FOLDING_TELL;
                items++;
                assert_int_equal(folding_flush(folding, now, false, note, &told), 0);
        }
        assert_int_equal(tells, 1);
        /* 60, 180, 420, 900, 1500, 2100, 2700, 3300 */
        assert_int_equal(told.lines, 8);
        assert_int_equal(folding_flush(folding, 3600 * SECOND, true, note, &told), 0);
        assert_int_equal(told.items + tells, items);
        /* A window without any, and it is news again. */
        assert_int_equal(folding_take(folding, &key, WALL, 3600 * SECOND + 700 * SECOND), FOLDING_TELL);
}

static void test_keys_differ(void **unused) {
        _cleanup_folding_ struct folding *folding = NULL;
        struct folding_key keys[6];

        (void)unused;
        assert_int_equal(folding_new(0, &folding), 0);
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                keys[i] = key_of("/bin/true");
        keys[1].executable = bytes_of_string("/bin/truf");
        keys[2].parent_executable = bytes_of_string("/bin/bas");
        keys[3].destination = bytes_of_string("192.0.2.1:22");
        keys[4].user = 0;
        keys[5].action = "process-ended";
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                assert_int_equal(folding_take(folding, &keys[i], WALL, SECOND), FOLDING_TELL);
        for (size_t i = 0; i < ELEMENTS(keys); i++)
                assert_int_equal(folding_take(folding, &keys[i], WALL, SECOND), FOLDING_COUNT);
        /* Neighbouring fields do not run into each other. */
        keys[0].executable = bytes_of_string("/bin/true/bin");
        keys[0].parent_executable = bytes_of_string("/bash");
        assert_int_equal(folding_take(folding, &keys[0], WALL, SECOND), FOLDING_TELL);
}

static void test_budget(void **unused) {
        _cleanup_folding_ struct folding *folding = NULL;
        struct told told = { 0 };
        uint64_t items = 0, tells = 0, next, now = SECOND;
        char name[32];

        (void)unused;
        assert_int_equal(folding_new(0, &folding), 0);
        for (unsigned i = 0; i < 10000; i++) {
                struct folding_key key;

                (void)snprintf(name, sizeof(name), "/tmp/%u", i);
                key = key_of(name);
                tells += folding_take(folding, &key, WALL + i, now) == FOLDING_TELL;
                items++;
        }
        assert_int_equal(tells, FOLDING_TOLD_PER_MINUTE);
        assert_int_equal(folding_flush(folding, now, false, note, &told), 0);
        assert_int_equal(told.lines, 0);

        /* No minute tells more than its budget; nothing is lost in the end. */
        for (unsigned minute = 0; minute < 60; minute++) {
                size_t before = told.lines;

                now += 60 * SECOND;
                (void)folding_due(folding, now, &next);
                assert_int_equal(folding_flush(folding, now, false, note, &told), 0);
                assert_true(told.lines - before <= FOLDING_LINES_PER_MINUTE);
                if (folding_due(folding, now, &next) == 0 && next != UINT64_MAX)
                        assert_true(next > now);
        }
        assert_int_equal(folding_due(folding, now, &next), 0);
        assert_true(next == UINT64_MAX);
        assert_int_equal(told.items + tells, items);
        assert_int_equal(told.others, 10000 - FOLDING_GROUPS_MAX);
        assert_true(told.lines <= FOLDING_GROUPS_MAX + 1);
}

static void test_others(void **unused) {
        static const char *const actions[] = { "a", "b" };
        _cleanup_folding_ struct folding *folding = NULL;
        struct told told = { 0 };
        char name[32], watches[80][16];
        uint64_t items = 0, tells = 0;

        (void)unused;
        assert_int_equal(folding_new(0, &folding), 0);
        for (unsigned i = 0; i < FOLDING_GROUPS_MAX; i++) {
                struct folding_key key;

                (void)snprintf(name, sizeof(name), "/tmp/%u", i);
                key = key_of(name);
                tells += folding_take(folding, &key, WALL + i, SECOND) == FOLDING_TELL;
                items++;
        }
        /* More watches and actions than there are collections: the last one takes all that are left. */
        for (unsigned i = 0; i < ELEMENTS(watches); i++)
                for (unsigned j = 0; j < 3; j++) {
                        struct folding_key key = key_of("/tmp/other");

                        (void)snprintf(watches[i], sizeof(watches[i]), "watch%u", i);
                        key.watch = watches[i];
                        key.action = actions[j % 2];
                        assert_int_equal(folding_take(folding, &key, WALL, SECOND), FOLDING_COUNT);
                        items++;
                }
        assert_int_equal(folding_flush(folding, SECOND, true, note, &told), 0);
        assert_int_equal(told.others, ELEMENTS(watches) * 3);
        assert_int_equal(told.items + tells, items);
        /* Emptied, the groups make room when their windows have ended. */
        items = told.items;
        for (unsigned i = 0; i < 100; i++) {
                struct folding_key key;

                (void)snprintf(name, sizeof(name), "/usr/%u", i);
                key = key_of(name);
                assert_int_equal(folding_take(folding, &key, WALL, 1000 * SECOND), FOLDING_TELL);
        }
}

static void test_teller_fails(void **unused) {
        _cleanup_folding_ struct folding *folding = NULL;
        struct folding_key key = key_of("/bin/true");
        struct told told = { .answer = -28 };
        uint64_t next;

        (void)unused;
        assert_int_equal(folding_new(0, &folding), 0);
        for (int i = 0; i < 4; i++)
                (void)folding_take(folding, &key, WALL, SECOND);
        assert_int_equal(folding_flush(folding, 100 * SECOND, false, note, &told), -28);
        assert_int_equal(folding_due(folding, 100 * SECOND, &next), 1);
        told.answer = 0;
        assert_int_equal(folding_flush(folding, 100 * SECOND, false, note, &told), 0);
        assert_int_equal(told.items, 3);
}

/* What was told and could not be kept is told again, not without pause, with what came since. */
static void test_not_kept(void **unused) {
        _cleanup_folding_ struct folding *folding = NULL;
        struct folding_key keys[] = { key_of("/bin/true"), key_of("/bin/false") };
        struct told told = { 0 };
        uint64_t next;

        (void)unused;
        assert_int_equal(folding_new(0, &folding), 0);
        for (size_t i = 0; i < 8; i++) {
                (void)folding_take(folding, &keys[i % 2], WALL + i, SECOND);
                folding_sample(folding, bytes_of_string(i % 2 ? "false" : "true"));
        }
        for (int i = 0; i < 3; i++) {
                told = (struct told){ 0 };
                assert_int_equal(folding_flush(folding, (100 + 10 * (uint64_t)i) * SECOND, false, note, &told), 0);
                assert_int_equal(told.lines, 2);
                assert_int_equal(told.items, 6 + (uint64_t)i);
                folding_flushed(folding, (100 + 10 * (uint64_t)i) * SECOND, false);
                assert_int_equal(folding_due(folding, (100 + 10 * (uint64_t)i) * SECOND, &next), 0);
                assert_true(next == (110 + 10 * (uint64_t)i) * SECOND);
                assert_int_equal(folding_take(folding, &keys[1], WALL + SECOND, (100 + 10 * (uint64_t)i) * SECOND), FOLDING_COUNT);
                assert_false(folding_wants_sample(folding));
        }
        told = (struct told){ 0 };
        assert_int_equal(folding_flush(folding, 130 * SECOND, false, note, &told), 0);
        folding_flushed(folding, 130 * SECOND, true);
        assert_int_equal(told.items, 9);
        told = (struct told){ 0 };
        assert_int_equal(folding_flush(folding, 130 * SECOND, true, note, &told), 0);
        assert_int_equal(told.items, 0);
        assert_int_equal(folding_take(folding, &keys[1], WALL, 131 * SECOND), FOLDING_COUNT);
        assert_true(folding_wants_sample(folding));
        assert_int_equal(folding_flush(folding, 135 * SECOND, true, note, &told), 0);
        assert_string_equal(told.sample, "");
        /* also when only one of several could be told */
        for (size_t i = 0; i < 2; i++)
                (void)folding_take(folding, &keys[i], WALL, 140 * SECOND);
        told = (struct told){ .answer = -28, .answer_after = 1 };
        assert_int_equal(folding_flush(folding, 10000 * SECOND, false, note, &told), -28);
        folding_flushed(folding, 10000 * SECOND, false);
        told = (struct told){ 0 };
        assert_int_equal(folding_flush(folding, 10010 * SECOND, false, note, &told), 0);
        assert_int_equal(told.items, 2);
}

static void test_sample_bounds(void **unused) {
        _cleanup_folding_ struct folding *folding = NULL;
        _cleanup_free_ uint8_t *large = calloc(1, FOLDING_SAMPLE_MAX + 1);
        struct told told = { 0 };
        char name[32];
        size_t given = 0;

        (void)unused;
        assert_non_null(large);
        assert_int_equal(folding_new(0, &folding), 0);
        folding_sample(folding, bytes_of_string("nobody's"));
        for (unsigned i = 0; i < 1000; i++) {
                struct folding_key key;

                (void)snprintf(name, sizeof(name), "/tmp/%u", i);
                key = key_of(name);
                if (folding_take(folding, &key, WALL, SECOND) == FOLDING_TELL)
                        (void)folding_take(folding, &key, WALL, SECOND);
                assert_true(folding_wants_sample(folding) || i >= 512);
                folding_sample(folding, bytes_of(large, FOLDING_SAMPLE_MAX + 1)); /* too large: none */
                folding_sample(folding, bytes_of(large, FOLDING_SAMPLE_MAX));
                given += !folding_wants_sample(folding);
        }
        assert_int_equal(given, 1000); /* those that have one, and those for whom there is no room */
        assert_int_equal(folding_flush(folding, SECOND, true, note, &told), 0);
        assert_int_equal(told.items, 1000);
}

/* xorshift */
static uint64_t draw(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

static void test_exact(void **unused) {
        (void)unused;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                _cleanup_folding_ struct folding *folding = NULL;
                struct told told = { 0 };
                uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15), now = draw(&state) % (1000 * SECOND), items = 0, tells = 0,
                         before;
                unsigned width = 1 + (unsigned)(draw(&state) % 8000);

                assert_int_equal(folding_new(0, &folding), 0);
                for (unsigned i = 0; i < 20000; i++) {
                        char name[32], folder[32];
                        struct folding_key key;

                        (void)snprintf(name, sizeof(name), "/tmp/%u", (unsigned)(draw(&state) % width));
                        (void)snprintf(folder, sizeof(folder), "/%u", (unsigned)(draw(&state) % 2));
                        key = key_of(name);
                        key.destination = bytes_of_string(folder);
                        key.user = (uint32_t)(draw(&state) % 2);
                        if (folding_take(folding, &key, WALL + now, now) == FOLDING_TELL)
                                tells++;
                        else if (draw(&state) % 4 == 0)
                                folding_sample(folding, bytes_of_string(name));
                        items++;
                        now += draw(&state) % (SECOND / 20);
                        if (draw(&state) % 100 == 0)
                                now += draw(&state) % (20 * SECOND);
                        if (draw(&state) % 10 == 0) {
                                told.answer = draw(&state) % 10 == 0 ? -5 : 0;
                                before = told.items;
                                (void)folding_flush(folding, now, false, note, &told);
                                if (draw(&state) % 4 == 0) {
                                        folding_flushed(folding, now, false);
                                        told.items = before;
                                }
                        }
                }
                told.answer = 0;
                assert_int_equal(folding_flush(folding, now, true, note, &told), 0);
                if (told.items + tells != items)
                        fail_msg("seed %llu: %llu told, %llu folded, %llu given", (unsigned long long)seed,
                                 (unsigned long long)tells, (unsigned long long)told.items, (unsigned long long)items);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_group),
                cmocka_unit_test(test_window_grows),
                cmocka_unit_test(test_keys_differ),
                cmocka_unit_test(test_budget),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_teller_fails),
                cmocka_unit_test(test_not_kept),
                cmocka_unit_test(test_sample_bounds),
                cmocka_unit_test(test_exact),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
