/* bpf-programs.c - loads and attaches the programs in bpf/, and reads what they say.
 * A record alone wakes us at once. When they come fast the programs are told not to: then a timer reads them in batches, until
 * it is quiet again. */
#include "bpf-programs.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "bpf-record.h"
#include "bpf-ring.h"
#include "clock.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "process.h"
#include "proto.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"    /* as bpftool writes it */
#include "extra.skel.h"
#include "probes.skel.h"
#pragma GCC diagnostic pop

#define NS_PER_MS UINT64_C(1000000)

enum {
        PROGRAMS_MAX = 16,
        BATCH_MS = 2,                   /* how long a record may wait for company */
        BUSY_MS = 8, BUSY_RECORDS = 32, /* so many within so long: batch */
        QUIET_RECORDS = 5, QUIET_TICKS = 16, /* at most so many in each of so many ticks: wake up for each again */
        HOST_PID_NAMESPACE = 0xeffffffc, /* PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h */
};

static const char source_name[] = "bpf";

/* Functions of the kernel that tell that it knows a helper. */
static const char socket_cookie[] = "bpf_get_socket_ptr_cookie", current_task[] = "bpf_get_current_task_btf";

/* What is loaded for which subject. A kernel without the tracepoint goes without it. */
static const struct program {
        const char *name, *tracepoint;
        unsigned subjects;
        bool essential;                 /* without it the subject is not told at all */
} programs[] = {
        { "process_executed", "btf_trace_sched_process_exec", 1U << DELTA_PROCESS, true },
        { "process_forked", "btf_trace_sched_process_fork", 1U << DELTA_PROCESS, false }, /* for privileges */
        { "process_exited", "btf_trace_sched_process_exit", 1U << DELTA_PROCESS, true },
        { "connection_changed", "btf_trace_inet_sock_set_state", 1U << DELTA_CONNECTION, true },
        { "module_loaded", "btf_trace_module_load", 1U << DELTA_MODULE, true },
        { "module_freed", "btf_trace_module_free", 1U << DELTA_MODULE, true },
};

/* What else is loaded where it can be, and the function that it hangs on. */
static const struct {
        const char *name, *function;
} extras[] = {
        { "socket_created", "__sock_create" },
        { "module_file_read", "security_kernel_read_file" },
        { "module_refused", "load_module" },
};

static const char no_extras[] = "raw sockets and refused modules are not told of: this kernel takes no programs on its functions";

static const struct {
        const char *reason, *kind;
} losses[PROTO_LOSSES] = {
        [PROTO_LOST_PROCESS] = { "ring full", "processes" },
        [PROTO_LOST_CONNECTION] = { "ring full", "connections" },
        [PROTO_LOST_MODULE] = { "ring full", "modules" },
        [PROTO_LOST_INCIDENT] = { "ring full", NULL },
        [PROTO_LOST_SCRATCH] = { "no scratch memory", "processes" },
};

struct attached {
        struct bpf_program *program;    /* the skeleton's */
        struct bpf_link *link;          /* owned */
        uint64_t missed;                /* runs that the kernel left out, as far as reported */
        unsigned subjects;
};

enum { RING_SIZE_LEAST = 4096, RING_SIZE_MOST = 1 << 30 }; /* the kernel wants a power of two, in pages */

struct bpf_state {
        const struct host *host;                /* borrowed */
        struct source_listener *listener;       /* borrowed */
        struct probes *probes;                  /* owned: the skeleton */
        struct extra *extra;                    /* likewise; NULL: not to be had here */
        struct bpf_ring ring;
        struct loop_file file, timer;
        struct attached attached[PROGRAMS_MAX];
        size_t n_attached;
        struct buffer room;                     /* of the record at hand */
        struct buffer text, executable, command_line; /* of /proc, for what it does not tell */
        unsigned subjects;
        uint32_t ring_size;                     /* a power of two */
        uint64_t own_network;                   /* inode of our own network namespace */
        uint64_t monotonic_to_wall;             /* now: nanoseconds between the two clocks */
        uint64_t read_ns;                       /* wall clock: all before it was read */
        uint64_t window_ns, window_records;     /* how many came since then (monotonic) */
        unsigned quiet_ticks;
        uint64_t reported[PROTO_LOSSES];
        uint64_t events, lost, malformed;
        bool reading, ticking, ended;
};

static int silence(enum libbpf_print_level level, const char *format, va_list arguments) {
        (void)level;
        (void)format;
        (void)arguments;
        return 0;
}

static void bpf_close(void *data) {
        struct bpf_state *state = data;

        if (!state)
                return;
        loop_remove(&state->file);
        loop_remove(&state->timer);
        state->timer.fd = fd_close(state->timer.fd);
        bpf_ring_close(&state->ring);
        for (size_t i = 0; i < state->n_attached; i++)
                (void)bpf_link__destroy(state->attached[i].link);
        probes__destroy(state->probes);
        extra__destroy(state->extra);
        buffer_done(&state->room);
        buffer_done(&state->text);
        buffer_done(&state->executable);
        buffer_done(&state->command_line);
        free(state);
}

/* Told once; all stays as it is until closed. */
static void end(struct bpf_state *state, const char *reason) {
        if (state->ended)
                return;
        state->ended = true;
        loop_remove(&state->file);
        loop_remove(&state->timer);
        state->listener->ended(state->listener, source_name, reason);
}

static void report_loss(struct bpf_state *state, const char *reason, const char *kind, uint64_t count) {
        struct loss loss = {
                .source = source_name, .reason = reason, .counted = true, .count = count, .kind = kind,
                .since_ns = state->read_ns,
        };

        state->lost += count;
        state->listener->loss(state->listener, &loss);
}

static void report_losses(struct bpf_state *state) {
        for (size_t i = 0; i < PROTO_LOSSES; i++) {
                uint64_t lost = __atomic_load_n(&state->probes->bss->lost[i], __ATOMIC_RELAXED);

                if (state->extra)
                        lost += __atomic_load_n(&state->extra->bss->lost[i], __ATOMIC_RELAXED);
                if (lost == state->reported[i])
                        continue;
                report_loss(state, losses[i].reason, losses[i].kind, lost - state->reported[i]);
                state->reported[i] = lost;
        }
        if (state->malformed > 0) {
                report_loss(state, "malformed", NULL, state->malformed);
                state->malformed = 0;
        }
}

/* A path too deep, arguments that were not in memory, or a kernel that lets no program read: as long as the process is there, /proc
 * knows. */
static void fill_gaps(struct bpf_state *state, struct process_facts *facts) {
        struct process_place place = { .proc_fd = state->host->proc_fd, .pid = facts->pid };
        struct process_stat stat;
        bool deleted;

        if (process_read_stat(&place, &state->text, &stat) < 0 || stat.start_ticks != facts->start_ticks)
                return;
        if (facts->executable.size == 0 && process_read_executable(&place, &state->executable, &deleted) == 0)
                facts->executable = buffer_bytes(&state->executable);
        if (facts->command_line.size == 0 && process_read_command_line(&place, &state->text, &state->command_line) == 0)
                facts->command_line = buffer_bytes(&state->command_line);
        if (facts->executable.size > 0 && facts->command_line.size > 0)
                facts->flags &= ~(unsigned)PROCESS_CUT;
}

static int take_record(void *context, struct bytes record) {
        struct bpf_state *state = context;
        struct delta delta;
        int r = bpf_record_parse(record, &state->room, &delta);

        if (r < 0) {
                state->malformed++;
                return 0;
        }
        if (!(state->subjects & 1U << delta.subject))
                return 0;
        delta.source = source_name;
        delta.at_ns += state->monotonic_to_wall;
        if (delta.subject == DELTA_CONNECTION && delta.connection.cookie == 0) {
                struct hint hint = {
                        .kind = "connections", .origin = delta.origin, .source = source_name,
                        .flags = delta.kind == DELTA_APPEARED ? HINT_APPEARED : HINT_VANISHED,
                };

                state->events++;
                state->listener->hint(state->listener, &hint);
                return 0;
        }
        if (delta.subject == DELTA_CONNECTION && delta.connection.network_namespace == state->own_network)
                delta.connection.network_namespace = 0;
        if (delta.subject == DELTA_PROCESS && delta.kind == DELTA_APPEARED && (delta.process.flags & PROCESS_CUT) &&
            (delta.process.executable.size == 0 || delta.process.command_line.size == 0))
                fill_gaps(state, &delta.process);
        state->events++;
        state->listener->delta(state->listener, &delta);
        return 0;
}

/* How many records there were. */
static uint64_t read_all(struct bpf_state *state) {
        uint64_t now;
        int r;

        if (state->reading || state->ended)
                return 0;
        state->reading = true;
        now = clock_ns(CLOCK_REALTIME);
        state->monotonic_to_wall = now - clock_ns(CLOCK_MONOTONIC);
        r = bpf_ring_read(&state->ring, take_record, state);
        report_losses(state);
        state->read_ns = now;
        state->reading = false;
        if (r < 0)
                end(state, "its ring cannot be read");
        return r > 0 ? (uint64_t)r : 0;
}

static int set_timer(struct bpf_state *state, bool on) {
        const struct timespec every = { .tv_nsec = on ? BATCH_MS * (long)NS_PER_MS : 0 };
        const struct itimerspec when = { .it_value = every, .it_interval = every };

        if (on == state->ticking)
                return 0;
        if (timerfd_settime(state->timer.fd, 0, &when, NULL) < 0)
                return -errno;
        state->ticking = on;
        return 0;
}

static void set_batching(struct bpf_state *state, bool on) {
        __atomic_store_n(&state->probes->bss->batching, on, __ATOMIC_RELAXED);
        /* By edge, for the level is nearly always up then: it would wake us as if nobody batched. Only a program that sees
         * the ring fill up makes an edge. */
        (void)loop_change(state->file.loop, &state->file, on ? EPOLLIN | (uint32_t)EPOLLET : EPOLLIN);
}

static int ring_ready(struct loop_file *file, uint32_t events) {
        struct bpf_state *state = container_of(file, struct bpf_state, file);
        uint64_t now = clock_ns(CLOCK_MONOTONIC);

        (void)events;
        if (now - state->window_ns > BUSY_MS * NS_PER_MS) {
                state->window_ns = now;
                state->window_records = 0;
        }
        state->window_records += read_all(state);
        if (!state->ended && state->window_records >= BUSY_RECORDS && !state->ticking && set_timer(state, true) == 0) {
                state->quiet_ticks = 0;
                set_batching(state, true);
        }
        return 0;
}

static int timer_ready(struct loop_file *file, uint32_t events) {
        struct bpf_state *state = container_of(file, struct bpf_state, timer);
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        state->quiet_ticks = read_all(state) > QUIET_RECORDS ? 0 : state->quiet_ticks + 1;
        if (state->ended)
                return 0;
        if (state->quiet_ticks == QUIET_TICKS)
                set_batching(state, false);
        /* A tick later: whoever made its record before it saw that we want to be woken again has put it there by now. */
        if (state->quiet_ticks > QUIET_TICKS) {
                (void)set_timer(state, false);
                state->window_records = 0;
        } else if (state->quiet_ticks == 0 && !state->probes->bss->batching)
                set_batching(state, true);
        return 0;
}

static bool kernel_has(const struct btf *btf, const char *name, uint32_t kind) {
        return btf && btf__find_by_name_kind(btf, name, kind) > 0;
}

/* What could not be attached is left out; the subjects that all essential programs tell of. */
static unsigned attach(struct bpf_state *state) {
        unsigned subjects = 0, missing = 0;

        for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
                struct bpf_program *program = bpf_object__find_program_by_name(state->probes->obj, programs[i].name);
                struct bpf_link *link = NULL;

                if (program && bpf_program__autoload(program))
                        link = bpf_program__attach(program);
                if (link) {
                        state->attached[state->n_attached++] =
                                (struct attached){ .program = program, .link = link, .subjects = programs[i].subjects };
                        subjects |= programs[i].subjects;
                } else if (programs[i].essential)
                        missing |= programs[i].subjects;
        }
        return subjects & ~missing;
}

/* 0 or negative errno and no skeleton. */
static int load(struct bpf_state *state, const struct btf *btf, unsigned wanted, bool reads_memory) {
        int r;

        state->probes = probes__open();
        if (!state->probes)
                return -errno;
        state->probes->rodata->reads_memory = reads_memory;
        state->probes->rodata->knows_current_task = kernel_has(btf, current_task, BTF_KIND_FUNC);
        state->probes->rodata->knows_socket_cookie = kernel_has(btf, socket_cookie, BTF_KIND_FUNC);
        for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
                struct bpf_program *program = bpf_object__find_program_by_name(state->probes->obj, programs[i].name);

                if (program)
                        (void)bpf_program__set_autoload(
                                program, (programs[i].subjects & wanted) &&
                                                 kernel_has(btf, programs[i].tracepoint, BTF_KIND_TYPEDEF));
        }
        r = bpf_map__set_max_entries(state->probes->maps.ring, state->ring_size);
        if (r == 0)
                r = probes__load(state->probes);
        if (r < 0) {
                probes__destroy(state->probes);
                state->probes = NULL;
        }
        return r;
}

/* Whether all could be: where programs on functions can be loaded (arm64, Linux 6.1), they need not be attached. */
static bool attach_extras(struct bpf_state *state) {
        size_t before = state->n_attached;

        for (size_t i = 0; i < sizeof(extras) / sizeof(*extras); i++) {
                struct bpf_program *program = bpf_object__find_program_by_name(state->extra->obj, extras[i].name);
                struct bpf_link *link = program && bpf_program__autoload(program) ? bpf_program__attach(program) : NULL;

                if (link)
                        state->attached[state->n_attached++] =
                                (struct attached){ .program = program, .link = link, .subjects = 1U << DELTA_INCIDENT };
        }
        return state->n_attached - before == sizeof(extras) / sizeof(*extras);
}

/* Into the same ring. Whether it worked. */
static bool load_extras(struct bpf_state *state, const struct btf *btf) {
        state->extra = extra__open();
        if (!state->extra)
                return false;
        state->extra->rodata->knows_current_task = state->probes->rodata->knows_current_task;
        for (size_t i = 0; i < sizeof(extras) / sizeof(*extras); i++) {
                struct bpf_program *program = bpf_object__find_program_by_name(state->extra->obj, extras[i].name);

                if (program)
                        (void)bpf_program__set_autoload(program, kernel_has(btf, extras[i].function, BTF_KIND_FUNC));
        }
        if (bpf_map__reuse_fd(state->extra->maps.ring, bpf_map__fd(state->probes->maps.ring)) == 0 &&
            extra__load(state->extra) == 0)
                return true;
        extra__destroy(state->extra);
        state->extra = NULL;
        return false;
}

static int load_either(struct bpf_state *state, unsigned wanted, const char **ret_reason) {
        struct btf *btf = btf__load_vmlinux_btf();
        int r;

        if (!btf) {
                *ret_reason = "this kernel does not describe its types (no BTF in /sys/kernel/btf)";
                return -EOPNOTSUPP;
        }
        r = load(state, btf, wanted, true);
        if (r < 0 && r != -ENOMEM)
                r = load(state, btf, wanted, false);
        if (r == 0 && !load_extras(state, btf))
                *ret_reason = no_extras;
        btf__free(btf);
        if (r == -EPERM || r == -EACCES) {
                *ret_reason = "BPF programs may not be loaded: CAP_BPF or CAP_PERFMON is missing";
                return -EOPNOTSUPP;
        }
        if (r < 0 && r != -ENOMEM) {
                *ret_reason = "this kernel does not take our BPF programs";
                return -EOPNOTSUPP;
        }
        return r;
}

static int open_ring(struct bpf_state *state, struct loop *loop) {
        struct bpf_map *map = state->probes->maps.ring;
        int r = bpf_ring_open(&state->ring, bpf_map__fd(map), bpf_map__max_entries(map));

        if (r < 0)
                return r;
        state->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (state->timer.fd < 0)
                return -errno;
        state->timer.ready = timer_ready;
        state->file.fd = bpf_map__fd(map);
        state->file.ready = ring_ready;
        r = loop_add(loop, &state->timer, EPOLLIN);
        return r < 0 ? r : loop_add(loop, &state->file, EPOLLIN);
}

static void say_coverage(struct bpf_state *state) {
        static const struct {
                enum delta_subject subject;
                struct coverage coverage;
        } rows[] = {
                { DELTA_PROCESS,
                  { .kind = "processes", .level = COVERAGE_FULL,
                    .limits = "a process that only forks is told of when it ends; who changes its user without execve, when it "
                              "is looked at, or, if to root, at its next execve or its end" } },
                { DELTA_CONNECTION,
                  { .kind = "connections", .level = COVERAGE_MOST,
                    .limits = "connected UDP sockets, and who held a connection that somebody else made to us" } },
                { DELTA_MODULE, { .kind = "modules", .level = COVERAGE_FULL } },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct coverage coverage = rows[i].coverage;

                coverage.mechanism = source_name;
                if (rows[i].subject == DELTA_CONNECTION && !state->probes->rodata->knows_socket_cookie) {
                        coverage.level = COVERAGE_WAKES;
                        coverage.limits = "connections that end before they are looked at, for this kernel tells programs no "
                                          "cookies of sockets (Linux 5.12), and connected UDP sockets";
                }
                if (state->subjects & 1U << rows[i].subject)
                        state->listener->covers(state->listener, &coverage);
        }
}

static int bpf_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason) {
        struct bpf_state *state;
        struct stat status;
        int r;

        if (!request->host->live) {
                *ret_reason = "BPF programs see the running kernel, not a tree of files";
                return -EOPNOTSUPP;
        }
        if (!(request->wanted & source_bpf.subjects)) {
                *ret_reason = "nothing that it tells of is wanted";
                return -EOPNOTSUPP;
        }
        if (fstatat(request->host->proc_fd, "self/ns/pid", &status, 0) == 0 && status.st_ino != HOST_PID_NAMESPACE) {
                *ret_reason = "we run in a pid namespace: the kernel's process numbers are not those of this /proc";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->host = request->host;
        state->listener = request->listener;
        state->ring = BPF_RING_NULL;
        state->ring_size = RING_SIZE_LEAST;
        while (state->ring_size < RING_SIZE_MOST && state->ring_size * UINT64_C(2) <= request->settings->event_buffer)
                state->ring_size *= 2;
        state->file.fd = state->timer.fd = -1;
        if (fstatat(request->host->proc_fd, "self/ns/net", &status, 0) == 0)
                state->own_network = status.st_ino;
        (void)libbpf_set_print(silence);
        r = load_either(state, request->wanted, ret_reason);
        if (r == 0)
                r = open_ring(state, request->loop);
        if (r == 0)
                state->subjects = attach(state) & request->wanted;
        /* libbpf read all of the kernel's types: 14 MiB that nobody needs any more. */
        (void)malloc_trim(0);
        if (state->extra && !attach_extras(state))
                *ret_reason = no_extras;
        if (r == 0 && state->subjects == 0) {
                *ret_reason = "none of our BPF programs could be attached";
                r = -EOPNOTSUPP;
        }
        if (r < 0) {
                bpf_close(state);
                if (r != -EOPNOTSUPP)
                        *ret_reason = "our BPF programs or their ring could not be opened";
                return r;
        }
        state->read_ns = clock_ns(CLOCK_REALTIME);
        *ret_state = state;
        say_coverage(state);
        *ret_subjects = state->subjects;
        /* A connection is told from the next one with the same addresses by its cookie alone: without, there are only hints. */
        if (!state->probes->rodata->knows_socket_cookie)
                *ret_subjects &= ~(1U << DELTA_CONNECTION);
        state->subjects |= 1U << DELTA_INCIDENT;
        return 0;
}

static void bpf_drain(void *data) {
        (void)read_all(data);
}

/* Still attached, to the programs that we loaded; and what of their runs the kernel left out because one interrupted the other. */
static void bpf_check(void *data) {
        struct bpf_state *state = data;

        for (size_t i = 0; i < state->n_attached && !state->ended; i++) {
                struct attached *attached = &state->attached[i];
                struct bpf_link_info link = { 0 };
                struct bpf_prog_info program = { 0 };
                uint32_t link_size = sizeof(link), program_size = sizeof(program);

                if (bpf_obj_get_info_by_fd(bpf_link__fd(attached->link), &link, &link_size) < 0 ||
                    bpf_obj_get_info_by_fd(bpf_program__fd(attached->program), &program, &program_size) < 0 ||
                    link.prog_id != program.id) {
                        end(state, "a BPF program was detached");
                        return;
                }
                if (program.recursion_misses > attached->missed) {
                        report_loss(state, "not run", attached->subjects & 1U << DELTA_PROCESS ? "processes" : NULL,
                                    program.recursion_misses - attached->missed);
                        attached->missed = program.recursion_misses;
                }
        }
        (void)read_all(state);
}

static void bpf_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct bpf_state *state = data;

        *ret_events = state->events;
        *ret_lost = state->lost;
}

const struct source source_bpf = {
        .name = source_name,
        .subjects = 1U << DELTA_PROCESS | 1U << DELTA_CONNECTION | 1U << DELTA_MODULE,
        .open = bpf_open,
        .close = bpf_close,
        .drain = bpf_drain,
        .check = bpf_check,
        .count = bpf_count,
};
