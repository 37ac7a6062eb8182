#include "confinement.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fsverity.h>
#include <linux/perf_event.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "landlock.h"
#include "privileges.h"
#include "syscall-filter.h"

/* ---- what several roles do: the C library, the loop, the clock ---- */

static const char *const memory_calls[] = {
        "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "msync", "mincore", "membarrier", NULL,
};

static const char *const clock_calls[] = {
        "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "time", "nanosleep",
        "clock_nanosleep", "clock_nanosleep_time64", "timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime",
        "timerfd_gettime64", "getrandom", NULL,
};

static const char *const loop_calls[] = {
        "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "ppoll_time64", "select",
        "_newselect", "pselect6", "pselect6_time64", "eventfd2", "signalfd4", "pipe2", "rt_sigaction", "rt_sigprocmask",
        "rt_sigpending", "sigaltstack", NULL,
};

static const char *const self_calls[] = {
        "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32", "getgid32", "getegid32",
        "getgroups", "getgroups32", "getpgrp", "getpgid", "getsid", "capget", "uname", "sysinfo", "getrusage", "times", "getcwd",
        "umask", "getpriority", "ioprio_get", "sched_yield", "sched_getaffinity", "sched_getscheduler", "sched_getparam",
        "getcpu", "getrlimit", "ugetrlimit", NULL,
};

static const char *const thread_calls[] = {
        "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "futex", "futex_time64", "futex_waitv", "futex_wait",
        "futex_wake", NULL,
};

static const char *const reading_calls[] = {
        "read", "readv", "pread64", "preadv", "preadv2", "lseek", "_llseek", "close", "close_range", "stat", "stat64", "lstat",
        "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64",
        "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "fcntl", "fcntl64", "dup",
        "dup2", "dup3", "flock", NULL,
};

static const char *const opening_calls[] = { "open", "openat", "openat2", NULL };

static const char *const writing_calls[] = { "write", "writev", "pwrite64", "pwritev", "pwritev2", NULL };

static const char *const connected_calls[] = {
        "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64", "sendto", "sendmsg", "sendmmsg", "getsockname", "getpeername",
        "getsockopt", "setsockopt", "shutdown", NULL,
};

#define COMMON_GROUPS                                                                           \
        { .why = "memory", .names = memory_calls },                                             \
        { .why = "time and chance", .names = clock_calls },                                     \
        { .why = "waiting, and signals to ourselves", .names = loop_calls },                    \
        { .why = "who and where we are", .names = self_calls },                                 \
        { .why = "threads, once they are there", .names = thread_calls },                       \
        { .why = "reading what was opened", .names = reading_calls },                           \
        { .why = "writing to what was opened", .names = writing_calls },                        \
        { .why = "our own limits: the C library asks for its stack", .names = SYSCALLS("prlimit64"), \
          .mask = UINT32_MAX, SYSCALL_VALUES(0) },                                              \
        { .why = "names for threads and for memory", .names = SYSCALLS("prctl"), .mask = UINT32_MAX, \
          SYSCALL_VALUES(PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA */) }

static const struct capability no_capability[] = { { 0, NULL } };

static void note_weaker(struct buffer *weaker, const char *why) {
        buffer_printf(weaker, "%s%s", weaker->size ? "; " : "", why);
}

/* How it is done for all: no more than we have; these places, or NULL for all; these capabilities; these calls. */
static int give_up(const struct landlock_place *places, const struct capability *capabilities, const struct syscall_group *calls,
                   enum confinement mode, struct buffer *weaker) {
        int r = privileges_no_new();

        if (r == 0 && places) {
                r = landlock_enforce(places);
                if (r == LANDLOCK_ABSENT)
                        note_weaker(weaker, "this kernel has no Landlock");
        }
        if (r >= 0)
                r = privileges_keep(capabilities);
        if (r >= 0)
                r = syscall_filter_enforce(calls, mode == CONFINEMENT_LOGGED ? SYSCALL_LOG : SYSCALL_KILL);
        if (r < 0)
                return r;
        if (mode == CONFINEMENT_LOGGED)
                note_weaker(weaker, "system calls are only logged, for a test");
        else if (r == SYSCALL_FILTER_ABSENT)
                note_weaker(weaker, "this kernel has no filter for system calls");
        if (buffer_error(weaker) < 0)
                return -ENOMEM;
        return weaker->size ? CONFINEMENT_WEAKER : CONFINEMENT_AS_MEANT;
}

/* ---- the observer ---- */

/* No Landlock: to it, reading /proc/PID/exe and /proc/PID/fd is tracing, and a process with a domain may trace none without. */

static const struct capability observer_capabilities[] = {
        { CAP_DAC_READ_SEARCH, "files and folders of all users, and files by their handles (fanotify)" },
        { CAP_SYS_PTRACE, "the program, the descriptors and the namespaces of any process (/proc)" },
        /* BPF and PERFMON are parts of it, so they would be no less with it and no more without. */
        { CAP_SYS_ADMIN, "fanotify marks on file systems, BPF programs and objects, perf events, network namespaces" },
        { CAP_NET_ADMIN, "the process connector; receive buffers that hold seconds of events" },
        { CAP_SYSLOG, "/dev/kmsg" },
        { CAP_AUDIT_READ, "the audit multicast group" },
        { CAP_FOWNER, "reading without leaving an access time (O_NOATIME)" },
        { CAP_SYS_NICE, "back from being nice when something has just been seen" },
        { 0, NULL },
};

#ifdef __s390__
enum { CLONE_FLAGS = 1 };
#else
enum { CLONE_FLAGS = 0 };
#endif

static const struct syscall_group observer_calls[] = {
        COMMON_GROUPS,
        { .why = "everything there is to read", .names = opening_calls },
        { .why = "large files without pushing others out of the cache; files by handle; attributes",
          .names = SYSCALLS("fadvise64", "fadvise64_64", "arm_fadvise64_64", "readahead", "cachestat", "name_to_handle_at",
                            "open_by_handle_at", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr") },
        { .why = "ledger, text log, workspace, baseline, status page",
          .names = SYSCALLS("fsync", "fdatasync", "sync_file_range", "ftruncate", "ftruncate64", "fallocate", "mkdir", "mkdirat",
                            "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "link", "linkat", "fchmod",
                            "memfd_create") },
        { .why = "digests in threads; a process of its own is none", .names = SYSCALLS("clone"), .argument = CLONE_FLAGS,
          .mask = CLONE_THREAD | CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET, SYSCALL_VALUES(CLONE_THREAD) },
        { .why = "no network: the kernel (netlink), the guard and syslog", .names = SYSCALLS("socket", "socketpair"),
          .mask = UINT32_MAX, SYSCALL_VALUES(AF_UNIX, AF_NETLINK) },
        { .why = "talking to them", .names = SYSCALLS("bind", "connect") },
        { .why = "talking to them", .names = connected_calls },
        { .why = "sources: files", .names = SYSCALLS("inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
                                                     "fanotify_init", "fanotify_mark") },
        { .why = "sources: programs in the kernel, and whose they are; nothing is pinned or attached to others' traffic",
          .names = SYSCALLS("bpf"), .mask = UINT32_MAX,
          SYSCALL_VALUES(BPF_MAP_CREATE, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
                         BPF_MAP_FREEZE, BPF_PROG_LOAD, BPF_OBJ_GET, BPF_PROG_GET_NEXT_ID, BPF_MAP_GET_NEXT_ID,
                         BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_QUERY,
                         BPF_RAW_TRACEPOINT_OPEN, BPF_BTF_LOAD, BPF_BTF_GET_FD_BY_ID, BPF_TASK_FD_QUERY, BPF_BTF_GET_NEXT_ID,
                         BPF_LINK_CREATE, BPF_LINK_UPDATE, BPF_LINK_GET_FD_BY_ID, BPF_LINK_GET_NEXT_ID, BPF_LINK_DETACH,
                         BPF_ITER_CREATE, BPF_PROG_BIND_MAP) },
        { .why = "sources: perf events", .names = SYSCALLS("perf_event_open") },
        { .why = "what fanotify holds, a name for an interface, a digest of fs-verity, perf events; no terminal", .names = SYSCALLS("ioctl"),
          .argument = 1, .mask = UINT32_MAX,
          SYSCALL_VALUES(FIONREAD, TCGETS, SIOCGIFNAME, SIOCGIFINDEX, FS_IOC_MEASURE_VERITY, PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_DISABLE,
                         (uint32_t)PERF_EVENT_IOC_SET_BPF, (uint32_t)PERF_EVENT_IOC_SET_OUTPUT) },
        { .why = "whose a descriptor is that /proc shows: borrowed for a moment", .names = SYSCALLS("pidfd_open", "pidfd_getfd", "kcmp") },
        { .why = "sockets of other network namespaces, and no other namespace", .names = SYSCALLS("setns"), .argument = 1,
          .mask = UINT32_MAX, SYSCALL_VALUES(CLONE_NEWNET) },
        { .why = "to be nice while much is read", .names = SYSCALLS("setpriority"), .mask = UINT32_MAX, SYSCALL_VALUES(0) },
        { .why = "and last at the disk", .names = SYSCALLS("ioprio_set"), .mask = UINT32_MAX, SYSCALL_VALUES(1 /* IOPRIO_WHO_PROCESS */) },
        { .why = NULL },
};

int confinement_observer(enum confinement mode, struct buffer *weaker) {
        return give_up(NULL, observer_capabilities, observer_calls, mode, weaker);
}

/* ---- pkgdb ---- */

static const struct syscall_group pkgdb_calls[] = {
        COMMON_GROUPS,
        { .why = "the database, librpm's own settings", .names = opening_calls },
        { .why = "hints to the kernel", .names = SYSCALLS("fadvise64", "fadvise64_64", "arm_fadvise64_64", "readahead") },
        { .why = "the answer", .names = SYSCALLS("memfd_create", "ftruncate", "ftruncate64", "sendmsg") },
        { .why = "sqlite under root gives its files to the database's owner, or tries", .names = SYSCALLS("fchown", "fchown32") },
        { .why = "a time limit of its own", .names = SYSCALLS("alarm", "setitimer") },
        { .why = NULL },
};

int confinement_pkgdb(const char *folder, enum confinement mode, struct buffer *weaker) {
        const struct landlock_place places[] = {
                { folder, LANDLOCK_READ },
                /* librpm: macros, crypto policy, what libgcrypt asks of the kernel, and libraries of its own */
                { "/usr/lib", LANDLOCK_READ | LANDLOCK_EXECUTE },
                { "/usr/lib64", LANDLOCK_READ | LANDLOCK_EXECUTE },
                { "/lib", LANDLOCK_READ | LANDLOCK_EXECUTE },
                { "/lib64", LANDLOCK_READ | LANDLOCK_EXECUTE },
                { "/usr/share", LANDLOCK_READ },
                { "/etc", LANDLOCK_READ },
                { "/proc/self", LANDLOCK_READ },
                { "/proc/sys", LANDLOCK_READ },
                { "/proc/cpuinfo", LANDLOCK_READ },
                { "/dev/null", LANDLOCK_READ | LANDLOCK_WRITE },
                { "/dev/urandom", LANDLOCK_READ },
                { NULL, 0 },
        };

        return give_up(places, no_capability, pkgdb_calls, mode, weaker);
}

/* ---- the courier ---- */

/* Until it has become another user. */
static const struct capability capabilities_for_ids[] = {
        { CAP_SETUID, "to become the user nephronix" },
        { CAP_SETGID, "to leave all other groups" },
        { 0, NULL },
};

static const struct syscall_group courier_calls[] = {
        COMMON_GROUPS,
        { .why = "ledger and status page, as their modes and Landlock allow", .names = opening_calls },
        { .why = "those who ask", .names = SYSCALLS("accept4") },
        { .why = "talking to them", .names = connected_calls },
        { .why = "syslog", .names = SYSCALLS("socket"), .mask = UINT32_MAX, SYSCALL_VALUES(AF_UNIX) },
        { .why = "syslog", .names = SYSCALLS("connect") },
        { .why = NULL },
};

int confinement_courier(const struct confinement_paths *paths, uid_t user, gid_t group, enum confinement mode, struct buffer *weaker) {
        const struct landlock_place places[] = {
                { paths->state, LANDLOCK_READ },
                { paths->run, LANDLOCK_READ },
                { "/etc/localtime", LANDLOCK_READ },
                { "/dev/null", LANDLOCK_READ | LANDLOCK_WRITE },
                { NULL, 0 },
        };
        pid_t parent = getppid();
        int r = privileges_no_new();

        if (r == 0) {
                r = landlock_enforce(places);
                if (r == LANDLOCK_ABSENT)
                        note_weaker(weaker, "this kernel has no Landlock");
        }
        if (r >= 0)
                r = privileges_keep(capabilities_for_ids);
        if (r >= 0)
                r = privileges_become(user, group);
        if (r < 0)
                return r;
        /* Another user is not told any more that the guard ended. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                return -EPIPE;
        return give_up(NULL, no_capability, courier_calls, mode, weaker);
}
