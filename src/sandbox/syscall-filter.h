/* syscall-filter.h - which system calls a role may make (seccomp(2)), from a table with a reason for each group. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Names of libseccomp's, NULL-terminated. One that this architecture or this libseccomp does not know is left out: nobody calls
 * it then. If n_values is not 0, allowed only with (argument & mask) one of them. A table of groups ends with a NULL in why. */
struct syscall_group {
        const char *why;
        const char *const *names;
        unsigned argument;
        uint64_t mask;
        const uint64_t *values;
        size_t n_values;
};

#define SYSCALLS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SYSCALL_VALUES(...)                                                                             \
        .values = ((const uint64_t[]){ __VA_ARGS__ }),                                                  \
        .n_values = sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)

enum syscall_verdict {
        SYSCALL_KILL,           /* what is not in the table ends the process (SIGSYS) */
        SYSCALL_LOG,            /* it is done, and said in the kernel's log: to find out what a table lacks */
};

enum { SYSCALL_FILTER_ABSENT = 0, SYSCALL_FILTER_APPLIED = 1 };

/* For all threads of this process, for good. In any case allowed: what ends a thread or a process, and a signal to ourselves.
 * Calls that are newer than this program are answered as an older kernel does (ENOSYS): a C library that tries them first goes on.
 * Needs privileges_no_new(). SYSCALL_FILTER_ABSENT if this kernel has none of it, or negative errno. */
int syscall_filter_enforce(const struct syscall_group *groups, enum syscall_verdict verdict);
