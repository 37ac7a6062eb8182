/* Disguises: named where there is one, and only there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "disguise.h"
#include "ownership.h"

static void test_table(void **unused) {
        static const struct {
                unsigned flags;
                const char *name, *executable, *before, *now, *disguise;
        } cases[] = {
                /* what it is */
                { 0, "bash", "/usr/bin/bash", "-bash", "", NULL },
                { 0, "sh", "/usr/bin/dash", "sh -c true", "", NULL },
                { 0, "vi", "/usr/bin/vim.basic", "vi x", "", NULL },
                { 0, "[", "/usr/bin/[", "[ -f x ]", "", NULL },
                { 0, "Web Content", "/usr/lib/firefox/firefox", "firefox -contentproc", "", NULL },
                { 0, "(sd-pam)", "/usr/lib/systemd/systemd", "(sd-pam)", "", NULL },
                { 0, "systemd", "/usr/lib/systemd/systemd", "/sbin/init", "", NULL },
                { 0, "systemd-journal", "/usr/lib/systemd/systemd-journald", "/usr/lib/systemd/systemd-journald", "", NULL },
                { 0, "crond", "/bin/busybox", "crond -f", "", NULL },
                { 0, "sshd", "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D", "sshd: root@pts/0", NULL },
                { 0, "sshd-session", "/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-session", "sshd-session: x", NULL },
                { 0, "nginx", "/usr/sbin/nginx", "/usr/sbin/nginx", "nginx: worker process", NULL },
                { 0, "python3", "/usr/bin/python3.11", "python3 x.py", "python3 x.py", NULL },
                { PROCESS_KERNEL_THREAD, "kworker/0:1", "", "", "", NULL },
                { PROCESS_KERNEL_THREAD, "kworker/0:1", "", "[x]", "", NULL },
                { 0, "kworker/0:1", "", "", "", NULL }, /* nobody told its program */
                { PROCESS_CUT, "java", "/usr/bin/java", "java a", "other b", NULL },
                /* and what it is not */
                { PROCESS_FROM_MEMFD, "x", "/memfd:x", "x", "", "runs from a memfd" },
                { PROCESS_FROM_MEMFD, "kworker/0:1", "/memfd:x", "[kworker/0:1]", "", "runs from a memfd" },
                { 0, "kworker/0:1", "/usr/bin/sleep", "sleep 1", "", "claims to be a kernel thread" },
                { 0, "kworker/u8:1-fl", "/tmp/x", "x", "", "claims to be a kernel thread" },
                { 0, "x", "/tmp/x", "[kworker/0:1]", "", "claims to be a kernel thread" },
                { 0, "x", "/tmp/x", "[kworker/0:1] 1000", "", "claims to be a kernel thread" },
                { 0, "x", "/tmp/x", "x", "[migration/0]", "claims to be a kernel thread" },
                { 0, "sshd", "/tmp/.x", "sshd: root", "", "goes by the name of another program" },
                { 0, "systemd-udevd", "/usr/bin/perl", "systemd-udevd", "", "goes by the name of another program" },
                { 0, "x", "/tmp/x", "x --attack", "/usr/sbin/apache2 -k start", "has written over its arguments" },
                { PROCESS_DELETED, "x", "/tmp/x", "x", "", "runs from a file that was deleted" },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct process_facts facts = {
                        .flags = cases[i].flags,
                        .name = bytes_of_string(cases[i].name),
                        .executable = bytes_of_string(cases[i].executable),
                        .command_line = bytes_of_string(cases[i].before),
                };
                const char *disguise = process_disguise(&facts, bytes_of_string(cases[i].now));

                if (cases[i].disguise ? !disguise || strcmp(disguise, cases[i].disguise) != 0 : disguise != NULL)
                        fail_msg("%s (%s, %s): %s", cases[i].name, cases[i].executable, cases[i].before,
                                 disguise ? disguise : "none");
        }
        assert_null(process_disguise(&(struct process_facts){ .pid = 1 }, BYTES_NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
