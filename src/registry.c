#include "registry.h"

#include <stddef.h>

#include "audit.h"
#include "bpf-programs.h"
#include "bpf.h"
#include "clock-jumps.h"
#include "connections.h"
#include "exec.h"
#include "fanotify.h"
#include "files.h"
#include "inotify.h"
#include "kernel-log.h"
#include "kernel-messages.h"
#include "modules.h"
#include "mounts.h"
#include "packages.h"
#include "perf-bpf.h"
#include "process-connector.h"
#include "processes.h"
#include "self.h"
#include "setuid.h"
#include "socket-destroy.h"
#include "timer.h"
#include "uevent.h"
#include "users.h"
#include "wall.h"

const struct watch *const registry_watches[] = {
        &watch_connections,
        &watch_processes,
        &watch_users,
        &watch_modules,
        &watch_bpf,
        &watch_kernel_messages,
        &watch_files,
        &watch_setuid,
        &watch_packages,
        &watch_self,
        NULL,
};

const struct source *const registry_sources[] = {
        &source_timer,
        &source_bpf,
        &source_perf,
        &source_fanotify,
        &source_process_connector,
        &source_socket_destroy,
        &source_uevent,
        &source_audit,
        &source_inotify,
        &source_mounts,
        &source_kernel_log,
        &source_clock,
        NULL,
};

const struct sink *const registry_sinks[] = { &sink_wall, &sink_exec, NULL };

const char *const registry_alert_kinds[] = { "wall", "exec", NULL };
