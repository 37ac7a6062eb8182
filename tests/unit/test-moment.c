#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "moment.h"

/* 2026-11-23 15:30:20 in Berlin, winter time: UTC+1. */
#define NOW 1795444220

static const struct {
        const char *text;
        time_t at;              /* 0: refused */
} moments[] = {
        { "now", NOW },
        { "today", 1795388400 },
        { "yesterday", 1795302000 },
        { "2026-11-23", 1795388400 },
        { "2026-11-23 15:30", 1795444200 },
        { "2026-11-23 15:30:20", NOW },
        { "2026-11-23T15:30:20", NOW },
        { "2026-11-23T14:30:20Z", NOW },
        { "2026-07-01 12:00", 1782900000 },     /* summer time */
        { "2026-03-29 02:30", 1774747800 },     /* left out by the change to summer time: half past three */
        { "2024-2-29", 1709161200 },
        { "15:30", 1795444200 },
        { "15:30:20", NOW },
        { "0:00", 1795388400 },
        { "@0", 0 + 1 },                        /* see below: the epoch itself */
        { "@1795444220", NOW },
        { "-90s", NOW - 90 },
        { "-1h", NOW - 3600 },
        { "-1h30min", NOW - 5400 },
        { "-1h 30min", NOW - 5400 },
        { "10min ago", NOW - 600 },
        { "10 min ago", NOW - 600 },
        { "2 days ago", NOW - 172800 },
        { "1d2h ago", NOW - 93600 },
        { "3 weeks ago", NOW - 1814400 },
        { "1m ago", NOW - 60 },
        { "", 0 },
        { " ", 0 },
        { "tomorrow", 0 },
        { "2026-11-31", 0 },
        { "2026-02-29", 0 },
        { "2026-13-01", 0 },
        { "2026-00-01", 0 },
        { "2026-11-23 ", 0 },
        { "2026-11-23 24:00", 0 },
        { "2026-11-23 10:60", 0 },
        { "2026-11-23 10", 0 },
        { "2026-11-23 10:00 ", 0 },
        { "2026-11-23Z", 0 },
        { "15:30Z", 0 },
        { "02026-11-23", 0 },
        { "1530", 0 },
        { "10min", 0 },
        { "-10min ago", 0 },
        { "-10", 0 },
        { "-1y", 0 },
        { "-h", 0 },
        { "--1h", 0 },
        { "-9999999999999999999h", 0 },
        { "-999999999w", 0 },
        { "-100000w", NOW - 60480000000 },
        { "-100000w100000w", 0 },
        { "@", 0 },
        { "@-1", 0 },
        { "@1.5", 0 },
        { "@999999999999", 0 },
        { "ago", 0 },
};

static void since(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(moments); i++) {
                struct timespec at = { 0 };
                bool taken = moment_parse(moments[i].text, NOW, &at);

                if (taken != (moments[i].at != 0))
                        fail_msg("\"%s\" was %s", moments[i].text, taken ? "taken" : "refused");
                if (strcmp(moments[i].text, "@0") == 0)
                        at.tv_sec++;
                if (at.tv_sec != moments[i].at)
                        fail_msg("\"%s\" is %lld, not %lld", moments[i].text, (long long)at.tv_sec,
                                 (long long)moments[i].at);
        }
}

static void time_stamps(void **state) {
        static const struct {
                const char *text;
                bool taken;
                time_t seconds;
                long nanoseconds;
        } table[] = {
                { "2026-11-23T14:30:20.123456Z", true, NOW, 123456000 },
                { "2026-11-23T14:30:20Z", true, NOW, 0 },
                { "2026-11-23T14:30:20.000000001Z", true, NOW, 1 },
                { "1970-01-01T00:00:00.000000Z", true, 0, 0 },
                { "2026-11-23T14:30:20.1234567890123Z", false, 0, 0 },
                { "2026-11-23T14:30:20", false, 0, 0 },
                { "2026-11-23 14:30:20Z", false, 0, 0 },
                { "2026-02-30T14:30:20Z", false, 0, 0 },
                { "2026-11-23T14:30:20Zx", false, 0, 0 },
                { "", false, 0, 0 },
        };
        struct timespec at;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                at = (struct timespec){ 0 };
                assert_int_equal(moment_parse_utc(bytes_of_string(table[i].text), &at), table[i].taken);
                if (!table[i].taken)
                        continue;
                assert_int_equal(at.tv_sec, table[i].seconds);
                assert_int_equal(at.tv_nsec, table[i].nanoseconds);
        }
        assert_false(moment_parse_utc(bytes_of("2026-11-23T14:30:20Z\0", 21), &at));
}

static void ago(void **state) {
        static const struct {
                time_t span;
                const char *text;
        } table[] = {
                { -5, "just now" },       { 0, "just now" },        { 1, "1 s ago" },           { 119, "119 s ago" },
                { 120, "2 min ago" },     { 7199, "119 min ago" },  { 7200, "2 h ago" },        { 172799, "47 h ago" },
                { 172800, "2 d ago" },    { 8640000, "100 d ago" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                moment_ago(&text, NOW - table[i].span, NOW);
                assert_string_equal(buffer_string(&text), table[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(since),
                cmocka_unit_test(time_stamps),
                cmocka_unit_test(ago),
        };

        (void)setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
