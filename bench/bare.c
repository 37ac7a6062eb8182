/* bare.c - readers of the kernel's facilities that do nothing else: what nephronixd is measured against.
 * Says "ready" on standard output. Without --count it then writes a line for each thing it is told of: the time of receipt
 * (CLOCK_MONOTONIC, nanoseconds) and what tells it from others. With --count it only counts, and says at SIGTERM how many it was
 * told of, how many were lost, and the CPU time it took for that. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bare.h"
#include "bare.skel.h"

enum {
        MOST_CPUS = 1024,
        PERF_PAGES = 64,                /* a power of two; one more page holds the head */
        BATCH_MS = 100,                 /* how long a record may wait for company */
        BATCH_PART = 4,                 /* wake up when one in so many bytes of the ring is taken */
        RECEIVE_BUFFER = 8 << 20,
};

struct options {
        bool count, batch;
        uint32_t ring;
        const char *path, *what;
};

struct facility {
        const char *name, *usage;
        void (*open)(const struct options *options);
        bool (*drain)(int fd, size_t index);   /* whether there may be more */
};

static struct options options;
static struct pollfd polled[MOST_CPUS + 1];
static size_t n_polled;
static uint64_t received, lost;

__attribute__((noreturn)) static void fail(const char *what) {
        (void)fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void listen_to(int fd) {
        if (n_polled == MOST_CPUS)
                fail("too many descriptors");
        polled[n_polled++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void told_name(const char *name, size_t size) {
        received++;
        if (!options.count)
                (void)printf("%" PRIu64 " %.*s\n", now_ns(), (int)size, name);
}

static void told_number(uint64_t number) {
        received++;
        if (!options.count)
                (void)printf("%" PRIu64 " %" PRIu64 "\n", now_ns(), number);
}

/* --- file events ------------------------------------------------------------------------------------------------------ */

static uint32_t file_events(uint32_t closed, uint32_t moved, uint32_t modified, uint32_t all) {
        if (options.what == NULL || strcmp(options.what, "all") == 0)
                return all;
        if (strcmp(options.what, "closed") == 0)
                return closed;
        if (strcmp(options.what, "moved") == 0)
                return moved;
        if (strcmp(options.what, "modified") == 0)
                return modified;
        errno = EINVAL;
        fail(options.what);
}

static void fanotify_open(const struct options *given) {
        int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_UNLIMITED_QUEUE | FAN_CLOEXEC | FAN_NONBLOCK,
                               O_RDONLY | O_CLOEXEC);
        uint32_t events = file_events(FAN_CLOSE_WRITE, FAN_MOVED_TO, FAN_MODIFY, FAN_CREATE | FAN_CLOSE_WRITE | FAN_DELETE);

        if (fd < 0 || fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, events, AT_FDCWD, given->path) < 0)
                fail("fanotify");
        listen_to(fd);
}

static bool fanotify_drain(int fd, size_t index) {
        static char buffer[256 * 1024] __attribute__((aligned(8)));
        ssize_t size = read(fd, buffer, sizeof(buffer));
        const struct fanotify_event_metadata *event = (const struct fanotify_event_metadata *)buffer;

        (void)index;
        for (; size > 0 && FAN_EVENT_OK(event, size); event = FAN_EVENT_NEXT(event, size)) {
                const struct fanotify_event_info_fid *info = (const struct fanotify_event_info_fid *)(event + 1);
                const struct file_handle *handle = (const struct file_handle *)info->handle;

                if (event->mask & FAN_Q_OVERFLOW)
                        lost++;
                else if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
                        const char *name = (const char *)handle->f_handle + handle->handle_bytes;

                        told_name(name, strlen(name));
                }
        }
        return size > 0;
}

static void inotify_open(const struct options *given) {
        int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        uint32_t events = file_events(IN_CLOSE_WRITE, IN_MOVED_TO, IN_MODIFY, IN_CREATE | IN_CLOSE_WRITE | IN_DELETE);

        if (fd < 0 || inotify_add_watch(fd, given->path, events) < 0)
                fail("inotify");
        listen_to(fd);
}

static bool inotify_drain(int fd, size_t index) {
        static char buffer[256 * 1024] __attribute__((aligned(8)));
        ssize_t size = read(fd, buffer, sizeof(buffer));

        (void)index;
        for (char *place = buffer; size > 0 && place < buffer + size;) {
                const struct inotify_event *event = (const struct inotify_event *)place;

                if (event->mask & IN_Q_OVERFLOW)
                        lost++;
                else
                        told_name(event->name, event->len > 0 ? strlen(event->name) : 0);
                place += sizeof(*event) + event->len;
        }
        return size > 0;
}

/* --- proc connector --------------------------------------------------------------------------------------------------- */

static void connector_open(const struct options *given) {
        const enum proc_cn_mcast_op operation = PROC_CN_MCAST_LISTEN;
        char request[NLMSG_SPACE(sizeof(struct cn_msg) + sizeof(operation))] __attribute__((aligned(NLMSG_ALIGNTO))) = "";
        struct nlmsghdr *head = (struct nlmsghdr *)request;
        struct cn_msg *message = NLMSG_DATA(head);
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
        int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR), size = RECEIVE_BUFFER;

        (void)given;
        *head = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(sizeof(*message) + sizeof(operation)), .nlmsg_type = NLMSG_DONE };
        message->id.idx = CN_IDX_PROC;
        message->id.val = CN_VAL_PROC;
        message->len = sizeof(operation);
        memcpy(message->data, &operation, sizeof(operation));
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
            bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || send(fd, request, head->nlmsg_len, 0) < 0)
                fail("proc connector");
        listen_to(fd);
}

static bool connector_drain(int fd, size_t index) {
        static char buffer[16 * 1024] __attribute__((aligned(8)));

        (void)index;
        for (;;) {
                ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
                const struct nlmsghdr *head = (const struct nlmsghdr *)buffer;

                if (size < 0 && errno == ENOBUFS) {
                        lost++;
                        continue;
                }
                if (size <= 0)
                        return false;
                for (; NLMSG_OK(head, (size_t)size); head = NLMSG_NEXT(head, size)) {
                        const struct cn_msg *message = NLMSG_DATA(head);
                        const struct proc_event *event = (const struct proc_event *)message->data;

                        if (event->what == PROC_EVENT_EXEC)
                                told_number((uint64_t)event->event_data.exec.process_tgid);
                }
        }
}

/* --- BPF ring --------------------------------------------------------------------------------------------------------- */

static struct bare_bpf *bpf;
static struct ring_buffer *ring;

static int ring_record(void *context, void *data, size_t size) {
        const struct bare_record *record = data;

        (void)context, (void)size;
        if (record->kind != BARE_EXIT)
                told_number(record->number);
        return 0;
}

static void bpf_open(bool processes, const struct options *given) {
        bpf = bare_bpf__open();
        if (bpf == NULL)
                fail("BPF");
        (void)bpf_program__set_autoload(bpf->progs.executed, processes);
        (void)bpf_program__set_autoload(bpf->progs.exited, processes);
        (void)bpf_program__set_autoload(bpf->progs.state_set, !processes);
        if (given->ring > 0)
                (void)bpf_map__set_max_entries(bpf->maps.ring, given->ring);
        if (given->batch)
                bpf->rodata->wake_at = bpf_map__max_entries(bpf->maps.ring) / BATCH_PART;
        if (bare_bpf__load(bpf) < 0 || bare_bpf__attach(bpf) < 0)
                fail("BPF");
        ring = ring_buffer__new(bpf_map__fd(bpf->maps.ring), ring_record, NULL, NULL);
        if (ring == NULL)
                fail("ring buffer");
        listen_to(ring_buffer__epoll_fd(ring));
}

static void processes_open(const struct options *given) {
        bpf_open(true, given);
}

static void connections_open(const struct options *given) {
        bpf_open(false, given);
}

static bool bpf_drain(int fd, size_t index) {
        int count = ring_buffer__consume(ring);

        (void)fd, (void)index;
        lost = bpf->bss->lost;
        return count > 0;
}

/* --- perf side band --------------------------------------------------------------------------------------------------- */

static struct perf_event_mmap_page *perf_pages[MOST_CPUS];

static void perf_open(const struct options *given) {
        struct perf_event_attr attribute = {
                .type = PERF_TYPE_SOFTWARE,
                .size = sizeof(attribute),
                .config = PERF_COUNT_SW_DUMMY,
                .bpf_event = 1,
                .watermark = 1,
                .wakeup_watermark = 1,
        };
        long cpus = sysconf(_SC_NPROCESSORS_ONLN), page = sysconf(_SC_PAGESIZE);

        (void)given;
        for (long cpu = 0; cpu < cpus; cpu++) {
                int fd = (int)syscall(SYS_perf_event_open, &attribute, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
                void *pages;

                if (fd < 0)
                        fail("perf_event_open");
                pages = mmap(NULL, (size_t)(PERF_PAGES + 1) * (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                if (pages == MAP_FAILED)
                        fail("perf buffer");
                perf_pages[n_polled] = pages;
                listen_to(fd);
        }
}

static void perf_copy(const char *data, uint64_t data_size, uint64_t from, void *to, size_t size) {
        for (size_t i = 0; i < size; i++)
                ((char *)to)[i] = data[(from + i) % data_size];
}

static bool perf_drain(int fd, size_t index) {
        struct perf_event_mmap_page *head = perf_pages[index];
        const char *data = (const char *)head + head->data_offset;
        uint64_t end = __atomic_load_n(&head->data_head, __ATOMIC_ACQUIRE), place = head->data_tail;

        (void)fd;
        while (place < end) {
                struct {
                        struct perf_event_header header;
                        uint16_t type, flags;
                        uint32_t id;
                } record;
                uint64_t count;

                perf_copy(data, head->data_size, place, &record, sizeof(record));
                if (record.header.type == PERF_RECORD_BPF_EVENT && record.type == PERF_BPF_EVENT_PROG_LOAD)
                        told_number(record.id);
                if (record.header.type == PERF_RECORD_LOST) {
                        perf_copy(data, head->data_size, place + sizeof(record), &count, sizeof(count));
                        lost += count;
                }
                place += record.header.size;
        }
        __atomic_store_n(&head->data_tail, place, __ATOMIC_RELEASE);
        return false;
}

/* --- kernel log ------------------------------------------------------------------------------------------------------- */

static void kmsg_open(const struct options *given) {
        int fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        (void)given;
        if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
                fail("/dev/kmsg");
        listen_to(fd);
}

static bool kmsg_drain(int fd, size_t index) {
        char buffer[8192];
        ssize_t size;

        (void)index;
        while ((size = read(fd, buffer, sizeof(buffer))) > 0 || (size < 0 && errno == EPIPE)) {
                const char *text = size > 0 ? memchr(buffer, ';', (size_t)size) : NULL, *end;

                if (text == NULL) {
                        lost++;
                        continue;
                }
                text++;
                end = memchr(text, '\n', (size_t)(buffer + size - text));
                told_name(text, (size_t)((end != NULL ? end : buffer + size) - text));
        }
        return false;
}

/* ---------------------------------------------------------------------------------------------------------------------- */

static const struct facility facilities[] = {
        { "fanotify", "PATH [closed|moved|modified]", fanotify_open, fanotify_drain },
        { "inotify", "PATH [closed|moved|modified]", inotify_open, inotify_drain },
        { "connector", "", connector_open, connector_drain },
        { "processes", "", processes_open, bpf_drain },
        { "connections", "", connections_open, bpf_drain },
        { "perf", "", perf_open, perf_drain },
        { "kmsg", "", kmsg_open, kmsg_drain },
};
enum { N_FACILITIES = sizeof(facilities) / sizeof(facilities[0]) };

__attribute__((noreturn)) static void usage(void) {
        (void)fprintf(stderr, "usage: bare [--count] [--batch] [--ring BYTES] FACILITY\n");
        for (size_t i = 0; i < N_FACILITIES; i++)
                (void)fprintf(stderr, "  %s %s\n", facilities[i].name, facilities[i].usage);
        exit(2);
}

static uint64_t cpu_us(void) {
        struct rusage used;

        (void)getrusage(RUSAGE_SELF, &used);
        return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
               (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void run(const struct facility *facility) {
        uint64_t before = cpu_us();
        size_t signals = n_polled;
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                fail("signals");
        polled[signals] = (struct pollfd){ .fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN };
        (void)printf("ready\n");
        (void)fflush(stdout);
        do {
                if (poll(polled, signals + 1, options.batch ? BATCH_MS : -1) < 0 && errno != EINTR)
                        fail("poll");
                for (size_t i = 0; i < signals; i++)
                        if (polled[i].revents != 0 || options.batch)
                                (void)facility->drain(polled[i].fd, i);
                (void)fflush(stdout);
        } while (polled[signals].revents == 0);
        /* What came in the meantime. */
        for (size_t i = 0; i < signals; i++)
                while (facility->drain(polled[i].fd, i))
                        ;
        if (options.count)
                (void)printf("received %" PRIu64 " lost %" PRIu64 " cpu_us %" PRIu64 "\n", received, lost, cpu_us() - before);
}

int main(int argc, char **argv) {
        static const struct option known[] = {
                { "count", no_argument, NULL, 'c' },
                { "batch", no_argument, NULL, 'b' },
                { "ring", required_argument, NULL, 'r' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0)
                switch (option) {
                case 'c': options.count = true; break;
                case 'b': options.batch = true; break;
                case 'r': options.ring = (uint32_t)strtoul(optarg, NULL, 10); break;
                default: usage();
                }
        if (optind == argc)
                usage();
        options.path = optind + 1 < argc ? argv[optind + 1] : NULL;
        options.what = optind + 2 < argc ? argv[optind + 2] : NULL;
        for (size_t i = 0; i < N_FACILITIES; i++)
                if (strcmp(facilities[i].name, argv[optind]) == 0) {
                        if ((facilities[i].usage[0] == 'P') != (options.path != NULL))
                                usage();
                        facilities[i].open(&options);
                        run(&facilities[i]);
                        return 0;
                }
        usage();
}
