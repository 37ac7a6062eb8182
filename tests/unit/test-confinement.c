#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "confinement.h"

/* Each attempt is made by a child that was confined as the role is. What it ends with: */
enum { DONE = 0, REFUSED = 64 /* + errno */, NOT_CONFINED = 63 };

typedef int (*attempt)(void); /* 0 or negative errno */
typedef int (*ritual)(enum confinement mode, struct buffer *weaker);

static int observer(enum confinement mode, struct buffer *weaker) {
        return confinement_observer(mode, weaker);
}

/* As nephronix-pkgdb for a database in /var/lib. */
static int pkgdb(enum confinement mode, struct buffer *weaker) {
        return confinement_pkgdb("/var/lib", mode, weaker);
}

static int courier(enum confinement mode, struct buffer *weaker) {
        const struct confinement_paths paths = { .state = "/var/lib", .run = "/run" };

        return confinement_courier(&paths, 65534, 65534, mode, weaker);
}

static int ending_of(ritual confine, attempt what) {
        int status, r;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                struct buffer weaker = BUFFER_NULL;

                (void)signal(SIGSYS, SIG_DFL);
                r = confine(CONFINEMENT_FULL, &weaker);
                if (r < 0)
                        _exit(NOT_CONFINED);
                r = what();
                _exit(r < 0 ? REFUSED - r : DONE);
        }
        assert_true(waitpid(child, &status, 0) == child);
        return status;
}

#define NOT(call) ((call) < 0 ? -errno : 0)

static int execute(void) {
        char *arguments[] = { (char[]){ "true" }, NULL };

        return NOT(execv("/bin/true", arguments));
}

static int start_process(void) {
        pid_t child = fork();

        if (child == 0)
                _exit(0);
        return child < 0 ? -errno : 0;
}

static int open_inet(void) {
        return NOT(socket(AF_INET, SOCK_STREAM, 0));
}

static int open_inet6(void) {
        return NOT(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int open_packet(void) {
        return NOT(socket(AF_PACKET, SOCK_RAW, 0));
}

static int trace(void) {
        return NOT(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int mount_something(void) {
        return NOT(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int end_parent(void) {
        return NOT(kill(getppid(), SIGTERM));
}

static int end_everybody(void) {
        return NOT(kill(-1, SIGURG));
}

static int change_user(void) {
        return NOT((int)syscall(SYS_setuid, 1));
}

static int change_owner(void) {
        return NOT(chown("/tmp", 0, 0));
}

static int change_mode(void) {
        return NOT(chmod("/tmp", 01777));
}

static int make_device(void) {
        return NOT(mknod("/tmp/nephronix-test-device", S_IFCHR | 0600, 0));
}

static int load_module(void) {
        return NOT((int)syscall(SYS_init_module, "", 0, ""));
}

static int leave_namespace(void) {
        return NOT((int)syscall(SYS_setns, 0, CLONE_NEWNS));
}

static int make_namespace(void) {
        return NOT(unshare(CLONE_NEWUSER));
}

static int pin_program(void) {
        union bpf_attr attributes = { 0 };

        return NOT((int)syscall(SYS_bpf, BPF_OBJ_PIN, &attributes, sizeof(attributes)));
}

static int attach_program(void) {
        union bpf_attr attributes = { 0 };

        return NOT((int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof(attributes)));
}

static int write_to_other(void) {
        return NOT((int)syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0));
}

static int type_for_somebody(void) {
        char letter = 'x';

        return NOT((int)syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, &letter));
}

static int boot_again(void) {
        return NOT((int)syscall(SYS_reboot, 0, 0, 0, 0));
}

static void observer_is_ended_by(void **state) {
        static const struct {
                const char *what;
                attempt attempt;
        } cases[] = {
                { "another program", execute },
                { "another process", start_process },
                { "IPv4", open_inet },
                { "IPv6", open_inet6 },
                { "raw packets", open_packet },
                { "tracing", trace },
                { "a mount", mount_something },
                { "ending another process", end_parent },
                { "ending all processes", end_everybody },
                { "another user", change_user },
                { "another owner of a file", change_owner },
                { "another mode of a file", change_mode },
                { "a device", make_device },
                { "a module", load_module },
                { "another mount namespace", leave_namespace },
                { "a namespace of its own", make_namespace },
                { "a BPF program that stays", pin_program },
                { "a BPF program before the network", attach_program },
                { "the memory of another process", write_to_other },
                { "typing for somebody", type_for_somebody },
                { "a reboot", boot_again },
        };
        bool good = true;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int status = ending_of(observer, cases[i].attempt);

                if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
                        continue;
                print_error("%s: status 0x%x\n", cases[i].what, (unsigned)status);
                good = false;
        }
        assert_true(good);
}

static int open_unix(void) {
        return NOT(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int open_netlink(void) {
        return NOT(socket(AF_NETLINK, SOCK_RAW, 0));
}

static void *in_thread(void *argument) {
        return argument;
}

static int start_thread(void) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, in_thread, NULL);

        return r ? -r : -pthread_join(thread, NULL);
}

static int read_anybodys_file(void) {
        return NOT(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int change_network(void) {
        int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : NOT(setns(fd, CLONE_NEWNET));
}

static int look_at_programs(void) {
        union bpf_attr attributes = { 0 };
        int r = (int)syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attributes, sizeof(attributes));

        return r < 0 && errno != ENOENT ? -errno : 0;
}

static int look_at_parents_program(void) {
        char path[64], target[256];

        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)getppid());
        return readlink(path, target, sizeof(target)) < 0 ? -errno : 0;
}

static int back_from_nice(void) {
        return NOT(setpriority(PRIO_PROCESS, 0, 10)) < 0 ? -errno : NOT(setpriority(PRIO_PROCESS, 0, 0));
}

static void observer_may(void **state) {
        static const struct {
                const char *what;
                attempt attempt;
        } cases[] = {
                { "a UNIX socket", open_unix },
                { "a netlink socket", open_netlink },
                { "a thread", start_thread },
                { "reading /etc/shadow", read_anybodys_file },
                { "another network namespace", change_network },
                { "the list of BPF programs", look_at_programs },
                { "the program of a process", look_at_parents_program },
                { "being nice for a while", back_from_nice },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int status = ending_of(observer, cases[i].attempt);

                if (status)
                        print_error("%s: status 0x%x\n", cases[i].what, (unsigned)status);
                assert_int_equal(status, 0);
        }
}

static int write_settings(void) {
        return NOT(open("/etc/nephronix-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int read_home(void) {
        return NOT(open("/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int write_database(void) {
        return NOT(open("/var/lib/nephronix-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int read_database(void) {
        return NOT(open("/var/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void courier_is_ended_by(void **state) {
        static const attempt attempts[] = {
                execute, start_process, open_inet, open_inet6, open_packet, open_netlink, trace, mount_something, end_parent, change_user,
                change_owner, change_mode, make_namespace, start_thread, look_at_programs, change_network, boot_again,
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(attempts); i++) {
                int status = ending_of(courier, attempts[i]);

                if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
                        print_error("attempt %zu: status 0x%x\n", i, (unsigned)status);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
        }
}

static void courier_reads_no_more(void **state) {
        static const attempt attempts[] = { read_home, write_database, write_settings, read_anybodys_file };
        int status;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(attempts); i++) {
                status = ending_of(courier, attempts[i]);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), REFUSED + EACCES);
        }
        status = ending_of(courier, read_database);
        assert_int_equal(status, DONE);
}

static void pkgdb_is_ended_by(void **state) {
        static const attempt attempts[] = {
                execute, start_process, open_inet, open_unix, open_netlink, trace, mount_something, end_parent, change_user,
                make_namespace, start_thread, look_at_programs, change_network,
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(attempts); i++) {
                int status = ending_of(pkgdb, attempts[i]);

                if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
                        print_error("attempt %zu: status 0x%x\n", i, (unsigned)status);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
        }
}

/* Where the kernel has no Landlock, only ids keep it from files (job.h). */
static void pkgdb_reads_the_database_alone(void **state) {
        static const struct {
                attempt attempt;
                int status;
        } cases[] = {
                { read_database, DONE },
                { read_home, REFUSED + EACCES },
                { write_database, REFUSED + EACCES },
                { write_settings, REFUSED + EACCES },
        };

        (void)state;
        if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 1)
                skip();
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int status = ending_of(pkgdb, cases[i].attempt);

                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), cases[i].status);
        }
}

static int call_of_the_future(void) {
        return NOT((int)syscall(500));
}

/* glibc tries new calls first and takes an old one if there is none. */
static void what_is_too_new_is_not_there(void **state) {
        int status = ending_of(observer, call_of_the_future);

        (void)state;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), REFUSED + ENOSYS);
}

/* Written by nobody's permission: the capability that would be needed is gone. */
static char others[] = "/tmp/nephronix-test-confinement-XXXXXX";

static int write_others_file(void) {
        return NOT(open(others, O_WRONLY | O_CLOEXEC));
}

static void others_files_stay_theirs(void **state) {
        int fd = mkstemp(others), status;

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(fchown(fd, 1, 1), 0);
        assert_int_equal(fchmod(fd, 0600), 0);
        status = ending_of(observer, write_others_file);
        (void)close(fd);
        (void)unlink(others);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), REFUSED + EACCES);
}


int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(observer_is_ended_by),
                cmocka_unit_test(observer_may),
                cmocka_unit_test(courier_is_ended_by),
                cmocka_unit_test(courier_reads_no_more),
                cmocka_unit_test(pkgdb_is_ended_by),
                cmocka_unit_test(pkgdb_reads_the_database_alone),
                cmocka_unit_test(what_is_too_new_is_not_there),
                cmocka_unit_test(others_files_stay_theirs),
        };

        if (geteuid() != 0) /* meson's word for a test that cannot be made */
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
