#include "actor-json.h"

#include "event.h"
#include "json.h"
#include "sentence.h"
#include "uuid.h"

/* The paths stand in tables, in the order in which they come out: putting them together would cost more than writing them. */
struct process_paths {
        const char *command_line, *entity_id, *executable, *name, *pid, *real_user, *real_user_name, *user, *user_name,
                *working_directory;
};

struct entry_paths {
        const char *address, *ip, *type;
        struct process_paths process;
};

#define PROCESS_PATHS(prefix)                                                                                          \
        {                                                                                                              \
                prefix "command_line", prefix "entity_id", prefix "executable", prefix "name", prefix "pid",           \
                        prefix "real_user.id", prefix "real_user.name", prefix "user.id", prefix "user.name",          \
                        prefix "working_directory",                                                                    \
        }
#define ENTRY_PATHS(prefix)                                                                                            \
        {                                                                                                              \
                prefix "entry_meta.source.address", prefix "entry_meta.source.ip", prefix "entry_meta.type",           \
                        PROCESS_PATHS(prefix),                                                                         \
        }

static const struct process_paths process_paths = PROCESS_PATHS("process."), parent_paths = PROCESS_PATHS("process.parent."),
                                  author_paths = PROCESS_PATHS("nephronix.author."),
                                  transaction_paths = PROCESS_PATHS("nephronix.transaction.");
static const struct entry_paths entry_paths = ENTRY_PATHS("process.entry_leader."),
                                author_entry_paths = ENTRY_PATHS("nephronix.author.entry_leader.");

/* What the record says of a process and a user. */
struct own {
        bool has_pid, has_parent, has_user_id, has_user_name;
        uint64_t pid, parent, user_id;
};

struct writer {
        struct json *json;
        struct buffer *scratch;
};

static void read_own(const struct event *event, struct own *ret) {
        const struct change *change = event->change;

        *ret = (struct own){ .pid = 0 };
        for (size_t i = 0; i < event->n_facts; i++)
                if (strcmp(event->facts[i].path, "user.name") == 0)
                        ret->has_user_name = true;
        if (!change)
                return;
        for (size_t i = 0; change->fields[i].name; i++) {
                const struct value *value = &change_record(change)->values[i];
                const char *path = change->fields[i].ecs;

                if (!value->present || !path || (path[0] != 'p' && path[0] != 'u'))
                        continue;
                if (strcmp(path, "process.pid") == 0) {
                        ret->has_pid = true;
                        ret->pid = value->number;
                } else if (strcmp(path, "process.parent.pid") == 0) {
                        ret->has_parent = true;
                        ret->parent = value->number;
                } else if (strcmp(path, "user.id") == 0) {
                        ret->has_user_id = true;
                        ret->user_id = value->number;
                } else if (strcmp(path, "user.name") == 0) {
                        ret->has_user_name = true;
                }
        }
}

static void add_bytes(const struct writer *writer, const char *path, struct bytes bytes) {
        if (bytes.size > 0)
                json_add_string(writer->json, path, bytes);
}

static void add_identifier(const struct writer *writer, const char *path, uint64_t number) {
        buffer_truncate(writer->scratch, 0);
        decimal_append(writer->scratch, number);
        json_add_string(writer->json, path, buffer_bytes(writer->scratch));
}

static struct bytes entity_id(const struct writer *writer, const struct process_facts *facts) {
        buffer_truncate(writer->scratch, 0);
        if (facts->pid && facts->start_ticks) {
                decimal_append(writer->scratch, facts->pid);
                buffer_append_byte(writer->scratch, '-');
                decimal_append(writer->scratch, facts->start_ticks);
        }
        return buffer_bytes(writer->scratch);
}

/* All that is told of a leader: its arguments and its folder would make lines long and say little. */
static void add_program(const struct writer *writer, const struct process_paths *paths, const struct process_facts *facts) {
        add_bytes(writer, paths->entity_id, entity_id(writer, facts));
        add_bytes(writer, paths->executable, facts->executable);
        add_bytes(writer, paths->name, facts->name);
        if (facts->pid)
                json_add_number(writer->json, paths->pid, facts->pid);
}

static void add_process(const struct writer *writer, const struct process_paths *paths, const struct process_facts *facts) {
        add_bytes(writer, paths->command_line, facts->command_line);
        add_program(writer, paths, facts);
        add_bytes(writer, paths->working_directory, facts->working_directory);
}

/* A process as it stands beside another one's users. */
static void add_users_of(const struct writer *writer, const struct process_paths *paths, const struct process_facts *facts,
                         struct bytes name) {
        bool alike = facts->effective_user == facts->user;

        if (!(facts->flags & PROCESS_HAS_USERS))
                return;
        if (!alike) {
                add_identifier(writer, paths->real_user, facts->user);
                add_bytes(writer, paths->real_user_name, name);
        }
        add_identifier(writer, paths->user, facts->effective_user);
        if (alike)
                add_bytes(writer, paths->user_name, name);
}

static bool has_login(const struct process_facts *facts) {
        return facts->flags & PROCESS_HAS_LOGIN && facts->login_user != LOGIN_USER_UNSET;
}

static void add_login(const struct writer *writer, const struct actor *actor) {
        const struct process_facts *facts = &actor->process;

        if (!has_login(facts))
                return;
        if (facts->audit_session != LOGIN_USER_UNSET)
                add_identifier(writer, "nephronix.audit_session", facts->audit_session);
        add_identifier(writer, "user.audit.id", facts->login_user);
        add_bytes(writer, "user.audit.name", actor->login_name);
        if (actor->login_name.size > 0)
                json_append(writer->json, "related.user", actor->login_name);
}

static void add_users(const struct writer *writer, const struct actor *actor, const struct own *own) {
        const struct process_facts *facts = &actor->process;
        bool has_users = facts->flags & PROCESS_HAS_USERS;

        /* Of a record's user without a number nobody can say whether it is this one. */
        if (own->has_user_id ? own->user_id != facts->user : own->has_user_name) {
                add_users_of(writer, &process_paths, facts, actor->user_name);
                return;
        }
        if (!has_users)
                return;
        if (facts->effective_user != facts->user)
                add_identifier(writer, "user.effective.id", facts->effective_user);
        add_identifier(writer, "user.id", facts->user);
        add_bytes(writer, "user.name", actor->user_name);
}

/* Only digits, letters of hexadecimal numbers, ':' and '.': an index of addresses refuses a whole event for any other. */
static bool is_address(struct bytes text) {
        bool dotted = false;

        for (size_t i = 0; i < text.size; i++) {
                uint8_t byte = text.data[i];

                dotted |= byte == '.' || byte == ':';
                if (byte == 0 || !strchr("0123456789abcdefABCDEF:.", byte))
                        return false;
        }
        return dotted;
}

static void add_entry(const struct writer *writer, const struct entry_paths *paths, const struct actor *actor) {
        bool is_ip = is_address(actor->remote_address);

        if (actor->entry_leader)
                add_program(writer, &paths->process, actor->entry_leader);
        add_bytes(writer, is_ip ? paths->ip : paths->address, actor->remote_address);
        json_add_text(writer->json, paths->type, actor->entry_type);
        if (is_ip)
                json_append(writer->json, "related.ip", actor->remote_address);
}

static void add_ancestor(const struct writer *writer, const struct process_facts *facts) {
        struct bytes id = entity_id(writer, facts);

        if (id.size > 0)
                json_append(writer->json, "nephronix.ancestors.entity_id", id);
        if (facts->executable.size > 0)
                json_append(writer->json, "nephronix.ancestors.executable", facts->executable);
        if (facts->name.size > 0)
                json_append(writer->json, "nephronix.ancestors.name", facts->name);
}

static void add_transaction(const struct writer *writer, const struct actor *actor) {
        const struct process_facts *process = actor->transaction.process;
        char uuid[UUID_TEXT_SIZE];

        if (!actor->in_transaction)
                return;
        uuid_format(actor->transaction.id, uuid);
        json_add_text(writer->json, "nephronix.transaction.id", uuid);
        if (!process)
                return;
        add_process(writer, &transaction_paths, process);
        if (process->flags & PROCESS_HAS_USERS)
                add_identifier(writer, "nephronix.transaction.user.id", process->effective_user);
        if (has_login(process))
                add_identifier(writer, "nephronix.transaction.user.audit.id", process->login_user);
}

/* As /proc/PID/stat and the kernel's new_encode_dev() have it. */
static void add_terminal(const struct writer *writer, const struct process_facts *facts) {
        if (facts->tty) {
                json_add_number(writer->json, "process.tty.char_device.major", facts->tty >> 8 & 0xfff);
                json_add_number(writer->json, "process.tty.char_device.minor",
                                (facts->tty & 0xff) | (facts->tty >> 12 & 0xfff00));
        }
        add_bytes(writer, "nephronix.terminal", facts->tty_name);
}

/* Of the process whose end is told: what an author did was done before it ended. wait(2): the low seven bits name the
 * signal. */
static void add_exit(const struct writer *writer, const struct event *event, const struct own *own) {
        const struct process_facts *facts = &event->actor->process;

        if (!(facts->flags & PROCESS_HAS_EXIT) || !own->has_pid || event->change->kind != CHANGE_VANISHED)
                return;
        if ((facts->exit_status & 0x7f) == 0)
                json_add_number(writer->json, "process.exit_code", (uint64_t)facts->exit_status >> 8 & 0xff);
        else
                json_add_number(writer->json, "nephronix.exit_signal", (uint64_t)facts->exit_status & 0x7f);
}

void actor_json_add(struct json *json, const struct event *event, struct buffer *scratch) {
        const struct writer writer = { .json = json, .scratch = scratch };
        const struct actor *actor = event->actor;
        const struct process_facts *facts;
        bool itself, child, other;
        struct own own;

        if (!actor)
                return;
        facts = &actor->process;
        read_own(event, &own);
        itself = !own.has_pid || own.pid == facts->pid;
        child = !itself && own.has_parent && own.parent == facts->pid;
        other = !itself && !child;

        add_bytes(&writer, "container.id", actor->container);
        if (!itself)
                add_ancestor(&writer, facts);
        for (size_t i = 0; i < actor->n_ancestors && i < ACTOR_ANCESTORS_MAX; i++)
                add_ancestor(&writer, &actor->ancestors[i]);
        if (other) {
                add_process(&writer, &author_paths, facts);
                add_users_of(&writer, &author_paths, facts, actor->user_name);
                add_entry(&writer, &author_entry_paths, actor);
        }
        if (actor->user_name.size > 0 && facts->flags & PROCESS_HAS_USERS)
                json_append(json, "related.user", actor->user_name);
        if (facts->flags & PROCESS_CUT)
                json_add_bool(json, "nephronix.cut", true);
        add_transaction(&writer, actor);
        add_bytes(&writer, "nephronix.unit", actor->unit);
        if (itself) {
                add_process(&writer, &process_paths, facts);
                add_exit(&writer, event, &own);
                /* Its parent died since, and another took it over: who started it is among the ancestors. */
                if (actor->n_ancestors > 0 && (!own.has_parent || own.parent == actor->ancestors[0].pid)) {
                        add_bytes(&writer, parent_paths.command_line, actor->ancestors[0].command_line);
                        add_program(&writer, &parent_paths, &actor->ancestors[0]);
                }
                add_terminal(&writer, facts);
                add_users(&writer, actor, &own);
        } else if (child) {
                add_process(&writer, &parent_paths, facts);
                add_users_of(&writer, &parent_paths, facts, actor->user_name);
        }
        if (!other)
                add_entry(&writer, &entry_paths, actor);
        add_login(&writer, actor);
}
