#include "syscall-filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* From 424 on a call has the same number on every architecture. */
enum { NEWEST_KNOWN = 462 /* mseal, 6.10 */, LAST_OF_TABLE = 511 };

/* What may be newer than the libseccomp that we run with. */
static const struct late {
        const char *name;
        int number;
} late[] = {
        { "clone3", 435 },       { "close_range", 436 },  { "openat2", 437 },     { "faccessat2", 439 },
        { "futex_waitv", 449 },  { "cachestat", 451 },    { "fchmodat2", 452 },   { "futex_wake", 454 },
        { "futex_wait", 455 },   { "statmount", 457 },    { "listmount", 458 },
};

/* What ends us, and what a thread is woken by: needed in any case. */
static const char *const always[] = { "exit", "exit_group", "restart_syscall", "rt_sigreturn", "sigreturn", NULL };

/* As above, but of calls that the C library tries first. Their flags lie in memory, where no filter can look; without them it takes
 * the older form. */
static const char *const not_there[] = { "clone3", NULL };

static int number_of(const char *name) {
        int number = seccomp_syscall_resolve_name(name);

        if (number != __NR_SCMP_ERROR)
                return number;
        for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
                if (strcmp(late[i].name, name) == 0)
                        return late[i].number;
        return __NR_SCMP_ERROR;
}

/* libseccomp has negative numbers for calls that another architecture has. */
static bool here(int number) {
        return number >= 0;
}

static int allow(scmp_filter_ctx filter, const struct syscall_group *group) {
        int r = 0;

        for (size_t i = 0; r == 0 && group->names[i]; i++) {
                int number = number_of(group->names[i]);

                if (!here(number))
                        continue;
                if (group->n_values == 0)
                        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
                for (size_t k = 0; r == 0 && k < group->n_values; k++)
                        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
                                             SCMP_CMP64(group->argument, SCMP_CMP_MASKED_EQ, group->mask, group->values[k]));
        }
        return r;
}

static int refuse_softly(scmp_filter_ctx filter) {
        int r = 0;

        for (size_t i = 0; r == 0 && not_there[i]; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number_of(not_there[i]), 0);
        for (int number = NEWEST_KNOWN + 1; r == 0 && number <= LAST_OF_TABLE; number++)
                r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
        return r;
}

static int build(scmp_filter_ctx filter, const struct syscall_group *groups) {
        const struct syscall_group common = { .names = always };
        /* abort(3), a stack that was written over */
        const struct syscall_group own_signals = {
                .names = SYSCALLS("kill", "tgkill"),
                .mask = UINT32_MAX,
                SYSCALL_VALUES((uint64_t)(uint32_t)getpid()),
        };
        int r = allow(filter, &common);

        if (r == 0)
                r = allow(filter, &own_signals);
        for (size_t i = 0; r == 0 && groups[i].why; i++)
                r = allow(filter, &groups[i]);
        return r < 0 ? r : refuse_softly(filter);
}

int syscall_filter_enforce(const struct syscall_group *groups, enum syscall_verdict verdict) {
        scmp_filter_ctx filter;
        int r;

        if (seccomp_api_get() < 2) /* 1: no filter can be had for all threads at once; 0: none at all */
                return SYSCALL_FILTER_ABSENT;
        filter = seccomp_init(verdict == SYSCALL_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
        if (!filter)
                return -ENOMEM;
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
        if (r == 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0); /* it is set already */
        if (r == 0)
                r = build(filter, groups);
        /* Searched as a tree: what is not answered from the kernel's own table costs a few comparisons. */
        if (r == 0)
                (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r < 0 ? r : SYSCALL_FILTER_APPLIED;
}
