#include "disguise.h"

#include "ownership.h"
#include "trusted-place.h"

static bool begins(struct bytes text, const char *beginning) {
        return bytes_starts_with(text, bytes_of_string(beginning));
}

static struct bytes first_word(struct bytes text) {
        const uint8_t *blank = text.size ? memchr(text.data, ' ', text.size) : NULL;

        return blank ? bytes_of(text.data, (size_t)(blank - text.data)) : text;
}

/* How ps shows kernel threads: "[kworker/0:1]". The program called "[" is test(1). */
static bool is_bracketed(struct bytes command_line) {
        struct bytes word = first_word(command_line);

        return word.size > 2 && word.data[0] == '[' && word.data[word.size - 1] == ']';
}

static bool is_kernel_thread_name(struct bytes name) {
        static const char *const whole[] = {
                "kthreadd", "khugepaged", "kdevtmpfs", "kauditd", "khungtaskd", "oom_reaper", "kintegrityd", "kblockd", "ksmd",
                "rcu_sched", "rcu_preempt", "rcu_gp", "rcu_par_gp", "netns", "writeback", "kthrotld", "watchdogd", "devfreq_wq",
                "pool_workqueue_", "cryptd", "kstrp",
        };
        static const char *const beginnings[] = {
                "kworker", "ksoftirqd/", "migration/", "cpuhp/", "idle_inject/", "irq/", "jbd2/", "kswapd", "kcompactd",
                "rcuop/", "rcuog/", "rcuos/", "rcu_tasks", "scsi_eh_", "scsi_tmf_", "ext4-rsv-conver", "xfsaild/", "xfs-",
                "btrfs-", "watchdog/", "card0-crtc", "md_", "dm_",
        };

        for (size_t i = 0; i < ELEMENTS(whole); i++)
                if (bytes_equal(name, bytes_of_string(whole[i])))
                        return true;
        for (size_t i = 0; i < ELEMENTS(beginnings); i++)
                if (begins(name, beginnings[i]))
                        return true;
        return false;
}

/* Names of programs that always run, from where it is worth to hide behind them. No shells: "sh" is dash, and so on. */
static bool is_system_name(struct bytes name) {
        static const char *const names[] = {
                "systemd", "init", "systemd-journal", "systemd-udevd", "systemd-logind", "systemd-network", "systemd-resolve",
                "systemd-timesyn", "dbus-daemon", "sshd", "cron", "crond", "atd", "rsyslogd", "auditd", "agetty", "login",
                "NetworkManager", "polkitd", "udevd", "chronyd", "ntpd", "dhclient", "containerd", "dockerd", "nephronixd",
        };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (bytes_equal(name, bytes_of_string(names[i])))
                        return true;
        return false;
}

/* The program that a command line names in its first word: "sshd" of "sshd: root@pts/0", "bash" of "-/bin/bash". */
static struct bytes claimed(struct bytes command_line) {
        struct bytes word = first_word(command_line);

        while (word.size > 0 && word.data[word.size - 1] == ':')
                word.size--;
        if (word.size > 0 && word.data[0] == '-')
                word = bytes_of(word.data + 1, word.size - 1);
        return path_base(word);
}

static bool is_multicall(struct bytes base) {
        return begins(base, "busybox") || begins(base, "toybox");
}

/* One is the other, or (a name is cut after 15 bytes, "sshd" serves as "sshd-session") begins with it. */
static bool agree(struct bytes a, struct bytes b) {
        return a.size > 0 && b.size > 0 && (bytes_starts_with(a, b) || bytes_starts_with(b, a));
}

const char *process_disguise(const struct process_facts *facts, struct bytes command_line_now) {
        struct bytes base = path_base(facts->executable), before = facts->command_line, now = command_line_now;

        if (facts->flags & PROCESS_KERNEL_THREAD)
                return NULL;
        if ((facts->flags & PROCESS_FROM_MEMFD) || begins(facts->executable, "/memfd:"))
                return "runs from a memfd";
        /* Without a program we cannot know that it is none of the kernel's: nobody told. */
        if (facts->executable.size > 0) {
                if (is_kernel_thread_name(facts->name) && !agree(facts->name, base))
                        return "claims to be a kernel thread";
                if (is_bracketed(before) || is_bracketed(now))
                        return "claims to be a kernel thread";
                if (is_system_name(facts->name) && !agree(facts->name, base) && !is_multicall(base))
                        return "goes by the name of another program";
        }
        if (now.size > 0 && before.size > 0 && !(facts->flags & PROCESS_CUT) && !bytes_equal(now, before) &&
            !agree(claimed(now), base) && !agree(claimed(now), facts->name) && !bytes_equal(claimed(now), claimed(before)))
                return "has written over its arguments";
        if (facts->flags & PROCESS_DELETED)
                return "runs from a file that was deleted";
        return NULL;
}
