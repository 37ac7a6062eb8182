/* Who is a package manager, and who begins sessions: by what it is, not by what it calls itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ownership.h"
#include "package-manager.h"
#include "session-entry.h"
#include "trusted-place.h"

static void test_managers(void **unused) {
        static const struct {
                const char *executable, *command_line;
                unsigned flags;
                uint32_t user;
                bool is;
        } cases[] = {
                { "/usr/bin/dpkg", "dpkg -i x.deb", PROCESS_HAS_USERS, 0, true },
                { "/usr/bin/apt-get", "apt-get install x", PROCESS_HAS_USERS, 0, true },
                { "/bin/rpm", "rpm -U x", PROCESS_HAS_USERS, 0, true },
                { "/usr/libexec/packagekitd", "/usr/libexec/packagekitd", PROCESS_HAS_USERS, 0, true },
                { "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/unattended-upgrade -d", PROCESS_HAS_USERS, 0, true },
                { "/usr/bin/python3.11", "/usr/bin/python3 -s -E /usr/bin/dnf install x", PROCESS_HAS_USERS, 0, true },
                { "/usr/libexec/platform-python3.6", "x /usr/bin/dnf install x", PROCESS_HAS_USERS, 0, true },
                { "/usr/bin/dash", "/bin/sh /usr/lib/apt/apt.systemd.daily install", PROCESS_HAS_USERS, 0, true },
                /* no */
                { "/usr/bin/dpkg", "dpkg -i x.deb", PROCESS_HAS_USERS, 1000, false },
                { "/usr/bin/dpkg", "dpkg -i x.deb", 0, 0, false },
                { "/tmp/dpkg", "/usr/bin/dpkg", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/../../tmp/dpkg", "dpkg", PROCESS_HAS_USERS, 0, false },
                { "/usr/local/bin/apt", "apt", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/dpkg-query", "dpkg -l", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/vim", "vim /usr/bin/dnf", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/python3.11", "python3 /tmp/dnf", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/python3.11", "python3 dnf", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/python3.11", "python3 x.py /usr/bin/dnf", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/python3.11", "python3", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/python3.11", "", PROCESS_HAS_USERS, 0, false },
                { "/usr/bin/dpkg", "dpkg", PROCESS_HAS_USERS | PROCESS_FROM_MEMFD, 0, false },
                { "", "dpkg", PROCESS_HAS_USERS, 0, false },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct process_facts facts = {
                        .flags = cases[i].flags,
                        .effective_user = cases[i].user,
                        .executable = bytes_of_string(cases[i].executable),
                        .command_line = bytes_of_string(cases[i].command_line),
                };

                if (package_manager_is(&facts) != cases[i].is)
                        fail_msg("%s (%s)", cases[i].executable, cases[i].command_line);
        }
}

static void test_doors(void **unused) {
        static const struct { uint32_t pid; const char *executable, *type; } cases[] = {
                { 1, "", "init" },
                { 9, "/usr/sbin/sshd", "sshd" },
                { 9, "/usr/lib/openssh/sshd-session", "sshd" },
                { 9, "/tmp/sshd", NULL },
                { 9, "/usr/bin/login", "terminal" },
                { 9, "/usr/sbin/cron", "cron" },
                { 9, "/usr/bin/containerd-shim-runc-v2", "container" },
                { 9, "/usr/local/bin/kubelet", "kubelet" },
                { 9, "/usr/bin/bash", NULL },
                { 9, "", NULL },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct process_facts facts = { .pid = cases[i].pid, .executable = bytes_of_string(cases[i].executable) };
                const char *type = session_entry_type(&facts);

                if (cases[i].type ? !type || strcmp(type, cases[i].type) != 0 : type != NULL)
                        fail_msg("%s: %s", cases[i].executable, type ? type : "none");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_managers),
                cmocka_unit_test(test_doors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
