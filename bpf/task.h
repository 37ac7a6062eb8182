/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* task.h - programs begun and ended. */
#pragma once

#include "ring.h"

struct scratch {
        struct proto_process process;
        char text[PROTO_RECORD_MAX - sizeof(struct proto_process)];
        /* How much of it is used. Here and not in a register, for what comes out of memory can be anything to the verifier, and
         * so one round of a loop looks to it like the next. */
        __u32 end;
};

/* Too large for the stack. A program is not entered twice on a CPU at a time: where it is interrupted by itself the kernel
 * leaves the second run out and counts it. */
struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct scratch);
} scratches SEC(".maps");

/* Processes of several threads whose end was told: the last two threads may each see themselves as the last. */
struct ended {
        __u64 start_ns;
        __u32 pid, padding;
};

struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 1024);
        __type(key, struct ended);
        __type(value, __u8);
} ended SEC(".maps");

static __always_inline __u32 tty_of(struct signal_struct *signal) {
        struct tty_struct *tty = signal->tty;
        struct tty_driver *driver;

        if (!tty)
                return 0;
        driver = tty->driver;
        if (!driver)
                return 0;
        return (__u32)driver->major << 20 | (__u32)(driver->minor_start + tty->index);
}

/* All but what only an execve or an exit tells. */
static __always_inline void describe(struct proto_process *process, struct task_struct *task) {
        struct task_struct *leader = task->group_leader;
        struct signal_struct *signal = task->signal;
        const struct cred *cred = task->cred;
        unsigned int flags = leader->flags;

        process->start_ns = leader->start_boottime;
        process->inode = 0;
        process->device = 0;
        process->pid = task->tgid;
        process->parent = leader->real_parent->tgid;
        process->session_leader = signal->pids[PIDTYPE_SID]->numbers[0].nr;
        process->user = cred->uid.val;
        process->effective_user = cred->euid.val;
        process->login_user = process->audit_session = ~0U;
        process->flags = 0;
        if (bpf_core_field_exists(task->loginuid) && bpf_core_field_exists(task->sessionid)) {
                process->login_user = task->loginuid.val;
                process->audit_session = task->sessionid;
                process->flags |= PROTO_HAS_LOGIN;
        }
        if (flags & PF_KTHREAD)
                process->flags |= PROTO_KERNEL_THREAD;
        if (flags & PF_FORKNOEXEC)
                process->flags |= PROTO_FORKED_ONLY;
        process->tty = tty_of(signal);
        process->exit_status = 0;
        process->path_size = process->directory_size = 0;
        process->arguments_size = 0;
        process->padding = 0;
        __builtin_memcpy(process->name, leader->comm, sizeof(process->name));
}

/* Puts the names of a path, last one first, behind the text that is there. 0, or -1: cut. */
static __noinline int put_path(struct scratch *scratch, struct dentry *dentry, struct vfsmount *vfsmount) {
        for (int i = 0; i < PROTO_COMPONENTS_MAX; i++) {
                struct dentry *parent, *root;
                const unsigned char *name;
                __u32 end = scratch->end;
                long size;

                bpf_core_read(&root, sizeof(root), &vfsmount->mnt_root);
                bpf_core_read(&parent, sizeof(parent), &dentry->d_parent);
                if (dentry == root) {
                        struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt), *up;

                        bpf_core_read(&up, sizeof(up), &mount->mnt_parent);
                        if (up == mount || !up)
                                return 0;
                        bpf_core_read(&dentry, sizeof(dentry), &mount->mnt_mountpoint);
                        vfsmount = &up->mnt;
                        continue;
                }
                if (end > PROTO_PATHS_MAX - PROTO_COMPONENT_MAX)
                        return -1;
                bpf_core_read(&name, sizeof(name), &dentry->d_name.name);
                size = bpf_probe_read_kernel_str(scratch->text + end, PROTO_COMPONENT_MAX, name);
                if (size < 2 || size > PROTO_COMPONENT_MAX)
                        return -1;
                scratch->end = end + size;
                if (dentry == parent)           /* hangs in no tree: a memfd */
                        return 0;
                dentry = parent;
        }
        return -1;
}
