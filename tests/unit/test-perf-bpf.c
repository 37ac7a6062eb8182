/* test-perf-bpf.c - programs loaded on the running kernel by a child, by ourselves, and more than a ring holds. */
#include "listen.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "perf-bpf.h"

static int load(const char *name) {
        /* r0 = 0; exit */
        static const struct bpf_insn instructions[] = { { .code = 0xb7 }, { .code = 0x95 } };
        union bpf_attr attributes;

        memset(&attributes, 0, sizeof(attributes));
        attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
        attributes.insns = (uintptr_t)instructions;
        attributes.insn_cnt = 2;
        attributes.license = (uintptr_t)"GPL";
        memcpy(attributes.prog_name, name, strlen(name));
        return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

static void on_cpu(int cpu) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
}

/* Loads and drops 'count' programs in a child, each unload on another CPU than its load where there are two. */
static pid_t load_in_child(const char *name, int count) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                for (int i = 0; i < count; i++) {
                        int fd;

                        on_cpu(0);
                        fd = load(name);
                        if (fd < 0)
                                _exit(1);
                        if (count == 1)
                                on_cpu(1);
                        (void)close(fd);
                }
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        return pid;
}

static void test_loaded_and_gone(void **unused) {
        struct listen listen;
        const char *appeared, *vanished;
        char by[32];
        pid_t pid;

        (void)unused;
        listen_open_or_skip(&listen, &source_perf, 1U << DELTA_BPF_PROGRAM);
        assert_int_equal(listen.subjects, 1U << DELTA_BPF_PROGRAM);
        assert_true(listen_has(&listen, "covers bpf by perf side band most without maps, links"));
        pid = load_in_child("neph_passing", 1);
        (void)snprintf(by, sizeof(by), " by %d\n", (int)pid);
        listen_for(&listen, "vanished bpf-program");
        appeared = strstr(buffer_string(&listen.text), "appeared bpf-program");
        vanished = strstr(buffer_string(&listen.text), "vanished bpf-program");
        assert_non_null(appeared);
        assert_true(appeared < vanished);
        assert_non_null(strstr(appeared, " name=neph_passing"));
        assert_true(strncmp(strchr(appeared, '\n') + 1 - strlen(by), by, strlen(by)) == 0);
        assert_true(strncmp(appeared + 9, vanished + 9, strlen("bpf-program 1 ")) == 0);
        assert_non_null(strstr(vanished, " name=neph_passing"));
        /* and what else its loader made is looked for */
        listen_for(&listen, "hint bpf");
        source_perf.check(listen.state);
        assert_false(listen_has(&listen, "ended"));
        listen_close(&listen);
}

static void test_own_programs_are_not_told(void **unused) {
        struct listen listen;
        int before = load("neph_before"), later;

        (void)unused;
        if (before < 0)
                skip();
        listen_open_or_skip(&listen, &source_perf, 1U << DELTA_BPF_PROGRAM);
        later = load("neph_own");
        assert_true(later >= 0);
        (void)close(later);
        (void)close(before);
        (void)load_in_child("neph_other", 1);
        listen_for(&listen, "vanished bpf-program");
        listen_a_while(&listen);
        assert_true(listen_has(&listen, "neph_other"));
        assert_false(listen_has(&listen, "neph_own"));
        assert_false(listen_has(&listen, "neph_before"));
        listen_close(&listen);
}

/* Each load has two records, each unload too: what is told and what is said to be lost make all of them. */
static void test_what_a_ring_does_not_hold_is_counted(void **unused) {
        enum { LOADS = 1500 };
        unsigned long long programs = 0, lost = 0;
        _cleanup_free_ char *text = NULL;
        uint64_t events, counted;
        struct listen listen;
        char *line, *rest;

        (void)unused;
        listen_open_or_skip(&listen, &source_perf, 1U << DELTA_BPF_PROGRAM);
        (void)load_in_child("neph_flood", LOADS);
        source_perf.drain(listen.state);
        if (!listen_has(&listen, "loss perf overrun")) /* a kernel before 6.0 says so with the next record */
                (void)load_in_child("neph_next", 1);
        listen_for(&listen, "loss perf overrun");
        source_perf.count(listen.state, &events, &counted);
        rest = text = strdup(buffer_string(&listen.text));
        while ((line = strsep(&rest, "\n"))) {
                if (strncmp(line, "loss perf overrun ", 18) == 0)
                        lost += strtoull(line + 18, NULL, 10);
                else if (strstr(line, "bpf-program"))
                        programs++;
        }
        print_message("%llu told, %llu records lost\n", programs, lost);
        assert_true(events == programs && counted == lost);
        assert_true(programs > 0 && lost > 0);
        assert_true(programs * 2 + lost >= LOADS * 4 - 4);
        assert_true(programs <= LOADS * 2 + 2);
        listen_close(&listen);
}

static void test_not_wanted_not_opened(void **unused) {
        struct listen listen;

        (void)unused;
        assert_int_equal(listen_open(&listen, &source_perf, 1U << DELTA_PROCESS), -EOPNOTSUPP);
        assert_non_null(listen.reason);
        assert_false(listen_has(&listen, "covers"));
        listen_close(&listen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_loaded_and_gone),
                cmocka_unit_test(test_own_programs_are_not_told),
                cmocka_unit_test(test_what_a_ring_does_not_hold_is_counted),
                cmocka_unit_test(test_not_wanted_not_opened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
