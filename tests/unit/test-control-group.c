/* What a control group's path tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "control-group.h"
#include "ownership.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static void test_table(void **unused) {
        static const struct { const char *path, *container, *unit; } cases[] = {
                { "", "", "" },
                { "/", "", "" },
                { "/system.slice/ssh.service", "", "ssh.service" },
                { "/user.slice/user-0.slice/session-3.scope", "", "session-3.scope" },
                { "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/", "", "x.service" },
                { "/user.slice/user-1000.slice/user@1000.service/init.scope", "", "init.scope" },
                { "/system.slice/postgresql.service/worker", "", "postgresql.service" },
                { "/docker/" ID, ID, "" },
                { "/system.slice/docker-" ID ".scope", ID, "docker-" ID ".scope" },
                { "/system.slice/docker-" ID ".scope/system.slice/cron.service", ID, "cron.service" },
                { "/machine.slice/libpod-" ID ".scope/container", ID, "libpod-" ID ".scope" },
                { "/libpod_parent/libpod-" ID, ID, "" },
                { "/kubepods/burstable/pod1234-5/" ID, ID, "" },
                { "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", ID, "cri-containerd-" ID ".scope" },
                { "/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", ID, "crio-" ID ".scope" },
                { "/docker/" ID "/docker/" ID2, ID2, "" },
                { "/lxc/web", "web", "" },
                { "/lxc/web/system.slice/x.service", "web", "x.service" },
                { "/lxc.payload.web/system.slice/x.service", "web", "x.service" },
                { "/machine.slice/machine-web.scope", "web", "machine-web.scope" },
                { "/machine.slice/systemd-nspawn@web.service/payload", "web", "systemd-nspawn@web.service" },
                /* not quite */
                { "/docker/0123", "", "" },
                { "/system.slice/docker-.scope", "", "docker-.scope" },
                { "/system.slice/docker-0123.scope", "", "docker-0123.scope" },
                { "/.service", "", "" },
                { "/lxc", "", "" },
                { "lxc", "", "" },
                { "//", "", "" },
        };

        (void)unused;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct bytes path = bytes_of_string(cases[i].path), container = control_group_container(path),
                             unit = control_group_unit(path);

                if (!bytes_equal(container, bytes_of_string(cases[i].container)) ||
                    !bytes_equal(unit, bytes_of_string(cases[i].unit)))
                        fail_msg("%s: container \"%.*s\", unit \"%.*s\"", cases[i].path, (int)container.size, (const char *)container.data,
                                 (int)unit.size, (const char *)unit.data);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
