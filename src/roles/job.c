#include "job.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "fd.h"
#include "helper-user.h"

struct job {
        struct job_options options;
        pid_t pid;
        uid_t user;                     /* who it runs as, if it has limits */
        bool ended, overdue;
        int status;
        struct loop_file exit, output, timer;
        struct buffer text;
};

static char *const job_environment[] = {
        (char[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
        (char[]){ "LANG=C.UTF-8" },
        NULL,
};

/* The memory that a sanitizer reserves for itself is beyond any limit. */
#if defined(__SANITIZE_ADDRESS__)
enum { LIMITS_MEMORY = false };
#else
enum { LIMITS_MEMORY = true };
#endif

static int limit(int resource, uint64_t most) {
        struct rlimit limits = { (rlim_t)most, (rlim_t)most };

        return setrlimit((__rlimit_resource_t)resource, &limits);
}

/* Ids before the program's first instruction, its linker's too. The C library's setuid(3) is for processes with threads. */
static int take_limits(const struct job_limits *limits) {
        if (limit(RLIMIT_CPU, limits->cpu_s) < 0 || limit(RLIMIT_FSIZE, limits->file_size) < 0 || limit(RLIMIT_CORE, 0) < 0 ||
            (LIMITS_MEMORY && limit(RLIMIT_AS, limits->memory) < 0))
                return -errno;
        if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, limits->group, limits->group, limits->group) < 0 ||
            syscall(SYS_setresuid, limits->user, limits->user, limits->user) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return 0;
}

/* In the child, between fork and exec: only async-signal-safe calls. */
__attribute__((noreturn))
static void become(const struct job_options *options, int output) {
        enum { INPUT = 0, OUTPUT = 1, ERROR = 2, EXTRA = 3, PROGRAM = 4, FIRST_FREE = 10, FILES_SOFT = 1024 };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        int input = fcntl(options->input >= 0 ? options->input : null, F_DUPFD_CLOEXEC, FIRST_FREE);
        int extra = options->extra >= 0 ? fcntl(options->extra, F_DUPFD_CLOEXEC, FIRST_FREE) : -1;
        int program = fcntl(options->program, F_DUPFD_CLOEXEC, FIRST_FREE);
        int said = fcntl(output, F_DUPFD_CLOEXEC, FIRST_FREE);
        struct rlimit files;
        const char *why;
        sigset_t none;

        (void)setpgid(0, 0);
        /* Ours was raised; select(2), and programs that close every number there may be, expect the customary one. */
        if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > FILES_SOFT) {
                files.rlim_cur = FILES_SOFT;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        if (input < 0 || program < 0 || said < 0 || dup2(input, INPUT) < 0 || dup2(said, OUTPUT) < 0 || dup2(said, ERROR) < 0)
                _exit(126);
        if (extra >= 0 && dup2(extra, EXTRA) < 0)
                _exit(126);
        /* Not close-on-exec: the interpreter of a script opens it by number (execveat(2)). */
        if (dup2(program, PROGRAM) < 0)
                _exit(126);
        if (extra < 0)
                (void)close(EXTRA);
        (void)syscall(SYS_close_range, PROGRAM + 1, ~0U, 0);
        if (options->limits && take_limits(options->limits) < 0)
                _exit(126);
        (void)syscall(SYS_execveat, PROGRAM, "", options->arguments, job_environment, AT_EMPTY_PATH);
        why = strerrordesc_np(errno);
        if (why)
                (void)!write(ERROR, why, strlen(why));
        _exit(127);
}

static void end_child(const struct job *job) {
        const struct helper_user user = { .user = job->user };

        helper_user_kill(&user, job->pid);
}

static void finish(struct job *job) {
        if (!job->ended)
                return;
        /* What a grandchild that kept the pipe may still say is not waited for. */
        job->options.done(job, job->options.context, job->status, buffer_bytes(&job->text));
}

/* What one turn of the loop reads: a child that never stops talking must not keep the guard from its time limit. */
enum { READS_PER_TURN = 2 * JOB_OUTPUT_MAX / 4096 };

static void read_output(struct job *job) {
        uint8_t room[4096];

        for (int i = 0; i < READS_PER_TURN; i++) {
                ssize_t n = read(job->output.fd, room, sizeof(room));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        if (n == 0 || errno != EAGAIN)
                                loop_remove(&job->output);
                        return;
                }
                if (job->text.size + (size_t)n > JOB_OUTPUT_MAX)
                        n = (ssize_t)(JOB_OUTPUT_MAX - job->text.size);
                buffer_append(&job->text, room, (size_t)n);
        }
}

static int on_output(struct loop_file *file, uint32_t events) {
        (void)events;
        read_output(container_of(file, struct job, output));
        return 0;
}

static int on_exit_of_child(struct loop_file *file, uint32_t events) {
        struct job *job = container_of(file, struct job, exit);

        (void)events;
        if (waitpid(job->pid, &job->status, WNOHANG) != job->pid)
                return 0;
        job->ended = true;
        read_output(job);
        finish(job);
        return 0;
}

static int on_time(struct loop_file *file, uint32_t events) {
        struct job *job = container_of(file, struct job, timer);

        (void)events;
        loop_remove(file);
        job->overdue = true;
        end_child(job);
        return 0;
}

static int watch_child(struct job *job, struct loop *loop, uint64_t time_limit_ns) {
        struct itimerspec when = {
                .it_value = { .tv_sec = (time_t)(time_limit_ns / 1000000000u), .tv_nsec = (long)(time_limit_ns % 1000000000u) },
        };
        int r;

        job->exit.fd = (int)syscall(SYS_pidfd_open, job->pid, 0);
        if (job->exit.fd < 0)
                return -errno;
        job->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (job->timer.fd < 0 || timerfd_settime(job->timer.fd, 0, &when, NULL) < 0)
                return -errno;
        r = loop_add(loop, &job->exit, EPOLLIN);
        if (r == 0)
                r = loop_add(loop, &job->output, EPOLLIN);
        return r < 0 ? r : loop_add(loop, &job->timer, EPOLLIN);
}

int job_start(struct loop *loop, const struct job_options *options, struct job **ret) {
        struct job *job = calloc(1, sizeof(*job));
        int ends[2], r;

        if (!job)
                return -ENOMEM;
        job->options = *options;
        job->options.limits = NULL;     /* borrowed until the end of this function */
        job->user = options->limits ? options->limits->user : 0;
        job->exit = (struct loop_file){ .fd = -1, .ready = on_exit_of_child };
        job->output = (struct loop_file){ .fd = -1, .ready = on_output };
        job->timer = (struct loop_file){ .fd = -1, .ready = on_time };
        if (pipe2(ends, O_CLOEXEC) < 0) {
                r = -errno;
                free(job);
                return r;
        }
        job->output.fd = ends[0];
        /* Our end alone: programs do not expect a standard output that refuses to wait. */
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
                r = -errno;
                (void)fd_close(ends[1]);
                (void)job_free(job);
                return r;
        }
        job->pid = fork();
        if (job->pid == 0)
                become(options, ends[1]);
        r = job->pid < 0 ? -errno : 0;
        (void)fd_close(ends[1]);
        if (r == 0)
                r = watch_child(job, loop, options->time_limit_ns);
        if (r < 0) {
                (void)job_free(job);
                return r;
        }
        *ret = job;
        return 0;
}

void job_leave(struct job *job) {
        if (!job)
                return;
        job->exit.fd = fd_close(job->exit.fd);
        job->output.fd = fd_close(job->output.fd);
        job->timer.fd = fd_close(job->timer.fd);
}

bool job_overdue(const struct job *job) {
        return job->overdue;
}

struct job *job_free(struct job *job) {
        if (!job)
                return NULL;
        if (job->pid > 0 && !job->ended) {
                end_child(job);
                while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        loop_remove(&job->exit);
        loop_remove(&job->output);
        loop_remove(&job->timer);
        (void)fd_close(job->exit.fd);
        (void)fd_close(job->output.fd);
        (void)fd_close(job->timer.fd);
        buffer_done(&job->text);
        free(job);
        return NULL;
}
