/* test-mounts.c - the mount table and what is told of it: a table of tables, then the real kernel. */
#include "tree.h"

#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/timerfd.h>

#include "buffer.h"
#include "fd.h"
#include "host.h"
#include "loop.h"
#include "mount-list.h"
#include "mounts.h"

struct scene {
        struct source_listener listener;
        struct host host;
        struct loop *loop;
        struct settings settings;
        struct watch_settings watch;
        char *paths[1];
        struct tree tree;
        void *state;
        struct loop_file tick;
        struct buffer log;
        const char *awaited;
        bool seen;
};

/* ---- the list ---- */

static void add_gone(void *context, const struct mount_list *list, const struct mount *mount) {
        buffer_append_string(context, "-");
        buffer_append_bytes(context, mount_where(list, mount));
        buffer_append_string(context, " ");
}

static void add_come(void *context, const struct mount_list *list, const struct mount *mount) {
        buffer_append_string(context, "+");
        buffer_append_bytes(context, mount_where(list, mount));
        buffer_append_string(context, "=");
        buffer_append_bytes(context, mount_what(list, mount));
        buffer_append_string(context, " ");
}

#define ROOT "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
#define BOOT "2 1 8:2 / /boot rw,noatime shared:1 master:2 - vfat /dev/sda2 rw\n"

static void test_local(void **state) {
        static const char table[] =
                "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:20 / /proc rw - proc proc rw\n3 1 0:21 / /tmp rw - tmpfs none rw\n"
                "4 1 0:22 / /srv rw - nfs4 server:/ rw\n5 1 8:2 / /far rw - fuseblk /dev/sda2 rw\n6 1 0:23 / /pool rw - btrfs /dev/sdb rw\n"
                "7 1 0:24 / /var/lib/c/merged rw - overlay overlay rw\n8 1 0:25 / /mine rw - fuse.sshfs me@far:/ rw\n"
                "9 1 0:26 / /covered rw - nfs server:/ rw\n10 9 8:3 / /covered rw - xfs /dev/sda3 rw\n11 1 0:27 / /u rw - unheard-of none rw\n";
        static const struct {
                const char *path;
                bool foreign;
        } cases[] = {
                { "/", false }, { "/proc", true }, { "/proc/1", false }, { "/tmp", false }, { "/srv", true }, { "/srv2", false },
                { "/far", true }, { "/pool", false }, { "/var/lib/c/merged", true }, { "/mine", true }, { "/covered", false }, { "/u", true },
                { "/nothing/mounted", false }, { "", false },
        };
        struct mount_list list = MOUNT_LIST_NULL;

        (void)state;
        assert_int_equal(mount_list_parse(&list, bytes_of_string(table)), 0);
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (mount_list_is_foreign(&list, cases[i].path, strlen(cases[i].path)) != cases[i].foreign)
                        fail_msg("%s", cases[i].path);
        assert_int_equal(mount_list_parse(&list, bytes_of_string("1 0 0:30 / / rw - overlay overlay rw\n")), 0);
        assert_false(mount_list_is_foreign(&list, "/", 1));
        mount_list_done(&list);
}

static void test_compare(void **state) {
        static const struct {
                const char *before, *after, *expected;
        } cases[] = {
                { ROOT BOOT, ROOT BOOT, "" },
                { ROOT BOOT, BOOT ROOT, "" },
                { ROOT, ROOT BOOT, "+/boot=/dev/sda2 " },
                { ROOT BOOT, ROOT, "-/boot " },
                { ROOT BOOT "3 2 0:9 / /boot/efi rw - tmpfs none rw\n", ROOT, "-/boot/efi -/boot " },
                /* the same id given again */
                { ROOT BOOT, ROOT "2 1 8:2 /evil /boot rw - vfat /dev/sda2 rw\n", "-/boot +/boot=/dev/sda2 " },
                { ROOT, ROOT "9 1 0:5 / /a\\040b\\134c\\012 rw - tmpfs a\\011b rw\n", "+/a b\\c\n=a\tb " },
                { ROOT, ROOT "9 1 0:5 / /empty rw - tmpfs  rw\n", "+/empty= " },
                { ROOT, ROOT "nonsense\n9 1 0:5 / /cut rw\n8 1 0:5 / /x rw shared:4\n", "" },
                { "", "", "" },
                { ROOT, "", "-/ " },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct mount_list before = MOUNT_LIST_NULL, after = MOUNT_LIST_NULL;
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                assert_int_equal(mount_list_parse(&before, bytes_of_string(cases[i].before)), 0);
                assert_int_equal(mount_list_parse(&after, bytes_of_string(cases[i].after)), 0);
                assert_int_equal(mount_list_compare(&before, &after, &text, add_gone, add_come), 0);
                assert_string_equal(buffer_string(&text), cases[i].expected);
                mount_list_done(&before);
                mount_list_done(&after);
        }
}

static void test_touches(void **state) {
        (void)state;
        assert_true(mount_touches(bytes_of_string("/boot"), "/boot"));
        assert_true(mount_touches(bytes_of_string("/"), "/boot"));
        assert_true(mount_touches(bytes_of_string("/boot/efi"), "/boot"));
        assert_true(mount_touches(bytes_of_string("/anything"), "/"));
        assert_true(mount_touches(bytes_of_string("/srv"), "/srv/data"));
        assert_false(mount_touches(bytes_of_string("/boot2"), "/boot"));
        assert_false(mount_touches(bytes_of_string("/bo"), "/boot"));
        assert_false(mount_touches(bytes_of_string("/srv/data2"), "/srv/data"));
}

/* ---- the source ---- */

static void on_hint(struct source_listener *listener, const struct hint *hint) {
        struct scene *scene = container_of(listener, struct scene, listener);

        buffer_printf(&scene->log, "hint %s /", hint->watch);
        for (size_t i = 0; i < hint->key.size; i++)
                buffer_append_byte(&scene->log, hint->key.data[i] ? hint->key.data[i] : '/');
        buffer_append_byte(&scene->log, '\n');
}

static void on_delta(struct source_listener *listener, const struct delta *delta) {
        struct scene *scene = container_of(listener, struct scene, listener);

        assert_int_equal(delta->subject, DELTA_INCIDENT);
        assert_true(delta->at_ns > 0);
        buffer_append_string(&scene->log, delta->incident.kind == INCIDENT_MOUNTED ? "mounted " : "unmounted ");
        buffer_append_bytes(&scene->log, delta->incident.what);
        buffer_append_byte(&scene->log, ' ');
        buffer_append_bytes(&scene->log, delta->incident.where);
        buffer_append_byte(&scene->log, '\n');
}

static void on_ended(struct source_listener *listener, const char *source, const char *reason) {
        struct scene *scene = container_of(listener, struct scene, listener);

        buffer_printf(&scene->log, "ended %s: %s\n", source, reason);
}

static int too_long(struct loop_file *file, uint32_t events) {
        struct scene *scene = container_of(file, struct scene, tick);

        (void)events;
        loop_stop(scene->loop, 0);
        return 0;
}

static int look_for(void *context) {
        struct scene *scene = context;

        if (strstr(buffer_string(&scene->log), scene->awaited)) {
                scene->seen = true;
                loop_stop(scene->loop, 0);
        }
        return 0;
}

static void wait_for(struct scene *scene, const char *format, const char *path) {
        struct itimerspec bound = { .it_value = { .tv_sec = 10 } };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        buffer_printf(&text, "%s%s\n", format, path);
        scene->awaited = buffer_string(&text);
        scene->seen = strstr(buffer_string(&scene->log), scene->awaited) != NULL;
        assert_int_equal(timerfd_settime(scene->tick.fd, 0, &bound, NULL), 0);
        if (!scene->seen)
                assert_int_equal(loop_run(scene->loop), 0);
        if (!scene->seen)
                print_message("no \"%s\" in:\n%s", scene->awaited, buffer_string(&scene->log));
        assert_true(scene->seen);
}

static void test_source(void **state) {
        struct scene scene = { .listener = { .hint = on_hint, .delta = on_delta, .ended = on_ended } };
        struct source_request request = { &scene.settings, &scene.host, NULL, &scene.listener, 0 };
        _cleanup_free_ char *mount_point = NULL, *below = NULL;
        const char *reason = NULL;
        unsigned subjects = 0;
        int fd, other;

        (void)state;
        if (geteuid() != 0)
                skip();
        tree_make(&scene.tree);
        tree_folder(&scene.tree, "watched/below");
        mount_point = tree_path(&scene.tree, "watched");
        below = tree_path(&scene.tree, "watched/below");
        scene.loop = request.loop = loop_new();
        loop_after(scene.loop, look_for, &scene);
        scene.tick.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        scene.tick.ready = too_long;
        assert_int_equal(loop_add(scene.loop, &scene.tick, EPOLLIN), 0);
        scene.paths[0] = mount_point;
        scene.watch = (struct watch_settings){
                .name = (char *)(uintptr_t)"w", .kind = (char *)(uintptr_t)"files", .enabled = true, .paths = { scene.paths, 1 },
        };
        scene.settings.watches = &scene.watch;
        scene.settings.n_watches = 1;

        /* a fixture has none */
        assert_int_equal(host_open(&scene.host, scene.tree.root), 0);
        assert_int_equal(source_mounts.open(&request, &scene.state, &subjects, &reason), -EOPNOTSUPP);
        assert_non_null(reason);
        host_close(&scene.host);
        assert_int_equal(host_open(&scene.host, "/"), 0);
        assert_int_equal(source_mounts.open(&request, &scene.state, &subjects, &reason), 0);
        assert_int_equal(subjects, 1U << DELTA_INCIDENT);

        if (mount("nephronix-test", below, "tmpfs", 0, NULL) < 0)
                goto done; /* may not: a container */
        wait_for(&scene, "mounted nephronix-test ", below);
        wait_for(&scene, "hint w ", below);
        assert_int_equal(umount(below), 0);
        wait_for(&scene, "unmounted nephronix-test ", below);
        buffer_clear(&scene.log);
        assert_int_equal(mount("/usr", mount_point, NULL, MS_BIND, NULL), 0);
        wait_for(&scene, "hint w ", mount_point);
        assert_int_equal(umount(mount_point), 0);
        buffer_clear(&scene.log);
        source_mounts.check(scene.state);
        wait_for(&scene, "hint w ", mount_point);

        /* the descriptor becomes another one */
        fd = -1;
        for (int i = 3; i < 64 && fd < 0; i++) {
                char path[64], target[64] = "";

                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
                if (readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "mountinfo"))
                        fd = i;
        }
        other = open("/", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0 && other >= 0 && dup2(other, fd) == fd);
        (void)close(other);
        source_mounts.check(scene.state);
        assert_non_null(strstr(buffer_string(&scene.log), "ended mounts: the mount table cannot be read\n"));
        source_mounts.check(scene.state);
done:
        source_mounts.close(scene.state);
        source_mounts.close(NULL);
        loop_remove(&scene.tick);
        (void)fd_close(scene.tick.fd);
        (void)loop_free(scene.loop);
        host_close(&scene.host);
        tree_remove(&scene.tree);
        buffer_done(&scene.log);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_local),
                cmocka_unit_test(test_compare),
                cmocka_unit_test(test_touches),
                cmocka_unit_test(test_source),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
