#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "clock.h"
#include "delta.h"
#include "host.h"
#include "ownership.h"
#include "process.h"

enum {
        PID, START, START_TICKS, USER, USER_ID, PARENT, TTY, NAME, COMMAND_LINE, BRACKET_NAME, KERNEL_THREAD, IMAGE,
        EXECUTABLE, EXECUTABLE_DELETED, CGROUP,

        KEY_SIZE = 4 + 8,
        PROC_STAT_MAX = 16 * 1024 * 1024,
        CLOCK_STEP_SECONDS = 1,         /* a wall clock that moved by more was set, not slewed */
};

#define ACCOUNTS_EVERY_NS UINT64_C(1000000000) /* at most so often a delta asks whether they are still the same */

/* FIELD_STEADY is what every source tells as a look does (tests/unit/test-steady.c) and what a program does not do in its first
 * moments as a matter of course. Not so its parent, which may end, its terminal, which a new session gives up, and its control group,
 * into which it is moved when it runs already, and which not every source tells. */
static const struct field fields[] = {
        [PID] = { "pid", "process.pid", FIELD_NUMBER, FIELD_EVIDENCE },
        /* Set the clock and every process seems to have started at another time; its ticks, in the key, stay. */
        [START] = { "start", "process.start", FIELD_TIME, FIELD_QUIET | FIELD_EVIDENCE },
        [START_TICKS] = { "start_ticks", NULL, FIELD_IDENTIFIER, FIELD_EVIDENCE },
        /* Another name for the same id is a change of the account, not of each of its processes. */
        [USER] = { "user", "user.name", FIELD_TEXT, FIELD_QUIET | FIELD_EVIDENCE },
        [USER_ID] = { "user_id", "user.id", FIELD_IDENTIFIER, FIELD_EVIDENCE | FIELD_STEADY },
        [PARENT] = { "parent", "process.parent.pid", FIELD_NUMBER, FIELD_EVIDENCE },
        [TTY] = { "tty", NULL, FIELD_TEXT, FIELD_EVIDENCE },
        [NAME] = { "name", "process.name", FIELD_TEXT, FIELD_EVIDENCE | FIELD_STEADY },
        [COMMAND_LINE] = { "command_line", "process.command_line", FIELD_TEXT, FIELD_EVIDENCE | FIELD_STEADY },
        [BRACKET_NAME] = { "bracket_name", NULL, FIELD_TEXT, FIELD_QUIET }, /* what ps shows without a command line */
        [KERNEL_THREAD] = { "kernel_thread", NULL, FIELD_FLAG, FIELD_EVIDENCE },
        /* An execve that keeps pid, name and arguments is noticed by this alone. */
        [IMAGE] = { "image", NULL, FIELD_IDENTIFIER, FIELD_QUIET | FIELD_EVIDENCE },
        [EXECUTABLE] = { "executable", "process.executable", FIELD_TEXT, FIELD_COSTLY | FIELD_STEADY },
        /* An upgrade of a package does this to whatever runs from it: the file changed, not the process. */
        [EXECUTABLE_DELETED] = { "executable_deleted", NULL, FIELD_FLAG, FIELD_COSTLY | FIELD_QUIET },
        [CGROUP] = { "cgroup", NULL, FIELD_TEXT, FIELD_COSTLY },
        { 0 },
};

struct state {
        const struct host *host;        /* borrowed */
        struct account_names accounts;
        struct process_list pids, tasks;
        struct process_files files;     /* of this host only: in a tree the same name may be another file */
        struct buffer stat, scratch, arguments, tty;    /* of the record on its way */
        struct buffer again, executable, cgroup;        /* of complete() */
        struct buffer told_tty;                         /* of recognize() */
        uint8_t told_key[KEY_SIZE];
        uint64_t accounts_ns;           /* monotonic: when recognize() last looked for new names; 0: never */
        uint64_t boot_ns, ticks_per_second;
        int64_t boot_offset;            /* wall clock minus time since boot when boot_ns was read, in seconds */
        bool boot_known;
};

static void processes_close(void *data) {
        struct state *state = data;

        if (!state)
                return;
        account_names_done(&state->accounts);
        process_list_done(&state->pids);
        process_list_done(&state->tasks);
        process_files_done(&state->files);
        buffer_done(&state->stat);
        buffer_done(&state->scratch);
        buffer_done(&state->arguments);
        buffer_done(&state->tty);
        buffer_done(&state->again);
        buffer_done(&state->executable);
        buffer_done(&state->cgroup);
        buffer_done(&state->told_tty);
        free(state);
}

static int processes_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct state *state = calloc(1, sizeof(*state));
        long ticks = sysconf(_SC_CLK_TCK);

        (void)settings;
        if (!state)
                return -ENOMEM;
        state->host = host;
        state->ticks_per_second = ticks > 0 ? (uint64_t)ticks : 100;
        *ret_state = state;
        return 0;
}

/* The kernel's own word for when it booted, so that all rounds agree on it to the bit; asked again only after somebody
 * set the clock. (Wall clock minus uptime would move by microseconds each time.) */
static void read_boot_time(struct state *state) {
        struct timespec wall = { 0 }, since_boot = { 0 };
        uint64_t seconds;
        int64_t offset;

        (void)clock_gettime(CLOCK_REALTIME, &wall);
        (void)clock_gettime(CLOCK_BOOTTIME, &since_boot);
        offset = (int64_t)wall.tv_sec - (int64_t)since_boot.tv_sec;
        if (state->boot_known && (!state->host->live || (offset - state->boot_offset <= CLOCK_STEP_SECONDS &&
                                                         state->boot_offset - offset <= CLOCK_STEP_SECONDS)))
                return;
        state->boot_known = false;
        buffer_clear(&state->scratch);
        if (host_read(state->host, "proc/stat", PROC_STAT_MAX, &state->scratch) < 0 ||
            process_parse_boot_time(buffer_bytes(&state->scratch), &seconds) < 0 ||
            __builtin_mul_overflow(seconds, UINT64_C(1000000000), &state->boot_ns))
                return;
        state->boot_offset = offset;
        state->boot_known = true;
}

static struct value start_time(const struct state *state, uint64_t ticks) {
        uint64_t whole, start;

        if (!state->boot_known ||
            __builtin_mul_overflow(ticks / state->ticks_per_second, UINT64_C(1000000000), &whole) ||
            __builtin_add_overflow(
                    whole, ticks % state->ticks_per_second * UINT64_C(1000000000) / state->ticks_per_second, &whole) ||
            __builtin_add_overflow(state->boot_ns, whole, &start))
                return (struct value){ .present = false };
        return value_number(start);
}

static void make_key(uint8_t key[KEY_SIZE], uint32_t pid, uint64_t start_ticks) {
        for (int i = 0; i < 4; i++)
                key[i] = (uint8_t)(pid >> (24 - 8 * i));
        for (int i = 0; i < 8; i++)
                key[4 + i] = (uint8_t)(start_ticks >> (56 - 8 * i));
}

static struct value text_or_absent(const struct buffer *buffer) {
        return (struct value){ .present = buffer->size > 0, .bytes = buffer_bytes(buffer) };
}

/* What is asked of the process goes to a thread that still runs when its leader has ended before it. -ESRCH: there is
 * none, the process has ended. */
static int settle_place(struct state *state, struct process_place *place, struct buffer *text,
                        struct process_stat *stat) {
        struct process_stat task;
        int r;

        place->task = 0;
        r = process_read_stat(place, text, stat);
        if (r < 0)
                return r;
        if (!process_leader_ended(stat))
                return 0;
        if (stat->threads <= 1)
                return -ESRCH;
        r = process_find_task(place, &state->scratch, &state->tasks);
        if (r < 0)
                return r;
        r = process_parse_stat(buffer_bytes(&state->scratch), &task);
        if (r < 0)
                return r;
        /* The leader's own memory is gone and with it these. */
        stat->code_start = task.code_start;
        stat->code_end = task.code_end;
        stat->stack_start = task.stack_start;
        return 0;
}

static bool is_worker(const struct process_stat *stat) {
        return (stat->flags & PROCESS_FLAG_KERNEL) && (stat->flags & PROCESS_FLAG_WORKER);
}

static bool has_ended(int error) {
        return error == -ENOENT || error == -ESRCH;
}

static int read_shown(struct state *state, uint32_t pid, bool keep_open, uint8_t key[KEY_SIZE], struct record *record) {
        struct process_place place = { .proc_fd = state->host->proc_fd, .pid = pid };
        struct process_place leader = place;
        struct process_stat stat;
        bool kernel;
        uint32_t user;
        int r;

        if (keep_open)
                place.open = process_files_of(&state->files, pid);
        r = settle_place(state, &place, &state->stat, &stat);
        if (r < 0)
                return r;
        if (stat.pid != pid && state->host->live)
                return -EXDEV; /* somebody mounted another one's folder over it */
        if (is_worker(&stat))
                return 0;
        kernel = stat.flags & PROCESS_FLAG_KERNEL;
        r = process_read_user(&leader, state->host->live, &state->scratch, &user);
        if (r < 0)
                return r;
        buffer_clear(&state->arguments);
        if (!kernel) {
                r = process_read_command_line(&place, &state->scratch, &state->arguments);
                if (r < 0)
                        return r;
                /* Nothing is also what a process shows whose memory went between the two looks: not a change of it. */
                if (state->arguments.size == 0) {
                        uint32_t asked = place.task;

                        r = settle_place(state, &place, &state->stat, &stat);
                        if (r == 0 && place.task != asked)
                                r = process_read_command_line(&place, &state->scratch, &state->arguments);
                        if (r < 0)
                                return r;
                }
        }
        buffer_clear(&state->tty);
        process_tty_name(state->host->sys_fd, stat.tty, &state->tty);
        if (buffer_error(&state->tty) < 0)
                return -ENOMEM;

        make_key(key, pid, stat.start_ticks);
        *record = (struct record){ .key = bytes_of(key, KEY_SIZE) };
        record->values[PID] = value_number(pid);
        record->values[START] = start_time(state, stat.start_ticks);
        record->values[START_TICKS] = value_number(stat.start_ticks);
        record->values[USER_ID] = value_number(user);
        record->values[USER].bytes = account_name(&state->accounts, user);
        record->values[USER].present = record->values[USER].bytes.size > 0;
        record->values[PARENT] = value_number(stat.parent);
        record->values[TTY] = text_or_absent(&state->tty);
        record->values[NAME] = value_bytes(stat.name);
        record->values[COMMAND_LINE] = text_or_absent(&state->arguments);
        if (state->arguments.size == 0)
                record->values[BRACKET_NAME] = value_bytes(stat.name);
        record->values[KERNEL_THREAD] = value_number(kernel);
        record->values[IMAGE] = value_number(process_image(&stat));
        return 1;
}

/* Who mounts something over a process's folder hides it from whoever looks there. */
static bool is_covered(const struct state *state, uint32_t pid) {
        struct statx status;
        char name[16];

        (void)snprintf(name, sizeof(name), "%" PRIu32, pid);
        return statx(state->host->proc_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &status) == 0 &&
               status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* 1 and a record, 0 if there is none to show, or negative errno; -EXDEV: what is shown in its place is something else. */
static int read_process(struct state *state, uint32_t pid, bool keep_open, uint8_t key[KEY_SIZE], struct record *record) {
        int r = read_shown(state, pid, keep_open, key, record);

        return r < 0 && has_ended(r) && state->host->live && is_covered(state, pid) ? -EXDEV : r;
}

/* The one process of this key. */
static int collect_one(struct state *state, struct bytes within, struct collector *collector) {
        struct record record;
        uint8_t key[KEY_SIZE];
        uint32_t pid = 0;
        int r;

        if (within.size != KEY_SIZE)
                return WATCH_OK;
        for (int i = 0; i < 4; i++)
                pid = pid << 8 | within.data[i];
        r = read_process(state, pid, false, key, &record);
        if (r > 0)
                r = bytes_equal(record.key, within) ? collector->record(collector, &record) : 0;
        else if (r < 0 && !has_ended(r)) {
                if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                        return r;
                return collector->unseen ? collector->unseen(collector, within) : WATCH_OK;
        }
        return r < 0 && !has_ended(r) ? r : WATCH_OK;
}

static int processes_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct state *state = data;
        struct record record;
        uint8_t key[KEY_SIZE];
        bool unseen = false, covered = false;
        int r;

        if (state->host->proc_fd < 0) {
                collector->condition(collector, "no /proc on this host");
                return WATCH_E_UNAVAILABLE;
        }
        r = account_names_refresh(&state->accounts, state->host);
        if (r < 0)
                return r;
        read_boot_time(state);
        if (request->within.size > 0)
                return collect_one(state, request->within, collector);
        r = process_list_read(state->host->proc_fd, &state->pids);
        if (r == 0 && state->pids.count == 0 && state->host->live) {
                collector->condition(collector, "/proc shows no process, not even this one: something is mounted over it");
                return WATCH_E_UNAVAILABLE;
        }
        if (r == 0)
                r = process_files_begin(&state->files);
        if (r < 0)
                return r;
        for (size_t i = 0; i < state->pids.count; i++) {
                if (i > 0 && state->pids.pids[i] == state->pids.pids[i - 1])
                        continue;
                r = read_process(state, state->pids.pids[i], state->host->live, key, &record);
                if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                        return r;
                if (r > 0)
                        r = collector->record(collector, &record);
                else if (r < 0 && !has_ended(r)) {
                        /* That it cannot be seen is not to say that it ended. The pid alone is what all keys of it begin with. */
                        unseen |= r != -EXDEV;
                        covered |= r == -EXDEV;
                        make_key(key, state->pids.pids[i], 0);
                        r = collector->unseen ? collector->unseen(collector, bytes_of(key, sizeof(uint32_t))) : 0;
                } else
                        r = 0;
                if (r < 0)
                        return r;
        }
        process_files_end(&state->files);
        if (unseen)
                collector->condition(collector, "some processes cannot be seen: /proc does not let us read them");
        if (covered)
                collector->condition(collector, "some processes cannot be seen: something is mounted over their folders in /proc");
        return WATCH_OK;
}

static int processes_complete(void *data, struct record *record) {
        struct state *state = data;
        struct process_place place = { .proc_fd = state->host->proc_fd };
        struct process_stat stat;
        struct bytes path;
        bool deleted;
        int r;

        place.pid = (uint32_t)record->values[PID].number;
        record->values[EXECUTABLE].present = false;
        record->values[EXECUTABLE_DELETED].present = false;
        record->values[CGROUP].present = false;
        r = settle_place(state, &place, &state->again, &stat);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || stat.start_ticks != record->values[START_TICKS].number)
                return 0; /* ended since, and perhaps another has its number */

        if (!(stat.flags & PROCESS_FLAG_KERNEL)) {
                r = process_read_executable(&place, &state->executable, &deleted);
                if (r == -ENOMEM)
                        return r;
                if (r == 0) {
                        record->values[EXECUTABLE] = text_or_absent(&state->executable);
                        record->values[EXECUTABLE_DELETED] = value_number(deleted);
                }
        }
        r = process_read_cgroup(&place, &state->cgroup, &path);
        if (r == -ENOMEM)
                return r;
        if (r == 0)
                record->values[CGROUP] = value_bytes(path);
        return 0;
}

static struct value bytes_if_told(struct bytes bytes) {
        return (struct value){ .present = bytes.size > 0, .bytes = bytes };
}

static int processes_recognize(void *data, const struct delta *delta, struct record *ret) {
        const struct process_facts *facts = &delta->process;
        struct state *state = data;
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        int r;

        /* Without its start it is only a number. A thread of the kernel is known by looks alone, but its end is told. */
        if (delta->subject != DELTA_PROCESS || facts->pid == 0 || facts->start_ticks == 0 ||
            ((facts->flags & PROCESS_KERNEL_THREAD) && delta->kind != DELTA_VANISHED))
                return 0;
        if (state->accounts_ns == 0 || now - state->accounts_ns >= ACCOUNTS_EVERY_NS) {
                r = account_names_refresh(&state->accounts, state->host);
                if (r < 0)
                        return r;
                state->accounts_ns = now;
        }
        read_boot_time(state);
        buffer_clear(&state->told_tty);
        if (facts->tty_name.size > 0)
                buffer_append_bytes(&state->told_tty, facts->tty_name);
        else
                process_tty_name(state->host->sys_fd, facts->tty, &state->told_tty);
        if (buffer_error(&state->told_tty) < 0)
                return -ENOMEM;

        make_key(state->told_key, facts->pid, facts->start_ticks);
        *ret = (struct record){ .key = bytes_of(state->told_key, KEY_SIZE) };
        ret->values[PID] = value_number(facts->pid);
        ret->values[START] = start_time(state, facts->start_ticks);
        ret->values[START_TICKS] = value_number(facts->start_ticks);
        if (facts->flags & PROCESS_HAS_USERS) {
                ret->values[USER_ID] = value_number(facts->effective_user);
                ret->values[USER] = bytes_if_told(account_name(&state->accounts, facts->effective_user));
        }
        ret->values[PARENT] = (struct value){ .present = facts->parent != 0, .number = facts->parent };
        ret->values[TTY] = text_or_absent(&state->told_tty);
        ret->values[NAME] = bytes_if_told(facts->name);
        ret->values[COMMAND_LINE] = bytes_if_told(facts->command_line);
        if (facts->command_line.size == 0 && delta->kind == DELTA_APPEARED)
                ret->values[BRACKET_NAME] = bytes_if_told(facts->name);
        ret->values[KERNEL_THREAD] = value_number((facts->flags & PROCESS_KERNEL_THREAD) != 0);
        ret->values[EXECUTABLE] = bytes_if_told(facts->executable);
        if (facts->executable.size > 0)
                ret->values[EXECUTABLE_DELETED] =
                        value_number((facts->flags & (PROCESS_DELETED | PROCESS_FROM_MEMFD)) != 0);
        ret->values[CGROUP] = bytes_if_told(facts->cgroup);
        return 1;
}

static const struct action user_changed = {
        .action = "process-uid-changed",
        .category = "process",
        .type = "change",
        .severity = SEVERITY_INFO,
};

static const struct action *processes_classify(const struct change *change) {
        if (change->kind != CHANGE_CHANGED ||
            value_equal(&fields[USER_ID], &change->before->values[USER_ID], &change->after->values[USER_ID]))
                return NULL;
        return &user_changed;
}

static const struct column columns[] = {
        { .field = "user", .width = 8, .absent = "?" },
        { .before = " ", .field = "pid", .width = -7 },
        { .before = " ", .field = "parent", .width = -7 },
        { .before = " ", .field = "tty", .width = 8, .absent = "?" },
        { .before = " ", .field = "start", .width = 19, .absent = "?" },
        { .before = " ", .field = "command_line" },
        { .before = " [", .field = "bracket_name", .after = "]" },
        { 0 },
};

static const struct document document = {
        .name = "procoll",
        .header = "USER         PID    PPID TTY      START               COMMAND\n",
        .columns = columns,
};

const struct watch watch_processes = {
        .kind = "processes",
        .noun = "process",
        .sensor = "procfs",
        .dataset = "processes",
        .fields = fields,
        .label = "{pid} ({name})",
        .priority = PRIORITY_LOW,
        .built_in = true,
        .can_look_within = true,
        .subjects = 1U << DELTA_PROCESS,
        .delta_is_record = true,
        .appeared = {
                .action = "process-executed",
                .category = "process",
                .type = "start",
                .severity = SEVERITY_INFO,
                .sentence = "process {pid} ({name}){user? of {user}} started{command_line?: {command_line}}",
        },
        .vanished = {
                .action = "process-exited",
                .category = "process",
                .type = "end",
                .severity = SEVERITY_INFO,
                .sentence = "process {pid} ({name}){user? of {user}} ended{command_line?: {command_line}}",
        },
        .changed = {
                .action = "process-changed",
                .category = "process",
                .type = "change",
                .severity = SEVERITY_INFO,
        },
        .classify = processes_classify,
        .title_changed = "Change in running processes detected! Diff:",
        .title_quiet = "No changes in running processes.",
        .document = &document,
        .open = processes_open,
        .collect = processes_collect,
        .complete = processes_complete,
        .recognize = processes_recognize,
        .close = processes_close,
};
