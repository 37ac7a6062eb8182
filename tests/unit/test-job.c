#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "fd.h"
#include "job.h"
#include "loop.h"
#include "privileges.h"

static struct loop *loop;
static int ended_with;
static bool was_overdue;
static struct buffer said;

static void on_done(struct job *job, void *context, int status, struct bytes output) {
        (void)context;
        ended_with = status;
        was_overdue = job_overdue(job);
        buffer_append_bytes(&said, output);
        (void)job_free(job);
        loop_stop(loop, 0);
}

static int run(const char *script, const struct job_limits *limits, uint64_t time_limit_ns) {
        char name[] = "sh", option[] = "-c", *arguments[] = { name, option, strdup(script), NULL };
        _cleanup_close_ int program = open("/bin/sh", O_RDONLY | O_CLOEXEC);
        struct job_options options = {
                .program = program, .arguments = arguments, .input = -1, .extra = -1,
                .time_limit_ns = time_limit_ns, .limits = limits, .done = on_done,
        };
        struct job *job = NULL;
        int r;

        buffer_clear(&said);
        loop = loop_new();
        r = job_start(loop, &options, &job);
        if (r == 0)
                r = loop_run(loop);
        loop = loop_free(loop);
        free(arguments[2]);
        return r;
}

static const struct job_limits nobody = {
        .user = 65534, .group = 65534, .cpu_s = 50, .memory = UINT64_C(1) << 40, .file_size = 4096,
};

static void runs_as_it_is_told(void **state) {
        (void)state;
        assert_int_equal(run("id -u; id -g; id -G; sed -n 's/^NoNewPrivs:.//p; s/^CapEff:.//p' /proc/self/status; ulimit -t; ulimit -c",
                             &nobody, UINT64_C(30000000000)), 0);
        assert_int_equal(ended_with, 0);
        assert_string_equal(buffer_string(&said), "65534\n65534\n65534\n0000000000000000\n1\n50\n0\n");
}

static void one_without_limits_is_as_we_are(void **state) {
        (void)state;
        assert_int_equal(run("id -u; sed -n 's/^NoNewPrivs:.//p' /proc/self/status", NULL, UINT64_C(30000000000)), 0);
        assert_string_equal(buffer_string(&said), "0\n0\n");
}

/* As our unit has it: without CAP_KILL another user's process is out of reach. */
static void another_users_is_ended_in_time(void **state) {
        static const struct capability kept[] = { { CAP_SETUID, "ids" }, { CAP_SETGID, "ids" }, { 0, NULL } };
        pid_t child = fork();
        int status;

        (void)state;
        assert_true(child >= 0);
        if (child == 0) {
                if (privileges_keep(kept) < 0 || run("sleep 86400 & wait", &nobody, 100000000) < 0)
                        _exit(1);
                _exit(was_overdue && WIFSIGNALED(ended_with) && WTERMSIG(ended_with) == SIGKILL ? 0 : 2);
        }
        assert_true(waitpid(child, &status, 0) == child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static int tear_down(void **state) {
        (void)state;
        buffer_done(&said);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runs_as_it_is_told),
                cmocka_unit_test(one_without_limits_is_as_we_are),
                cmocka_unit_test(another_users_is_ended_in_time),
        };

        if (geteuid() != 0)
                return 77;
        return cmocka_run_group_tests(tests, NULL, tear_down);
}
