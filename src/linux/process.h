/* process.h - what /proc says of one process: pure parsers over bytes, and readers below the descriptor of /proc.
 * Every reader answers -ENOENT or -ESRCH for a process that ended meanwhile. */
#pragma once

#include "buffer.h"
#include "process-files.h"

enum {
        PROCESS_STATE_DEAD = 'X', PROCESS_STATE_ZOMBIE = 'Z',

        /* bits of process_stat.flags, from the kernel's include/linux/sched.h, unchanged since 2.6.36 */
        PROCESS_FLAG_EXITING = 0x00000004,
        PROCESS_FLAG_WORKER  = 0x00000020,      /* runs a work queue */
        PROCESS_FLAG_FORKED  = 0x00000040,      /* has not called execve since fork */
        PROCESS_FLAG_KERNEL  = 0x00200000,

        PROCESS_COMMAND_LINE_MAX = 32 * 1024,   /* of argv; what follows is cut off */
};

struct process_stat {
        uint32_t pid, parent, session, tty, flags; /* session: pid of its leader */
        uint64_t threads, start_ticks, code_start, code_end, stack_start;
        struct bytes name;              /* in the text that was parsed; any bytes but NUL */
        char state;
};

/* A process, and the thread of it that answers in place of a leader that has already exited (0: the leader itself). */
struct process_place {
        int proc_fd;                    /* borrowed */
        uint32_t pid, task;
        struct process_open *open;      /* borrowed: what stays open of it; NULL: nothing */
};

/* Pure. 0, or -EBADMSG when the text is not what the kernel writes. */
int process_parse_stat(struct bytes text, struct process_stat *ret);
int process_parse_status_user(struct bytes text, uint32_t *ret_effective);
int process_parse_status_users(struct bytes text, uint32_t *ret_real, uint32_t *ret_effective);
int process_parse_boot_time(struct bytes text, uint64_t *ret_seconds);         /* /proc/stat */
/* The unified hierarchy's path; where that says nothing ("/" beside version 1 lines) the one of name=systemd, else the
 * first that is not "/". */
int process_parse_cgroup(struct bytes text, struct bytes *ret_path);
/* A directory name of /proc: a pid, or -EINVAL. */
int process_parse_pid(const char *name, uint32_t *ret);

/* argv with a blank between its strings. The NULs at the end, as often padding as empty strings, are dropped. */
void process_join_arguments(struct bytes arguments, struct buffer *ret);
/* Moves with every execve and with nothing else (where the program and its stack were placed), but tells no address. */
uint64_t process_image(const struct process_stat *stat);
/* No thread of it runs any more, or about to be so: only its parent has not looked yet. */
bool process_leader_ended(const struct process_stat *stat);

/* The pids below /proc in ascending order. */
struct process_list {
        uint32_t *pids;                 /* owned */
        size_t count, capacity;
};
#define PROCESS_LIST_NULL ((struct process_list){ .pids = NULL })
void process_list_done(struct process_list *list);
int process_list_read(int proc_fd, struct process_list *list);
/* The same for any directory of numbers ("12/task", "12/fd"). */
int process_list_read_at(int directory, const char *path, struct process_list *list);

/* Replace what the buffer holds. *ret borrows from the buffer. */
int process_read_stat(const struct process_place *place, struct buffer *buffer, struct process_stat *ret);
/* Bytes of argv, joined. Empty for a kernel thread and after exit. */
int process_read_command_line(const struct process_place *place, struct buffer *raw, struct buffer *ret);
/* *ret_deleted: the file has no name any more (the kernel's mark is taken off the path). */
int process_read_executable(const struct process_place *place, struct buffer *buffer, bool *ret_deleted);
int process_read_cgroup(const struct process_place *place, struct buffer *buffer, struct bytes *ret_path);
/* The effective user. live: from the owner of /proc/PID, which is always it and the cheapest way to ask; else from its
 * file "status". */
int process_read_user(const struct process_place *place, bool live, struct buffer *buffer, uint32_t *ret);
/* A thread that still runs, for a leader that ended; -ESRCH if there is none. */
int process_find_task(struct process_place *place, struct buffer *buffer, struct process_list *list);

/* "pts/0", "tty1"; appended. Nothing for no terminal. sys_fd may be -1. */
void process_tty_name(int sys_fd, uint32_t tty, struct buffer *buffer);
