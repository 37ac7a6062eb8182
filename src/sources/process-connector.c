/* process-connector.c - CN_PROC tells of pids only: what such a process is, is read from /proc at once. Of one that was quicker its
 * number, user and start are told, from when it was forked. Every event counts in its CPU's sequence, so what did not fit into
 * the socket is known to the one.
 * The kernel does not say which user a process was before: the effective users are kept in a table. */
#include "process-connector.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

#include "clock.h"
#include "fd.h"
#include "host-processes.h"
#include "loop.h"
#include "netlink.h"
#include "process-event.h"
#include "process.h"
#include "user-table.h"

#define NS_PER_S UINT64_C(1000000000)

enum {
        DATAGRAM_MAX = 4096,
        BATCH = 512, DRAIN_MAX = 16384,
        ANSWER_MS = 500,
        CPUS_MAX = 8192,
        RAISED_MAX = 64, LEADERLESS_MAX = 256, FORKED_MAX = 1024,
        RAISED_WAIT_NS = 200000000,     /* how long an execve may take from its new user to its end */
};

static const char source_name[] = "proc-connector";
static const char host_pid_namespace[] = "pid:[4026531836]"; /* PROC_PID_INIT_INO in linux/proc_ns.h */

/* Became root, and may be on its way through the execve of a set-user-id program: that is known when its event comes. */
struct raised {
        uint32_t process, before;
        uint64_t at_ns;
};

/* When a process began, of those that did so last. */
struct forked {
        uint32_t process;
        uint64_t start_ticks;
};

struct cpu {
        bool known;
        uint32_t next;                  /* sequence of its next event */
};

struct connector_state {
        struct loop_file file, timer;
        const struct host *host;        /* borrowed */
        struct source_listener *listener; /* borrowed */
        struct host_processes processes;
        struct buffer room, text;
        struct user_table users;
        struct cpu *cpus;               /* owned */
        size_t n_cpus;
        struct raised raised[RAISED_MAX];
        size_t n_raised;
        uint32_t leaderless[LEADERLESS_MAX]; /* processes whose first thread has ended and others have not */
        size_t n_leaderless;
        struct forked forked[FORKED_MAX]; /* by the last bits of the pid */
        uint64_t gap;                   /* events missed, found out since the last report */
        uint64_t events, lost;
        uint64_t drained_ns;            /* wall clock: all before it was read */
        uint64_t boot_offset, wall_offset; /* to be added to the monotonic clock */
        uint32_t self;
        bool overrun, forgotten;        /* forgotten: events are missing that the table of users should have had */
        bool asked, answered;           /* "do we still hear?" */
        bool listening;
};

static int ask(int fd, uint32_t operation) {
        enum { MESSAGE_AT = NLMSG_HDRLEN, OPERATION_AT = MESSAGE_AT + sizeof(struct cn_msg), SIZE = OPERATION_AT + sizeof(operation) };
        struct nlmsghdr header = { .nlmsg_len = SIZE, .nlmsg_type = NLMSG_DONE };
        struct cn_msg message = { .id = { .idx = CN_IDX_PROC, .val = CN_VAL_PROC }, .len = sizeof(operation) };
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        uint8_t request[SIZE];

        memcpy(request, &header, sizeof(header));
        memcpy(request + MESSAGE_AT, &message, sizeof(message));
        memcpy(request + OPERATION_AT, &operation, sizeof(operation));
        return sendto(fd, request, sizeof(request), 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? -errno : 0;
}

static void connector_close(void *data) {
        struct connector_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        loop_remove(&state->timer);
        if (state->listening) /* before Linux 6.6 the kernel does not notice that a listener has gone */
                (void)ask(state->file.fd, PROC_CN_MCAST_IGNORE);
        state->file.fd = fd_close(state->file.fd);
        state->timer.fd = fd_close(state->timer.fd);
        host_processes_done(&state->processes);
        buffer_done(&state->room);
        buffer_done(&state->text);
        user_table_done(&state->users);
        free(state->cpus);
        free(state);
}

static void end(struct connector_state *state, const char *reason) {
        if (!state->file.loop)
                return;
        loop_remove(&state->file);
        loop_remove(&state->timer);
        state->listener->ended(state->listener, source_name, reason);
}

static void learn_users(struct connector_state *state) {
        struct process_list list = PROCESS_LIST_NULL;

        user_table_clear(&state->users);
        if (process_list_read(state->host->proc_fd, &list) == 0)
                for (size_t i = 0; i < list.count; i++) {
                        struct process_place place = { .proc_fd = state->host->proc_fd, .pid = list.pids[i] };
                        uint32_t user;

                        if (process_read_user(&place, true, &state->text, &user) == 0)
                                (void)user_table_put(&state->users, list.pids[i], user);
                }
        process_list_done(&list);
}

static void read_clocks(struct connector_state *state) {
        uint64_t monotonic = clock_ns(CLOCK_MONOTONIC);

        state->boot_offset = clock_ns(CLOCK_BOOTTIME) - monotonic;
        state->wall_offset = clock_ns(CLOCK_REALTIME) - monotonic;
}

static uint64_t ticks_of(const struct connector_state *state, const struct process_event *event) {
        return (event->time + state->boot_offset) / (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Whether a process that /proc shows is the one of an event, or has got its number since. */
static bool is_same(const struct connector_state *state, const struct process_event *event, uint64_t start_ticks) {
        return start_ticks <= ticks_of(state, event);
}

static void tell(struct connector_state *state, enum delta_kind kind, uint64_t at_ns, const struct process_facts *facts) {
        struct delta delta = {
                .kind = kind, .subject = DELTA_PROCESS, .source = source_name, .at_ns = at_ns,
                .origin = { .known = true, .pid = facts->pid, .start_ticks = facts->start_ticks },
                .process = *facts,
        };

        state->events++;
        state->listener->delta(state->listener, &delta);
}

static void tell_raised(struct connector_state *state, const struct raised *raised) {
        struct delta delta = {
                .kind = DELTA_APPEARED, .subject = DELTA_INCIDENT, .source = source_name, .at_ns = raised->at_ns,
                .origin = { .known = true, .pid = raised->process },
                .incident = { .kind = INCIDENT_PRIVILEGES_RAISED, .numbers = { raised->before, 0 } },
        };

        state->events++;
        state->listener->delta(state->listener, &delta);
}

/* Takes what waits of that process (0: of all) off the list; told, or, if it was an execve, not. */
static void settle_raised(struct connector_state *state, uint32_t process, bool executed) {
        size_t kept = 0;

        for (size_t i = 0; i < state->n_raised; i++) {
                if (process && state->raised[i].process != process)
                        state->raised[kept++] = state->raised[i];
                else if (!executed)
                        tell_raised(state, &state->raised[i]);
        }
        state->n_raised = kept;
}

static void wait_for_execve(struct connector_state *state, struct raised raised) {
        struct itimerspec once = { .it_value = { .tv_nsec = RAISED_WAIT_NS } };

        if (state->n_raised == RAISED_MAX || timerfd_settime(state->timer.fd, 0, &once, NULL) < 0) {
                tell_raised(state, &raised);
                return;
        }
        state->raised[state->n_raised++] = raised;
}

static void take_fork(struct connector_state *state, const struct process_event *event) {
        uint32_t user;

        if (event->task != event->process)
                return;
        state->forked[event->process % FORKED_MAX] = (struct forked){ .process = event->process, .start_ticks = ticks_of(state, event) };
        if (user_table_find(&state->users, event->parent, &user))
                (void)user_table_put(&state->users, event->process, user);
        else
                user_table_remove(&state->users, event->process);
}

/* Gone before it was read. */
static void recall(const struct connector_state *state, uint32_t process, struct process_facts *facts) {
        const struct forked *forked = &state->forked[process % FORKED_MAX];

        *facts = (struct process_facts){ .pid = process };
        if (forked->process == process)
                facts->start_ticks = forked->start_ticks;
        if (user_table_find(&state->users, process, &facts->effective_user)) {
                facts->user = facts->effective_user;
                facts->flags = PROCESS_HAS_USERS;
        }
}

static void take_execve(struct connector_state *state, const struct process_event *event, uint64_t at_ns) {
        struct process_facts facts;

        settle_raised(state, event->process, true);
        if (state->processes.lookup.read(&state->processes.lookup, event->process, &state->room, &facts) < 0 ||
            !is_same(state, event, facts.start_ticks))
                recall(state, event->process, &facts);
        else if (facts.flags & PROCESS_HAS_USERS)
                (void)user_table_put(&state->users, event->process, facts.effective_user);
        tell(state, DELTA_APPEARED, at_ns, &facts);
}

static void take_users(struct connector_state *state, const struct process_event *event, uint64_t at_ns) {
        struct process_facts facts = { .pid = event->process, .flags = PROCESS_HAS_USERS, .user = event->user,
                                       .effective_user = event->effective_user };
        bool known;
        uint32_t before;

        settle_raised(state, event->process, false);
        known = user_table_find(&state->users, event->process, &before);
        (void)user_table_put(&state->users, event->process, event->effective_user);
        if (event->task == event->process)
                tell(state, DELTA_CHANGED, at_ns, &facts);
        if (event->effective_user == 0 && known && before != 0) {
                struct raised raised = { .process = event->process, .before = before, .at_ns = at_ns };

                /* an execve changes the effective user only */
                if (event->user == 0)
                        tell_raised(state, &raised);
                else
                        wait_for_execve(state, raised);
        }
}

static bool take_leaderless(struct connector_state *state, uint32_t process) {
        for (size_t i = 0; i < state->n_leaderless; i++)
                if (state->leaderless[i] == process) {
                        state->leaderless[i] = state->leaderless[--state->n_leaderless];
                        return true;
                }
        return false;
}

/* Every thread has such an event. The process ends with the last, which need not be its first. */
static void take_exit(struct connector_state *state, const struct process_event *event, uint64_t at_ns) {
        struct process_facts facts = { .pid = event->process, .flags = PROCESS_HAS_EXIT, .exit_status = event->exit_status };
        struct process_place place = { .proc_fd = state->host->proc_fd, .pid = event->process };
        struct process_stat stat;

        if (event->task != event->process && !take_leaderless(state, event->process))
                return;
        if (process_read_stat(&place, &state->text, &stat) == 0 && is_same(state, event, stat.start_ticks)) {
                if (stat.threads > 1) {
                        if (state->n_leaderless < LEADERLESS_MAX)
                                state->leaderless[state->n_leaderless++] = event->process;
                        return;
                }
                facts.start_ticks = stat.start_ticks;
                facts.parent = stat.parent;
                facts.name = stat.name;
                facts.flags |= stat.flags & PROCESS_FLAG_KERNEL ? PROCESS_KERNEL_THREAD : 0;
        }
        settle_raised(state, event->process, false);
        user_table_remove(&state->users, event->process);
        tell(state, DELTA_VANISHED, at_ns, &facts);
}

static void note_sequence(struct connector_state *state, const struct process_event *event) {
        struct cpu *cpu;

        if (event->cpu >= CPUS_MAX)
                return;
        if (event->cpu >= state->n_cpus) {
                size_t count = (size_t)event->cpu + 1;
                struct cpu *cpus = reallocarray(state->cpus, count, sizeof(*cpus));

                if (!cpus)
                        return;
                memset(cpus + state->n_cpus, 0, (count - state->n_cpus) * sizeof(*cpus));
                state->cpus = cpus;
                state->n_cpus = count;
        }
        cpu = &state->cpus[event->cpu];
        if (cpu->known && event->sequence - cpu->next <= INT32_MAX)
                state->gap += event->sequence - cpu->next;
        *cpu = (struct cpu){ .known = true, .next = event->sequence + 1 };
}

/* drained: all that came is read. Only then is it known that an overrun left no gap yet, for it is at the end of its CPU's
 * events. */
static void report_loss(struct connector_state *state, bool drained) {
        struct loss loss = { .source = source_name, .reason = "overrun", .kind = "processes", .since_ns = state->drained_ns };

        if (state->gap || (drained && state->overrun)) {
                loss.counted = state->gap > 0;
                loss.count = state->gap;
                state->lost += state->gap ? state->gap : 1;
                state->gap = 0;
                state->overrun = false;
                state->forgotten = true;
                state->n_leaderless = 0;
                settle_raised(state, 0, true); /* whether that was an execve may be what was lost */
                state->listener->loss(state->listener, &loss);
        }
        if (drained && state->forgotten) {
                state->forgotten = false;
                learn_users(state);
        }
}

static void take_event(struct connector_state *state, const struct process_event *event) {
        uint64_t at_ns = event->time + state->wall_offset;

        if (event->kind == PROCESS_EVENT_ACKNOWLEDGED) /* of somebody else's question: it goes to all, and counts nowhere */
                return;
        note_sequence(state, event);
        if (event->process == 0 && event->kind != PROCESS_EVENT_OTHER)
                return;
        switch (event->kind) {
        case PROCESS_EVENT_FORKED:
                take_fork(state, event);
                break;
        case PROCESS_EVENT_EXECUTED:
                take_execve(state, event, at_ns);
                break;
        case PROCESS_EVENT_USERS_CHANGED:
                take_users(state, event, at_ns);
                break;
        case PROCESS_EVENT_EXITED:
                take_exit(state, event, at_ns);
                break;
        case PROCESS_EVENT_RENAMED:
                state->answered |= event->process == state->self;
                break;
        case PROCESS_EVENT_ACKNOWLEDGED:
        case PROCESS_EVENT_OTHER:
                break;
        }
}

static void receive(struct connector_state *state, int most) {
        uint64_t now = clock_ns(CLOCK_REALTIME);

        if (!state->file.loop)
                return;
        read_clocks(state);
        for (int i = 0; i < most; i++) {
                struct netlink_datagram datagram;
                struct netlink_message message;
                uint8_t place[DATAGRAM_MAX];
                int r = netlink_receive(state->file.fd, place, sizeof(place), &datagram);

                if (r == -ENOBUFS)
                        state->overrun = true;
                else if (r == 0) {
                        report_loss(state, true);
                        state->drained_ns = now;
                        return;
                } else if (r < 0) {
                        end(state, "its socket does not work any more");
                        return;
                } else if (datagram.sender == 0)
                        while (netlink_next(&datagram.bytes, &message)) {
                                struct process_event event;

                                if (process_event_parse(message.payload, &event) == 0)
                                        take_event(state, &event);
                        }
        }
        report_loss(state, false);
}

static void connector_drain(void *data) {
        receive(data, DRAIN_MAX);
}

static int ready(struct loop_file *file, uint32_t events) {
        struct connector_state *state = container_of(file, struct connector_state, file);

        receive(state, BATCH);
        if (events & EPOLLHUP)
                end(state, "its socket was closed");
        return 0;
}

static int waited(struct loop_file *file, uint32_t events) {
        struct connector_state *state = container_of(file, struct connector_state, timer);
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        receive(state, BATCH);
        settle_raised(state, 0, false);
        return 0;
}

/* 0: they come; -EOPNOTSUPP: this kernel does not answer; another negative errno. */
static int wait_for_answer(int fd) {
        uint64_t until = clock_ns(CLOCK_MONOTONIC) + ANSWER_MS * (NS_PER_S / 1000);

        for (;;) {
                struct pollfd poll_file = { .fd = fd, .events = POLLIN };
                uint64_t now = clock_ns(CLOCK_MONOTONIC);
                struct netlink_datagram datagram;
                struct netlink_message message;
                uint8_t place[DATAGRAM_MAX];
                int r;

                if (now >= until || poll(&poll_file, 1, (int)((until - now) / 1000000) + 1) == 0)
                        return -EOPNOTSUPP;
                r = netlink_receive(fd, place, sizeof(place), &datagram);
                if (r < 0 && r != -ENOBUFS)
                        return r;
                if (r != 1 || datagram.sender != 0)
                        continue;
                while (netlink_next(&datagram.bytes, &message)) {
                        struct process_event event;

                        if (process_event_parse(message.payload, &event) == 0 && event.kind == PROCESS_EVENT_ACKNOWLEDGED)
                                return event.error ? -(int)(event.error & 4095) : 0;
                }
        }
}

static int start(struct connector_state *state, struct loop *loop, int room) {
        int r;

        state->file.ready = ready;
        state->timer.ready = waited;
        state->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (state->timer.fd < 0)
                return -errno;
        r = netlink_open(NETLINK_CONNECTOR, CN_IDX_PROC, room);
        if (r < 0)
                return r;
        state->file.fd = r;
        r = ask(state->file.fd, PROC_CN_MCAST_LISTEN);
        if (r < 0)
                return r;
        state->listening = true;
        r = wait_for_answer(state->file.fd);
        if (r >= 0)
                r = loop_add(loop, &state->file, EPOLLIN);
        if (r >= 0)
                r = loop_add(loop, &state->timer, EPOLLIN);
        return r;
}

static int connector_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects,
                          const char **ret_reason) {
        struct coverage coverage = {
                .kind = "processes", .mechanism = "process connector", .level = COVERAGE_MOST,
                .limits = "processes that fork and never execute a program, and what a process was that is gone before it is read",
        };
        _cleanup_buffer_ struct buffer namespace = BUFFER_NULL;
        struct connector_state *state;
        int r;

        if (!request->host->live) {
                *ret_reason = "a tree of files has no kernel that tells of processes";
                return -EOPNOTSUPP;
        }
        if (!(request->wanted & 1U << DELTA_PROCESS)) {
                *ret_reason = "another source tells of processes";
                return -EOPNOTSUPP;
        }
        /* The pids it tells of are the host's, those in our /proc would be others'. */
        if (link_read_at(request->host->proc_fd, "self/ns/pid", &namespace) < 0 ||
            strcmp(buffer_string(&namespace), host_pid_namespace) != 0) {
                *ret_reason = "the process connector counts as the host does, and this is not the host's pid namespace";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->file.fd = state->timer.fd = -1;
        state->host = request->host;
        state->listener = request->listener;
        state->self = (uint32_t)getpid();
        host_processes_init(&state->processes, request->host);
        r = start(state, request->loop, (int)request->settings->event_buffer);
        if (r < 0) {
                connector_close(state);
                if (r == -EPERM || r == -EACCES) {
                        *ret_reason = "the process connector may not be listened to: CAP_NET_ADMIN is missing";
                        return -EOPNOTSUPP;
                }
                if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -ECONNREFUSED || r == -EAFNOSUPPORT) {
                        *ret_reason = "this kernel has no process connector, or not in this network namespace";
                        return -EOPNOTSUPP;
                }
                *ret_reason = "the process connector could not be opened";
                return r;
        }
        learn_users(state);
        state->drained_ns = clock_ns(CLOCK_REALTIME);
        *ret_state = state;
        *ret_subjects = 1U << DELTA_PROCESS;
        request->listener->covers(request->listener, &coverage);
        return 0;
}

/* Before Linux 6.6 anybody who may listen can make the kernel silent for all: we give ourselves the name that we have, which is an
 * event, and expect to hear of it until the next check. */
static void connector_check(void *data) {
        struct connector_state *state = data;
        char name[16] = "";

        if (!state->file.loop)
                return;
        if (netlink_check(state->file.fd, NETLINK_CONNECTOR, CN_IDX_PROC) < 0) {
                end(state, "its socket was closed");
                return;
        }
        receive(state, DRAIN_MAX);
        if (state->asked && !state->answered && state->file.loop) {
                end(state, "the kernel does not tell of processes any more");
                return;
        }
        state->answered = false;
        state->asked = prctl(PR_GET_NAME, name) == 0 && prctl(PR_SET_NAME, name) == 0;
}

static void connector_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct connector_state *state = data;

        *ret_events = state->events;
        *ret_lost = state->lost;
}

const struct source source_process_connector = {
        .name = source_name,
        .subjects = 1U << DELTA_PROCESS,
        .open = connector_open,
        .close = connector_close,
        .drain = connector_drain,
        .check = connector_check,
        .count = connector_count,
};
