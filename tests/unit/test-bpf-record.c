/* test-bpf-record.c - records as our programs write them, and as they never do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include <errno.h>

#include "bpf-record.h"
#include "proto.h"

static struct buffer made, room;

static void make(const void *fixed, size_t size, const char *texts, size_t texts_size) {
        struct proto_header header;

        buffer_clear(&made);
        memcpy(&header, fixed, sizeof(header));
        header.version = PROTO_VERSION;
        header.size = (uint32_t)(size + texts_size);
        header.at_ns = 99;
        buffer_append(&made, &header, sizeof(header));
        buffer_append(&made, (const uint8_t *)fixed + sizeof(header), size - sizeof(header));
        buffer_append(&made, texts, texts_size);
        assert_int_equal(buffer_error(&made), 0);
}

static int parse(struct delta *delta) {
        return bpf_record_parse(buffer_bytes(&made), &room, delta);
}

static void assert_text(struct bytes bytes, const char *text) {
        assert_int_equal(bytes.size, strlen(text));
        assert_memory_equal(bytes.data, text, bytes.size);
}

static const char texts[] = "ls\0bin\0usr\0" "root\0" "ls\0-l\0\0";

static struct proto_process executed(void) {
        return (struct proto_process){
                .header.kind = PROTO_EXECUTED, .start_ns = 47110000001, .inode = 12, .device = 8 << 20 | 300, .pid = 7, .parent = 1,
                .session_leader = 5, .user = 1000, .effective_user = 0, .login_user = 1000, .audit_session = 3,
                .tty = 136 << 20 | 257, .flags = PROTO_HAS_LOGIN | PROTO_DELETED, .path_size = 11, .directory_size = 5,
                .arguments_size = 7, .name = "ls",
        };
}

static void test_executed(void **unused) {
        struct proto_process process = executed();
        struct delta delta;

        (void)unused;
        make(&process, sizeof(process), texts, sizeof(texts) - 1);
        assert_int_equal(parse(&delta), 0);
        assert_int_equal(delta.kind, DELTA_APPEARED);
        assert_int_equal(delta.subject, DELTA_PROCESS);
        assert_int_equal(delta.at_ns, 99);
        assert_true(delta.origin.known);
        assert_int_equal(delta.origin.pid, 7);
        assert_int_equal(delta.origin.start_ticks, 4711);
        assert_int_equal(delta.process.start_ticks, 4711);
        assert_int_equal(delta.process.session_leader, 5);
        assert_int_equal(delta.process.flags, PROCESS_HAS_USERS | PROCESS_HAS_LOGIN | PROCESS_DELETED);
        assert_int_equal(delta.process.exec_device, makedev(8, 300));
        assert_int_equal(delta.process.tty, 136 << 8 | 1 | 1 << 20); /* as /proc has pts/257 */
        assert_text(delta.process.name, "ls");
        assert_text(delta.process.executable, "/usr/bin/ls");
        assert_text(delta.process.working_directory, "/root");
        assert_text(delta.process.command_line, "ls -l");

        process.path_size = process.directory_size = 0;
        process.flags |= PROTO_PATH_CUT;
        make(&process, sizeof(process), texts + 16, 7);
        assert_int_equal(parse(&delta), 0);
        assert_int_equal(delta.process.executable.size, 0);
        assert_text(delta.process.working_directory, "/");
        assert_text(delta.process.command_line, "ls -l");
        assert_true(delta.process.flags & PROCESS_CUT);
}

static void test_exited(void **unused) {
        struct proto_process process = executed();
        struct delta delta;

        (void)unused;
        process.header.kind = PROTO_EXITED;
        process.exit_status = 0x300;
        process.path_size = process.directory_size = 0;
        process.arguments_size = 0;
        make(&process, sizeof(process), NULL, 0);
        assert_int_equal(parse(&delta), 0);
        assert_int_equal(delta.kind, DELTA_VANISHED);
        assert_int_equal(delta.process.exit_status, 0x300);
        assert_true(delta.process.flags & PROCESS_HAS_EXIT);
        process.arguments_size = 1;
        make(&process, sizeof(process), "x", 1);
        assert_int_equal(parse(&delta), -EBADMSG);
}

static void test_connection(void **unused) {
        struct proto_connection connection = {
                .header.kind = PROTO_ESTABLISHED, .origin = { .pid = 9, .start_ns = 30000000 }, .cookie = 77, .family = 4,
                .protocol = 6, .local_port = 80, .remote_port = 9000, .local = { 127, 0, 0, 1, 66 }, .inbound = 1,
        };
        const uint8_t wanted[16] = { 127, 0, 0, 1 };
        struct delta delta;

        (void)unused;
        make(&connection, sizeof(connection), NULL, 0);
        assert_int_equal(parse(&delta), 0);
        assert_int_equal(delta.kind, DELTA_APPEARED);
        assert_int_equal(delta.origin.start_ticks, 3);
        assert_int_equal(delta.connection.cookie, 77);
        assert_memory_equal(delta.connection.local, wanted, sizeof(wanted));
        assert_true(delta.connection.inbound);
        connection.family = 5;
        make(&connection, sizeof(connection), NULL, 0);
        assert_int_equal(parse(&delta), -EBADMSG);
        connection.family = 6;
        connection.origin.pid = 0;
        make(&connection, sizeof(connection), NULL, 0);
        assert_int_equal(parse(&delta), 0);
        assert_false(delta.origin.known);
}

static void test_module_and_incident(void **unused) {
        struct proto_module module = { .header.kind = PROTO_MODULE_FREED, .taints = 4096, .name = "dummy" };
        struct proto_incident incident = {
                .header.kind = PROTO_INCIDENT, .kind = PROTO_RAW_SOCKET, .what_size = 7, .numbers = { 3 },
        };
        struct delta delta;

        (void)unused;
        make(&module, sizeof(module), NULL, 0);
        assert_int_equal(parse(&delta), 0);
        assert_int_equal(delta.kind, DELTA_VANISHED);
        assert_text(delta.module.name, "dummy");
        memset(module.name, 'x', sizeof(module.name)); /* no NUL: ends with the field */
        make(&module, sizeof(module), NULL, 0);
        assert_int_equal(parse(&delta), 0);
        assert_int_equal(delta.module.name.size, sizeof(module.name));
        module.name[0] = '\0';
        make(&module, sizeof(module), NULL, 0);
        assert_int_equal(parse(&delta), -EBADMSG);

        make(&incident, sizeof(incident), "packet", 7);
        assert_int_equal(parse(&delta), 0);
        assert_int_equal(delta.incident.kind, INCIDENT_RAW_SOCKET);
        assert_text(delta.incident.what, "packet");
        incident.what_size = 8;
        make(&incident, sizeof(incident), "packet", 7);
        assert_int_equal(parse(&delta), -EBADMSG);
        incident.what_size = 7;
        incident.kind = PROTO_INCIDENTS;
        make(&incident, sizeof(incident), "packet", 7);
        assert_int_equal(parse(&delta), -EBADMSG);
}

/* Cut anywhere, longer than it says, of another version or kind, with sizes that do not fit. */
static void test_malformed(void **unused) {
        struct proto_process process = executed();
        struct proto_header header;
        struct delta delta;
        size_t whole;

        (void)unused;
        make(&process, sizeof(process), texts, sizeof(texts) - 1);
        whole = made.size;
        for (size_t size = 0; size < whole; size++) {
                _cleanup_free_ uint8_t *cut = malloc(size ? size : 1);

                assert_non_null(cut);
                memcpy(cut, made.data, size);
                assert_int_equal(bpf_record_parse(bytes_of(cut, size), &room, &delta), -EBADMSG);
                if (size < sizeof(header))
                        continue;
                memcpy(&header, cut, sizeof(header));
                header.size = (uint32_t)size; /* a cut that is not admitted by the size */
                memcpy(cut, &header, sizeof(header));
                assert_int_equal(bpf_record_parse(bytes_of(cut, size), &room, &delta), -EBADMSG);
        }
        made.data[0]++;
        assert_int_equal(parse(&delta), -EBADMSG);
        made.data[0]--;
        for (unsigned kind = 0; kind < 256; kind++) {
                made.data[2] = (uint8_t)kind;
                assert_int_equal(parse(&delta), kind == PROTO_EXECUTED ? 0 : -EBADMSG);
        }

        process.arguments_size = UINT32_MAX;
        make(&process, sizeof(process), texts, sizeof(texts) - 1);
        assert_int_equal(parse(&delta), -EBADMSG);
        process = executed();
        process.path_size = 10; /* its last name is not ended */
        process.directory_size = 6;
        make(&process, sizeof(process), texts, sizeof(texts) - 1);
        assert_int_equal(parse(&delta), -EBADMSG);
        process = executed();
        make(&process, sizeof(process), "ls\0\0in\0usr\0root\0ls\0-l\0\0", sizeof(texts) - 1); /* a name without a name */
        assert_int_equal(parse(&delta), -EBADMSG);
        process = executed();
        process.pid = 0;
        make(&process, sizeof(process), texts, sizeof(texts) - 1);
        assert_int_equal(parse(&delta), -EBADMSG);
}

static int done(void **unused) {
        (void)unused;
        buffer_done(&made);
        buffer_done(&room);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_executed), cmocka_unit_test(test_exited), cmocka_unit_test(test_connection),
                cmocka_unit_test(test_module_and_incident), cmocka_unit_test(test_malformed),
        };

        return cmocka_run_group_tests(tests, NULL, done);
}
