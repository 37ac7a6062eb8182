/* test-perf-record.c - records of a perf ring, whole and cut. */
#include <errno.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "perf-record.h"

struct text {
        uint8_t data[256];
        size_t size;
};

static void add(struct text *text, const void *data, size_t size) {
        memcpy(text->data + text->size, data, size);
        text->size += size;
}

static void add_number(struct text *text, uint64_t number, size_t size) {
        add(text, &number, size);
}

/* Header and, behind the body, pid 12, tid 34, time 56. */
static struct bytes record(struct text *text, uint32_t type, const struct text *body) {
        text->size = 0;
        add_number(text, type, 4);
        add_number(text, 0, 2);
        add_number(text, 8 + body->size + 16, 2);
        add(text, body->data, body->size);
        add_number(text, 12, 4);
        add_number(text, 34, 4);
        add_number(text, 56, 8);
        return bytes_of(text->data, text->size);
}

static struct bytes symbol(struct text *text, uint16_t type, uint16_t flags, const char *name) {
        struct text body = { .size = 0 };
        char padded[128] = "";

        add_number(&body, 0xffffffffc0000000, 8);
        add_number(&body, 77, 4);
        add_number(&body, type, 2);
        add_number(&body, flags, 2);
        memcpy(padded, name, strlen(name));
        add(&body, padded, (strlen(name) + 8) / 8 * 8);
        return record(text, PERF_RECORD_KSYMBOL, &body);
}

static void test_programs(void **unused) {
        static const uint8_t tag[] = { 0x6d, 0xee, 0xf7, 0x35, 0x7e, 0x7b, 0x45, 0x30 };
        struct text text, body = { .size = 0 };
        struct perf_record found = { 0 };
        struct bytes whole;

        (void)unused;
        add_number(&body, PERF_BPF_EVENT_PROG_LOAD, 2);
        add_number(&body, 0, 2);
        add_number(&body, 4711, 4);
        add(&body, tag, sizeof(tag));
        whole = record(&text, PERF_RECORD_BPF_EVENT, &body);
        assert_int_equal(perf_record_size(whole), whole.size);
        assert_int_equal(perf_record_parse(whole, &found), 0);
        assert_int_equal(found.kind, PERF_BPF_LOADED);
        assert_int_equal(found.id, 4711);
        assert_true(found.tag == 0x6deef7357e7b4530);
        assert_int_equal(found.pid, 12);
        assert_int_equal(found.tid, 34);
        assert_int_equal(found.time, 56);

        for (size_t size = 0; size < whole.size; size++) {
                found.id = 1;
                assert_int_equal(perf_record_parse(bytes_of(whole.data, size), &found), -EBADMSG);
                assert_int_equal(found.id, 1);
        }
        body.data[0] = PERF_BPF_EVENT_PROG_UNLOAD;
        assert_int_equal(perf_record_parse(record(&text, PERF_RECORD_BPF_EVENT, &body), &found), 0);
        assert_int_equal(found.kind, PERF_BPF_UNLOADED);
        body.data[0] = 9;
        assert_int_equal(perf_record_parse(record(&text, PERF_RECORD_BPF_EVENT, &body), &found), 0);
        assert_int_equal(found.kind, PERF_OTHER);
        body.size = 8;
        assert_int_equal(perf_record_parse(record(&text, PERF_RECORD_BPF_EVENT, &body), &found), -EBADMSG);
}

static void test_symbols(void **unused) {
        static const struct {
                uint16_t type, flags;
                const char *symbol;
                enum perf_record_kind kind;
                uint64_t tag;
                const char *name;
        } cases[] = {
                { 1, 0, "bpf_prog_6deef7357e7b4530_sd_fw_egress", PERF_SYMBOL_ADDED, 0x6deef7357e7b4530, "sd_fw_egress" },
                { 1, 1, "bpf_prog_00000000000000ff_x", PERF_SYMBOL_REMOVED, 0xff, "x" },
                { 1, 0, "bpf_prog_6deef7357e7b4530", PERF_SYMBOL_ADDED, 0x6deef7357e7b4530, "" },
                { 1, 0, "bpf_prog_6deef7357e7b4530_", PERF_SYMBOL_ADDED, 0x6deef7357e7b4530, "" },
                { 1, 0, "bpf_prog_6deef7357e7b453", PERF_OTHER, 0, "" },
                { 1, 0, "bpf_prog_6deef7357e7b453g_x", PERF_OTHER, 0, "" },
                { 1, 0, "bpf_prog_6deef7357e7b45301x", PERF_OTHER, 0, "" },
                { 1, 0, "bpf_trampoline_6442523466_1", PERF_OTHER, 0, "" },
                { 1, 0, "", PERF_OTHER, 0, "" },
                { 2, 0, "bpf_prog_6deef7357e7b4530_x", PERF_OTHER, 0, "" },
        };

        (void)unused;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct perf_record found = { 0 };
                struct text text;

                assert_int_equal(perf_record_parse(symbol(&text, cases[i].type, cases[i].flags, cases[i].symbol), &found), 0);
                assert_int_equal(found.kind, cases[i].kind);
                if (found.kind == PERF_OTHER)
                        continue;
                assert_true(found.tag == cases[i].tag);
                assert_true(bytes_equal(found.name, bytes_of_string(cases[i].name)));
        }
}

static void test_lost_and_foreign(void **unused) {
        struct text text, body = { .size = 0 };
        struct perf_record found = { 0 };
        uint8_t odd[] = { 0, 0, 0, 0, 0, 0, 9, 0, 0 };

        (void)unused;
        add_number(&body, 1, 8);
        add_number(&body, 4312, 8);
        assert_int_equal(perf_record_parse(record(&text, PERF_RECORD_LOST, &body), &found), 0);
        assert_int_equal(found.kind, PERF_LOST);
        assert_int_equal(found.lost, 4312);
        body.size = 8;
        assert_int_equal(perf_record_parse(record(&text, PERF_RECORD_LOST, &body), &found), -EBADMSG);
        body.size = 0;
        assert_int_equal(perf_record_parse(record(&text, 4242, &body), &found), 0);
        assert_int_equal(found.kind, PERF_OTHER);
        assert_int_equal(perf_record_size(bytes_of(odd, sizeof(odd))), -EBADMSG);
        odd[6] = 0;
        assert_int_equal(perf_record_size(bytes_of(odd, sizeof(odd))), -EBADMSG);
        odd[6] = 8;
        assert_int_equal(perf_record_size(bytes_of(odd, sizeof(odd))), 8);
        assert_int_equal(perf_record_parse(bytes_of(odd, sizeof(odd)), &found), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_programs),
                cmocka_unit_test(test_symbols),
                cmocka_unit_test(test_lost_and_foreign),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
