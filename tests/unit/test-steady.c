/* test-steady.c - what a delta says of a process is what a look says of it a moment later, word for word, in every field that is
 * marked FIELD_STEADY: on the running kernel, with programs of all kinds. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "listen.h"
#include "tree.h"

#include "bpf-programs.h"
#include "process-connector.h"
#include "processes.h"

#define NOBODY 65534

static struct tree tree;
static void *watch;             /* its state */

/* What the delta about this process said. */
static pid_t asked;
static struct record told;
static struct buffer bytes[RECORD_FIELDS_MAX];
static struct buffer key;

static void on_delta(struct source_listener *listener, const struct delta *delta) {
        struct record record;

        listen_delta(listener, delta);
        if (delta->subject != DELTA_PROCESS || delta->kind != DELTA_APPEARED || (pid_t)delta->process.pid != asked ||
            watch_processes.recognize(watch, delta, &record) != 1)
                return;
        told = record;
        buffer_clear(&key);
        buffer_append_bytes(&key, record.key);
        for (size_t i = 0; watch_processes.fields[i].name; i++) {
                if (!field_is_bytes(&watch_processes.fields[i]) || !record.values[i].present)
                        continue;
                buffer_clear(&bytes[i]);
                buffer_append_bytes(&bytes[i], record.values[i].bytes);
                told.values[i].bytes = buffer_bytes(&bytes[i]);
        }
}

/* ---- programs of all kinds ---- */

enum kind { PLAIN, LINKED, SCRIPT, STRANGE_NAME, DELETED, FROM_MEMORY, ANOTHER_USER, SET_USER_ID, OTHER_ROOT, OTHER_MOUNTS, OVERLAID, KINDS };

static const char *const kind_names[] = {
        "plain", "linked", "script", "strange name", "deleted", "from memory", "another user", "set-user-id", "other root",
        "other mounts", "overlaid",
};

static const char *kind_name;

/* The name of one that is really called so, and not deleted. */
static const char strange[] = "a\nb \xff (deleted)";

static uint8_t program[1 << 20];
static size_t program_size;

static void put_program(const char *name, mode_t mode) {
        _cleanup_free_ char *path = tree_path(&tree, name);

        tree_write(&tree, name, program, program_size);
        assert_int_equal(chmod(path, mode), 0);
}

static void make_programs(void) {
        _cleanup_free_ char *link = NULL, *script = NULL;
        int fd = open("/bin/sleep", O_RDONLY | O_CLOEXEC);
        ssize_t size = read(fd, program, sizeof(program));

        assert_true(size > 0 && (size_t)size < sizeof(program));
        program_size = (size_t)size;
        (void)close(fd);
        tree_make(&tree);
        assert_int_equal(chmod(tree.root, 0755), 0);
        link = tree_path(&tree, "link");
        script = tree_path(&tree, "script");
        assert_int_equal(symlink("/bin/sleep", link), 0);
        tree_text(&tree, "script", "#!/bin/sh\nkill -STOP $$\n");
        assert_int_equal(chmod(script, 0755), 0);
        put_program(strange, 0755);
        put_program("deleted", 0755);
        put_program("set-user-id", 04755);
        put_program("low/sleep", 0755);
        tree_folder(&tree, "root");
        tree_folder(&tree, "mounted");
        tree_folder(&tree, "up");
        tree_folder(&tree, "work");
        tree_folder(&tree, "merged");
}

static void run_here(const char *path) {
        (void)execl(path, "sleep", "60", NULL);
        _exit(99);
}

/* What is not to be had here: any other will do. */
static void run_plain(void) {
        (void)fprintf(stderr, "%s: %s\n", kind_name, strerror(errno));
        run_here("/bin/sleep");
}

static void own_mounts(void) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                run_plain();
}

static void run_in_tree(const char *name) {
        _cleanup_free_ char *path = tree_path(&tree, name);

        run_here(path);
}

static void run_from_memory(void) {
        char *const arguments[] = { (char []){ "sleep" }, (char []){ "60" }, NULL };
        int fd = memfd_create("x", MFD_CLOEXEC);

        if (write(fd, program, program_size) != (ssize_t)program_size)
                _exit(99);
        (void)fexecve(fd, arguments, environ);
        _exit(99);
}

static void run(enum kind kind) {
        _cleanup_free_ char *root = tree_path(&tree, "root"), *mounted = tree_path(&tree, "mounted"), *options = NULL,
                            *merged = tree_path(&tree, "merged"), *deleted = tree_path(&tree, "deleted");

        switch (kind) {
        case PLAIN:
                run_here("/bin/sleep");
                break;
        case LINKED:
                run_in_tree("link");
                break;
        case SCRIPT:
                run_in_tree("script");
                break;
        case STRANGE_NAME:
                run_in_tree(strange);
                break;
        case DELETED: {
                char *const arguments[] = { (char []){ "sleep" }, (char []){ "60" }, NULL };
                int fd = open(deleted, O_RDONLY | O_CLOEXEC);

                (void)unlink(deleted);
                (void)fexecve(fd, arguments, environ);
                break;
        }
        case FROM_MEMORY:
                run_from_memory();
                break;
        case ANOTHER_USER:
                if (setuid(NOBODY) == 0)
                        run_here("/bin/sleep");
                break;
        case SET_USER_ID:
                if (setuid(NOBODY) == 0)
                        run_in_tree("set-user-id");
                break;
        case OTHER_ROOT:
                own_mounts();
                if (mount("/", root, NULL, MS_BIND, NULL) < 0 || chroot(root) < 0 || chdir("/") < 0)
                        run_plain();
                run_here("/bin/sleep");
                break;
        case OTHER_MOUNTS:
                own_mounts();
                if (mount("tmpfs", mounted, "tmpfs", 0, NULL) < 0)
                        run_plain();
                put_program("mounted/sleep", 0755);
                run_in_tree("mounted/sleep");
                break;
        case OVERLAID:
                own_mounts();
                if (asprintf(&options, "lowerdir=%s/low,upperdir=%s/up,workdir=%s/work", tree.root, tree.root, tree.root) < 0 ||
                    mount("overlay", merged, "overlay", 0, options) < 0)
                        run_plain();
                run_in_tree("merged/sleep");
                break;
        case KINDS:
                break;
        }
        _exit(99);
}

/* ---- and a look at each ---- */

static unsigned compared;

static int compare(struct collector *collector, const struct record *record) {
        struct record now = *record;

        (void)collector;
        assert_int_equal(watch_processes.complete(watch, &now), 0);
        for (size_t i = 0; watch_processes.fields[i].name; i++) {
                const struct field *field = &watch_processes.fields[i];
                const struct value *before = &told.values[i], *after = &now.values[i];

                if (!(field->flags & FIELD_STEADY))
                        continue;
                if (!before->present || !after->present)
                        fail_msg("%s: %s %s told, %s seen", kind_name, field->name, before->present ? "is" : "is not",
                                 after->present ? "is" : "is not");
                if (!value_equal(field, before, after)) {
                        if (!field_is_bytes(field))
                                fail_msg("%s: %s: %llu told, %llu seen", kind_name, field->name, (unsigned long long)before->number,
                                         (unsigned long long)after->number);
                        fail_msg("%s: %s: '%.*s' told, '%.*s' seen", kind_name, field->name, (int)before->bytes.size,
                                 (const char *)before->bytes.data, (int)after->bytes.size, (const char *)after->bytes.data);
                }
                compared++;
        }
        return 0;
}

static void on_loss(struct collector *collector, const struct loss *loss) {
        (void)collector;
        (void)loss;
}

static void on_condition(struct collector *collector, const char *text) {
        (void)collector;
        (void)text;
}

static void check(const struct source *source) {
        struct collector collector = { .record = compare, .loss = on_loss, .condition = on_condition };
        struct collect_request request = { .within = BYTES_NULL };
        struct listen listen;

        listen_open_or_skip(&listen, source, 1U << DELTA_PROCESS);
        listen.listener.delta = on_delta;
        make_programs();
        assert_int_equal(watch_processes.open(NULL, &listen.host, &watch), 0);
        for (enum kind kind = PLAIN; kind < KINDS; kind++) {
                char line[64];
                int status;

                kind_name = kind_names[kind];
                told = (struct record){ .key = BYTES_NULL };
                buffer_clear(&key);
                buffer_clear(&listen.text);
                asked = fork();
                assert_true(asked >= 0);
                if (asked == 0)
                        run(kind);
                (void)snprintf(line, sizeof(line), "appeared process pid=%d ", (int)asked);
                listen_for(&listen, line);
                assert_true(key.size > 0);
                request.within = buffer_bytes(&key);
                compared = 0;
                assert_int_equal(watch_processes.collect(watch, &request, &collector), WATCH_OK);
                if (compared < 2)
                        fail_msg("%s: a look does not find it", kind_name);
                (void)kill(asked, SIGKILL);
                assert_int_equal(waitpid(asked, &status, 0), asked);
        }
        watch_processes.close(watch);
        tree_remove(&tree);
        listen_close(&listen);
}

static void test_bpf(void **unused) {
        (void)unused;
        check(&source_bpf);
}

static void test_process_connector(void **unused) {
        (void)unused;
        check(&source_process_connector);
}

static int done(void **unused) {
        (void)unused;
        buffer_done(&key);
        for (size_t i = 0; i < ELEMENTS(bytes); i++)
                buffer_done(&bytes[i]);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bpf),
                cmocka_unit_test(test_process_connector),
        };

        return cmocka_run_group_tests(tests, NULL, done);
}
