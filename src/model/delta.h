/* delta.h - what a source saw pass: "this appeared", "this went", with all that its own record says. For what lives shorter
 * than any look, and for what a look cannot tell. A watch turns it into a record of its own form (watch.h, recognize).
 * All bytes are borrowed for the call. Bytes of size 0 and times of 0 mean: not told. */
#pragma once

#include "hint.h"

enum delta_kind { DELTA_APPEARED, DELTA_VANISHED, DELTA_CHANGED };

enum delta_subject {
        DELTA_PROCESS,          /* appeared: execve; vanished: its last thread exited; changed: ids */
        DELTA_CONNECTION,       /* appeared: established; vanished: closed */
        DELTA_MODULE,
        DELTA_BPF_PROGRAM,
        DELTA_FILE,             /* hints alone, no deltas: whether somebody tells of files */
        DELTA_INCIDENT,         /* something happened that leaves no state: always DELTA_APPEARED */
        DELTA_SUBJECTS
};

enum process_facts_flags {
        PROCESS_HAS_USERS = 1 << 0,     /* user, effective_user are told */
        PROCESS_HAS_LOGIN = 1 << 1,     /* login_user, audit_session are told */
        PROCESS_HAS_EXIT = 1 << 2,      /* exit_status is told */
        PROCESS_KERNEL_THREAD = 1 << 3,
        PROCESS_FROM_MEMFD = 1 << 4,    /* its program has no file: memfd_create(2) */
        PROCESS_DELETED = 1 << 5,       /* its program's file had no name left when it started */
        PROCESS_FORKED_ONLY = 1 << 6,   /* it never called execve: it runs its parent's program */
        PROCESS_CUT = 1 << 7,           /* command_line or executable is longer than what could be carried */
};

#define LOGIN_USER_UNSET UINT32_MAX     /* loginuid and audit session of what no login started (audit(7)) */

/* One process, as somebody knows it: from the kernel's record, from /proc, from the engine's table of processes. */
struct process_facts {
        uint32_t pid, parent;           /* parent: 0 if not told */
        uint64_t start_ticks;           /* after boot, as /proc/PID/stat has it */
        unsigned flags;                 /* enum process_facts_flags */
        uint32_t user, effective_user, login_user, audit_session;
        uint32_t tty;                   /* device number as in /proc/PID/stat field 7; 0: none or not told */
        uint32_t session_leader;        /* pid of its session leader; 0: not told */
        uint64_t exec_inode, exec_device; /* of its program */
        int exit_status;                /* as wait(2) encodes it */
        struct bytes name;              /* comm */
        struct bytes executable;        /* path */
        struct bytes command_line;      /* argv joined by blanks, as process_join_arguments() does */
        struct bytes working_directory, cgroup;
        struct bytes tty_name;          /* "pts/0" */
};

struct connection_facts {
        uint64_t network_namespace;     /* inode; 0: the host's own */
        uint64_t cookie;                /* of the socket (SO_COOKIE) */
        uint8_t protocol, family;       /* IPPROTO_TCP; 4 or 6 */
        uint8_t local[16], remote[16];  /* IPv4 in the first four bytes, as it goes over the wire */
        uint16_t local_port, remote_port; /* host order */
        uint32_t interface;             /* index of the one it is bound to, or 0 */
        uint32_t user;
        bool has_user, inbound;         /* inbound: somebody connected to us */
};

struct module_facts {
        struct bytes name, path;        /* path: of the file, if known */
        uint64_t taints;
        bool has_taints;
};

struct bpf_program_facts {
        uint32_t id, type;              /* type: enum bpf_prog_type, 0 also for "not told" */
        uint64_t tag;                   /* 8 bytes, first in the highest place */
        struct bytes name;
};

enum incident_kind {
        INCIDENT_PRIVILEGES_RAISED,     /* effective user became root without execve. numbers: before, now */
        INCIDENT_RAW_SOCKET,            /* a raw or packet socket was made. what: "raw" or "packet"; numbers: protocol */
        INCIDENT_MOUNTED,               /* what: device or source; where: mount point */
        INCIDENT_UNMOUNTED,             /* where */
        INCIDENT_MODULE_REFUSED,        /* what: name or path; numbers: positive errno */
        INCIDENT_LOGIN,                 /* by audit: what: user name; where: remote address or terminal */
        INCIDENT_CLOCK_SET,             /* numbers: nanoseconds, 1 if it was set back */
        INCIDENT_SUSPENDED,             /* numbers: nanoseconds for which the machine slept */
        INCIDENT_KINDS
};

struct incident_facts {
        enum incident_kind kind;
        struct bytes what, where;
        uint64_t numbers[2];
};

struct delta {
        enum delta_kind kind;
        enum delta_subject subject;
        const char *source;             /* static */
        uint64_t at_ns;                 /* wall clock, when the kernel saw it */
        struct origin origin;           /* who did it; for a process: itself */
        union {
                struct process_facts process;
                struct connection_facts connection;
                struct module_facts module;
                struct bpf_program_facts bpf_program;
                struct incident_facts incident;
        };
};
