/* host.h - the machine that is looked at: the real one, or a fixture tree that stands for it.
 * Every path a watch opens goes through here, relative to the host's root and unable to leave it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* What a watch may ask of the privileged parent. */
struct host_helper {
        /* The rpm database as text in dpkg's status format, in a sealed memfd. 0 and *ret_fd (the caller's to close);
         * -EAGAIN: asked for, answer WATCH_E_BUSY, the watch is hinted when it is there; -EOPNOTSUPP: not built in;
         * another negative errno: the helper failed, and 'why' is what it said. */
        int (*rpm_database)(struct host_helper *helper, int *ret_fd);
        /* What the rpm database says of these paths (each ended by NUL): asks, and does not wait. 0; -EAGAIN: another question is
         * on its way; -EOPNOTSUPP: not built in; -ENOENT: no database. May be NULL. */
        int (*rpm_files)(struct host_helper *helper, struct bytes paths);
        /* The answer to that (provenance/rpm-files.h) in a sealed memfd. 0 and *ret_fd (the caller's to close); -EAGAIN: not yet;
         * another negative errno: there is none. */
        int (*rpm_files_answer)(struct host_helper *helper, int *ret_fd);
        const char *why;                /* borrowed until the next question; NULL: it said nothing */
};

struct host {
        int root_fd, proc_fd, sys_fd;   /* owned; proc and sys are -1 where the tree has none */
        bool live;                      /* root is "/": kernel interfaces without a path (netlink, bpf) speak of this host */
        struct host_helper *helper;     /* borrowed; NULL: there is nobody to ask */
};

#define HOST_NULL ((struct host){ .root_fd = -1, .proc_fd = -1, .sys_fd = -1 })

/* root: "/" or the top of a fixture tree. 0 or negative errno. */
int host_open(struct host *host, const char *root);
void host_close(struct host *host);

/* Opens below the host's root. A leading '/' is ignored; symbolic links resolve inside the root (openat2 RESOLVE_IN_ROOT,
 * Linux 5.6), magic links (/proc/PID/exe) do not resolve. O_CLOEXEC | O_NOCTTY | O_NONBLOCK are added. The descriptor, or
 * negative errno. */
int host_openat(const struct host *host, const char *path, int flags);

/* Reads a whole file of at most 'limit' bytes into the buffer (after what it holds); -EFBIG if there is more. Also for
 * /proc and /sys, whose files do not know their size. 0 or negative errno. */
int host_read(const struct host *host, const char *path, size_t limit, struct buffer *buffer);

/* The same below any directory descriptor; the last component is not followed if it is a symbolic link. */
int file_read_at(int directory, const char *path, size_t limit, struct buffer *buffer);

/* The target of a symbolic link, magic or not, appended to the buffer. 0 or negative errno. */
int link_read_at(int directory, const char *path, struct buffer *buffer);

/* /proc/sys/kernel/random/boot_id as 16 bytes. */
enum { BOOT_ID_SIZE = 16 };
int host_boot_id(const struct host *host, uint8_t ret[BOOT_ID_SIZE]);
