#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fd.h"
#include "host.h"

enum {
        FIELD_PARENT = 4, FIELD_SESSION = 6, FIELD_TTY = 7, FIELD_FLAGS = 9, FIELD_THREADS = 20, FIELD_START = 22,
        FIELD_CODE_START = 26, FIELD_CODE_END = 27, FIELD_STACK_START = 28, FIELD_LAST = FIELD_STACK_START,

        PAGE = 4096,
        STAT_MAX = 64 * 1024,
        STATUS_MAX = 256 * 1024,
        CGROUP_MAX = 256 * 1024,
        PATH_ROOM = 64,         /* "4294967295/task/4294967295/" and a name of ours */
};

static bool take_byte(struct bytes *text, uint8_t byte) {
        if (text->size == 0 || text->data[0] != byte)
                return false;
        *text = bytes_of(text->data + 1, text->size - 1);
        return true;
}

static void skip_blanks(struct bytes *text) {
        while (take_byte(text, ' ') || take_byte(text, '\t'))
                ;
}

static bool take_number(struct bytes *text, uint64_t *ret) {
        uint64_t value = 0;
        size_t digits = 0;

        while (digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9') {
                if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(text->data[digits] - '0'), &value))
                        return false;
                digits++;
        }
        if (digits == 0)
                return false;
        *text = bytes_of(text->data + digits, text->size - digits);
        *ret = value;
        return true;
}

static bool take_line(struct bytes *text, struct bytes *ret) {
        const uint8_t *end;
        size_t length;

        if (text->size == 0)
                return false;
        end = memchr(text->data, '\n', text->size);
        length = end ? (size_t)(end - text->data) : text->size;
        *ret = bytes_of(text->data, length);
        length += end ? 1 : 0;
        *text = bytes_of(text->data + length, text->size - length);
        return true;
}

int process_parse_stat(struct bytes text, struct process_stat *ret) {
        struct process_stat stat = { 0 };
        uint64_t pid, values[FIELD_LAST + 1] = { 0 };
        const uint8_t *end;
        int field;

        if (!take_number(&text, &pid) || pid == 0 || pid > UINT32_MAX || !take_byte(&text, ' ') ||
            !take_byte(&text, '('))
                return -EBADMSG;
        /* The name may hold ") R 1 (" or a newline; after it there are only numbers, so the last ')' ends it. */
        end = memrchr(text.data, ')', text.size);
        if (!end)
                return -EBADMSG;
        stat.pid = (uint32_t)pid;
        stat.name = bytes_of(text.data, (size_t)(end - text.data));
        text = bytes_of(end + 1, text.size - stat.name.size - 1);
        if (text.size < 2 || text.data[0] != ' ')
                return -EBADMSG;
        stat.state = (char)text.data[1];
        text = bytes_of(text.data + 2, text.size - 2);

        for (field = FIELD_PARENT; field <= FIELD_LAST; field++) {
                bool negative;

                if (!take_byte(&text, ' '))
                        break;
                negative = take_byte(&text, '-');
                if (!take_number(&text, &values[field]))
                        return -EBADMSG;
                if (negative)
                        values[field] = 0 - values[field];
        }
        if (field <= FIELD_START)
                return -EBADMSG;
        stat.parent = (uint32_t)values[FIELD_PARENT];
        stat.session = (uint32_t)values[FIELD_SESSION];
        stat.tty = (uint32_t)values[FIELD_TTY];
        stat.flags = (uint32_t)values[FIELD_FLAGS];
        stat.threads = values[FIELD_THREADS];
        stat.start_ticks = values[FIELD_START];
        stat.code_start = values[FIELD_CODE_START];
        stat.code_end = values[FIELD_CODE_END];
        stat.stack_start = values[FIELD_STACK_START];
        *ret = stat;
        return 0;
}

/* The rest of the line that begins with 'label'. */
static bool find_line(struct bytes text, const char *label, struct bytes *ret) {
        struct bytes line, wanted = bytes_of_string(label);

        while (take_line(&text, &line))
                if (bytes_starts_with(line, wanted)) {
                        *ret = bytes_of(line.data + wanted.size, line.size - wanted.size);
                        return true;
                }
        return false;
}

int process_parse_status_users(struct bytes text, uint32_t *ret_real, uint32_t *ret_effective) {
        uint64_t real, effective;
        struct bytes line;

        /* "Name:" comes before and is the process's own text, but the kernel escapes a newline in it. */
        if (!find_line(text, "Uid:", &line))
                return -EBADMSG;
        skip_blanks(&line);
        if (!take_number(&line, &real) || real > UINT32_MAX)
                return -EBADMSG;
        skip_blanks(&line);
        if (!take_number(&line, &effective) || effective > UINT32_MAX)
                return -EBADMSG;
        *ret_real = (uint32_t)real;
        *ret_effective = (uint32_t)effective;
        return 0;
}

int process_parse_status_user(struct bytes text, uint32_t *ret_effective) {
        uint32_t real;

        return process_parse_status_users(text, &real, ret_effective);
}

int process_parse_boot_time(struct bytes text, uint64_t *ret_seconds) {
        struct bytes line;

        if (!find_line(text, "btime ", &line) || !take_number(&line, ret_seconds))
                return -EBADMSG;
        return 0;
}

int process_parse_cgroup(struct bytes text, struct bytes *ret_path) {
        struct bytes unified = BYTES_NULL, systemd = BYTES_NULL, other = BYTES_NULL, root = BYTES_NULL, line;
        struct bytes found;

        while (take_line(&text, &line)) {
                const uint8_t *first = memchr(line.data, ':', line.size), *second;
                struct bytes controllers, path;
                size_t rest;

                if (!first)
                        continue;
                rest = line.size - (size_t)(first + 1 - line.data);
                second = memchr(first + 1, ':', rest);
                if (!second)
                        continue;
                controllers = bytes_of(first + 1, (size_t)(second - first - 1));
                path = bytes_of(second + 1, rest - controllers.size - 1);
                if (path.size == 0)
                        continue;
                if (path.size == 1) /* "/" */
                        root = path;
                else if (controllers.size == 0)
                        unified = path;
                else if (bytes_equal(controllers, bytes_of_string("name=systemd")))
                        systemd = path;
                else if (other.size == 0)
                        other = path;
        }
        found = unified.size ? unified : systemd.size ? systemd : other.size ? other : root;
        if (found.size == 0)
                return -EBADMSG;
        *ret_path = found;
        return 0;
}

/* As the kernel writes numbers: no leading zero, so each number has one name. */
static bool parse_name(const char *name, uint32_t *ret) {
        struct bytes text = bytes_of_string(name);
        uint64_t value;

        if (text.size == 0 || (text.data[0] == '0' && text.size > 1) || !take_number(&text, &value) || text.size != 0 ||
            value > UINT32_MAX)
                return false;
        *ret = (uint32_t)value;
        return true;
}

int process_parse_pid(const char *name, uint32_t *ret) {
        uint32_t pid;

        if (!parse_name(name, &pid) || pid == 0)
                return -EINVAL;
        *ret = pid;
        return 0;
}

void process_join_arguments(struct bytes arguments, struct buffer *ret) {
        size_t start = ret->size;

        while (arguments.size > 0 && arguments.data[arguments.size - 1] == '\0')
                arguments.size--;
        buffer_append_bytes(ret, arguments);
        if (buffer_error(ret) < 0)
                return;
        for (size_t i = start; i < ret->size; i++)
                if (ret->data[i] == '\0')
                        ret->data[i] = ' ';
}

uint64_t process_image(const struct process_stat *stat) {
        uint64_t mixed = stat->code_start;

        /* Sixteen bits of a hash over some fifty random ones: enough to notice, too few to aim at the process with. */
        mixed = (mixed ^ mixed >> 32) * UINT64_C(0x9e3779b97f4a7c15) + stat->code_end;
        mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + stat->stack_start;
        mixed = (mixed ^ mixed >> 31) * UINT64_C(0x94d049bb133111eb);
        return mixed >> 48;
}

bool process_leader_ended(const struct process_stat *stat) {
        return stat->state == PROCESS_STATE_ZOMBIE || stat->state == PROCESS_STATE_DEAD || stat->state == 'x' ||
               (stat->flags & PROCESS_FLAG_EXITING);
}

void process_list_done(struct process_list *list) {
        free(list->pids);
        *list = PROCESS_LIST_NULL;
}

static int list_add(struct process_list *list, uint32_t pid) {
        if (list->count == list->capacity) {
                size_t capacity = list->capacity ? list->capacity * 2 : 256;
                uint32_t *pids = reallocarray(list->pids, capacity, sizeof(*pids));
                if (!pids)
                        return -ENOMEM;
                list->pids = pids;
                list->capacity = capacity;
        }
        list->pids[list->count++] = pid;
        return 0;
}

static int compare_pids(const void *a, const void *b) {
        uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

        return left < right ? -1 : left > right;
}

static void close_directory(DIR **directory) {
        if (*directory)
                (void)closedir(*directory);
}

int process_list_read_at(int directory, const char *path, struct process_list *list) {
        _cleanup_(close_directory) DIR *stream = NULL;
        _cleanup_close_ int fd = -1;
        struct dirent *entry;
        bool sorted = true;

        list->count = 0;
        fd = openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        stream = fdopendir(fd);
        if (!stream)
                return -errno;
        (void)TAKE_FD(fd);

        for (;;) {
                uint32_t pid;
                int r;

                errno = 0;
                entry = readdir(stream);
                if (!entry)
                        break;
                if (!parse_name(entry->d_name, &pid))
                        continue;
                if (list->count > 0 && pid <= list->pids[list->count - 1])
                        sorted = false;
                r = list_add(list, pid);
                if (r < 0)
                        return r;
        }
        if (errno != 0)
                return -errno;
        if (!sorted) /* the kernel lists in this order; a directory on a disk does not */
                qsort(list->pids, list->count, sizeof(*list->pids), compare_pids);
        return 0;
}

int process_list_read(int proc_fd, struct process_list *list) {
        return process_list_read_at(proc_fd, ".", list);
}

static int make_path(const struct process_place *place, const char *name, char ret[PATH_ROOM]) {
        int length = place->task ? snprintf(ret, PATH_ROOM, "%u/task/%u/%s", place->pid, place->task, name)
                                 : snprintf(ret, PATH_ROOM, "%u/%s", place->pid, name);

        return length < 0 || length >= PATH_ROOM ? -ENAMETOOLONG : 0;
}

/* Asks the kernel once for what fits in a page: a short answer is the end of these files, and a second read() would be a
 * sixth of what a process costs. More than 'limit' is cut off. */
static int read_from_start(int fd, size_t limit, struct buffer *buffer) {
        uint8_t page[PAGE];

        buffer_clear(buffer);
        while (buffer->size < limit) {
                size_t room = limit - buffer->size < sizeof(page) ? limit - buffer->size : sizeof(page);
                ssize_t n = pread(fd, page, room, (off_t)buffer->size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                buffer_append(buffer, page, (size_t)n);
                if (buffer_error(buffer) < 0)
                        return -ENOMEM;
                if ((size_t)n < room)
                        break;
        }
        return 0;
}

/* kept: where the descriptor stays, or NULL. */
static int read_file(const struct process_place *place, const char *name, int *kept, size_t limit, struct buffer *buffer) {
        _cleanup_close_ int fd = -1;
        char path[PATH_ROOM];
        int r;

        if (kept && *kept >= 0) {
                r = read_from_start(*kept, limit, buffer);
                if (r == 0)
                        return 0;
                *kept = fd_close(*kept); /* that process has ended: is there another one with its number? */
        }
        buffer_clear(buffer);
        r = make_path(place, name, path);
        if (r < 0)
                return r;
        fd = openat(place->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        r = read_from_start(fd, limit, buffer);
        if (r == 0 && kept)
                *kept = TAKE_FD(fd);
        return r;
}

static struct process_open *open_of(const struct process_place *place) {
        return place->task ? NULL : place->open;
}

int process_read_stat(const struct process_place *place, struct buffer *buffer, struct process_stat *ret) {
        struct process_open *open = open_of(place);
        int r = read_file(place, "stat", open ? &open->stat : NULL, STAT_MAX, buffer);

        return r < 0 ? r : process_parse_stat(buffer_bytes(buffer), ret);
}

int process_read_command_line(const struct process_place *place, struct buffer *raw, struct buffer *ret) {
        struct process_open *open = open_of(place);
        int r = read_file(place, "cmdline", open ? &open->command_line : NULL, PROCESS_COMMAND_LINE_MAX, raw);

        if (r < 0)
                return r;
        buffer_clear(ret);
        process_join_arguments(buffer_bytes(raw), ret);
        return buffer_error(ret);
}

int process_read_executable(const struct process_place *place, struct buffer *buffer, bool *ret_deleted) {
        static const char mark[] = " (deleted)";
        const size_t length = sizeof(mark) - 1;
        struct statx status;
        char path[PATH_ROOM];
        int r;

        *ret_deleted = false;
        buffer_clear(buffer);
        r = make_path(place, "exe", path);
        if (r < 0)
                return r;
        r = link_read_at(place->proc_fd, path, buffer);
        if (r < 0)
                return r;
        if (buffer->size <= length || memcmp(buffer->data + buffer->size - length, mark, length) != 0)
                return 0;
        /* A file may really be called that. DONT_SYNC: a network filesystem that hangs must not hang us. */
        if (statx(place->proc_fd, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_NLINK, &status) == 0 &&
            status.stx_nlink > 0)
                return 0;
        buffer_truncate(buffer, buffer->size - length);
        *ret_deleted = true;
        return 0;
}

int process_read_cgroup(const struct process_place *place, struct buffer *buffer, struct bytes *ret_path) {
        int r = read_file(place, "cgroup", NULL, CGROUP_MAX, buffer);

        return r < 0 ? r : process_parse_cgroup(buffer_bytes(buffer), ret_path);
}

int process_read_user(const struct process_place *place, bool live, struct buffer *buffer, uint32_t *ret) {
        struct stat status;
        char path[PATH_ROOM];
        int r;

        if (!live) {
                r = read_file(place, "status", NULL, STATUS_MAX, buffer);
                return r < 0 ? r : process_parse_status_user(buffer_bytes(buffer), ret);
        }
        /* The files in it belong to root when the process is not dumpable; the directory never does (task_dump_owner()
         * in the kernel's fs/proc/base.c keeps it so for ps). */
        r = make_path(place, "", path);
        if (r < 0)
                return r;
        if (fstatat(place->proc_fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        *ret = status.st_uid;
        return 0;
}

int process_find_task(struct process_place *place, struct buffer *buffer, struct process_list *list) {
        char path[PATH_ROOM];
        int r;

        place->task = 0;
        r = make_path(place, "task", path);
        if (r < 0)
                return r;
        r = process_list_read_at(place->proc_fd, path, list);
        if (r < 0)
                return r;
        for (size_t i = 0; i < list->count; i++) {
                struct process_stat stat;

                if (list->pids[i] == place->pid)
                        continue;
                place->task = list->pids[i];
                if (process_read_stat(place, buffer, &stat) == 0 && !process_leader_ended(&stat))
                        return 0;
        }
        place->task = 0;
        return -ESRCH;
}

void process_tty_name(int sys_fd, uint32_t tty, struct buffer *buffer) {
        enum { MAJOR_CONSOLE = 4, MAJOR_PTS = 136, FIRST_SERIAL = 64 };
        uint32_t major = tty >> 8 & 0xfff, minor = (tty & 0xff) | (tty >> 12 & 0xfff00);
        _cleanup_buffer_ struct buffer target = BUFFER_NULL;
        char path[PATH_ROOM];
        const uint8_t *slash;

        if (tty == 0)
                return;
        if (major == MAJOR_PTS) {
                buffer_printf(buffer, "pts/%u", minor);
                return;
        }
        if (major == MAJOR_CONSOLE && minor < FIRST_SERIAL) {
                buffer_printf(buffer, "tty%u", minor);
                return;
        }
        (void)snprintf(path, sizeof(path), "dev/char/%u:%u", major, minor);
        if (sys_fd >= 0 && link_read_at(sys_fd, path, &target) == 0 && target.size > 0) {
                slash = memrchr(target.data, '/', target.size);
                if (slash && (size_t)(slash + 1 - target.data) < target.size) {
                        slash++;
                        buffer_append(buffer, slash, target.size - (size_t)(slash - target.data));
                        return;
                }
        }
        buffer_printf(buffer, "%u:%u", major, minor);
}
