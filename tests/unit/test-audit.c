/* test-audit.c - where audit is switched on: a login that we write into it ourselves, and what its session does then. Where it is
 * not: that it stays off. */
#include "listen.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "audit.h"

enum { RECORD_USER_START = 1105, RECORD_USER_LOGIN = 1112 };

/* As PAM and sshd do: needs CAP_AUDIT_WRITE. */
static void say(uint16_t type, const char *text) {
        struct {
                struct nlmsghdr header;
                char text[512];
        } request = { .header = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST } };
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);

        assert_true(fd >= 0);
        memcpy(request.text, text, strlen(text));
        request.header.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + strlen(text) + 1);
        assert_true(sendto(fd, &request, request.header.nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) > 0);
        (void)close(fd);
}

static void test_a_login(void **unused) {
        struct listen told;
        char by[64];

        (void)unused;
        listen_open_or_skip(&told, &source_audit, 1U << DELTA_INCIDENT);
        assert_true(listen_has(&told, "covers users by audit wakes\n"));
        assert_true(listen_has(&told, "covers bpf by audit wakes\n"));
        say(RECORD_USER_START, "op=PAM:session_open acct=\"notalogin\" hostname=? addr=? terminal=cron res=success");
        say(RECORD_USER_LOGIN, "op=login acct=\"refused\" hostname=1.2.3.4 addr=1.2.3.4 terminal=ssh res=failed");
        say(RECORD_USER_LOGIN, "op=login acct=6e657068 hostname=1.2.3.4 addr=1.2.3.4 terminal=ssh res=success");
        (void)snprintf(by, sizeof(by), " by %d\n", (int)getpid());
        listen_for(&told, "appeared incident login what=neph where=1.2.3.4 ");
        assert_true(listen_has(&told, by));
        assert_true(listen_has(&told, "hint users"));
        assert_false(listen_has(&told, "notalogin"));
        assert_false(listen_has(&told, "refused"));
        source_audit.check(told.state);
        assert_false(listen_has(&told, "ended"));
        listen_close(&told);
}

static int load_program(void) {
        /* r0 = 0; exit */
        static const struct bpf_insn instructions[] = { { .code = 0xb7 }, { .code = 0x95 } };
        union bpf_attr attributes;

        memset(&attributes, 0, sizeof(attributes));
        attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
        attributes.insns = (uintptr_t)instructions;
        attributes.insn_cnt = 2;
        attributes.license = (uintptr_t)"GPL";
        return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

/* Whose process is told by the record of the system call, which comes behind, unless a rule says that it is not audited. */
static void test_a_program(void **unused) {
        struct listen told;
        pid_t pid;
        int status;

        (void)unused;
        listen_open_or_skip(&told, &source_audit, 1U << DELTA_INCIDENT);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(load_program() < 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        listen_for(&told, "hint bpf key=70");
        listen_close(&told);
}

static void test_off_stays_off(void **unused) {
        struct listen told;
        int r = listen_open(&told, &source_audit, 1U << DELTA_INCIDENT);

        (void)unused;
        if (r < 0) {
                assert_int_equal(r, -EOPNOTSUPP);
                assert_non_null(told.reason);
                assert_string_equal(buffer_string(&told.text), "");
                told.state = NULL;
        }
        listen_close(&told);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_login),
                cmocka_unit_test(test_a_program),
                cmocka_unit_test(test_off_stays_off),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
