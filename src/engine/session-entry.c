#include "session-entry.h"

#include "ownership.h"
#include "trusted-place.h"

const char *session_entry_type(const struct process_facts *parent) {
        /* prefix: "containerd-shim-runc-v2" */
        static const struct { const char *program, *type; bool prefix; } doors[] = {
                { "sshd", "sshd", false },
                { "sshd-session", "sshd", false },
                { "dropbear", "sshd", false },
                { "login", "terminal", false },
                { "agetty", "terminal", false },
                { "getty", "terminal", false },
                { "gdm-session-worker", "terminal", false },
                { "lightdm", "terminal", false },
                { "sddm-helper", "terminal", false },
                { "cron", "cron", false },
                { "crond", "cron", false },
                { "anacron", "cron", false },
                { "atd", "cron", false },
                { "containerd-shim", "container", true },
                { "docker-containerd-shim", "container", true },
                { "conmon", "container", false },
                { "systemd-nspawn", "container", false },
                { "lxc-start", "container", false },
                { "kubelet", "kubelet", false },
                { "ssm-session-worker", "ssm", false },
                { "teleport", "teleport", false },
                { "systemd", "init", false },
                { "init", "init", false },
        };
        struct bytes base = path_base(parent->executable);

        if (parent->pid == 1)
                return "init";
        /* Agents of clouds and containers live outside the distribution's folders as well. */
        if (!path_is_trusted(parent->executable) && !bytes_starts_with(parent->executable, bytes_of_string("/usr/local/")) &&
            !bytes_starts_with(parent->executable, bytes_of_string("/opt/")))
                return NULL;
        for (size_t i = 0; i < ELEMENTS(doors); i++) {
                struct bytes program = bytes_of_string(doors[i].program);

                if (doors[i].prefix ? bytes_starts_with(base, program) : bytes_equal(base, program))
                        return doors[i].type;
        }
        return NULL;
}
