/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* kernel.h - of the kernel's types only the members that the programs read. Where they stand is found out from the running
 * kernel's BTF when the programs are loaded, so that neither this machine's kernel nor its headers matter to the build. */
#pragma once

#include <linux/bpf.h>

#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

enum {
        /* Of the kernel's own headers, unchanged since before 5.8. */
        PF_WQ_WORKER = 0x00000020, PF_FORKNOEXEC = 0x00000040, PF_KTHREAD = 0x00200000,
        SIGNAL_GROUP_EXIT = 0x00000004,
        S_ISUID = 04000, EEXIST = 17,
        PIDTYPE_SID = 3,
        AF_INET = 2, AF_INET6 = 10, AF_PACKET = 17, SOCK_RAW = 3,
        IPPROTO_TCP = 6,
        TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_FIN_WAIT1 = 4, TCP_CLOSE = 7,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct { __u32 val; } kuid_t;

struct qstr {
        const unsigned char *name;
};

struct super_block {
        __u32 s_dev;
};

struct inode {
        __u16 i_mode;
        kuid_t i_uid;
        unsigned long i_ino;
        unsigned int i_nlink;
        struct super_block *i_sb;
};

struct dentry {
        struct dentry *d_parent;
        struct qstr d_name;
};

struct vfsmount {
        struct dentry *mnt_root;
};

struct mount {
        struct mount *mnt_parent;
        struct dentry *mnt_mountpoint;
        struct vfsmount mnt;
};

struct path {
        struct vfsmount *mnt;
        struct dentry *dentry;
};

struct file {
        struct path f_path;
        struct inode *f_inode;
};

struct linux_binprm {
        struct file *file;
};

struct mm_struct {
        unsigned long arg_start, arg_end;
};

struct cred {
        kuid_t uid, euid;
};

struct upid {
        int nr;
};

struct pid {
        struct upid numbers[1];
};

struct tty_driver {
        int major, minor_start;
};

struct tty_struct {
        struct tty_driver *driver;
        int index;
};

typedef struct { int counter; } atomic_t;

struct signal_struct {
        atomic_t live;
        int nr_threads;
        int group_exit_code;
        unsigned int flags;
        struct pid *pids[4];
        struct tty_struct *tty;
};

struct fs_struct {
        struct path pwd;
};

struct ns_common {
        unsigned int inum;
};

struct net {
        struct ns_common ns;
};

typedef struct { struct net *net; } possible_net_t;

struct in6_addr {
        union {
                __u8 u6_addr8[16];
                __u32 u6_addr32[4];
        } in6_u;
};

struct sock_common {
        __u32 skc_daddr, skc_rcv_saddr;
        __u16 skc_dport, skc_num, skc_family;   /* skc_dport: as it goes over the wire */
        int skc_bound_dev_if;
        possible_net_t skc_net;
        struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};

struct sock {
        struct sock_common __sk_common;
        __u16 sk_protocol;
        kuid_t sk_uid;
};

struct inet_sock {
        __u16 inet_sport;                       /* as it goes over the wire */
};

struct inet_connection_sock {
        struct inet_sock icsk_inet;
};

struct tcp_sock {
        struct inet_connection_sock inet_conn;
};

struct module {
        char name[56];
        unsigned long taints;
};

struct task_struct {
        unsigned int flags;
        struct mm_struct *mm;
        int exit_code;
        int pid, tgid;
        struct task_struct *real_parent, *group_leader;
        __u64 start_boottime;
        const struct cred *cred;
        char comm[16];
        struct fs_struct *fs;
        struct signal_struct *signal;
        kuid_t loginuid;
        unsigned int sessionid;
};

#pragma clang attribute pop
