/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* proto.h - the records that cross the ring from the programs in bpf/ to src/sources/bpf-record.c.
 * Fixed width, explicit padding, a version: both sides are built together, but a record is checked as if they were not.
 * Texts follow the fixed part; their sizes stand in it. */
#pragma once

#include <linux/types.h>

enum {
        PROTO_VERSION = 1,
        PROTO_NAME_SIZE = 16,                   /* the kernel's TASK_COMM_LEN */
        PROTO_COMPONENT_MAX = 256,              /* a file name and its NUL */
        PROTO_COMPONENTS_MAX = 40,              /* deeper paths are cut */
        PROTO_PATHS_MAX = 3072,                 /* of both paths of an execve together */
        PROTO_ARGUMENTS_MAX = 4096,             /* of argv; what is longer is cut */
        PROTO_TEXT_MAX = 256,                   /* of each text of an incident or a module */
        PROTO_RECORD_MAX = 8192,
};

enum proto_kind {
        PROTO_EXECUTED = 1,                     /* struct proto_process */
        PROTO_EXITED,                           /* struct proto_process; no texts */
        PROTO_ESTABLISHED,                      /* struct proto_connection */
        PROTO_CLOSED,                           /* struct proto_connection */
        PROTO_MODULE_LOADED,                    /* struct proto_module */
        PROTO_MODULE_FREED,                     /* struct proto_module */
        PROTO_INCIDENT,                         /* struct proto_incident */
};

struct proto_header {
        __u16 version;
        __u16 kind;                             /* enum proto_kind */
        __u32 size;                             /* of all of it, texts included */
        __u64 at_ns;                            /* CLOCK_MONOTONIC */
};

enum proto_process_flags {
        PROTO_HAS_LOGIN = 1 << 0,
        PROTO_KERNEL_THREAD = 1 << 1,
        PROTO_FROM_MEMFD = 1 << 2,
        PROTO_DELETED = 1 << 3,
        PROTO_FORKED_ONLY = 1 << 4,
        PROTO_PATH_CUT = 1 << 5,                /* path and directory are not told: too long, or not to be read here */
        PROTO_ARGUMENTS_CUT = 1 << 6,
        PROTO_DIRECTORY_CUT = 1 << 7,
};

/* Followed by three texts. A path is the names of its components, the last one first, each ended by NUL, for that is the order
 * in which the kernel can be asked; no name at all is "/". The arguments are as they stand in the memory of the process. */
struct proto_process {
        struct proto_header header;
        __u64 start_ns;                         /* CLOCK_BOOTTIME */
        __u64 inode;                            /* of the program */
        __u32 device;                           /* likewise, as the kernel has it: 12 bits major, 20 bits minor */
        __u32 pid, parent, session_leader;
        __u32 user, effective_user, login_user, audit_session;
        __u32 tty;                              /* device as above */
        __s32 exit_status;                      /* as wait(2) encodes it */
        __u32 flags;                            /* enum proto_process_flags */
        __u16 path_size, directory_size;        /* of the program; of the working directory */
        __u32 arguments_size;
        __u8 name[PROTO_NAME_SIZE];
        __u32 padding;
};

struct proto_origin {
        __u64 start_ns;                         /* CLOCK_BOOTTIME; 0: not told */
        __u32 pid;                              /* 0: nobody that could be named */
        __u32 padding;
};

struct proto_connection {
        struct proto_header header;
        struct proto_origin origin;
        __u64 cookie;                           /* 0: this kernel does not tell programs */
        __u32 network_namespace;
        __u32 interface;
        __u32 user;
        __u8 protocol, family;                  /* IPPROTO_TCP; 4 or 6 */
        __u8 inbound, padding;                  /* inbound: told of PROTO_ESTABLISHED only */
        __u16 local_port, remote_port;          /* host order */
        __u8 local[16], remote[16];
        __u32 padding_end;
};

struct proto_module {
        struct proto_header header;
        struct proto_origin origin;
        __u64 taints;
        __u8 name[64];                          /* up to its first NUL */
};

enum proto_incident_kind {
        PROTO_PRIVILEGES_RAISED,                /* numbers: effective user before, now */
        PROTO_RAW_SOCKET,                       /* what: "raw" or "packet"; numbers: protocol */
        PROTO_MODULE_REFUSED,                   /* what: name of the file or module, if known; numbers: positive errno */
        PROTO_INCIDENTS,
};

/* Followed by a text. */
struct proto_incident {
        struct proto_header header;
        struct proto_origin origin;
        __u32 kind;                             /* enum proto_incident_kind */
        __u16 what_size, padding;
        __u64 numbers[2];
};

/* What was dropped, and why. */
enum proto_loss {
        PROTO_LOST_PROCESS,                     /* the ring was full ... */
        PROTO_LOST_CONNECTION,
        PROTO_LOST_MODULE,
        PROTO_LOST_INCIDENT,
        PROTO_LOST_SCRATCH,                     /* no room to make the record in: cannot be, but is counted */
        PROTO_LOSSES,
};

_Static_assert(sizeof(struct proto_header) == 16, "padding");
_Static_assert(sizeof(struct proto_process) == 104, "padding");
_Static_assert(sizeof(struct proto_connection) == 96, "padding");
_Static_assert(sizeof(struct proto_module) == 104, "padding");
_Static_assert(sizeof(struct proto_incident) == 56, "padding");
