/* act.c - "act KIND COUNT PAUSE_MS [PATH]": does one thing COUNT times, so long apart, and says of each when it began
 * (CLOCK_MONOTONIC, nanoseconds), what a bare reader calls it, and what is in nobody's ledger line but its own.
 *   file PATH      writes into one of sixteen files in the folder PATH and closes it; began before the write
 *   exec PATH      starts the program PATH; began before execve(2)
 *   connect        connects to itself over loopback; began before connect(2)
 *   bpf            loads a BPF program of two instructions and lets it go; began before the load
 *   kmsg           writes a line into the kernel log
 *   login PATH     logs a user in, in the utmp file PATH, as of process 1; began before the record is written
 *   package PATH   replaces PATH/status as dpkg does, with one package's version higher; began before the rename */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

enum { N_FILES = 16, N_LINES = 16 };

static const char *path;
static unsigned int pause_ms;

__attribute__((noreturn)) static void fail(const char *what) {
        (void)fprintf(stderr, "act: %s: %s\n", what, strerror(errno));
        exit(1);
}

static uint64_t now_ns(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void rest(void) {
        struct timespec left = { .tv_sec = pause_ms / 1000, .tv_nsec = (long)(pause_ms % 1000) * 1000000 };

        while (nanosleep(&left, &left) < 0)
                ;
}

__attribute__((format(printf, 2, 3))) static void said(uint64_t began, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)printf("%" PRIu64 "\t", began);
        (void)vprintf(format, arguments);
        (void)putchar('\n');
        va_end(arguments);
}

static void write_file(unsigned int number) {
        char name[64], text[64];
        int size = snprintf(text, sizeof(text), "%u %u\n", number, (unsigned int)getpid()), fd;
        uint64_t began;

        (void)snprintf(name, sizeof(name), "bench-%u.conf", number % N_FILES);
        fd = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                fail(path);
        int file = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0)
                fail(name);
        began = now_ns();
        if (write(file, text, (size_t)size) != size || close(file) < 0)
                fail(name);
        (void)close(fd);
        said(began, "bench-%u.conf\t/bench-%u.conf\"", number % N_FILES, number % N_FILES);
        rest();
}

static void execute(unsigned int number) {
        static uint64_t *began;
        char *arguments[] = { (char *)path, NULL }, *environment[] = { NULL };
        pid_t child;

        (void)number;
        if (began == NULL)
                began = mmap(NULL, sizeof(*began), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (began == MAP_FAILED)
                fail("mmap");
        child = fork();
        if (child < 0)
                fail("fork");
        if (child == 0) {
                *began = now_ns();
                (void)execve(path, arguments, environment);
                _exit(1);
        }
        if (waitpid(child, NULL, 0) < 0)
                fail("waitpid");
        said(*began, "%d\t\"pid\":%d,", child, child);
        rest();
}

static void establish(unsigned int number) {
        static struct sockaddr_in here = { .sin_family = AF_INET };
        static int listener = -1;
        struct sockaddr_in mine;
        socklen_t size = sizeof(here);
        int ends[2] = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1 };
        uint64_t began;

        (void)number;
        if (listener < 0) {
                here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(listener, 16) < 0 ||
                    getsockname(listener, (struct sockaddr *)&here, &size) < 0)
                        fail("listen");
        }
        began = now_ns();
        if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&here, sizeof(here)) < 0)
                fail("connect");
        size = sizeof(mine);
        ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (ends[1] < 0 || getsockname(ends[0], (struct sockaddr *)&mine, &size) < 0)
                fail("accept");
        said(began, "%u\t\"127.0.0.1:%u\"", ntohs(mine.sin_port), ntohs(mine.sin_port));
        rest();
        (void)close(ends[0]);
        (void)close(ends[1]);
}

static void load_program(unsigned int number) {
        const struct bpf_insn instructions[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
                { .code = BPF_JMP | BPF_EXIT },
        };
        union bpf_attr attributes = {
                .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                .insns = (uint64_t)(uintptr_t)instructions,
                .insn_cnt = sizeof(instructions) / sizeof(instructions[0]),
                .license = (uint64_t)(uintptr_t)"GPL",
        };
        struct bpf_prog_info info = { 0 };
        uint64_t began;
        int fd;

        (void)snprintf(attributes.prog_name, sizeof(attributes.prog_name), "bench_%u", number);
        began = now_ns();
        fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
        if (fd < 0)
                fail("load");
        attributes = (union bpf_attr){ .info = { .bpf_fd = (uint32_t)fd, .info_len = sizeof(info), .info = (uint64_t)(uintptr_t)&info } };
        if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes)) < 0)
                fail("program");
        said(began, "%u\tbench_%u", info.id, number);
        rest();
        (void)close(fd);
}

static void write_message(unsigned int number) {
        static int fd = -1;
        char text[64];
        uint64_t began;
        int size = snprintf(text, sizeof(text), "<6>bench module %d-%u\n", getpid(), number);

        if (fd < 0)
                fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
        began = now_ns();
        if (fd < 0 || write(fd, text, (size_t)size) != size)
                fail("/dev/kmsg");
        said(began, "bench module %d-%u\tbench module %d-%u", getpid(), number, getpid(), number);
        rest();
}

static void log_in(unsigned int number) {
        struct utmpx record = { .ut_type = USER_PROCESS, .ut_pid = 1 };
        uint64_t began;

        (void)snprintf(record.ut_line, sizeof(record.ut_line), "pts/%u", 100 + number % N_LINES);
        (void)snprintf(record.ut_id, sizeof(record.ut_id), "b%02u", number % N_LINES);
        (void)snprintf(record.ut_user, sizeof(record.ut_user), "user-%u", number);
        (void)snprintf(record.ut_host, sizeof(record.ut_host), "192.0.2.7");
        record.ut_tv.tv_sec = (int32_t)time(NULL);
        (void)utmpxname(path);
        setutxent();
        began = now_ns();
        if (pututxline(&record) == NULL)
                fail(path);
        endutxent();
        said(began, "utmp\t\"user-%u\"", number);
        rest();
}

static void install(unsigned int number) {
        static char *before;
        static size_t size;
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, locked;
        struct stat status;
        uint64_t began;

        if (folder < 0)
                fail(path);
        if (before == NULL) {
                fd = openat(folder, "status", O_RDONLY | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &status) < 0)
                        fail("status");
                size = (size_t)status.st_size;
                before = malloc(size);
                if (before == NULL || read(fd, before, size) != (ssize_t)size)
                        fail("status");
                (void)close(fd);
        }
        locked = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        if (locked < 0 || fcntl(locked, F_SETLK, &lock) < 0)
                fail("lock");
        fd = openat(folder, "status-new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, before, size) != (ssize_t)size ||
            dprintf(fd, "\nPackage: bench\nStatus: install ok installed\nMaintainer: nobody\nArchitecture: all\n"
                    "Version: 1.%d-%u\nDescription: of a measurement\n", getpid(), number) < 0 || close(fd) < 0)
                fail("status-new");
        began = now_ns();
        if (renameat(folder, "status-new", folder, "status") < 0)
                fail("status");
        (void)close(locked);
        (void)close(folder);
        said(began, "status\t1.%d-%u", getpid(), number);
        rest();
}

static const struct {
        const char *name;
        bool path;
        void (*act)(unsigned int number);
} kinds[] = {
        { "file", true, write_file },   { "exec", true, execute },    { "connect", false, establish },
        { "bpf", false, load_program }, { "kmsg", false, write_message }, { "login", true, log_in },
        { "package", true, install },
};

int main(int argc, char **argv) {
        for (size_t i = 0; argc >= 4 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                unsigned int count = (unsigned int)strtoul(argv[2], NULL, 10);

                if (strcmp(kinds[i].name, argv[1]) != 0 || kinds[i].path != (argc == 5))
                        continue;
                pause_ms = (unsigned int)strtoul(argv[3], NULL, 10);
                path = argc == 5 ? argv[4] : NULL;
                for (unsigned int number = 0; number < count; number++)
                        kinds[i].act(number);
                return 0;
        }
        (void)fprintf(stderr, "usage: act file|exec|connect|bpf|kmsg|login|package COUNT PAUSE_MS [PATH]\n");
        return 2;
}
