#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "channel.h"
#include "clock.h"
#include "courier-keeper.h"
#include "diagnostics.h"
#include "favours.h"
#include "fd.h"
#include "helper-user.h"
#include "job.h"
#include "loop.h"
#include "notify.h"
#include "rpm-files.h"
#include "sealed.h"
#include "terminals.h"

enum {
        JOBS_MAX = 8,                   /* hooks and questions at a time; more are refused, and that is said */
        ENDS_MAX = 16,                  /* of observers that no later one has noted yet */
        STOP_LIMIT_S = 10,              /* an observer that does not end by itself is killed */
        BACKOFF_MAX_S = 60,
        ALIVE_S = 60,                   /* an observer that lived so long did not fail at once */
        PACE_S = 1,                     /* nor is one that was ready started again more often than this */
        START_TRIES = 3,                /* of one that never was ready */
        RETRY_S = 10,                   /* when not even fork(2) works */
        SILENT_CHECKS = 2,              /* this many in a row, and an observer is held for one that hangs */
        BUSY_MAX_S = 3600,              /* without a beat, though it computes; but for its first look, which may take hours */
        PKGDB_LIMIT_S = 60,
        PKGDB_CPU_S = 50,               /* a database that keeps librpm busy; reading a large one takes less than one */
        PKGDB_MEMORY = 512 << 20,       /* it takes some MiB */
        PKGDB_ANSWER = 257 << 20,       /* what it says itself that it takes at most */
        HOOK_LIMIT_MAX_S = 86400,       /* as TimeLimit= allows */
};

#define NS_PER_S UINT64_C(1000000000)

enum purpose { RUNNING, RELOADING, STOPPING };

struct guard_job {
        struct guard *guard;
        struct job *job;                /* NULL: free */
        enum message_type answer;
        uint32_t id;
        uint64_t time_limit_ns;
        char *name;                     /* owned */
        int channel;                    /* our end of what the job sends a descriptor over; -1 */
};

struct guard {
        struct guard_options *options;
        struct loop *loop;
        struct loop_file signals, channel, observer, timer, silence;
        pid_t observer_pid;
        uint64_t started_ns;            /* monotonic */
        unsigned failures;
        enum purpose purpose;
        bool ready_said;
        bool reload_again;              /* a reload was asked for while one was under way */
        struct settings *previous;      /* owned: in force again if no observer gets ready with the new ones; else NULL */
        bool refused;                   /* that happened: the next observer is told */
        int status;                     /* of the observer, when it matters to our own */
        struct guard_job jobs[JOBS_MAX];
        /* whether the observer still does something: its beat, or without one its CPU time */
        unsigned silent;                /* checks in a row without either */
        uint64_t beat_ns;               /* monotonic; of the last beat */
        uint64_t cpu_ns;                /* at the last check */
        bool observer_ready;            /* the one that runs now */
        struct buffer datagram;
        struct helper_user helper_user;
        struct courier_keeper *courier; /* owned; NULL: none */

        /* what to tell the next observer about those before it, until it has noted that */
        struct message ends[ENDS_MAX];
        size_t n_ends;
        const char *end_why;            /* static; why we ended it; NULL: it ended by itself */
};

static int start_observer(struct guard *guard);
static void end_observer(struct guard *guard, const char *why);

static void answer(struct guard *guard, const struct message *message, int fd) {
        int r = guard->channel.fd < 0 ? 0 : favours_send(guard->channel.fd, message, fd);

        if (r < 0)
                diagnostics_error(r, "an answer did not reach the observer");
}

/* ---- is it alive ---- */

/* A beat is late after a quarter more than it takes; then it is looked after twice as often. All is over before WatchdogSec= of our
 * unit. */
static void listen_for_beats(struct guard *guard, bool late) {
        uint64_t beat_ns = (guard->options->beat_s ? guard->options->beat_s : OBSERVER_BEAT_S) * NS_PER_S;
        uint64_t wait_ns = late ? beat_ns / 2 : beat_ns * 5 / 4;
        struct itimerspec when = { .it_value = { .tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S) } };

        if (!guard->options->once)
                (void)timerfd_settime(guard->silence.fd, 0, &when, NULL);
}

static uint64_t cpu_of_observer(const struct guard *guard) {
        clockid_t clock;

        return clock_getcpuclockid(guard->observer_pid, &clock) == 0 ? clock_ns(clock) : 0;
}

static void on_beat(struct guard *guard) {
        if (guard->courier)
                courier_keeper_ask(guard->courier);
        guard->silent = 0;
        guard->beat_ns = clock_ns(CLOCK_MONOTONIC);
        guard->cpu_ns = cpu_of_observer(guard);
        listen_for_beats(guard, false);
        notify_send("WATCHDOG=1");
}

/* No beat for a while: a look that takes long uses the CPU, one that hangs (a dead file server, SIGSTOP) does not. */
static int on_silence(struct loop_file *file, uint32_t events) {
        struct guard *guard = container_of(file, struct guard, silence);
        uint64_t times, cpu_ns, silent_ns = clock_ns(CLOCK_MONOTONIC) - guard->beat_ns;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0 || !guard->observer_pid || guard->purpose != RUNNING)
                return 0;
        cpu_ns = cpu_of_observer(guard);
        if (cpu_ns != guard->cpu_ns && (!guard->observer_ready || silent_ns < BUSY_MAX_S * NS_PER_S)) {
                guard->silent = 0;
                notify_send("WATCHDOG=1");
        } else {
                guard->silent++;
        }
        guard->cpu_ns = cpu_ns;
        if (guard->silent < SILENT_CHECKS) {
                listen_for_beats(guard, true);
                return 0;
        }
        diagnostics_warn("the observer does nothing any more, and is ended");
        end_observer(guard, "because it had done nothing for too long");
        return 0;
}

/* ---- favours ---- */

static struct guard_job *free_job(struct guard *guard) {
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (!guard->jobs[i].job)
                        return &guard->jobs[i];
        return NULL;
}

static void end_job(struct guard_job *slot) {
        slot->job = job_free(slot->job);
        slot->channel = fd_close(slot->channel);
        free(slot->name);
        slot->name = NULL;
}

/* A memfd that nobody can change any more. */
static bool is_sealed(int fd) {
        const int wanted = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
        int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

        return seals >= 0 && (seals & wanted) == wanted;
}

/* What nephronix-pkgdb sent, or -1. */
static int take_sealed(int channel) {
        _cleanup_buffer_ struct buffer datagram = BUFFER_NULL;
        _cleanup_close_ int fd = -1;

        if (channel_receive(channel, 16, &datagram, &fd) <= 0 || !is_sealed(fd))
                return -1;
        return TAKE_FD(fd);
}

/* What is to be asked is data from outside: it goes through the guard unread, and not over a command line. */
static bool is_question(int fd) {
        struct stat stat;

        return is_sealed(fd) && fstat(fd, &stat) == 0 && stat.st_size > 0 && stat.st_size <= RPM_FILES_QUESTION_MAX;
}

static bool hooks_run(const struct guard *guard) {
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (guard->jobs[i].job && guard->jobs[i].answer == MESSAGE_HOOK_DONE)
                        return true;
        return false;
}

static void on_job_done(struct job *job, void *context, int status, struct bytes output) {
        struct guard_job *slot = context;
        struct guard *guard = slot->guard;
        struct message message = {
                .type = slot->answer,
                .id = slot->id,
                .number = (uint64_t)(unsigned)status,
        };
        _cleanup_close_ int fd = -1;

        if (slot->answer == MESSAGE_HOOK_DONE) {
                if (job_overdue(job)) {
                        message.type = MESSAGE_HOOK_KILLED;
                        message.number = slot->time_limit_ns;
                }
                message.texts[0] = bytes_of_string(slot->name);
                message.texts[1] = output;
        } else {
                message.texts[0] = output;
                fd = take_sealed(slot->channel);
        }
        answer(guard, &message, fd);
        end_job(slot);
        if (guard->purpose == STOPPING && !guard->observer_pid && !hooks_run(guard))
                loop_stop(guard->loop, 0);
}

static void refuse_hook(struct guard *guard, const struct message *request, const char *why) {
        const struct message message = {
                .type = MESSAGE_HOOK_REFUSED, .id = request->id, .texts = { request->texts[0], bytes_of_string(why) },
        };

        answer(guard, &message, -1);
}

static enum message_type package_answer(const struct message *request) {
        return request->type == MESSAGE_PACKAGE_FILES ? MESSAGE_PACKAGE_FILES_DONE : MESSAGE_PACKAGE_DATABASE_DONE;
}

static void refuse_package_question(struct guard *guard, const struct message *request, int status) {
        const struct message message = {
                .type = package_answer(request), .id = request->id, .number = (uint64_t)(unsigned)status,
        };

        answer(guard, &message, -1);
}

/* What Hook= takes, and no more. */
static bool is_plain_name(struct bytes name) {
        return name.size > 0 && name.size <= 255 && name.data[0] != '.' && !memchr(name.data, '/', name.size) &&
               !memchr(name.data, '\0', name.size);
}

/* NULL, or why a folder of hooks, or a hook, is not trusted. */
static const char *distrust(int fd, bool hook) {
        struct stat stat;

        if (fstat(fd, &stat) < 0)
                return "it cannot be looked at";
        if (stat.st_uid != 0)
                return hook ? "it is not owned by root" : "lib/ is not owned by root";
        if (stat.st_mode & (S_IWGRP | S_IWOTH))
                return hook ? "others than root may write it" : "others than root may write lib/";
        if (hook && !S_ISREG(stat.st_mode))
                return "it is not a regular file";
        return hook && !(stat.st_mode & S_IXUSR) ? "it is not executable" : NULL;
}

/* Opens lib/NAME for execution: a plain file of root's in a folder of root's that nobody else may write. Its descriptor, or
 * negative and in *ret_why the reason. */
static int open_hook(struct guard *guard, const char *name, const char **ret_why) {
        struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        _cleanup_close_ int folder = -1, fd = -1;

        buffer_printf(&path, "%s/lib", guard->options->settings->state_directory);
        if (buffer_error(&path) < 0)
                return -ENOMEM;
        folder = open(buffer_string(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (folder < 0) {
                *ret_why = strerrordesc_np(errno);
                return -errno;
        }
        *ret_why = distrust(folder, false);
        if (*ret_why)
                return -EPERM;
        fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof(how));
        if (fd < 0) {
                *ret_why = errno == ELOOP ? "it is a symbolic link" : strerrordesc_np(errno);
                return -errno;
        }
        *ret_why = distrust(fd, true);
        if (!*ret_why && guard->options->settings->seal_required && !sealed_allows(buffer_bytes(&guard->options->sealed), buffer_string(&path), name, fd))
                *ret_why = "it is not what was sealed";
        return *ret_why ? -EPERM : TAKE_FD(fd);
}

static int run_hook(struct guard *guard, const struct message *message, int input, const char **ret_why) {
        struct guard_job *slot = free_job(guard);
        _cleanup_close_ int program = -1;
        char *arguments[2] = { NULL, NULL };
        struct job_options options = { .input = input, .extra = -1, .done = on_job_done, .time_limit_ns = message->number };
        int r;

        if (!is_plain_name(message->texts[0]) || input < 0 || message->number == 0 ||
            message->number > HOOK_LIMIT_MAX_S * NS_PER_S)
                return -EBADMSG;
        *ret_why = "too many run already";
        if (!slot)
                return -EBUSY;
        *ret_why = "it could not be started";
        slot->name = strndup((const char *)message->texts[0].data, message->texts[0].size);
        if (!slot->name)
                return -ENOMEM;
        r = program = open_hook(guard, slot->name, ret_why);
        if (program < 0)
                goto fail;
        *ret_why = "it could not be started";
        slot->guard = guard;
        slot->answer = MESSAGE_HOOK_DONE;
        slot->id = message->id;
        slot->time_limit_ns = message->number;
        slot->channel = -1;
        arguments[0] = slot->name;
        options.program = program;
        options.arguments = arguments;
        options.context = slot;
        r = job_start(guard->loop, &options, &slot->job);
        if (r == 0)
                return 0;
fail:
        free(slot->name);
        slot->name = NULL;
        return r;
}

static const char *known_rpm_folder(struct bytes folder) {
        for (size_t i = 0; favours_rpm_folders[i]; i++)
                if (bytes_equal(folder, bytes_of_string(favours_rpm_folders[i])))
                        return favours_rpm_folders[i];
        return NULL;
}

/* Both questions: what is installed, and (with the paths on its standard input) whose are these files. */
static int run_package_database(struct guard *guard, const struct message *message, int input) {
        struct guard_job *slot = free_job(guard);
        bool files = message->type == MESSAGE_PACKAGE_FILES;
        const char *folder = known_rpm_folder(message->texts[0]);
        _cleanup_close_ int program = -1, theirs = -1, ours = -1;
        char name[] = "nephronix-pkgdb", question[] = "files";
        char *arguments[5] = { name, guard->options->settings->host_root, NULL, files ? question : NULL, NULL };
        const struct job_limits limits = {
                .user = guard->helper_user.user,
                .group = guard->helper_user.group,
                .cpu_s = PKGDB_CPU_S,
                .memory = PKGDB_MEMORY,
                .file_size = PKGDB_ANSWER,
        };
        struct job_options options = {
                .input = files ? input : -1,
                .done = on_job_done,
                .time_limit_ns = PKGDB_LIMIT_S * NS_PER_S,
                .limits = geteuid() == 0 ? &limits : NULL,
        };
        _cleanup_free_ char *copy = NULL;
        int ends[2], r;

        if (!folder || (files && !is_question(input)))
                return -EBADMSG;
        if (!slot)
                return -EBUSY;
        program = guard->options->observer.helper_program
                          ? open(guard->options->observer.helper_program, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                          : -1;
        if (program < 0)
                return -ENOENT;
        r = channel_pair(ends);
        if (r < 0)
                return r;
        ours = ends[0];
        theirs = ends[1];
        copy = strdup(folder);
        if (!copy)
                return -ENOMEM;
        arguments[2] = copy;
        slot->guard = guard;
        slot->answer = package_answer(message);
        slot->id = message->id;
        slot->channel = TAKE_FD(ours);
        options.program = program;
        options.arguments = arguments;
        options.extra = theirs;
        options.context = slot;
        r = job_start(guard->loop, &options, &slot->job);
        if (r < 0)
                slot->channel = fd_close(slot->channel);
        return r;
}

/* Every request of the observer. Negative: it asked for something no observer asks for, and is ended. */
static int on_request(struct guard *guard, const struct message *message, int fd) {
        enum { STATUS_NOT_RUN = 127 << 8, STATUS_BUSY = 126 << 8 };
        const char *why = NULL;
        int r = 0;

        switch (message->type) {
        case MESSAGE_READY:
                guard->failures = 0;
                guard->observer_ready = true;
                guard->options->observer.sealed.told = true;
                on_beat(guard);
                guard->previous = settings_free(guard->previous);
                if (!guard->ready_said) {
                        guard->ready_said = true;
                        if (guard->options->ready >= 0) {
                                (void)!write(guard->options->ready, "\n", 1);
                                guard->options->ready = fd_close(guard->options->ready);
                        }
                        notify_send("READY=1");
                        diagnostics_detach();
                }
                return 0;
        case MESSAGE_WALL:
                r = terminals_write(message->texts[0], message->texts[1]);
                return r < 0 && r != -EINVAL ? 0 : r < 0 ? r : 0;
        case MESSAGE_HOOK:
                r = run_hook(guard, message, fd, &why);
                if (r < 0 && r != -EBADMSG)
                        refuse_hook(guard, message, why);
                return r == -EBADMSG ? r : 0;
        case MESSAGE_PACKAGE_DATABASE:
        case MESSAGE_PACKAGE_FILES:
                r = run_package_database(guard, message, fd);
                if (r < 0 && r != -EBADMSG)
                        refuse_package_question(guard, message, r == -ENOENT ? STATUS_NOT_RUN : STATUS_BUSY);
                return r == -EBADMSG ? r : 0;
        case MESSAGE_STOPPED:
                return 0;
        case MESSAGE_ROLE_NOTED:
                if (guard->n_ends && guard->ends[0].id == message->id)
                        memmove(&guard->ends[0], &guard->ends[1], --guard->n_ends * sizeof(guard->ends[0]));
                return 0;
        case MESSAGE_BEAT:
                on_beat(guard);
                return 0;
        default:
                return -EBADMSG;
        }
}

/* The reason is told by the next one. */
static void end_observer(struct guard *guard, const char *why) {
        guard->end_why = why;
        (void)kill(guard->observer_pid, SIGKILL);
}

static int on_channel(struct loop_file *file, uint32_t events) {
        struct guard *guard = container_of(file, struct guard, channel);

        (void)events;
        for (;;) {
                struct message message;
                _cleanup_close_ int fd = -1;
                int r = channel_receive(file->fd, MESSAGE_SIZE_MAX, &guard->datagram, &fd);

                if (r == -EAGAIN)
                        return 0;
                if (r == 0) { /* it ended: its exit says the rest */
                        loop_remove(file);
                        return 0;
                }
                if (r > 0)
                        r = message_decode(buffer_bytes(&guard->datagram), &message);
                if (r >= 0)
                        r = on_request(guard, &message, fd);
                if (r < 0) {
                        diagnostics_error(r, "the observer asked for something it may not ask for, and is ended");
                        end_observer(guard, "for having asked for something that no observer asks for");
                        loop_remove(file);
                        return 0;
                }
        }
}

/* ---- the observer's life ---- */

static int set_timer(struct guard *guard, uint64_t seconds) {
        struct itimerspec when = { .it_value = { .tv_sec = (time_t)seconds } };

        return timerfd_settime(guard->timer.fd, 0, &when, NULL) < 0 ? -errno : 0;
}

/* Of many that ended before one could note it the oldest are forgotten. */
static const struct message *note_end(struct guard *guard, const char *role, pid_t pid, int status, const char *why) {
        if (guard->n_ends == ENDS_MAX)
                memmove(&guard->ends[0], &guard->ends[1], --guard->n_ends * sizeof(guard->ends[0]));
        guard->ends[guard->n_ends] = (struct message){
                .type = MESSAGE_ROLE_ENDED,
                .id = (uint32_t)pid,
                .number = (uint64_t)(unsigned)status,
                .at_ns = clock_ns(CLOCK_REALTIME),
                .texts = { bytes_of_string(role), bytes_of_string(why) },
        };
        return &guard->ends[guard->n_ends++];
}

/* What it asked for ends with it, except the hooks: an alert that went out is on its way, whoever sent it. */
static void forget_observer(struct guard *guard) {
        loop_remove(&guard->channel);
        loop_remove(&guard->observer);
        guard->channel.fd = fd_close(guard->channel.fd);
        guard->observer.fd = fd_close(guard->observer.fd);
        guard->observer_pid = 0;
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (guard->jobs[i].job && guard->jobs[i].answer != MESSAGE_HOOK_DONE)
                        end_job(&guard->jobs[i]);
}

/* Once we have worked, being out of processes, memory or descriptors for a while is no reason to leave the host unwatched. */
static int start_again(struct guard *guard) {
        int r = start_observer(guard);

        if (r >= 0 || !guard->ready_said)
                return r;
        diagnostics_error(r, "the observer could not be started and is tried again in %d s", RETRY_S);
        if (guard->observer_pid) {
                (void)kill(guard->observer_pid, SIGKILL);
                (void)waitpid(guard->observer_pid, NULL, 0);
        }
        forget_observer(guard);
        return set_timer(guard, RETRY_S);
}

static void reload(struct guard *guard);

static int take_settings_back(struct guard *guard) {
        diagnostics_warn("not reloaded: nothing can be watched with the new configuration");
        (void)settings_free(guard->options->settings);
        guard->options->settings = TAKE_PTR(guard->previous);
        guard->refused = true;
        forget_observer(guard);
        return start_again(guard);
}

static int on_observer_exit(struct loop_file *file, uint32_t events) {
        struct guard *guard = container_of(file, struct guard, observer);
        uint64_t lived_ns = clock_ns(CLOCK_MONOTONIC) - guard->started_ns;
        int status, r;

        (void)events;
        /* What it asked for last: it holds these alerts for sent. Before waitpid(2), while the pid cannot be another's. */
        if (guard->channel.loop)
                (void)on_channel(&guard->channel, EPOLLIN);
        if (waitpid(guard->observer_pid, &status, WNOHANG) != guard->observer_pid)
                return 0;
        guard->status = status;
        if (guard->options->once || guard->purpose == STOPPING) {
                forget_observer(guard);
                if (hooks_run(guard)) /* they get a while to end */
                        return set_timer(guard, STOP_LIMIT_S);
                loop_stop(guard->loop, 0);
                return 0;
        }
        if (guard->purpose == RELOADING) {
                guard->purpose = RUNNING;
                forget_observer(guard);
                r = start_again(guard);
                if (r == 0 && guard->reload_again) {
                        guard->reload_again = false;
                        reload(guard);
                }
                return r;
        }
        if (guard->previous)
                return take_settings_back(guard);
        guard->failures = lived_ns > ALIVE_S * NS_PER_S ? 0 : guard->failures + 1;
        if (WIFSIGNALED(status))
                diagnostics_warn("the observer was ended by signal %d", WTERMSIG(status));
        if (!guard->ready_said && (WIFEXITED(status) || guard->failures >= START_TRIES)) {
                /* It never worked: not a crash to recover from, but a start that failed and said why. */
                loop_stop(guard->loop, 0);
                return 0;
        }
        if (WIFEXITED(status))
                diagnostics_warn("the observer ended with status %d", WEXITSTATUS(status));
        (void)note_end(guard, "observer", guard->observer_pid, status, guard->end_why);
        guard->end_why = NULL;
        forget_observer(guard);
        if (guard->failures <= 1 && lived_ns > PACE_S * NS_PER_S)
                return start_again(guard);
        return set_timer(guard, guard->failures > 6 ? BACKOFF_MAX_S : UINT64_C(1) << (guard->failures - 1));
}

/* In a child that stays: what is the guard's alone. */
static void leave_guard(struct guard *guard) {
        (void)fd_close(guard->signals.fd);
        (void)fd_close(guard->timer.fd);
        (void)fd_close(guard->silence.fd);
        (void)fd_close(guard->options->ready);
        for (size_t i = 0; i < JOBS_MAX; i++)
                job_leave(guard->jobs[i].job);
}

/* ---- the courier's life ---- */

static void on_courier_ended(void *context, pid_t pid, int status, const char *why) {
        struct guard *guard = context;
        const struct message *end = note_end(guard, "courier", pid, status, why);

        answer(guard, end, -1);
}

static void leave_to_courier(void *context) {
        struct guard *guard = context;

        (void)fd_close(guard->channel.fd);
        (void)fd_close(guard->observer.fd);
        leave_guard(guard);
}

/* Without it everything is watched and told; only nobody is answered. */
static void start_courier(struct guard *guard) {
        const struct courier_keeper_options options = {
                .state_directory = guard->options->settings->state_directory,
                .run_directory = guard->options->settings->run_directory,
                .user = guard->helper_user,
                .confinement = guard->options->observer.confinement,
                .foreground = guard->options->foreground,
                .ended = on_courier_ended,
                .in_child = leave_to_courier,
                .context = guard,
        };
        int r;

        if (!guard->helper_user.own || guard->options->once || geteuid() != 0)
                return;
        helper_user_share(&guard->helper_user, options.state_directory, options.run_directory);
        r = courier_keeper_new(guard->loop, &options, &guard->courier);
        if (r < 0)
                diagnostics_error(r, "there is no courier, and no control socket");
}

static int start_observer(struct guard *guard) {
        int ends[2], r = channel_pair(ends);
        pid_t self = getpid(), child;

        if (r < 0)
                return r;
        child = fork();
        if (child < 0) {
                r = -errno;
                (void)fd_close(ends[0]);
                (void)fd_close(ends[1]);
                return r;
        }
        guard->observer_pid = child; /* never -1: kill(2) would take that for everybody */
        if (guard->observer_pid == 0) {
                struct observer_options options = guard->options->observer;
                int status;

                /* Without the guard nobody would start it again or do its favours. */
                (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (getppid() != self)
                        _exit(EXIT_FAILURE);
                (void)fd_close(ends[0]);
                leave_guard(guard);
                courier_keeper_leave(guard->courier);
                options.settings = guard->options->settings;
                options.socket = ends[1];
                status = observer_run(&options);
                (void)fflush(NULL);
                exit(status);
        }
        (void)fd_close(ends[1]);
        guard->started_ns = guard->beat_ns = clock_ns(CLOCK_MONOTONIC);
        guard->silent = 0;
        guard->cpu_ns = 0;
        guard->observer_ready = false;
        if (guard->ready_said) /* a first start that hangs is seen by whoever waits for it */
                listen_for_beats(guard, false);
        guard->channel.fd = ends[0];
        guard->observer.fd = (int)syscall(SYS_pidfd_open, guard->observer_pid, 0);
        if (guard->observer.fd < 0)
                return -errno;
        r = loop_add(guard->loop, &guard->channel, EPOLLIN);
        if (r == 0)
                r = loop_add(guard->loop, &guard->observer, EPOLLIN);
        for (size_t i = 0; r == 0 && i < guard->n_ends; i++)
                answer(guard, &guard->ends[i], -1);
        if (r == 0 && guard->refused) {
                struct message message = { .type = MESSAGE_RELOAD };

                message.texts[0] = bytes_of_string("nothing can be watched with it; what it failed at is in syslog, or on stderr "
                                                   "in the foreground");
                answer(guard, &message, -1);
                guard->refused = false;
        }
        guard->options->observer.reloaded = false;
        return r;
}

static void stop(struct guard *guard) {
        struct message message = { .type = MESSAGE_STOP };

        if (!guard->observer_pid) {
                loop_stop(guard->loop, 0);
                return;
        }
        if (guard->purpose == STOPPING) {
                (void)kill(guard->observer_pid, SIGKILL);
                return;
        }
        guard->purpose = STOPPING;
        notify_send("STOPPING=1");
        answer(guard, &message, -1);
        (void)set_timer(guard, STOP_LIMIT_S);
}

/* The file is read by the same strict parser, with the same checks of owner and mode, as at our own start. */
static void reload(struct guard *guard) {
        _cleanup_buffer_ struct buffer error = BUFFER_NULL, sealed = BUFFER_NULL, wrong = BUFFER_NULL;
        struct sealed_state state = { .files = 0 };
        struct settings *settings = NULL;
        struct message message = { .type = MESSAGE_RELOAD }, end = { .type = MESSAGE_STOP };
        int r;

        if (guard->purpose != RUNNING) {
                guard->reload_again = guard->purpose == RELOADING;
                return;
        }
        r = configuration_load(&guard->options->configuration, &settings, &error);
        if (r == 0 && (strcmp(settings->state_directory, guard->options->settings->state_directory) != 0 ||
                       strcmp(settings->run_directory, guard->options->settings->run_directory) != 0)) {
                buffer_append_string(&error, "StateDirectory= and RunDirectory= change only with a new start");
                r = -EINVAL;
        }
        /* A file that is not sealed cannot say that it need not be. */
        state.required = r == 0 && (settings->seal_required || guard->options->settings->seal_required);
        if (state.required)
                r = sealed_check(guard->options->configuration.file, false, "", &sealed, &error, &state.files);
        else if (r == 0)
                sealed_look(guard->options->configuration.file, &sealed, &wrong, &state.files);
        if (r < 0) {
                (void)settings_free(settings);
                diagnostics_warn("not reloaded: %s", buffer_string(&error));
                message.texts[0] = buffer_bytes(&error);
                answer(guard, &message, -1);
                return;
        }
        if (guard->previous)
                (void)settings_free(guard->options->settings);
        else
                guard->previous = guard->options->settings;
        guard->options->settings = settings;
        buffer_done(&guard->options->sealed);
        guard->options->sealed = sealed;
        sealed = BUFFER_NULL;
        buffer_done(&guard->options->wrong);
        guard->options->wrong = wrong;
        wrong = BUFFER_NULL;
        state.required = settings->seal_required;
        state.wrong = buffer_string(&guard->options->wrong);
        guard->options->observer.sealed = state;
        guard->options->observer.reloaded = true;
        if (!guard->observer_pid) { /* between two tries */
                int s = start_again(guard);

                if (s < 0)
                        diagnostics_error(s, "the observer could not be started");
                return;
        }
        guard->purpose = RELOADING;
        answer(guard, &end, -1);
        (void)set_timer(guard, STOP_LIMIT_S);
}

static int on_timer(struct loop_file *file, uint32_t events) {
        struct guard *guard = container_of(file, struct guard, timer);
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0)
                return 0;
        if (!guard->observer_pid && guard->purpose == STOPPING) {
                diagnostics_warn("a hook does not end in time and is killed");
                loop_stop(guard->loop, 0);
                return 0;
        }
        if (!guard->observer_pid) {
                notify_send("WATCHDOG=1");
                return start_again(guard);
        }
        if (guard->purpose != RUNNING) {
                diagnostics_warn("the observer does not end by itself and is killed");
                (void)kill(guard->observer_pid, SIGKILL);
        }
        return 0;
}

static int on_signal(struct loop_file *file, uint32_t events) {
        struct guard *guard = container_of(file, struct guard, signals);
        struct signalfd_siginfo info;

        (void)events;
        while (read(file->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                if (info.ssi_signo == SIGHUP)
                        reload(guard);
                else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
                        stop(guard);
        }
        return 0;
}

static int open_loop(struct guard *guard) {
        sigset_t set;
        int r;

        guard->loop = loop_new();
        if (!guard->loop)
                return -ENOMEM;
        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGPIPE);
        if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
                return -errno;
        guard->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        guard->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        guard->silence.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (guard->signals.fd < 0 || guard->timer.fd < 0 || guard->silence.fd < 0)
                return -errno;
        r = loop_add(guard->loop, &guard->signals, EPOLLIN);
        if (r == 0)
                r = loop_add(guard->loop, &guard->silence, EPOLLIN);
        return r < 0 ? r : loop_add(guard->loop, &guard->timer, EPOLLIN);
}

int guard_run(struct guard_options *options) {
        struct guard guard = {
                .options = options,
                .signals = { .fd = -1, .ready = on_signal },
                .channel = { .fd = -1, .ready = on_channel },
                .observer = { .fd = -1, .ready = on_observer_exit },
                .timer = { .fd = -1, .ready = on_timer },
                .silence = { .fd = -1, .ready = on_silence },
        };
        int r;

        for (size_t i = 0; i < JOBS_MAX; i++)
                guard.jobs[i].channel = -1;
        diagnostics_open("guard", options->foreground);
        guard.helper_user = helper_user_find();
        options->observer.helper_user = guard.helper_user;
        r = open_loop(&guard);
        if (r == 0)
                start_courier(&guard);
        if (r == 0)
                r = start_observer(&guard);
        if (r == 0)
                r = loop_run(guard.loop);
        if (r < 0)
                diagnostics_error(r, "the guard ends");
        forget_observer(&guard);
        guard.courier = courier_keeper_free(guard.courier);
        for (size_t i = 0; i < JOBS_MAX; i++)
                if (guard.jobs[i].job)
                        end_job(&guard.jobs[i]);
        (void)loop_free(guard.loop);
        (void)fd_close(guard.signals.fd);
        (void)fd_close(guard.timer.fd);
        (void)fd_close(guard.silence.fd);
        buffer_done(&guard.datagram);
        options->settings = settings_free(options->settings);
        buffer_done(&options->sealed);
        buffer_done(&options->wrong);
        guard.previous = settings_free(guard.previous);
        if (r < 0)
                return OBSERVER_TROUBLE;
        return WIFEXITED(guard.status) ? WEXITSTATUS(guard.status) : OBSERVER_TROUBLE;
}
