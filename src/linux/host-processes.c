#include "host-processes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/types.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "fd.h"
#include "process.h"

enum {
        STAT_MAX = 64 * 1024, STATUS_MAX = 256 * 1024, CGROUP_MAX = 256 * 1024, ENVIRONMENT_MAX = 256 * 1024,
        PATH_ROOM = 64,
        SOCKETS_MAX = 64,               /* of which one is sshd's connection: it is among the first */
};

/* A field of the answer: the room moves while it grows, so bytes are placed at the end. */
struct span {
        size_t start, size;
};

static struct span span_since(const struct buffer *room, size_t start) {
        return (struct span){ start, room->size > start ? room->size - start : 0 };
}

static struct bytes span_bytes(const struct buffer *room, struct span span) {
        return span.size > 0 && span.start + span.size <= room->size ? bytes_of(room->data + span.start, span.size) : BYTES_NULL;
}

/* Replaces what the buffer holds. More than 'limit' is cut off and said. */
static int read_at(int directory, const char *name, size_t limit, struct buffer *buffer, bool *ret_cut) {
        _cleanup_close_ int fd = -1;
        uint8_t page[4096];

        buffer_clear(buffer);
        fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n = read(fd, page, sizeof(page));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if ((size_t)n > limit - buffer->size) {
                        buffer_append(buffer, page, limit - buffer->size);
                        if (ret_cut)
                                *ret_cut = true;
                        break;
                }
                buffer_append(buffer, page, (size_t)n);
                if (buffer_error(buffer) < 0)
                        break;
                if ((size_t)n < sizeof(page)) /* these files are handed over a page at a time */
                        break;
        }
        return buffer_error(buffer);
}

static bool read_number(int directory, const char *name, struct buffer *text, uint32_t *ret) {
        uint64_t value = 0;
        size_t i = 0;

        if (read_at(directory, name, PATH_ROOM, text, NULL) < 0)
                return false;
        for (; i < text->size && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
                value = value * 10 + (text->data[i] - '0');
                if (value > UINT32_MAX)
                        return false;
        }
        if (i == 0)
                return false;
        *ret = (uint32_t)value;
        return true;
}

/* The program: its path, its file, and whether that still has a name. */
static struct span read_executable(int directory, struct buffer *room, struct process_facts *facts) {
        static const char mark[] = " (deleted)", memory[] = "/memfd:";
        const size_t length = sizeof(mark) - 1;
        size_t start = room->size;
        struct statx status;
        bool nameless = false, marked;
        struct span span;

        if (link_read_at(directory, "exe", room) < 0)
                return (struct span){ 0 };
        /* A network filesystem that hangs must not hang us. */
        if (statx(directory, "exe", AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO | STATX_NLINK, &status) == 0) {
                facts->exec_inode = status.stx_ino;
                facts->exec_device = makedev(status.stx_dev_major, status.stx_dev_minor);
                nameless = status.stx_nlink == 0;
        }
        span = span_since(room, start);
        marked = span.size > length && memcmp(room->data + room->size - length, mark, length) == 0;
        if (!nameless && !(marked && facts->exec_inode == 0))
                return span;
        if (marked) {
                buffer_truncate(room, room->size - length);
                span = span_since(room, start);
        }
        if (bytes_starts_with(span_bytes(room, span), bytes_of_string(memory)))
                facts->flags |= PROCESS_FROM_MEMFD;
        else
                facts->flags |= PROCESS_DELETED;
        return span;
}

/* The folder of a process whose first thread has ended: that of a thread that still runs. */
static int open_task(int proc_fd, uint32_t pid, struct buffer *text) {
        struct process_place place = { .proc_fd = proc_fd, .pid = pid };
        struct process_list list = PROCESS_LIST_NULL;
        char path[PATH_ROOM];
        int fd, r = process_find_task(&place, text, &list);

        process_list_done(&list);
        if (r < 0)
                return r;
        (void)snprintf(path, sizeof(path), "%u/task/%u", pid, place.task);
        fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* The number of a thread has a folder, too, but is no process. */
static bool is_thread(struct bytes status, uint32_t pid) {
        char line[PATH_ROOM];
        int length = snprintf(line, sizeof(line), "\nTgid:\t%u\n", pid);

        return memmem(status.data, status.size, "\nTgid:\t", strlen("\nTgid:\t")) != NULL &&
               memmem(status.data, status.size, line, (size_t)length) == NULL;
}

static int read_process(struct process_lookup *lookup, uint32_t pid, struct buffer *room, struct process_facts *ret) {
        struct host_processes *processes = container_of(lookup, struct host_processes, lookup);
        struct buffer *text = &processes->text, *joined = &processes->joined;
        struct span name, executable, command_line = { 0 }, directory = { 0 }, cgroup = { 0 }, tty = { 0 };
        struct process_facts facts = { .pid = pid };
        _cleanup_close_ int folder = -1, task = -1;
        struct process_stat stat;
        struct bytes path;
        char number[PATH_ROOM];
        bool cut = false;
        int r, from;

        if (processes->host->proc_fd < 0)
                return -ENOENT;
        (void)snprintf(number, sizeof(number), "%u", pid);
        /* An open folder is that of one process: when it ends, and another gets its number, it answers no more. */
        folder = openat(processes->host->proc_fd, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        r = read_at(folder, "stat", STAT_MAX, text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        r = process_parse_stat(buffer_bytes(text), &stat);
        if (r < 0)
                return r;
        if (stat.pid != pid)
                return -EBADMSG;

        buffer_clear(room);
        facts.parent = stat.parent;
        facts.start_ticks = stat.start_ticks;
        facts.tty = stat.tty;
        facts.session_leader = stat.session;
        facts.flags = ((stat.flags & PROCESS_FLAG_KERNEL) ? PROCESS_KERNEL_THREAD : 0) |
                      ((stat.flags & PROCESS_FLAG_FORKED) && !(stat.flags & PROCESS_FLAG_KERNEL) ? PROCESS_FORKED_ONLY : 0);
        buffer_append_bytes(room, stat.name);
        name = span_since(room, 0);
        from = folder;
        if (process_leader_ended(&stat) && stat.threads > 1) {
                task = open_task(processes->host->proc_fd, pid, text);
                from = task >= 0 ? task : folder;
        }

        if (read_at(from, "status", STATUS_MAX, text, NULL) == 0) {
                if (task < 0 && is_thread(buffer_bytes(text), pid))
                        return -ESRCH;
                if (process_parse_status_users(buffer_bytes(text), &facts.user, &facts.effective_user) == 0)
                        facts.flags |= PROCESS_HAS_USERS;
        }
        if (read_number(from, "loginuid", text, &facts.login_user) && read_number(from, "sessionid", text, &facts.audit_session))
                facts.flags |= PROCESS_HAS_LOGIN;
        executable = read_executable(from, room, &facts);
        if (!(facts.flags & PROCESS_KERNEL_THREAD)) {
                size_t start = room->size;

                if (read_at(from, "cmdline", PROCESS_COMMAND_LINE_MAX, text, &cut) == 0) {
                        buffer_clear(joined);
                        process_join_arguments(buffer_bytes(text), joined);
                        buffer_append_bytes(room, buffer_bytes(joined));
                        command_line = span_since(room, start);
                        facts.flags |= cut ? PROCESS_CUT : 0;
                }
                start = room->size;
                if (link_read_at(from, "cwd", room) == 0)
                        directory = span_since(room, start);
                start = room->size;
                process_tty_name(processes->host->sys_fd, stat.tty, room);
                tty = span_since(room, start);
        }
        if (read_at(from, "cgroup", CGROUP_MAX, text, NULL) == 0 && process_parse_cgroup(buffer_bytes(text), &path) == 0) {
                size_t start = room->size;

                buffer_append_bytes(room, path);
                cgroup = span_since(room, start);
        }
        if (buffer_error(room) < 0)
                return -ENOMEM;
        facts.name = span_bytes(room, name);
        facts.executable = span_bytes(room, executable);
        facts.command_line = span_bytes(room, command_line);
        facts.working_directory = span_bytes(room, directory);
        facts.cgroup = span_bytes(room, cgroup);
        facts.tty_name = span_bytes(room, tty);
        *ret = facts;
        return 0;
}

/* As text; IPv4 that came in through an IPv6 socket as IPv4. */
static bool append_peer(int socket_fd, struct buffer *ret) {
        struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
        char text[INET6_ADDRSTRLEN], interface[IF_NAMESIZE];
        socklen_t size = sizeof(peer), type_size = sizeof(int);
        int type = 0;

        if (getsockopt(socket_fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0 || type != SOCK_STREAM ||
            getpeername(socket_fd, (struct sockaddr *)&peer, &size) < 0)
                return false;
        if (peer.ss_family == AF_INET) {
                const struct sockaddr_in *address = (const struct sockaddr_in *)&peer;

                if (!inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text)))
                        return false;
                buffer_append_string(ret, text);
                return true;
        }
        if (peer.ss_family == AF_INET6) {
                const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)&peer;
                bool mapped = IN6_IS_ADDR_V4MAPPED(&address->sin6_addr);

                if (!inet_ntop(mapped ? AF_INET : AF_INET6, &address->sin6_addr.s6_addr[mapped ? 12 : 0], text, sizeof(text)))
                        return false;
                buffer_append_string(ret, text);
                if (!mapped && IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr) && if_indextoname(address->sin6_scope_id, interface))
                        buffer_printf(ret, "%%%s", interface);
                return true;
        }
        return false;
}

/* The peer of the first TCP connection that the process holds: sshd has had its own from its start, those that it forwards
 * came later. The descriptor is borrowed for a moment by pidfd_getfd(2) (Linux 5.6), for which we need CAP_SYS_PTRACE. */
static int peer_of(int proc_fd, uint32_t pid, struct buffer *ret) {
        _cleanup_close_ int pidfd = -1, folder = -1;
        struct process_list list = PROCESS_LIST_NULL;
        char path[PATH_ROOM];
        size_t sockets = 0;
        int r;

        /* The descriptor first: what the folder then lists is of this process, or of none. */
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return -errno;
        (void)snprintf(path, sizeof(path), "%u/fd", pid);
        folder = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                return -errno;
        r = process_list_read_at(folder, ".", &list);
        for (size_t i = 0; r >= 0 && i < list.count && sockets < SOCKETS_MAX; i++) {
                _cleanup_close_ int copy = -1;
                char target[PATH_ROOM] = "";

                (void)snprintf(path, sizeof(path), "%u", list.pids[i]);
                if (readlinkat(folder, path, target, sizeof(target) - 1) < 0 || strncmp(target, "socket:[", 8) != 0)
                        continue;
                sockets++;
                copy = (int)syscall(SYS_pidfd_getfd, pidfd, list.pids[i], 0);
                if (copy < 0) {
                        r = errno == EBADF ? 0 : -errno; /* closed meanwhile */
                        continue;
                }
                if (append_peer(copy, ret)) {
                        process_list_done(&list);
                        return buffer_error(ret);
                }
        }
        process_list_done(&list);
        return r < 0 ? r : -ENOENT;
}

/* "SSH_CONNECTION=2001:db8::1 50123 2001:db8::2 22": only an address is taken. */
static int address_of_environment(struct bytes environment, struct buffer *ret) {
        static const char name[] = "SSH_CONNECTION=";

        while (environment.size > 0) {
                const uint8_t *end = memchr(environment.data, '\0', environment.size);
                size_t length = end ? (size_t)(end - environment.data) : environment.size;
                struct bytes variable = bytes_of(environment.data, length);
                char text[INET6_ADDRSTRLEN + IF_NAMESIZE] = "", *scope;
                uint8_t address[16];
                size_t n = 0;

                length += end ? 1 : 0;
                environment = bytes_of(environment.data + length, environment.size - length);
                if (!bytes_starts_with(variable, bytes_of_string(name)))
                        continue;
                variable = bytes_of(variable.data + sizeof(name) - 1, variable.size - (sizeof(name) - 1));
                while (n < variable.size && n < sizeof(text) - 1 && variable.data[n] != ' ') {
                        text[n] = (char)variable.data[n];
                        n++;
                }
                text[n] = '\0';
                scope = strchr(text, '%');
                if (scope)
                        *scope = '\0';
                if (inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1)
                        return -ENOENT;
                buffer_append_string(ret, text);
                return buffer_error(ret);
        }
        return -ENOENT;
}

static int remote_address(struct process_lookup *lookup, uint32_t server, uint32_t leader, struct buffer *ret) {
        struct host_processes *processes = container_of(lookup, struct host_processes, lookup);
        int proc_fd = processes->host->proc_fd;
        char path[PATH_ROOM];

        buffer_clear(ret);
        if (proc_fd < 0)
                return -ENOENT;
        if (processes->host->live && peer_of(proc_fd, server, ret) == 0)
                return 0;
        buffer_clear(ret);
        (void)snprintf(path, sizeof(path), "%u/environ", leader);
        if (read_at(proc_fd, path, ENVIRONMENT_MAX, &processes->text, NULL) < 0)
                return -ENOENT;
        return address_of_environment(buffer_bytes(&processes->text), ret);
}

static void user_name(struct process_lookup *lookup, uint32_t user, struct buffer *ret) {
        struct host_processes *processes = container_of(lookup, struct host_processes, lookup);

        if (account_names_refresh(&processes->accounts, processes->host) == 0)
                buffer_append_bytes(ret, account_name(&processes->accounts, user));
}

void host_processes_init(struct host_processes *processes, const struct host *host) {
        *processes = (struct host_processes){
                .lookup = { .read = read_process, .remote_address = remote_address, .user_name = user_name },
                .host = host,
        };
}

void host_processes_done(struct host_processes *processes) {
        account_names_done(&processes->accounts);
        buffer_done(&processes->text);
        buffer_done(&processes->joined);
}
