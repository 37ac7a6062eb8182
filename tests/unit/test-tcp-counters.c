/* When the last walk of the kernel's TCP table still stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tcp-counters.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)
#define SNMP(numbers)                                                                                                  \
        "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: RtoAlgorithm CurrEstab InSegs\nTcp: " numbers "\nUdp: InDatagrams\nUdp: 7\n"

struct step {
        const char *snmp;
        uint64_t now_ns;
        bool still;
        bool walks;                     /* a walk follows, and can be relied on */
};

static void run(const struct step *steps, size_t n) {
        struct tcp_counters counters = { .line = BUFFER_NULL };

        for (size_t i = 0; i < n; i++) {
                if (tcp_counters_still(&counters, bytes_of_string(steps[i].snmp), steps[i].now_ns) != steps[i].still)
                        fail_msg("step %zu: not %s", i, steps[i].still ? "still" : "moved");
                if (steps[i].walks)
                        tcp_counters_walked(&counters, steps[i].now_ns);
                else if (!steps[i].still)
                        tcp_counters_forget(&counters);
        }
        tcp_counters_done(&counters);
}
#define RUN(...) run((const struct step[]){ __VA_ARGS__ }, sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void test_stands(void **unused) {
        (void)unused;
        /* the walk that found new numbers may have been too early for them; the next one was not */
        RUN({ SNMP("1 5 100"), 10 * S, false, true }, { SNMP("1 5 100"), 12 * S, false, true },
            { SNMP("1 5 100"), 14 * S, true, false }, { SNMP("1 5 100"), 16 * S, true, false });
}

static void test_too_soon(void **unused) {
        (void)unused;
        RUN({ SNMP("1 5 100"), 10 * S, false, true }, { SNMP("1 5 100"), 10 * S + 50 * MS, false, true },
            { SNMP("1 5 100"), 10 * S + 99 * MS, false, true }, { SNMP("1 5 100"), 10 * S + 101 * MS, false, true },
            { SNMP("1 5 100"), 10 * S + 150 * MS, true, false });
}

static void test_moves(void **unused) {
        (void)unused;
        RUN({ SNMP("1 5 100"), 10 * S, false, true }, { SNMP("1 5 100"), 12 * S, false, true },
            { SNMP("1 5 101"), 14 * S, false, true }, { SNMP("1 5 101"), 16 * S, false, true },
            { SNMP("1 5 101"), 18 * S, true, false }, { SNMP("1 4 101"), 20 * S, false, true },
            /* and back: that the numbers were once the same says nothing about the walk since */
            { SNMP("1 5 101"), 22 * S, false, true });
}

static void test_not_relied_on(void **unused) {
        (void)unused;
        RUN({ SNMP("1 5 100"), 10 * S, false, true }, { SNMP("1 5 100"), 12 * S, false, false },
            { SNMP("1 5 100"), 14 * S, false, false }, { SNMP("1 5 100"), 16 * S, false, true },
            { SNMP("1 5 100"), 18 * S, true, false });
}

static void test_trust_ends(void **unused) {
        (void)unused;
        RUN({ SNMP("1 5 100"), 10 * S, false, true }, { SNMP("1 5 100"), 12 * S, false, true },
            { SNMP("1 5 100"), 71 * S, true, false }, { SNMP("1 5 100"), 72 * S, false, true },
            { SNMP("1 5 100"), 74 * S, true, false });
}

static void test_no_numbers(void **unused) {
        static const char *const texts[] = { "", "\n", "Tcp: ", "Tcp: RtoAlgorithm\n", "Ip: 1\nUdp: 2\n", "Tcp:1 2\n" };

        (void)unused;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                RUN({ texts[i], 10 * S, false, true }, { texts[i], 12 * S, false, true }, { texts[i], 14 * S, false, true });
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stands), cmocka_unit_test(test_too_soon), cmocka_unit_test(test_moves),
                cmocka_unit_test(test_not_relied_on), cmocka_unit_test(test_trust_ends), cmocka_unit_test(test_no_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
