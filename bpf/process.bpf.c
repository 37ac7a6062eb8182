// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* process.bpf.c - programs begun (execve) and processes ended. */
#include "task.h"

static __always_inline void put_program(struct scratch *scratch, struct file *file) {
        struct inode *inode = file->f_inode;
        struct dentry *dentry = file->f_path.dentry;
        struct proto_process *process = &scratch->process;

        process->inode = inode->i_ino;
        process->device = inode->i_sb->s_dev;
        if (inode->i_nlink == 0)
                process->flags |= dentry->d_parent == dentry ? PROTO_FROM_MEMFD : PROTO_DELETED;
        if (!reads_memory || put_path(scratch, dentry, file->f_path.mnt) < 0) {
                process->flags |= PROTO_PATH_CUT;
                scratch->end = 0;
        }
        process->path_size = scratch->end;
}

static __always_inline void put_directory(struct scratch *scratch, struct fs_struct *fs) {
        __u32 start = scratch->end;

        if (!reads_memory || put_path(scratch, fs->pwd.dentry, fs->pwd.mnt) < 0) {
                scratch->process.flags |= PROTO_DIRECTORY_CUT;
                scratch->end = start;
        }
        scratch->process.directory_size = scratch->end - start;
}

static __always_inline void put_arguments(struct scratch *scratch, struct mm_struct *mm) {
        unsigned long from = mm->arg_start, size = mm->arg_end - from;
        __u32 end = scratch->end;

        if (size > PROTO_ARGUMENTS_MAX) {
                scratch->process.flags |= PROTO_ARGUMENTS_CUT;
                size = PROTO_ARGUMENTS_MAX;
        }
        if (!reads_memory || end > PROTO_PATHS_MAX ||
            bpf_probe_read_user(scratch->text + end, size, (const void *)from) < 0) {
                scratch->process.flags |= PROTO_ARGUMENTS_CUT;
                size = 0;
        }
        scratch->process.arguments_size = size;
        scratch->end = end + size;
}

/* Whoever executed a program without being root, nor able to become it again, those that a set-user-id program made root from
 * there, and their children. No tracepoint tells of credentials: root that came otherwise shows at the next execve or at the end. */
struct privileges {
        __u64 start_ns;
        __u32 effective_user, padding;
};

struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 8192);
        __type(key, __u32);
        __type(value, struct privileges);
} unprivileged SEC(".maps");

static __always_inline struct privileges *privileges_of(struct task_struct *leader) {
        __u32 pid = leader->tgid;
        struct privileges *found = bpf_map_lookup_elem(&unprivileged, &pid);

        return found && found->start_ns == leader->start_boottime ? found : NULL;
}

static __always_inline void tell_raised(const struct proto_process *process, __u32 before) {
        struct proto_incident *incident = bpf_ringbuf_reserve(&ring, sizeof(*incident), 0);

        if (!incident) {
                count_lost(PROTO_LOST_INCIDENT);
                return;
        }
        incident->origin.start_ns = process->start_ns;
        incident->origin.pid = process->pid;
        incident->origin.padding = 0;
        incident->kind = PROTO_PRIVILEGES_RAISED;
        incident->what_size = incident->padding = 0;
        incident->numbers[0] = before;
        incident->numbers[1] = process->effective_user;
        set_header(&incident->header, PROTO_INCIDENT, sizeof(*incident));
        bpf_ringbuf_submit(incident, wake_flags());
}

static __always_inline void check_privileges(const struct proto_process *process, struct task_struct *task, struct inode *program) {
        struct privileges *known = privileges_of(task->group_leader);
        struct privileges now = { .start_ns = process->start_ns, .effective_user = process->effective_user };
        __u32 pid = process->pid;

        if (process->user != 0 && process->effective_user != 0) {
                bpf_map_update_elem(&unprivileged, &pid, &now, BPF_ANY);
                return;
        }
        if (!known)
                return;
        if (known->effective_user != 0 && process->effective_user == 0 &&
            !((program->i_mode & S_ISUID) && program->i_uid.val == 0))
                tell_raised(process, known->effective_user);
        now.effective_user = 0;
        bpf_map_update_elem(&unprivileged, &pid, &now, BPF_ANY);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_executed, struct task_struct *task, int old_pid, struct linux_binprm *program) {
        struct scratch *scratch = bpf_map_lookup_elem(&scratches, &(__u32){ 0 });
        __u32 size;

        if (!scratch) {
                count_lost(PROTO_LOST_SCRATCH);
                return 0;
        }
        scratch->end = 0;
        describe(&scratch->process, task);
        put_program(scratch, program->file);
        put_directory(scratch, task->fs);
        put_arguments(scratch, task->mm);
        size = sizeof(scratch->process) + scratch->end;
        if (size > PROTO_RECORD_MAX) /* never; the verifier asks */
                return 0;
        set_header(&scratch->process.header, PROTO_EXECUTED, size);
        if (bpf_ringbuf_output(&ring, scratch, size, wake_flags()) < 0)
                count_lost(PROTO_LOST_PROCESS);
        check_privileges(&scratch->process, task, program->file->f_inode);
        return 0;
}

/* By the fork, and not by the parent of the hour: that may be a stranger who adopts orphans. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_forked, struct task_struct *parent, struct task_struct *child) {
        struct privileges *known, inherited;
        __u32 pid = child->tgid;

        if (parent->tgid == child->tgid)
                return 0;
        known = privileges_of(parent->group_leader);
        if (!known)
                return 0;
        inherited.start_ns = child->start_boottime;
        inherited.effective_user = known->effective_user;
        inherited.padding = 0;
        bpf_map_update_elem(&unprivileged, &pid, &inherited, BPF_ANY);
        return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exited, struct task_struct *task) {
        struct signal_struct *signal = task->signal;
        struct proto_process *process;
        struct privileges *privileges;

        if (signal->live.counter != 0 || (task->flags & PF_WQ_WORKER))
                return 0;
        if (signal->nr_threads > 1) {
                struct ended key = { .start_ns = task->group_leader->start_boottime, .pid = task->tgid };

                if (bpf_map_update_elem(&ended, &key, &(__u8){ 0 }, BPF_NOEXIST) == -EEXIST)
                        return 0;
        }
        process = bpf_ringbuf_reserve(&ring, sizeof(*process), 0);
        if (!process) {
                count_lost(PROTO_LOST_PROCESS);
                return 0;
        }
        describe(process, task);
        process->exit_status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : task->group_leader->exit_code;
        set_header(&process->header, PROTO_EXITED, sizeof(*process));
        privileges = privileges_of(task->group_leader);
        if (privileges) {
                __u32 pid = task->tgid;

                if (privileges->effective_user != 0 && process->effective_user == 0)
                        tell_raised(process, privileges->effective_user);
                bpf_map_delete_elem(&unprivileged, &pid);
        }
        bpf_ringbuf_submit(process, wake_flags());
        return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
