#include "bpf-record.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "process.h"
#include "proto.h"

#define NS_PER_TICK UINT64_C(10000000)  /* USER_HZ is 100 wherever Linux runs today */

static bool take(struct bytes *rest, size_t size, struct bytes *ret) {
        if (rest->size < size)
                return false;
        *ret = bytes_of(rest->data, size);
        rest->data += size;
        rest->size -= size;
        return true;
}

static struct bytes until_nul(const uint8_t *data, size_t size) {
        return bytes_of(data, strnlen((const char *)data, size));
}

static uint64_t device_of(uint32_t kernel) {
        return makedev(kernel >> 20, kernel & 0xfffff);
}

/* As /proc/PID/stat has it (new_encode_dev() in the kernel). */
static uint32_t tty_of(uint32_t kernel) {
        uint32_t major = kernel >> 20, minor = kernel & 0xfffff;

        return (minor & 0xff) | major << 8 | (minor & ~UINT32_C(0xff)) << 12;
}

/* Names, the last one first, each ended by NUL, as a path. */
static int append_path(struct bytes names, struct buffer *room) {
        if (names.size == 0) {
                buffer_append_byte(room, '/');
                return 0;
        }
        if (names.data[names.size - 1] != '\0')
                return -EBADMSG;
        while (names.size > 0) {
                size_t start = names.size - 1;

                while (start > 0 && names.data[start - 1] != '\0')
                        start--;
                if (start == names.size - 1)
                        return -EBADMSG;
                buffer_append_byte(room, '/');
                buffer_append(room, names.data + start, names.size - 1 - start);
                names.size = start;
        }
        return 0;
}

static unsigned flags_of(const struct proto_process *process) {
        unsigned flags = PROCESS_HAS_USERS;

        if (process->flags & PROTO_HAS_LOGIN)
                flags |= PROCESS_HAS_LOGIN;
        if (process->flags & PROTO_KERNEL_THREAD)
                flags |= PROCESS_KERNEL_THREAD;
        if (process->flags & PROTO_FROM_MEMFD)
                flags |= PROCESS_FROM_MEMFD;
        if (process->flags & PROTO_DELETED)
                flags |= PROCESS_DELETED;
        if (process->flags & PROTO_FORKED_ONLY)
                flags |= PROCESS_FORKED_ONLY;
        if (process->flags & (PROTO_PATH_CUT | PROTO_ARGUMENTS_CUT))
                flags |= PROCESS_CUT;
        return flags;
}

static int parse_process(struct bytes record, struct buffer *room, struct delta *ret) {
        struct process_facts *facts = &ret->process;
        struct bytes path, directory, arguments, fixed, rest = record;
        struct proto_process process;
        size_t directory_at, arguments_at;
        bool executed;

        if (!take(&rest, sizeof(process), &fixed))
                return -EBADMSG;
        memcpy(&process, fixed.data, sizeof(process));
        executed = process.header.kind == PROTO_EXECUTED;
        if (process.pid == 0 || !take(&rest, process.path_size, &path) || !take(&rest, process.directory_size, &directory) ||
            !take(&rest, process.arguments_size, &arguments) || rest.size > 0 || (!executed && rest.data != fixed.data + fixed.size))
                return -EBADMSG;

        *ret = (struct delta){
                .kind = executed ? DELTA_APPEARED : DELTA_VANISHED,
                .subject = DELTA_PROCESS,
                .at_ns = process.header.at_ns,
                .process = {
                        .pid = process.pid,
                        .parent = process.parent,
                        .start_ticks = process.start_ns / NS_PER_TICK,
                        .flags = flags_of(&process) | (executed ? 0 : PROCESS_HAS_EXIT),
                        .user = process.user,
                        .effective_user = process.effective_user,
                        .login_user = process.login_user,
                        .audit_session = process.audit_session,
                        .tty = tty_of(process.tty),
                        .session_leader = process.session_leader,
                        .exec_inode = process.inode,
                        .exec_device = process.inode ? device_of(process.device) : 0,
                        .exit_status = process.exit_status,
                },
        };
        ret->origin = (struct origin){ .known = true, .pid = facts->pid, .start_ticks = facts->start_ticks };
        facts->name = until_nul(fixed.data + offsetof(struct proto_process, name), PROTO_NAME_SIZE);
        if (!executed)
                return 0;

        if (!(process.flags & PROTO_PATH_CUT) && append_path(path, room) < 0)
                return -EBADMSG;
        directory_at = room->size;
        if (!(process.flags & PROTO_DIRECTORY_CUT) && append_path(directory, room) < 0)
                return -EBADMSG;
        arguments_at = room->size;
        process_join_arguments(arguments, room);
        if (buffer_error(room) < 0)
                return -ENOMEM;
        facts->executable = bytes_of(room->data, directory_at);
        facts->working_directory = bytes_of(room->data + directory_at, arguments_at - directory_at);
        facts->command_line = bytes_of(room->data + arguments_at, room->size - arguments_at);
        return 0;
}

static void set_origin(struct delta *delta, const struct proto_origin *origin) {
        if (origin->pid != 0)
                delta->origin = (struct origin){ .known = true, .pid = origin->pid,
                                                 .start_ticks = origin->start_ns / NS_PER_TICK };
}

static int parse_connection(struct bytes record, struct delta *ret) {
        struct proto_connection connection;
        struct connection_facts *facts = &ret->connection;

        if (record.size != sizeof(connection))
                return -EBADMSG;
        memcpy(&connection, record.data, sizeof(connection));
        if ((connection.family != 4 && connection.family != 6) || connection.inbound > 1)
                return -EBADMSG;
        *ret = (struct delta){
                .kind = connection.header.kind == PROTO_ESTABLISHED ? DELTA_APPEARED : DELTA_VANISHED,
                .subject = DELTA_CONNECTION,
                .at_ns = connection.header.at_ns,
                .connection = {
                        .network_namespace = connection.network_namespace,
                        .cookie = connection.cookie,
                        .protocol = connection.protocol,
                        .family = connection.family,
                        .local_port = connection.local_port,
                        .remote_port = connection.remote_port,
                        .interface = connection.interface,
                        .user = connection.user,
                        .has_user = true,
                        .inbound = connection.inbound,
                },
        };
        memcpy(facts->local, connection.local, connection.family == 4 ? 4 : 16);
        memcpy(facts->remote, connection.remote, connection.family == 4 ? 4 : 16);
        set_origin(ret, &connection.origin);
        return 0;
}

static int parse_module(struct bytes record, struct delta *ret) {
        struct proto_module module;

        if (record.size != sizeof(module))
                return -EBADMSG;
        memcpy(&module, record.data, sizeof(module));
        *ret = (struct delta){
                .kind = module.header.kind == PROTO_MODULE_LOADED ? DELTA_APPEARED : DELTA_VANISHED,
                .subject = DELTA_MODULE,
                .at_ns = module.header.at_ns,
                .module = {
                        .name = until_nul(record.data + offsetof(struct proto_module, name), sizeof(module.name)),
                        .taints = module.taints,
                        .has_taints = true,
                },
        };
        set_origin(ret, &module.origin);
        return ret->module.name.size ? 0 : -EBADMSG;
}

static int parse_incident(struct bytes record, struct delta *ret) {
        static const enum incident_kind kinds[PROTO_INCIDENTS] = {
                [PROTO_PRIVILEGES_RAISED] = INCIDENT_PRIVILEGES_RAISED,
                [PROTO_RAW_SOCKET] = INCIDENT_RAW_SOCKET,
                [PROTO_MODULE_REFUSED] = INCIDENT_MODULE_REFUSED,
        };
        struct bytes fixed, what, rest = record;
        struct proto_incident incident;

        if (!take(&rest, sizeof(incident), &fixed))
                return -EBADMSG;
        memcpy(&incident, fixed.data, sizeof(incident));
        if (incident.kind >= PROTO_INCIDENTS || !take(&rest, incident.what_size, &what) || rest.size > 0)
                return -EBADMSG;
        *ret = (struct delta){
                .kind = DELTA_APPEARED,
                .subject = DELTA_INCIDENT,
                .at_ns = incident.header.at_ns,
                .incident = {
                        .kind = kinds[incident.kind],
                        .what = until_nul(what.data, what.size),
                        .numbers = { incident.numbers[0], incident.numbers[1] },
                },
        };
        set_origin(ret, &incident.origin);
        return 0;
}

int bpf_record_parse(struct bytes record, struct buffer *room, struct delta *ret) {
        struct proto_header header;

        if (record.size < sizeof(header) || record.size > PROTO_RECORD_MAX)
                return -EBADMSG;
        memcpy(&header, record.data, sizeof(header));
        if (header.version != PROTO_VERSION || header.size != record.size)
                return -EBADMSG;
        buffer_clear(room);
        switch ((enum proto_kind)header.kind) {
        case PROTO_EXECUTED:
        case PROTO_EXITED:
                return parse_process(record, room, ret);
        case PROTO_ESTABLISHED:
        case PROTO_CLOSED:
                return parse_connection(record, ret);
        case PROTO_MODULE_LOADED:
        case PROTO_MODULE_FREED:
                return parse_module(record, ret);
        case PROTO_INCIDENT:
                return parse_incident(record, ret);
        }
        return -EBADMSG;
}
