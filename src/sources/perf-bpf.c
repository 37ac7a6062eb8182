/* perf-bpf.c - one dummy event per CPU, whose ring gets a record of every BPF program that is loaded or unloaded there, and
 * before it those of its symbols, of which the name is taken. What this very process loads (our own probes, and what libbpf
 * loads to find out what the kernel can do) is known by its id and not handed over. After a load a look at all BPF objects is
 * asked for, once: the maps and links that belong to it have no such records. */
#include "perf-bpf.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include "clock.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "perf-record.h"
#include "process.h"

#define FORMAT_LOST (UINT64_C(1) << 4)  /* PERF_FORMAT_LOST, Linux 6.0: younger than the headers of some builds */

enum {
        CPUS_MAX = 8192,
        RING_SIZE = 64 * 1024,          /* a second of some 400 loads and unloads, on one CPU */
        RING_SIZE_SMALL = 8 * 1024,     /* where locked memory is short */
        RING_NEARLY_FULL = 1024,        /* less than this left: something may not have fitted */
        RECORD_MAX = 4096,
        PASSES = 4,
        SYMBOLS_MAX = 64, SYMBOLS_OF_TASK_MAX = 8,
        ONLINE_MAX = 64 * 1024,
        FDINFO_MAX = 16 * 1024,
        LOOK_AFTER_NS = 300000000,      /* a loader makes maps before, links and pins behind its programs */
};

static const char source_name[] = "perf";

struct ring {
        struct loop_file file;
        struct perf_state *owner;
        struct perf_event_mmap_page *page;      /* owned mapping of page_size + size */
        size_t size;
        uint64_t lost_recorded, lost_reported;  /* by LOST records; to the listener */
};

/* A record that was read and is not handed over yet. */
struct seen {
        struct perf_record record;              /* its name is in 'names', at name_at */
        size_t name_at, order;
        struct ring *ring;
};

struct symbol {
        uint32_t tid;
        uint64_t tag;
        char *name;                             /* owned */
};

struct perf_state {
        struct loop_file timer;                 /* goes off when a loader is likely to be done */
        const struct host *host;                /* borrowed */
        struct source_listener *listener;       /* borrowed */
        struct ring *rings;
        size_t n_rings;
        struct seen *seen;
        size_t n_seen, seen_capacity;
        struct buffer names, online, text;
        struct symbol symbols[SYMBOLS_MAX];     /* oldest first; of programs whose own record is still to come */
        size_t n_symbols;
        uint32_t self;
        uint32_t *own;                          /* ids of what we loaded ourselves */
        size_t n_own, own_capacity;
        uint64_t drained_ns;                    /* wall clock: all before it was read */
        uint64_t events, lost;
        bool ended, tells_lost, waiting;
        struct origin loader;                   /* of what was loaded since the timer was set; not known if there were several */
};

static void forget_symbols(struct perf_state *state) {
        for (size_t i = 0; i < state->n_symbols; i++)
                free(state->symbols[i].name);
        state->n_symbols = 0;
}

static void ring_close(struct ring *ring, size_t page) {
        loop_remove(&ring->file);
        if (ring->page)
                (void)munmap(ring->page, page + ring->size);
        ring->page = NULL;
        ring->file.fd = fd_close(ring->file.fd);
}

static void perf_close(void *data) {
        struct perf_state *state = data;

        if (!state)
                return;
        for (size_t i = 0; i < state->n_rings; i++)
                ring_close(&state->rings[i], (size_t)sysconf(_SC_PAGESIZE));
        loop_remove(&state->timer);
        state->timer.fd = fd_close(state->timer.fd);
        free(state->rings);
        free(state->seen);
        forget_symbols(state);
        free(state->own);
        buffer_done(&state->names);
        buffer_done(&state->online);
        buffer_done(&state->text);
        free(state);
}

/* Told once; the rings stay as they are until closed. */
static void end(struct perf_state *state, const char *reason) {
        if (state->ended)
                return;
        state->ended = true;
        for (size_t i = 0; i < state->n_rings; i++)
                loop_remove(&state->rings[i].file);
        loop_remove(&state->timer);
        state->listener->ended(state->listener, source_name, reason);
}

static int add_own(struct perf_state *state, uint32_t id) {
        for (size_t i = 0; i < state->n_own; i++)
                if (state->own[i] == id)
                        return 0;
        if (state->n_own == state->own_capacity) {
                size_t capacity = state->own_capacity ? state->own_capacity * 2 : 32;
                uint32_t *own = reallocarray(state->own, capacity, sizeof(*own));

                if (!own)
                        return -ENOMEM;
                state->own = own;
                state->own_capacity = capacity;
        }
        state->own[state->n_own++] = id;
        return 0;
}

static bool take_own(struct perf_state *state, uint32_t id) {
        for (size_t i = 0; i < state->n_own; i++)
                if (state->own[i] == id) {
                        state->own[i] = state->own[--state->n_own];
                        return true;
                }
        return false;
}

/* What we loaded before the rings were there, by the descriptors that hold it. */
static int find_own(struct perf_state *state) {
        struct process_list descriptors = PROCESS_LIST_NULL;
        int r = process_list_read_at(state->host->proc_fd, "self/fd", &descriptors);

        for (size_t i = 0; r == 0 && i < descriptors.count; i++) {
                static const char mark[] = "\nprog_id:\t";
                char path[32];
                const char *line;

                (void)snprintf(path, sizeof(path), "self/fd/%u", descriptors.pids[i]);
                buffer_clear(&state->text);
                if (link_read_at(state->host->proc_fd, path, &state->text) < 0 ||
                    !bytes_starts_with(buffer_bytes(&state->text), bytes_of_string("anon_inode:bpf")))
                        continue;
                (void)snprintf(path, sizeof(path), "self/fdinfo/%u", descriptors.pids[i]);
                buffer_clear(&state->text);
                if (file_read_at(state->host->proc_fd, path, FDINFO_MAX, &state->text) < 0)
                        continue;
                line = strstr(buffer_string(&state->text), mark);
                if (line)
                        r = add_own(state, (uint32_t)strtoul(line + sizeof(mark) - 1, NULL, 10));
        }
        process_list_done(&descriptors);
        return r == -ENOMEM ? r : 0;
}

static void keep_symbol(struct perf_state *state, const struct perf_record *record) {
        size_t of_task = 0;

        for (size_t i = 0; i < state->n_symbols; i++)
                of_task += state->symbols[i].tid == record->tid;
        if (of_task >= SYMBOLS_OF_TASK_MAX) /* functions of a large program, behind that of the program itself */
                return;
        if (state->n_symbols == SYMBOLS_MAX) {
                free(state->symbols[0].name);
                memmove(state->symbols, state->symbols + 1, --state->n_symbols * sizeof(*state->symbols));
        }
        state->symbols[state->n_symbols] = (struct symbol){ .tid = record->tid, .tag = record->tag };
        if (record->name.size)
                state->symbols[state->n_symbols].name = strndup((const char *)record->name.data, record->name.size);
        state->n_symbols++;
}

/* The name is the caller's to free. A program of several functions has a tag that none of them has: then the first. */
static char *take_name(struct perf_state *state, const struct perf_record *record) {
        const struct symbol *best = NULL;
        size_t kept = 0;
        char *name = NULL;

        for (size_t i = 0; i < state->n_symbols; i++) {
                const struct symbol *symbol = &state->symbols[i];

                if (symbol->tid == record->tid && (!best || (symbol->tag == record->tag && best->tag != record->tag)))
                        best = symbol;
        }
        if (best)
                name = TAKE_PTR(state->symbols[best - state->symbols].name);
        for (size_t i = 0; i < state->n_symbols; i++) {
                if (state->symbols[i].tid == record->tid)
                        free(state->symbols[i].name);
                else
                        state->symbols[kept++] = state->symbols[i];
        }
        state->n_symbols = kept;
        return name;
}

static void report_loss(struct perf_state *state, uint64_t count) {
        struct loss loss = { .source = source_name, .reason = "overrun", .counted = true, .count = count, .kind = "bpf",
                             .since_ns = state->drained_ns };

        forget_symbols(state);
        state->lost += count;
        state->listener->loss(state->listener, &loss);
}

/* In all, since the ring was made. */
static void note_lost(struct ring *ring, uint64_t lost) {
        if (lost > ring->lost_reported) {
                uint64_t count = lost - ring->lost_reported;

                ring->lost_reported = lost;
                report_loss(ring->owner, count);
        }
}

/* The kernel says that records were lost with the next one that fits, which may be long in coming. */
static void ask_lost(struct ring *ring) {
        uint64_t answer[2] = { 0 };             /* value, lost */

        if (ring->owner->tells_lost && read(ring->file.fd, answer, sizeof(answer)) == (ssize_t)sizeof(answer))
                note_lost(ring, answer[1]);
}

/* A program is freed by who lets go of it last, or, where that must not wait, by a kernel worker, who is nobody. */
static bool is_kernel_thread(struct perf_state *state, uint32_t pid) {
        struct process_place place = { .proc_fd = state->host->proc_fd, .pid = pid };
        struct process_stat stat;

        return process_read_stat(&place, &state->text, &stat) == 0 && stat.flags & PROCESS_FLAG_KERNEL;
}

static void look_soon(struct perf_state *state, const struct origin *loader) {
        struct itimerspec once = { .it_value = { .tv_nsec = LOOK_AFTER_NS } };

        if (state->waiting) {
                state->loader.known = state->loader.known && loader->known && loader->pid == state->loader.pid;
                return;
        }
        state->loader = *loader;
        state->waiting = timerfd_settime(state->timer.fd, 0, &once, NULL) == 0;
}

static int waited(struct loop_file *file, uint32_t events) {
        struct perf_state *state = container_of(file, struct perf_state, timer);
        struct hint hint = { .kind = "bpf", .origin = state->loader, .source = source_name };
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        state->waiting = false;
        if (!hint.origin.known)
                hint.origin = (struct origin){ .known = false };
        state->listener->hint(state->listener, &hint);
        return 0;
}

static void hand_over(struct perf_state *state, const struct perf_record *record, uint64_t at_ns) {
        bool loaded = record->kind == PERF_BPF_LOADED;
        bool named = record->pid > 0 && record->pid <= INT32_MAX;
        _cleanup_free_ char *name = take_name(state, record);
        struct delta delta = {
                .kind = loaded ? DELTA_APPEARED : DELTA_VANISHED,
                .subject = DELTA_BPF_PROGRAM,
                .source = source_name,
                .at_ns = at_ns,
                .bpf_program = { .id = record->id, .tag = record->tag, .name = bytes_of_string(name) },
        };

        if (loaded && record->pid == state->self) {
                (void)add_own(state, record->id); /* without memory we hear of ourselves */
                return;
        }
        if (!loaded && record->id != 0 && take_own(state, record->id))
                return;
        /* Who looks at a program holds it for a moment, and may be the last: that was not us either. */
        if (named && record->pid != state->self && (loaded || !is_kernel_thread(state, record->pid)))
                delta.origin = (struct origin){ .known = true, .pid = record->pid };
        state->events++;
        if (record->id == 0) {
                struct hint hint = { .kind = "bpf", .flags = HINT_VANISHED, .origin = delta.origin, .source = source_name };

                state->listener->hint(state->listener, &hint);
                return;
        }
        state->listener->delta(state->listener, &delta);
        if (loaded)
                look_soon(state, &delta.origin);
}

static int keep_seen(struct perf_state *state, struct ring *ring, const struct perf_record *record) {
        struct seen *seen;

        if (state->n_seen == state->seen_capacity) {
                size_t capacity = state->seen_capacity ? state->seen_capacity * 2 : 64;

                seen = reallocarray(state->seen, capacity, sizeof(*seen));
                if (!seen)
                        return -ENOMEM;
                state->seen = seen;
                state->seen_capacity = capacity;
        }
        seen = &state->seen[state->n_seen];
        *seen = (struct seen){ .record = *record, .name_at = state->names.size, .order = state->n_seen, .ring = ring };
        buffer_append_bytes(&state->names, record->name);
        if (buffer_error(&state->names) < 0)
                return -ENOMEM;
        state->n_seen++;
        return 0;
}

/* Reads what the ring holds now. */
static int read_ring(struct perf_state *state, struct ring *ring) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        const uint8_t *data = (const uint8_t *)ring->page + page;
        uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE), tail = ring->page->data_tail;
        bool nearly_full;
        int r = 0;

        if (head == tail)
                return 0;
        if (head - tail > ring->size)           /* not what a kernel writes */
                return -EBADMSG;
        nearly_full = ring->size - (head - tail) < RING_NEARLY_FULL;
        while (r == 0 && tail < head) {
                uint8_t place[RECORD_MAX];
                size_t at = (size_t)(tail & (ring->size - 1)), size = head - tail < RECORD_MAX ? head - tail : RECORD_MAX;
                size_t first = size < ring->size - at ? size : ring->size - at;
                struct perf_record record;
                int length;

                memcpy(place, data + at, first);
                memcpy(place + first, data, size - first);
                length = perf_record_size(bytes_of(place, size));
                if (length < 0)
                        return length;
                if (perf_record_parse(bytes_of(place, (size_t)length), &record) == 0 && record.kind != PERF_OTHER)
                        r = keep_seen(state, ring, &record);
                tail += (uint64_t)length;
                __atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
        }
        if (nearly_full && r == 0)
                ask_lost(ring);
        return r;
}

static int compare_seen(const void *a, const void *b) {
        const struct seen *left = a, *right = b;

        if (left->record.time != right->record.time)
                return left->record.time < right->record.time ? -1 : 1;
        return left->order < right->order ? -1 : left->order > right->order;
}

/* Hands over what was recorded until then, in the order of time: a program may be loaded on one CPU and unloaded on another. */
static void settle(struct perf_state *state, uint64_t until) {
        uint64_t monotonic = clock_ns(CLOCK_MONOTONIC), wall = clock_ns(CLOCK_REALTIME);
        size_t done = 0;

        if (state->n_seen)
                qsort(state->seen, state->n_seen, sizeof(*state->seen), compare_seen);
        for (; done < state->n_seen && state->seen[done].record.time <= until; done++) {
                struct seen *seen = &state->seen[done];
                struct perf_record *record = &seen->record;

                record->name.data = record->name.size ? state->names.data + seen->name_at : NULL;
                if (record->kind == PERF_LOST) {
                        seen->ring->lost_recorded += record->lost;
                        note_lost(seen->ring, seen->ring->lost_recorded);
                } else if (record->kind == PERF_SYMBOL_ADDED || record->kind == PERF_SYMBOL_REMOVED)
                        keep_symbol(state, record);
                else
                        hand_over(state, record, wall - (monotonic - record->time));
        }
        state->n_seen -= done;
        if (state->n_seen)
                memmove(state->seen, state->seen + done, state->n_seen * sizeof(*state->seen));
        else
                buffer_clear(&state->names);
        for (size_t i = 0; i < state->n_seen; i++)
                state->seen[i].order = i;
}

static void perf_drain(void *data) {
        struct perf_state *state = data;
        int r = 0;

        if (state->ended)
                return;
        /* What was recorded after we began may be newer than what a ring that was already read has got since: it waits for
         * the next pass. */
        for (int pass = 1; pass <= PASSES; pass++) {
                uint64_t until = clock_ns(CLOCK_MONOTONIC), wall = clock_ns(CLOCK_REALTIME);

                for (size_t i = 0; i < state->n_rings && r == 0; i++)
                        r = read_ring(state, &state->rings[i]);
                if (r == -EBADMSG) {
                        end(state, "a ring holds what is no record");
                        return;
                }
                if (r < 0) {            /* no memory for what was just read */
                        struct loss loss = { .source = source_name, .reason = "memory", .kind = "bpf",
                                             .since_ns = state->drained_ns };

                        state->n_seen = 0;
                        buffer_clear(&state->names);
                        forget_symbols(state);
                        state->listener->loss(state->listener, &loss);
                        return;
                }
                settle(state, pass == PASSES ? UINT64_MAX : until);
                state->drained_ns = wall;
                if (state->n_seen == 0)
                        return;
        }
}

static int ready(struct loop_file *file, uint32_t events) {
        struct ring *ring = container_of(file, struct ring, file);

        perf_drain(ring->owner);
        if (events & (EPOLLERR | EPOLLHUP))
                end(ring->owner, "a ring was closed by the kernel");
        return 0;
}

static int open_event(struct perf_state *state, int cpu) {
        struct perf_event_attr attributes = {
                .type = PERF_TYPE_SOFTWARE,
                .size = sizeof(attributes),
                .config = PERF_COUNT_SW_DUMMY,
                .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
                .sample_id_all = 1,
                .watermark = 1,
                .wakeup_watermark = 1,
                .use_clockid = 1,
                .clockid = CLOCK_MONOTONIC,     /* the wall clock may be set while a record waits */
                .ksymbol = 1,
                .bpf_event = 1,
                .read_format = state->tells_lost ? FORMAT_LOST : 0,
        };
        int fd = (int)syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

        if (fd < 0 && errno == EINVAL && state->tells_lost) {
                state->tells_lost = false;
                return open_event(state, cpu);
        }
        return fd < 0 ? -errno : fd;
}

/* 0, 1 if there is no such CPU now, or negative errno. */
static int ring_open(struct perf_state *state, struct ring *ring, int cpu, struct loop *loop) {
        static const size_t sizes[] = { RING_SIZE, RING_SIZE_SMALL };
        size_t page = (size_t)sysconf(_SC_PAGESIZE);

        ring->owner = state;
        ring->file.ready = ready;
        ring->file.fd = open_event(state, cpu);
        if (ring->file.fd < 0) {
                int r = ring->file.fd;

                ring->file.fd = -1;
                return r == -ENODEV || r == -ENXIO ? 1 : r;
        }
        for (size_t i = 0; i < ELEMENTS(sizes) && !ring->page; i++) {
                void *mapping;

                ring->size = sizes[i] > page ? sizes[i] : page;
                mapping = mmap(NULL, page + ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->file.fd, 0);
                if (mapping != MAP_FAILED)
                        ring->page = mapping;
        }
        return ring->page ? loop_add(loop, &ring->file, EPOLLIN) : -errno;
}

static int open_rings(struct perf_state *state, struct loop *loop) {
        long cpus = sysconf(_SC_NPROCESSORS_CONF);
        int r;

        if (cpus < 1 || cpus > CPUS_MAX)
                return -EOPNOTSUPP;
        state->rings = calloc((size_t)cpus, sizeof(*state->rings));
        if (!state->rings)
                return -ENOMEM;
        for (int cpu = 0; cpu < cpus; cpu++) {
                struct ring *ring = &state->rings[state->n_rings];

                *ring = (struct ring){ .file.fd = -1 };
                r = ring_open(state, ring, cpu, loop);
                if (r == 1)
                        continue;
                state->n_rings++;
                if (r < 0)
                        return r;
        }
        return state->n_rings ? 0 : -EOPNOTSUPP;
}

static int perf_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason) {
        struct coverage coverage = {
                .kind = "bpf", .mechanism = "perf side band", .level = COVERAGE_MOST,
                .limits = "maps, links and pins that are made without loading a program, and what a CPU does between being "
                          "switched on and the next check of the rings",
        };
        struct perf_state *state;
        int r;

        if (!request->host->live) {
                *ret_reason = "BPF objects are only known to the running kernel, not to a tree of files";
                return -EOPNOTSUPP;
        }
        if (!(request->wanted & 1U << DELTA_BPF_PROGRAM)) {
                *ret_reason = "another source tells of BPF programs";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->host = request->host;
        state->listener = request->listener;
        state->self = (uint32_t)getpid();
        state->tells_lost = true;
        (void)host_read(request->host, "sys/devices/system/cpu/online", ONLINE_MAX, &state->online);
        state->timer.ready = waited;
        state->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        r = state->timer.fd < 0 ? -errno : loop_add(request->loop, &state->timer, EPOLLIN);
        if (r == 0)
                r = open_rings(state, request->loop);
        if (r == 0)
                r = find_own(state);
        if (r < 0) {
                perf_close(state);
                if (r == -EACCES || r == -EPERM) {
                        *ret_reason = "perf events of the whole host may not be read: CAP_PERFMON is missing";
                        return -EOPNOTSUPP;
                }
                if (r == -EINVAL || r == -E2BIG || r == -ENOSYS || r == -ENOENT || r == -EOPNOTSUPP) {
                        *ret_reason = "this kernel has no perf events of BPF programs (Linux 5.1)";
                        return -EOPNOTSUPP;
                }
                *ret_reason = "the perf rings could not be opened";
                return r;
        }
        state->drained_ns = clock_ns(CLOCK_REALTIME);
        *ret_state = state;
        *ret_subjects = 1U << DELTA_BPF_PROGRAM;
        request->listener->covers(request->listener, &coverage);
        return 0;
}

/* An event leaves a CPU that is switched off, and does not come back with it. */
static void perf_check(void *data) {
        struct perf_state *state = data;

        if (state->ended)
                return;
        for (size_t i = 0; i < state->n_rings; i++) {
                struct pollfd poll_file = { .fd = state->rings[i].file.fd, .events = 0 };

                if (poll(&poll_file, 1, 0) == 1 && poll_file.revents & (POLLERR | POLLHUP | POLLNVAL)) {
                        end(state, "a ring was closed by the kernel");
                        return;
                }
        }
        buffer_clear(&state->text);
        if (state->online.size > 0 &&
            host_read(state->host, "sys/devices/system/cpu/online", ONLINE_MAX, &state->text) == 0 &&
            !bytes_equal(buffer_bytes(&state->text), buffer_bytes(&state->online)))
                end(state, "CPUs were switched on or off");
}

static void perf_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct perf_state *state = data;

        *ret_events = state->events;
        *ret_lost = state->lost;
}

const struct source source_perf = {
        .name = source_name,
        .subjects = 1U << DELTA_BPF_PROGRAM,
        .open = perf_open,
        .close = perf_close,
        .drain = perf_drain,
        .check = perf_check,
        .count = perf_count,
};
