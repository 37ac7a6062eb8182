/* test-file-trees.c - what fanotify and inotify tell of file trees: on the real kernel, in a fixture tree, each act on each rung. */
#include "tree.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sched.h>
#include <sys/wait.h>

#include "buffer.h"
#include "fanotify.h"
#include "fd.h"
#include "host.h"
#include "inotify.h"
#include "loop.h"

struct scene {
        struct tree tree;
        struct host host;
        struct loop *loop;
        struct settings settings;
        struct watch_settings watches[4];
        char *paths[4], *excludes[4];
        struct source_listener listener;
        const struct source *source;
        void *state;
        struct buffer log;              /* one line for each call of the listener */
        pid_t child;                    /* who acts */
        struct loop_file tick;
        unsigned ticks;
        const char *awaited;
        bool seen;
};

static const struct source *rung;

static struct scene *of(struct source_listener *listener) {
        return container_of(listener, struct scene, listener);
}

static void on_hint(struct source_listener *listener, const struct hint *hint) {
        struct scene *scene = of(listener);

        buffer_printf(&scene->log, "%s ", hint->watch ? hint->watch : hint->kind);
        for (size_t i = 0; i < hint->key.size; i++)
                buffer_append_byte(&scene->log, hint->key.data[i] ? hint->key.data[i] : '/');
        buffer_printf(&scene->log, "%s%s%s\n", hint->flags & HINT_APPEARED ? " appeared" : "",
                      hint->flags & HINT_VANISHED ? " vanished" : "",
                      !hint->origin.known ? "" : hint->origin.pid == (uint32_t)scene->child ? " child" : " somebody");
}

static void on_delta(struct source_listener *listener, const struct delta *delta) {
        (void)listener;
        (void)delta;
        fail();
}

static void on_loss(struct source_listener *listener, const struct loss *loss) {
        struct scene *scene = of(listener);

        buffer_printf(&scene->log, "loss %s %s\n", loss->watch ? loss->watch : loss->kind, loss->reason);
}

static void on_covers(struct source_listener *listener, const struct coverage *coverage) {
        static const char *const levels[] = { "wakes", "most", "full" };

        buffer_printf(&of(listener)->log, "covers %s: %s, %s (%s)\n", coverage->watch ? coverage->watch : coverage->kind,
                      coverage->mechanism, levels[coverage->level], coverage->limits ? coverage->limits : "");
}

static void on_ended(struct source_listener *listener, const char *source, const char *reason) {
        buffer_printf(&of(listener)->log, "ended %s: %s\n", source, reason);
}

static int ticked(struct loop_file *file, uint32_t events) {
        struct scene *scene = container_of(file, struct scene, tick);
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) > 0 && scene->ticks-- == 0)
                loop_stop(scene->loop, 0);
        return 0;
}

static int look_for(void *context) {
        struct scene *scene = context;

        if (scene->awaited && strstr(buffer_string(&scene->log), scene->awaited)) {
                scene->seen = true;
                loop_stop(scene->loop, 0);
        }
        return 0;
}

/* Runs the loop until the log has the line, for ten seconds at most; NULL: for a quarter of a second. */
static bool wait_for(struct scene *scene, const char *line) {
        struct itimerspec every = { { .tv_nsec = 10000000 }, { .tv_nsec = 10000000 } };

        scene->awaited = line;
        scene->seen = line && strstr(buffer_string(&scene->log), line);
        scene->ticks = line ? 1000 : 25;
        if (scene->seen)
                return true;
        assert_int_equal(timerfd_settime(scene->tick.fd, 0, &every, NULL), 0);
        assert_int_equal(loop_run(scene->loop), 0);
        if (line && !scene->seen)
                print_message("no \"%s\" in:\n%s", line, buffer_string(&scene->log));
        return scene->seen;
}

static int set_up(void **state) {
        struct scene *scene = calloc(1, sizeof(*scene));

        assert_non_null(scene);
        tree_make(&scene->tree);
        tree_folder(&scene->tree, "t");
        tree_folder(&scene->tree, "other");
        assert_int_equal(host_open(&scene->host, scene->tree.root), 0);
        scene->loop = loop_new();
        assert_non_null(scene->loop);
        scene->listener = (struct source_listener){ on_hint, on_delta, on_loss, on_covers, on_ended };
        scene->watches[0] = (struct watch_settings){
                .name = (char *)(uintptr_t)"w", .kind = (char *)(uintptr_t)"files", .enabled = true,
                .paths = { scene->paths, 1 }, .excludes = { scene->excludes, 0 },
        };
        scene->paths[0] = (char *)(uintptr_t)"/t";
        scene->settings.watches = scene->watches;
        scene->settings.n_watches = 1;
        scene->tick.ready = ticked;
        scene->tick.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        assert_int_equal(loop_add(scene->loop, &scene->tick, EPOLLIN), 0);
        loop_after(scene->loop, look_for, scene);
        scene->source = rung;
        *state = scene;
        return 0;
}

static int tear_down(void **state) {
        struct scene *scene = *state;

        scene->source->close(scene->state);
        scene->source->close(NULL);
        loop_remove(&scene->tick);
        (void)fd_close(scene->tick.fd);
        (void)loop_free(scene->loop);
        host_close(&scene->host);
        tree_remove(&scene->tree);
        buffer_done(&scene->log);
        free(scene);
        return 0;
}

static void start(struct scene *scene) {
        struct source_request request = { &scene->settings, &scene->host, scene->loop, &scene->listener, 1u << DELTA_FILE };
        unsigned subjects = 1;
        const char *reason = NULL;
        int r = scene->source->open(&request, &scene->state, &subjects, &reason);

        if (r == -EOPNOTSUPP || r == -EPERM)
                skip();
        assert_int_equal(r, 0);
        assert_int_equal(subjects, 1u << DELTA_FILE);
        if (geteuid() != 0)
                skip();
}

/* Another process does it, in the root of the fixture. */
static void by_child(struct scene *scene, void (*act)(struct scene *scene)) {
        int status;

        buffer_clear(&scene->log);
        scene->child = fork();
        assert_true(scene->child >= 0);
        if (scene->child == 0) {
                if (chdir(scene->tree.root) < 0)
                        _exit(2);
                act(scene);
                _exit(0);
        }
        assert_int_equal(waitpid(scene->child, &status, 0), scene->child);
        assert_int_equal(status, 0);
}

static void need(bool fine) {
        if (!fine)
                _exit(errno ? errno : 1);
}

static void put(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT, 0644);

        need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

/* A hint of this key, and by whom as far as this rung knows. */
static void assert_hint(struct scene *scene, const char *line) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        buffer_printf(&text, "%s%s\n", line, scene->source == &source_fanotify ? " child" : "");
        assert_true(wait_for(scene, buffer_string(&text)));
}

static bool told(struct scene *scene, const char *text) {
        return strstr(buffer_string(&scene->log), text) != NULL;
}

/* ---- acts ---- */

static void create(struct scene *scene) { (void)scene; put("t/new", "x"); }
static void write_on(struct scene *scene) { (void)scene; put("t/old", "yy"); }
static void change_mode(struct scene *scene) { (void)scene; need(chmod("t/old", 0600) == 0); }
static void change_top(struct scene *scene) { (void)scene; need(chmod("t", 0700) == 0); }
static void cut(struct scene *scene) { (void)scene; need(truncate("t/old", 1) == 0); }
static void swap_in(struct scene *scene) { (void)scene; put("other/next", "zz"); need(rename("other/next", "t/old") == 0); }
static void rename_file(struct scene *scene) { (void)scene; need(rename("t/old", "t/older") == 0); }
static void drop(struct scene *scene) { (void)scene; need(unlink("t/older") == 0); }
static void link_in(struct scene *scene) { (void)scene; need(symlink("nowhere", "t/link") == 0); }
static void flash(struct scene *scene) { (void)scene; put("t/flash", "x"); need(unlink("t/flash") == 0); }
static void foreign(struct scene *scene) { (void)scene; put("other/file", "x"); put("beside", "x"); }

static void test_acts(void **state) {
        struct scene *scene = *state;

        tree_text(&scene->tree, "t/old", "x");
        start(scene);
        if (scene->source == &source_fanotify)
                assert_true(told(scene, "covers w: fanotify inode marks, full (writes through a mapping are seen when it is unmapped; "
                                        "writes to the device under the filesystem are not seen)\n"));
        else
                assert_true(told(scene, "covers w: inotify, most ("));
        by_child(scene, create);
        assert_hint(scene, "w t/new appeared");
        by_child(scene, write_on);
        assert_hint(scene, "w t/old");
        by_child(scene, change_mode);
        assert_hint(scene, "w t/old");
        by_child(scene, change_top);
        assert_hint(scene, "w t");
        by_child(scene, cut);
        assert_hint(scene, "w t/old");
        by_child(scene, swap_in);
        assert_hint(scene, "w t/old appeared");
        assert_false(told(scene, "other"));
        by_child(scene, rename_file);
        assert_hint(scene, "w t/old vanished");
        assert_hint(scene, "w t/older appeared");
        by_child(scene, drop);
        assert_hint(scene, "w t/older vanished");
        by_child(scene, link_in);
        assert_hint(scene, "w t/link appeared");
        by_child(scene, flash);
        assert_true(wait_for(scene, "w t/flash appeared vanished"));
        by_child(scene, foreign);
        assert_false(wait_for(scene, NULL));
        assert_string_equal(buffer_string(&scene->log), "");
        /* what we write ourselves wakes nobody */
        if (scene->source == &source_fanotify) {
                tree_text(&scene->tree, "t/ours", "x");
                assert_false(wait_for(scene, NULL));
                assert_string_equal(buffer_string(&scene->log), "");
        }
        scene->source->check(scene->state);
        assert_string_equal(buffer_string(&scene->log), "");
}

static void nest(struct scene *scene) {
        (void)scene;
        need(mkdir("t/deep", 0755) == 0 && chdir("t/deep") == 0);
        for (int i = 0; i < 1000; i++)
                need(mkdir("d", 0755) == 0 && chdir("d") == 0);
}

static void touch_deepest(struct scene *scene) {
        (void)scene;
        need(chdir("t/deep") == 0);
        for (int i = 0; i < 1000; i++)
                need(chdir("d") == 0);
        put("file", "x");
}

static void remove_nest(struct scene *scene) {
        (void)scene;
        need(chdir("t/deep") == 0);
        for (int i = 0; i < 1000; i++)
                need(chdir("d") == 0);
        (void)unlink("file");
        for (int i = 0; i < 1000; i++)
                need(chdir("..") == 0 && rmdir("d") == 0);
        need(chdir("..") == 0 && rmdir("deep") == 0);
}

static void spread(struct scene *scene) {
        char name[32];

        (void)scene;
        for (int i = 0; i < 1000; i++) {
                (void)snprintf(name, sizeof(name), "t/w%d", i);
                need(mkdir(name, 0755) == 0);
        }
}

static void touch_spread(struct scene *scene) {
        char name[32];

        (void)scene;
        for (int i = 0; i < 1000; i++) {
                (void)snprintf(name, sizeof(name), "t/w%d/f", i);
                put(name, "x");
        }
}

/* Directories made faster than they can be marked: all of them are seen in the end. */
static void test_new_directories(void **state) {
        struct scene *scene = *state;

        start(scene);
        by_child(scene, nest);
        assert_hint(scene, "w t/deep appeared");
        while (wait_for(scene, NULL))
                ;
        by_child(scene, touch_deepest);
        assert_true(wait_for(scene, "d/d/d/file appeared"));
        by_child(scene, remove_nest);
        assert_hint(scene, "w t/deep vanished");
        by_child(scene, spread);
        (void)wait_for(scene, NULL);
        by_child(scene, touch_spread);
        for (int i = 0; i < 1000; i++) {
                char line[64];

                (void)snprintf(line, sizeof(line), "w t/w%d/f appeared", i);
                assert_true(wait_for(scene, line));
        }
        scene->source->check(scene->state);
        assert_false(told(scene, "ended"));
}

static void move_out(struct scene *scene) { (void)scene; need(rename("t/a", "other/a") == 0); }
static void touch_out(struct scene *scene) { (void)scene; put("other/a/b/file", "xx"); }
static void move_in(struct scene *scene) { (void)scene; need(rename("other/a", "t/c") == 0); }
static void touch_in(struct scene *scene) { (void)scene; put("t/c/b/file", "xxx"); }
static void move_about(struct scene *scene) { (void)scene; need(rename("t/c", "t/x/d") == 0); }
static void touch_about(struct scene *scene) { (void)scene; put("t/x/d/b/file", "xxxx"); }

static void exchange(struct scene *scene) {
        (void)scene;
        need(renameat2(AT_FDCWD, "t/x", AT_FDCWD, "t/y", RENAME_EXCHANGE) == 0);
}

static void touch_exchanged(struct scene *scene) { (void)scene; put("t/y/d/b/file", "5"); put("t/x/in-y", "5"); }

static void shuffle(struct scene *scene) {
        (void)scene;
        for (int i = 0; i < 2000; i++)
                need(rename("t/y", "t/z") == 0 && rename("t/z", "t/y") == 0 && rename("t/y/d/b", "t/x/b") == 0 &&
                     rename("t/x/b", "t/y/d/b") == 0);
        need(rename("t/y", "t/z") == 0);
}

static void touch_shuffled(struct scene *scene) { (void)scene; put("t/z/d/b/file", "6"); put("t/x/in-y", "6"); }

static void test_moves(void **state) {
        struct scene *scene = *state;

        tree_text(&scene->tree, "t/a/b/file", "x");
        tree_folder(&scene->tree, "t/x");
        tree_folder(&scene->tree, "t/y");
        start(scene);
        by_child(scene, move_out);
        assert_hint(scene, "w t/a vanished");
        by_child(scene, touch_out);
        assert_false(wait_for(scene, NULL));
        assert_string_equal(buffer_string(&scene->log), "");
        by_child(scene, move_in);
        assert_hint(scene, "w t/c appeared");
        by_child(scene, touch_in);
        assert_hint(scene, "w t/c/b/file");
        by_child(scene, move_about);
        assert_hint(scene, "w t/c vanished");
        assert_hint(scene, "w t/x/d appeared");
        by_child(scene, touch_about);
        assert_hint(scene, "w t/x/d/b/file");
        by_child(scene, exchange);
        (void)wait_for(scene, NULL);
        assert_true(told(scene, "w t/x ") && told(scene, "w t/y "));
        by_child(scene, touch_exchanged);
        assert_hint(scene, "w t/y/d/b/file");
        assert_hint(scene, "w t/x/in-y appeared");
        by_child(scene, shuffle);
        (void)wait_for(scene, NULL);
        by_child(scene, touch_shuffled);
        assert_hint(scene, "w t/z/d/b/file");
        assert_hint(scene, "w t/x/in-y");
        scene->source->check(scene->state);
        assert_false(told(scene, "ended"));
}

static void by_other_link(struct scene *scene) { (void)scene; put("other/link", "yy"); }
static void make_outer_link(struct scene *scene) { (void)scene; need(link("t/single", "other/later") == 0); }
static void by_later_link(struct scene *scene) { (void)scene; put("other/later", "yy"); }
static void new_file(struct scene *scene) { (void)scene; put("t/fresh", "1"); need(link("t/fresh", "other/fresh") == 0); }
static void by_fresh_link(struct scene *scene) { (void)scene; put("other/fresh", "2"); }

/* Edits of the same inode by a name that nobody watches. */
static void test_hard_links(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *inner = tree_path(&scene->tree, "t/linked"), *outer = tree_path(&scene->tree, "other/link");
        _cleanup_free_ char *second = tree_path(&scene->tree, "t/second");

        tree_text(&scene->tree, "t/linked", "x");
        tree_text(&scene->tree, "t/single", "x");
        assert_int_equal(link(inner, outer), 0);
        assert_int_equal(link(inner, second), 0);
        start(scene);
        if (scene->source == &source_inotify) {
                assert_true(told(scene, "nor of writes by another hard link"));
                return;
        }
        by_child(scene, by_other_link);
        assert_hint(scene, "w t/linked");
        assert_hint(scene, "w t/second");
        assert_false(told(scene, "other"));
        by_child(scene, make_outer_link);
        assert_hint(scene, "w t/single");
        by_child(scene, by_later_link);
        assert_hint(scene, "w t/single");
        by_child(scene, new_file);
        assert_true(wait_for(scene, "w t/fresh\n")); /* once it has its mark, for what was written until then */
        by_child(scene, by_fresh_link);
        assert_hint(scene, "w t/fresh");
}

static void by_mapping(struct scene *scene) {
        int fd = open("t/mapped", O_RDWR);
        char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        (void)scene;
        need(fd >= 0 && map != MAP_FAILED && close(fd) == 0);
        map[0] = 'z';
        need(munmap(map, 4096) == 0);
}

static void by_bind_mount(struct scene *scene) {
        (void)scene;
        need(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
             mount("t", "other", NULL, MS_BIND, NULL) == 0);
        put("other/mapped", "bind");
        need(chmod("other/mapped", 0640) == 0);
}

static void by_allocation(struct scene *scene) {
        int from = open("t/from", O_RDONLY), fd = open("t/mapped", O_RDWR);

        (void)scene;
        need(from >= 0 && fd >= 0 && copy_file_range(from, NULL, fd, NULL, 3, 0) == 3);
        for (;;) /* the file stays open: only the write itself can be told */
                if (scene->seen || getppid() == 1 || usleep(400000) < 0 || close(fd) == 0)
                        return;
}

static void test_other_routes(void **state) {
        struct scene *scene = *state;
        char page[4096] = { 0 };

        tree_write(&scene->tree, "t/mapped", page, sizeof(page));
        tree_text(&scene->tree, "t/from", "abc");
        start(scene);
        by_child(scene, by_mapping);
        assert_hint(scene, "w t/mapped");
        by_child(scene, by_bind_mount);
        assert_hint(scene, "w t/mapped");
        by_child(scene, by_allocation);
        assert_hint(scene, "w t/mapped");
}

static void make_top(struct scene *scene) { (void)scene; need(mkdir("t/sub", 0755) == 0 && mkdir("t/sub/tree", 0755) == 0); put("t/sub/tree/file", "x"); }
static void touch_top(struct scene *scene) { (void)scene; put("t/sub/tree/file", "y"); }
static void replace_top(struct scene *scene) {
        (void)scene;
        need(rename("t/sub", "t/away") == 0 && mkdir("t/sub", 0755) == 0 && mkdir("t/sub/tree", 0755) == 0);
        put("t/sub/tree/file", "x");
}
static void file_as_top(struct scene *scene) { (void)scene; need(rename("t/sub", "t/away2") == 0 && mkdir("t/sub", 0755) == 0); put("t/sub/tree", "x"); }
static void touch_file_top(struct scene *scene) { (void)scene; put("t/sub/tree", "y"); }
static void link_file_top(struct scene *scene) { (void)scene; need(link("t/sub/tree", "other/by-link") == 0); put("other/by-link", "y"); }

/* A tree that is not there yet, that goes and comes again, that becomes a file. */
static void test_top(void **state) {
        struct scene *scene = *state;

        scene->paths[0] = (char *)(uintptr_t)"/t/sub/tree";
        start(scene);
        by_child(scene, make_top);
        assert_hint(scene, "w t/sub/tree");
        by_child(scene, touch_top);
        assert_hint(scene, "w t/sub/tree/file");
        by_child(scene, replace_top);
        assert_hint(scene, "w t/sub/tree");
        (void)wait_for(scene, NULL);
        by_child(scene, touch_top);
        assert_hint(scene, "w t/sub/tree/file");
        by_child(scene, file_as_top);
        assert_hint(scene, "w t/sub/tree");
        (void)wait_for(scene, NULL);
        by_child(scene, touch_file_top);
        assert_hint(scene, "w t/sub/tree");
        if (scene->source == &source_fanotify) {
                by_child(scene, link_file_top);
                assert_hint(scene, "w t/sub/tree");
        }
}

static void touch_excluded(struct scene *scene) {
        (void)scene;
        put("t/a.tmp", "x");
        need(mkdir("t/no.tmp", 0755) == 0);
        put("t/no.tmp/file", "x");
        put("t/skip/file", "x");
}

static void test_excluded(void **state) {
        struct scene *scene = *state;

        tree_folder(&scene->tree, "t/skip/deep");
        scene->excludes[0] = (char *)(uintptr_t)"*.tmp";
        scene->excludes[1] = (char *)(uintptr_t)"/t/skip";
        scene->watches[0].excludes.count = 2;
        start(scene);
        by_child(scene, touch_excluded);
        assert_false(wait_for(scene, NULL));
        assert_string_equal(buffer_string(&scene->log), "");
}

static void install(struct scene *scene) {
        (void)scene;
        put("var/lib/dpkg/status-new", "x");
        need(rename("var/lib/dpkg/status-new", "var/lib/dpkg/status") == 0);
        put("var/lib/dpkg/other", "x");
}

static void log_in(struct scene *scene) { (void)scene; put("run/systemd/sessions/1", "x"); }
static void log_in_first(struct scene *scene) {
        (void)scene;
        need(mkdir("run/systemd", 0755) == 0 && mkdir("run/systemd/sessions", 0755) == 0);
        put("run/systemd/sessions/1", "x");
}
static void utmp(struct scene *scene) { (void)scene; put("run/utmp", "x"); put("run/other", "x"); }

static void test_places(void **state) {
        struct scene *scene = *state;

        tree_folder(&scene->tree, "var/lib/dpkg");
        tree_folder(&scene->tree, "run");
        scene->watches[0].kind = (char *)(uintptr_t)"packages";
        scene->watches[1] = scene->watches[0];
        scene->watches[1].kind = (char *)(uintptr_t)"users";
        scene->settings.n_watches = 2;
        start(scene);
        assert_true(told(scene, scene->source == &source_fanotify ? "covers packages: fanotify inode marks, full ()\n"
                                                                  : "covers packages: inotify, full ()\n"));
        by_child(scene, install);
        assert_hint(scene, "packages  appeared");
        assert_false(told(scene, "users"));
        by_child(scene, log_in_first);
        assert_hint(scene, "users ");
        (void)wait_for(scene, NULL);
        by_child(scene, log_in);
        assert_hint(scene, "users ");
        (void)wait_for(scene, NULL);
        by_child(scene, utmp);
        assert_hint(scene, "users  appeared");
        assert_false(told(scene, "packages"));
}

/* A tree so large that its filesystem gets the mark. */
static void make_large(struct scene *scene) {
        char name[32];

        for (int i = 0; i < 2100; i++) {
                (void)snprintf(name, sizeof(name), "t/many/%d", i);
                tree_folder(&scene->tree, name);
        }
}

static void act_in_large(struct scene *scene) {
        (void)scene;
        put("t/many/77/file", "x");
        need(mkdir("t/many/78/new", 0755) == 0);
        put("t/many/78/new/file", "x");
        need(mkdir("t/many/gone", 0755) == 0);
        put("t/many/gone/file", "x");
        need(unlink("t/many/gone/file") == 0 && rmdir("t/many/gone") == 0);
        need(rename("t/many/79", "t/many/80/79") == 0);
        put("t/many/80/79/file", "x");
        put("other/foreign", "x");
        need(rename("t/many/81", "other/81") == 0);
        put("other/81/foreign", "x");
        need(rename("other/81", "t/many/back") == 0);
        put("other/link", "y");
}

static void touch_back(struct scene *scene) { (void)scene; put("t/many/back/file", "x"); }

static void test_filesystem_mark(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *inner = NULL, *outer = NULL;

        if (scene->source != &source_fanotify)
                skip();
        inner = tree_path(&scene->tree, "t/many/linked");
        outer = tree_path(&scene->tree, "other/link");
        make_large(scene);
        tree_text(&scene->tree, "t/many/linked", "x");
        assert_int_equal(link(inner, outer), 0);
        start(scene);
        assert_true(told(scene, "covers w: fanotify filesystem mark, most (writes by a hard link outside the tree"));
        by_child(scene, act_in_large);
        assert_hint(scene, "w t/many/77/file appeared");
        assert_hint(scene, "w t/many/78/new appeared");
        assert_hint(scene, "w t/many/78/new/file appeared");
        assert_hint(scene, "w t/many/gone appeared vanished");
        assert_hint(scene, "w t/many/gone/file appeared vanished");
        assert_hint(scene, "w t/many/79 vanished");
        assert_hint(scene, "w t/many/80/79 appeared");
        assert_hint(scene, "w t/many/80/79/file appeared");
        assert_hint(scene, "w t/many/81 vanished");
        assert_hint(scene, "w t/many/back appeared");
        assert_hint(scene, "w t/many/linked");
        assert_false(told(scene, "foreign"));
        by_child(scene, touch_back);
        assert_hint(scene, "w t/many/back/file appeared");
        scene->source->check(scene->state);
        assert_false(told(scene, "ended"));
}

static void act_on_rights(struct scene *scene) {
        (void)scene;
        put("t/old", "yy");
        need(chmod("t/old", 04755) == 0);
        need(mkdir("t/late", 0755) == 0);
        put("t/late/file", "x");
        need(unlink("t/late/file") == 0);
        need(rename("t/old", "t/older") == 0);
}

static void write_again(struct scene *scene) {
        (void)scene;
        put("t/older", "yyy");
        need(chmod("t/late", 0700) == 0);
}

/* Of privileged files: names and rights, not writes; and what came and went is not told as such, for it was hardly one of them. */
static void test_privileged(void **state) {
        struct scene *scene = *state;

        tree_text(&scene->tree, "t/old", "x");
        scene->watches[0].kind = (char *)(uintptr_t)"setuid";
        scene->watches[0].crosses_mounts = true;
        if (scene->source != &source_fanotify) { /* a mark on every directory of a machine: rather not */
                start(scene);
                assert_string_equal(buffer_string(&scene->log), "");
                return;
        }
        start(scene);
        assert_true(told(scene, "covers w: fanotify filesystem mark, full (a file that is gone again at once is not seen"));
        by_child(scene, act_on_rights);
        assert_hint(scene, "w t/old");
        assert_hint(scene, "w t/late");
        assert_hint(scene, "w t/late/file");
        assert_hint(scene, "w t/older");
        assert_false(told(scene, "appeared"));
        assert_false(told(scene, "vanished"));
        by_child(scene, write_again);
        assert_hint(scene, "w t/late");
        assert_false(told(scene, "t/older"));
        scene->source->check(scene->state);
        assert_false(told(scene, "ended"));
}

static void write_again_in_large(struct scene *scene) { (void)scene; put("t/older", "yyy"); }

/* Another tree on the same filesystem wants to hear of writes. */
static void test_privileged_beside_content(void **state) {
        struct scene *scene = *state;

        if (scene->source != &source_fanotify)
                skip();
        scene->watches[1] = scene->watches[0];
        scene->watches[0].name = (char *)(uintptr_t)"p"; /* it marks first */
        scene->watches[0].kind = (char *)(uintptr_t)"setuid";
        scene->settings.n_watches = 2;
        make_large(scene);
        tree_text(&scene->tree, "t/older", "x");
        start(scene);
        by_child(scene, write_again_in_large);
        assert_hint(scene, "w t/older");
        assert_false(told(scene, "p t/older"));
}

static void flood(struct scene *scene) {
        char name[32];

        (void)scene;
        for (int i = 0; i < 9000; i++) {
                (void)snprintf(name, sizeof(name), "t/%d", i);
                put(name, "x");
                need(unlink(name) == 0);
        }
        need(mkdir("t/late", 0755) == 0);
}

static void after_flood(struct scene *scene) { (void)scene; put("t/late/file", "x"); }

/* Nobody reads for a while: fanotify has room for it, inotify says that it had none, and goes on with what is there now. */
static void test_flood(void **state) {
        struct scene *scene = *state;
        uint64_t events, lost;

        start(scene);
        by_child(scene, flood);
        if (scene->source == &source_fanotify)
                assert_hint(scene, "w t/late appeared");
        else
                assert_true(wait_for(scene, "loss w overflow\n"));
        (void)wait_for(scene, NULL);
        by_child(scene, after_flood);
        assert_hint(scene, "w t/late/file appeared");
        scene->source->count(scene->state, &events, &lost);
        assert_true(events >= 9000);
        assert_int_equal(lost, scene->source == &source_fanotify ? 0 : 1);
}

static void touch_mounted(struct scene *scene) { (void)scene; put("t/sub/file", "x"); }
static void touch_bound(struct scene *scene) { (void)scene; put("other/file", "x"); }

/* What is mounted in a tree is of the tree, by whatever path it is written. */
static void test_mounted(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *top = tree_path(&scene->tree, "t"), *sub = tree_path(&scene->tree, "t/sub");
        _cleanup_free_ char *other = tree_path(&scene->tree, "other");
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;

        tree_folder(&scene->tree, "t/sub");
        scene->paths[0] = top;
        scene->watches[0].crosses_mounts = true;
        buffer_printf(&line, "w %s/sub/file", top + 1);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return; /* not root */
        host_close(&scene->host);
        assert_int_equal(host_open(&scene->host, "/"), 0);
        start(scene);
        buffer_clear(&scene->log);
        assert_int_equal(mount("test", sub, "tmpfs", 0, NULL), 0);
        assert_true(wait_for(scene, "/t\n"));
        by_child(scene, touch_mounted);
        buffer_append_string(&line, " appeared");
        assert_hint(scene, buffer_string(&line));
        assert_int_equal(umount(sub), 0);
        (void)wait_for(scene, NULL);
        /* a bind mount over it: the same path, other files */
        assert_int_equal(mount(other, sub, NULL, MS_BIND, NULL), 0);
        (void)wait_for(scene, NULL);
        by_child(scene, touch_bound);
        assert_hint(scene, buffer_string(&line));
        assert_int_equal(umount(sub), 0);
        (void)wait_for(scene, NULL);
        by_child(scene, touch_bound);
        assert_false(wait_for(scene, NULL));
        assert_string_equal(buffer_string(&scene->log), "");
}

/* Unless somebody wants it to be: then the mount alone is told, and what it hid is watched again when it is gone. */
static void test_not_crossed(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *top = tree_path(&scene->tree, "t"), *sub = tree_path(&scene->tree, "t/sub");
        _cleanup_free_ char *other = tree_path(&scene->tree, "other");
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;

        tree_folder(&scene->tree, "t/sub");
        scene->paths[0] = top;
        buffer_printf(&line, "w %s/sub/file appeared", top + 1);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return; /* not root */
        assert_int_equal(mount(other, sub, NULL, MS_BIND, NULL), 0);
        host_close(&scene->host);
        assert_int_equal(host_open(&scene->host, "/"), 0);
        start(scene);
        (void)wait_for(scene, NULL);
        by_child(scene, touch_bound);
        (void)wait_for(scene, NULL);
        if (strstr(buffer_string(&scene->log), "file")) {
                (void)umount(sub);
                fail_msg("%s", buffer_string(&scene->log));
        }
        assert_int_equal(umount(sub), 0);
        assert_true(wait_for(scene, "/t\n"));
        (void)wait_for(scene, NULL);
        by_child(scene, touch_mounted);
        assert_hint(scene, buffer_string(&line));
}

static void write_keys(struct scene *scene) {
        (void)scene;
        put("h/a/keys/one", "x");
        put("h/b/keys/one", "x");
}

/* A folder that comes to match is watched from the next check on, which comes before each look at everything. */
static void test_pattern(void **state) {
        static char pattern[] = "/h/*/keys";
        struct scene *scene = *state;

        tree_folder(&scene->tree, "h/a");
        scene->paths[0] = pattern;
        start(scene);
        tree_folder(&scene->tree, "h/b/keys"); /* nobody is told */
        tree_folder(&scene->tree, "h/a/keys"); /* of this it was known that it might come */
        (void)wait_for(scene, NULL);
        assert_true(told(scene, "w h/a/keys"));
        assert_false(told(scene, "w h/b/keys"));
        scene->source->check(scene->state);
        by_child(scene, write_keys);
        assert_hint(scene, "w h/a/keys/one appeared");
        assert_hint(scene, "w h/b/keys/one appeared");
}

/* The descriptor of the kernel's facility among ours. */
static int find_descriptor(const char *link) {
        for (int fd = 3; fd < 256; fd++) {
                char path[64], target[64] = "";

                (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                if (readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, link) == 0)
                        return fd;
        }
        fail();
        return -1;
}

/* Somebody takes the marks, or the group itself, from under us. */
static void test_broken(void **state) {
        struct scene *scene = *state;
        bool fanotify = scene->source == &source_fanotify;
        int fd, other;

        tree_folder(&scene->tree, "t/a");
        start(scene);
        scene->source->check(scene->state);
        assert_false(told(scene, "ended"));
        fd = find_descriptor(fanotify ? "anon_inode:[fanotify]" : "anon_inode:inotify");
        other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(other >= 0);
        assert_true(dup2(other, fd) == fd);
        (void)close(other);
        scene->source->check(scene->state);
        assert_true(told(scene, fanotify ? "ended fanotify: its group was closed\n" : "ended inotify: inotify watches are gone\n"));
}

#define ON(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        static const struct source *const rungs[] = { &source_fanotify, &source_inotify };
        const struct CMUnitTest tests[] = {
                ON(test_acts), ON(test_new_directories), ON(test_moves), ON(test_hard_links), ON(test_other_routes), ON(test_top),
                ON(test_excluded), ON(test_pattern), ON(test_places), ON(test_filesystem_mark), ON(test_broken), ON(test_flood),
                ON(test_privileged), ON(test_privileged_beside_content),
                ON(test_mounted),
                ON(test_not_crossed),
        };
        int failed = 0;

        for (size_t i = 0; i < ELEMENTS(rungs); i++) {
                rung = rungs[i];
                failed += cmocka_run_group_tests_name(rung->name, tests, NULL, NULL);
        }
        return failed;
}
