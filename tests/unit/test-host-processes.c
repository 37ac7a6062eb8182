/* What the real /proc says of processes that this test makes. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tree.h"

#include "fd.h"
#include "host-processes.h"

static bool is(struct bytes bytes, const char *text) {
        return bytes_equal(bytes, bytes_of_string(text));
}

/* A child that waits for its end; 'run' is its last act before that. */
static pid_t child_of(void (*run)(const void *context), const void *context) {
        int ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                run(context);
                (void)!write(ready[1], "x", 1);
                for (;;)
                        (void)pause();
        }
        (void)close(ready[1]);
        /* The end of the pipe: it wrote, or execve closed it. */
        (void)!read(ready[0], &byte, 1);
        (void)close(ready[0]);
        return pid;
}

static void end_of(pid_t pid) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
}

struct scene {
        struct host host;
        struct host_processes processes;
        struct buffer room;
};

static int setup(void **state) {
        struct scene *scene = calloc(1, sizeof(*scene));

        assert_non_null(scene);
        assert_int_equal(host_open(&scene->host, "/"), 0);
        host_processes_init(&scene->processes, &scene->host);
        *state = scene;
        return 0;
}

static int teardown(void **state) {
        struct scene *scene = *state;

        host_processes_done(&scene->processes);
        host_close(&scene->host);
        buffer_done(&scene->room);
        free(scene);
        return 0;
}

static int read_of(struct scene *scene, pid_t pid, struct process_facts *ret) {
        return scene->processes.lookup.read(&scene->processes.lookup, (uint32_t)pid, &scene->room, ret);
}

static void nothing(const void *unused) {
        (void)unused;
}

static void test_self(void **state) {
        struct scene *scene = *state;
        struct process_facts facts;
        struct stat status;
        char path[4096] = "", folder[4096];

        assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
        assert_non_null(getcwd(folder, sizeof(folder)));
        assert_int_equal(stat("/proc/self/exe", &status), 0);
        assert_int_equal(read_of(scene, getpid(), &facts), 0);
        assert_int_equal(facts.pid, getpid());
        assert_int_equal(facts.parent, getppid());
        assert_int_equal(facts.session_leader, getsid(0));
        assert_true(facts.start_ticks > 0);
        assert_true(facts.flags & PROCESS_HAS_USERS);
        assert_int_equal(facts.user, getuid());
        assert_int_equal(facts.effective_user, geteuid());
        assert_true(is(facts.executable, path));
        assert_true(is(facts.working_directory, folder));
        assert_true(facts.command_line.size > 0);
        assert_true(facts.cgroup.size > 0 && facts.cgroup.data[0] == '/');
        assert_true(facts.exec_inode == status.st_ino && facts.exec_device == status.st_dev);
        assert_false(facts.flags & (PROCESS_KERNEL_THREAD | PROCESS_FROM_MEMFD | PROCESS_DELETED | PROCESS_FORKED_ONLY));
}

static void test_forked(void **state) {
        pid_t pid = child_of(nothing, NULL);
        struct process_facts facts;

        assert_int_equal(read_of(*state, pid, &facts), 0);
        assert_int_equal(facts.parent, getpid());
        assert_true(facts.flags & PROCESS_FORKED_ONLY);
        end_of(pid);
        assert_int_equal(read_of(*state, pid, &facts), -ESRCH);
}

static void rename_self(const void *unused) {
        (void)unused;
        (void)prctl(PR_SET_NAME, "kworker/0:1");
}

static void test_renamed(void **state) {
        pid_t pid = child_of(rename_self, NULL);
        struct process_facts facts;

        assert_int_equal(read_of(*state, pid, &facts), 0);
        assert_true(is(facts.name, "kworker/0:1"));
        assert_false(facts.flags & PROCESS_KERNEL_THREAD);
        assert_true(facts.executable.size > 0);
        end_of(pid);
}

static void copy_program(int to) {
        int from = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
        char page[65536];
        ssize_t n;

        while ((n = read(from, page, sizeof(page))) > 0)
                if (write(to, page, (size_t)n) != n)
                        _exit(99);
        (void)close(from);
}

static void run_memfd(const void *unused) {
        char name[] = "[kworker/0:1]", seconds[] = "1000";
        char *const arguments[] = { name, seconds, NULL }, *const environment[] = { NULL };
        int fd = memfd_create("x", MFD_CLOEXEC);

        (void)unused;
        copy_program(fd);
        (void)syscall(SYS_execveat, fd, "", arguments, environment, AT_EMPTY_PATH);
        _exit(99);
}

static void test_memfd(void **state) {
        pid_t pid = child_of(run_memfd, NULL);
        struct process_facts facts;

        assert_int_equal(read_of(*state, pid, &facts), 0);
        assert_true(facts.flags & PROCESS_FROM_MEMFD);
        assert_false(facts.flags & (PROCESS_DELETED | PROCESS_FORKED_ONLY));
        assert_true(is(facts.executable, "/memfd:x"));
        assert_true(is(facts.command_line, "[kworker/0:1] 1000"));
        end_of(pid);
}

static void run_program(const void *path) {
        (void)execl(path, path, "1000", NULL);
        _exit(99);
}

static void test_deleted(void **state) {
        struct process_facts facts;
        struct tree tree;
        char *path, *expected;
        pid_t pid, honest;
        int fd;

        tree_make(&tree);
        path = tree_path(&tree, "program");
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
        copy_program(fd);
        (void)close(fd);
        pid = child_of(run_program, path);
        expected = strdup(path);
        assert_int_equal(read_of(*state, pid, &facts), 0);
        assert_false(facts.flags & PROCESS_DELETED);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(read_of(*state, pid, &facts), 0);
        assert_true(facts.flags & PROCESS_DELETED);
        assert_true(is(facts.executable, expected));
        end_of(pid);
        free(path);

        /* One that is really called so is not deleted. */
        path = tree_path(&tree, "program (deleted)");
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
        copy_program(fd);
        (void)close(fd);
        honest = child_of(run_program, path);
        assert_int_equal(read_of(*state, honest, &facts), 0);
        assert_false(facts.flags & PROCESS_DELETED);
        assert_true(is(facts.executable, path));
        end_of(honest);
        free(path);
        free(expected);
        tree_remove(&tree);
}

static void *wait_in_thread(void *place) {
        __atomic_store_n((pid_t *)place, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
        for (;;)
                (void)pause();
        return NULL;
}

static void test_thread_is_no_process(void **state) {
        pid_t *task = mmap(NULL, sizeof(*task), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), self = getpid();
        struct process_facts facts;
        pid_t pid;

        assert_true(task != MAP_FAILED);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                pthread_t thread;

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != self || pthread_create(&thread, NULL, wait_in_thread, task) != 0)
                        _exit(99);
                while (__atomic_load_n(task, __ATOMIC_SEQ_CST) == 0)
                        (void)usleep(1000);
                syscall(SYS_exit, 0); /* the leader alone: the process lives on in the other thread */
        }
        for (int i = 0; i < 5000 && __atomic_load_n(task, __ATOMIC_SEQ_CST) == 0; i++)
                (void)usleep(1000);
        assert_true(*task > 0);
        assert_int_equal(read_of(*state, *task, &facts), -ESRCH);
        for (int i = 0; i < 5000; i++) {
                assert_int_equal(read_of(*state, pid, &facts), 0);
                if (facts.executable.size > 0)
                        break;
                (void)usleep(1000);
        }
        assert_int_equal(facts.pid, pid);
        assert_true(facts.executable.size > 0);
        end_of(pid);
        (void)munmap(task, sizeof(*task));
}

static void test_long_command_line(void **state) {
        struct process_facts facts;
        char *const environment[] = { NULL };
        char shell[] = "sh", option[] = "-c", *script = malloc(100001);
        char *const arguments[] = { shell, option, script, NULL };
        int ready[2];
        pid_t pid;
        char byte;

        assert_non_null(script);
        memset(script, ' ', 100000);
        memcpy(script, "read x # ", 9);
        script[100000] = '\0';
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int hold[2];

                if (pipe(hold) == 0)
                        (void)dup2(hold[0], 0);
                (void)execve("/bin/sh", arguments, environment);
                _exit(99);
        }
        (void)close(ready[1]);
        (void)!read(ready[0], &byte, 1);
        (void)close(ready[0]);
        assert_int_equal(read_of(*state, pid, &facts), 0);
        assert_true(facts.flags & PROCESS_CUT);
        assert_true(facts.command_line.size > 10000 && facts.command_line.size <= 32 * 1024);
        end_of(pid);
        free(script);
}

/* Every process of this host, whatever it is: something is said, nothing is aborted. */
static void test_everybody(void **state) {
        struct scene *scene = *state;
        size_t told = 0;

        for (pid_t pid = 1; pid < 400; pid++) {
                struct process_facts facts;
                int r = read_of(scene, pid, &facts);

                if (r < 0)
                        continue;
                assert_int_equal(facts.pid, pid);
                told++;
        }
        assert_true(told > 0);
        assert_int_equal(read_of(scene, 1, &(struct process_facts){ 0 }), 0);
}

struct connection {
        int listener, client, server;
};

static void connect_pair(struct connection *pair) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        pair->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(pair->listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(pair->listener, 1), 0);
        assert_int_equal(getsockname(pair->listener, (struct sockaddr *)&address, &size), 0);
        pair->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(pair->client, (struct sockaddr *)&address, sizeof(address)), 0);
        pair->server = accept4(pair->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(pair->server >= 0);
}

static void run_with_environment(const void *variable) {
        char program[] = "sleep", seconds[] = "1000", other[] = "A=b", *copy = strdup(variable);
        char *const arguments[] = { program, seconds, NULL }, *const environment[] = { other, copy, NULL };

        (void)execve("/bin/sleep", arguments, environment);
        _exit(99);
}

static void test_remote_address(void **state) {
        static const struct { const char *variable, *address; } cases[] = {
                { "SSH_CONNECTION=192.0.2.7 50123 192.0.2.1 22", "192.0.2.7" },
                { "SSH_CONNECTION=2001:db8::7 50123 2001:db8::1 22", "2001:db8::7" },
                { "SSH_CONNECTION=fe80::7%eth0 50123 fe80::1%eth0 22", "fe80::7" },
                { "SSH_CONNECTION=\033[31mevil 1 2 3", NULL },
                { "SSH_CONNECTION=", NULL },
                { "XSSH_CONNECTION=192.0.2.7 1 2 3", NULL },
        };
        struct scene *scene = *state;
        struct process_lookup *lookup = &scene->processes.lookup;
        struct connection pair;
        pid_t server;
        uint32_t nobody = 0x7ffffffe;

        /* The server's socket is the kernel's word, whatever the leader's environment says. */
        connect_pair(&pair);
        server = child_of(nothing, NULL);
        {
                pid_t leader = child_of(run_with_environment, cases[0].variable);
                int r = lookup->remote_address(lookup, (uint32_t)server, (uint32_t)leader, &scene->room);

                assert_int_equal(r, 0);
                if (geteuid() == 0)
                        assert_string_equal(buffer_string(&scene->room), "127.0.0.1");
                end_of(leader);
        }
        end_of(server);
        (void)close(pair.server);
        (void)close(pair.client);
        (void)close(pair.listener);

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                pid_t leader = child_of(run_with_environment, cases[i].variable);
                int r = lookup->remote_address(lookup, nobody, (uint32_t)leader, &scene->room);

                if (cases[i].address) {
                        assert_int_equal(r, 0);
                        assert_string_equal(buffer_string(&scene->room), cases[i].address);
                } else
                        assert_int_equal(r, -ENOENT);
                end_of(leader);
        }
        assert_int_equal(lookup->remote_address(lookup, nobody, nobody, &scene->room), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_self, setup, teardown),
                cmocka_unit_test_setup_teardown(test_forked, setup, teardown),
                cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_memfd, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deleted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_thread_is_no_process, setup, teardown),
                cmocka_unit_test_setup_teardown(test_long_command_line, setup, teardown),
                cmocka_unit_test_setup_teardown(test_everybody, setup, teardown),
                cmocka_unit_test_setup_teardown(test_remote_address, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
