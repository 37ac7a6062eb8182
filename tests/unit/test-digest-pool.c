/* test-digest-pool.c - many files digested at once: each with its own answer, and the machine left as it was. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "digest-pool.h"
#include "fd.h"

struct scene {
        struct tree tree;
        int directory;
        struct digest_pool *pool;
        struct digest_pool_settings settings;
        struct digest_job *jobs;
        char (*names)[32];
        size_t count;
        unsigned calls, stop_at;                /* of between() */
        void (*act)(struct scene *scene);       /* in between() */
};

static int between(void *context, const struct digest_progress *progress) {
        struct scene *scene = context;

        (void)progress;
        scene->calls++;
        if (scene->act)
                scene->act(scene);
        return scene->stop_at && scene->calls >= scene->stop_at ? 42 : 0;
}

static int set_up(void **state) {
        struct scene *scene = calloc(1, sizeof(*scene));

        assert_non_null(scene);
        tree_make(&scene->tree);
        scene->directory = open(scene->tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(scene->directory >= 0);
        scene->settings = (struct digest_pool_settings){ .between = between, .context = scene };
        assert_int_equal(digest_pool_new(&scene->settings, &scene->pool), 0);
        *state = scene;
        return 0;
}

static int tear_down(void **state) {
        struct scene *scene = *state;

        scene->pool = digest_pool_free(scene->pool);
        (void)close(scene->directory);
        tree_remove(&scene->tree);
        free(scene->jobs);
        free(scene->names);
        free(scene);
        return 0;
}

static void threads(struct scene *scene, unsigned count) {
        scene->settings.threads = count;
        digest_pool_configure(scene->pool, &scene->settings);
}

static void add(struct scene *scene, const char *name) {
        scene->jobs = reallocarray(scene->jobs, scene->count + 1, sizeof(*scene->jobs));
        scene->names = reallocarray(scene->names, scene->count + 1, sizeof(*scene->names));
        assert_non_null(scene->jobs);
        assert_non_null(scene->names);
        (void)snprintf(scene->names[scene->count], sizeof(*scene->names), "%s", name);
        memset(&scene->jobs[scene->count], 0xaa, sizeof(*scene->jobs));
        scene->jobs[scene->count].directory = scene->directory;
        scene->jobs[scene->count].size = 0;
        scene->jobs[scene->count].error = 12345;
        scene->count++;
}

/* A file whose bytes follow from its size. */
static void add_file(struct scene *scene, const char *name, size_t size) {
        _cleanup_free_ uint8_t *data = malloc(size + 1);
        uint32_t number = (uint32_t)size * 2654435761u + 1;

        assert_non_null(data);
        for (size_t i = 0; i < size; i++)
                data[i] = (uint8_t)((number = number * 1664525 + 1013904223) >> 24);
        tree_write(&scene->tree, name, data, size);
        add(scene, name);
        scene->jobs[scene->count - 1].size = size;
}

static int run(struct scene *scene) {
        for (size_t i = 0; i < scene->count; i++)
                scene->jobs[i].name = scene->names[i];
        return digest_pool_run(scene->pool, scene->jobs, scene->count);
}

static struct digest_job *job(struct scene *scene, const char *name) {
        for (size_t i = 0; i < scene->count; i++)
                if (strcmp(scene->names[i], name) == 0)
                        return &scene->jobs[i];
        fail_msg("no job %s", name);
        return NULL;
}

/* The answer is what libsodium makes of the file as it is now. */
static void check(struct scene *scene, const struct digest_job *job) {
        _cleanup_close_ int fd = openat(job->directory, job->name, O_RDONLY | O_CLOEXEC);
        struct stat stat;
        _cleanup_free_ uint8_t *data = NULL;
        uint8_t wanted[BLAKE2B_SIZE];

        (void)scene;
        assert_int_equal(job->error, 0);
        assert_int_equal(fstat(fd, &stat), 0);
        data = malloc((size_t)stat.st_size + 1);
        assert_non_null(data);
        assert_int_equal(pread(fd, data, (size_t)stat.st_size, 0), stat.st_size);
        (void)crypto_generichash(wanted, sizeof(wanted), data, (unsigned long long)stat.st_size, NULL, 0);
        assert_memory_equal(job->blake2b, wanted, sizeof(wanted));
        assert_int_equal(job->after.stx_size, stat.st_size);
        assert_int_equal(job->after.stx_ino, stat.st_ino);
        assert_int_equal(job->after.stx_ctime.tv_nsec, stat.st_ctim.tv_nsec);
}

static void check_all(struct scene *scene) {
        for (size_t i = 0; i < scene->count; i++)
                check(scene, &scene->jobs[i]);
}

static void test_files_of_unequal_length(void **state) {
        static const size_t sizes[] = { 0, 1, 127, 128, 129, 255, 256, 257, 4095, 4096, 4097, 131071, 131072, 131073, 262143,
                                        262144, 262145, 1000000, 3 << 20, 5, 640, 70000 };
        static const unsigned pools[] = { 1, 2, 4 };
        struct scene *scene = *state;

        for (unsigned i = 0; i < 200; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%03u", i);
                add_file(scene, name, i < ELEMENTS(sizes) ? sizes[i] : i * i * 7 % 30000);
        }
        for (size_t i = 0; i < ELEMENTS(pools); i++) {
                struct digest_progress before = digest_pool_progress(scene->pool);

                threads(scene, pools[i]);
                assert_int_equal(run(scene), 0);
                check_all(scene);
                assert_int_equal(digest_pool_progress(scene->pool).files - before.files, scene->count);
        }
}

static void test_few_files(void **state) {
        struct scene *scene = *state;

        assert_int_equal(run(scene), 0);
        for (unsigned i = 0; i < 10; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%u", i);
                add_file(scene, name, 300000 - i * 29999);
                assert_int_equal(run(scene), 0);
                check_all(scene);
        }
}

/* Whether there is more to ask for is known of each. */
static void test_attributes(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *path = tree_path(&scene->tree, "with");

        add_file(scene, "with", 100);
        add_file(scene, "without", 100);
        if (setxattr(path, "user.test", "x", 1, 0) < 0)
                skip(); /* a filesystem that has none */
        assert_int_equal(run(scene), 0);
        check_all(scene);
        assert_true(job(scene, "with")->attributes);
        assert_false(job(scene, "without")->attributes);
}

static void test_each_has_its_own_error(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *link = tree_path(&scene->tree, "link"), *fifo = tree_path(&scene->tree, "fifo"),
                            *hole = tree_path(&scene->tree, "hole"), *small = tree_path(&scene->tree, "small-hole"),
                            *socket_path = tree_path(&scene->tree, "socket"), *null = tree_path(&scene->tree, "null");
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        add_file(scene, "a", 100);
        assert_int_equal(symlink("a", link), 0);
        add(scene, "link");
        tree_folder(&scene->tree, "folder");
        add(scene, "folder");
        assert_int_equal(mkfifo(fifo, 0600), 0);
        add(scene, "fifo");
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        add(scene, "socket");
        add(scene, "missing");
        add_file(scene, "hole", 10);
        assert_int_equal(truncate(hole, (off_t)3 << 30), 0);
        add_file(scene, "small-hole", 10);
        assert_int_equal(truncate(small, 5 << 20), 0);
        add_file(scene, "z", 100000);
        if (mknod(null, S_IFCHR | 0600, 1 << 8 | 3) == 0)
                add(scene, "null");

        assert_int_equal(run(scene), 0);
        check(scene, job(scene, "a"));
        assert_int_equal(job(scene, "link")->error, -ESTALE);
        assert_int_equal(job(scene, "folder")->error, -ESTALE);
        assert_int_equal(job(scene, "fifo")->error, -ESTALE);
        assert_int_equal(job(scene, "socket")->error, -ESTALE);
        assert_int_equal(job(scene, "missing")->error, -ENOENT);
        assert_int_equal(job(scene, "hole")->error, -EFBIG);
        check(scene, job(scene, "small-hole"));
        check(scene, job(scene, "z"));
        if (scene->count == 10)
                assert_int_equal(job(scene, "null")->error, -ESTALE);
}

static void test_a_stop(void **state) {
        struct scene *scene = *state;
        unsigned done = 0;

        for (unsigned i = 0; i < 100; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%u", i);
                add_file(scene, name, 50000);
        }
        scene->stop_at = 3;
        assert_int_equal(run(scene), 42);
        for (size_t i = 0; i < scene->count; i++)
                if (scene->jobs[i].error == 0) {
                        check(scene, &scene->jobs[i]);
                        done++;
                } else {
                        assert_int_equal(scene->jobs[i].error, -ECANCELED);
                }
        assert_true(done >= 1 && done < 100);
}

/* In between(): the first file of the jobs gets longer, or shorter, each time. */
static void grow(struct scene *scene) {
        _cleanup_close_ int fd = openat(scene->directory, "restless", O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_int_equal(write(fd, "more", 4), 4);
}

static void shrink(struct scene *scene) {
        _cleanup_close_ int fd = openat(scene->directory, "restless", O_WRONLY | O_CLOEXEC);
        struct stat stat;

        assert_int_equal(fstat(fd, &stat), 0);
        assert_int_equal(ftruncate(fd, stat.st_size * 3 / 4), 0);
}

static void once(struct scene *scene) {
        grow(scene);
        scene->act = NULL;
}

/* The file is so large that between() is called while it is read. */
static void test_changed_while_read(void **state) {
        static void (*const acts[])(struct scene *scene) = { grow, shrink };
        struct scene *scene = *state;

        add_file(scene, "restless", 8 << 20);
        add_file(scene, "steady", 100000);
        for (size_t i = 0; i < ELEMENTS(acts); i++) {
                scene->act = acts[i];
                assert_int_equal(run(scene), 0);
                assert_int_equal(job(scene, "restless")->error, -EAGAIN);
                check(scene, job(scene, "steady"));
        }
        scene->act = once;
        assert_int_equal(run(scene), 0);
        check_all(scene);
}

static void test_replaced_by_a_link(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *path = tree_path(&scene->tree, "a"), *aside = tree_path(&scene->tree, "aside");

        add_file(scene, "a", 1000);
        assert_int_equal(rename(path, aside), 0);
        assert_int_equal(symlink("aside", path), 0);
        assert_int_equal(run(scene), 0);
        assert_int_equal(scene->jobs[0].error, -ESTALE);
}

static void test_one_large_among_many(void **state) {
        struct scene *scene = *state;

        for (unsigned i = 0; i < 300; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%u", i);
                add_file(scene, name, i == 150 ? 5 << 20 : i * 11);
        }
        for (unsigned count = 1; count <= 4; count++) {
                threads(scene, count);
                assert_int_equal(run(scene), 0);
                check_all(scene);
        }
        /* sizes that nobody told, and wrong ones */
        for (size_t i = 0; i < scene->count; i++)
                scene->jobs[i].size = i % 2 ? 0 : 1 << i % 30;
        assert_int_equal(run(scene), 0);
        check_all(scene);
}

/* No size is said of these: they are read until nothing more comes. The second one gives an error when it is read. */
static void test_files_without_a_size(void **state) {
        struct scene *scene = *state;
        _cleanup_close_ int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
        static char text[1 << 20];
        uint8_t wanted[BLAKE2B_SIZE];
        size_t size = 0;
        ssize_t n;

        add_file(scene, "a", 70000);
        add(scene, "maps");
        add(scene, "mem");
        add_file(scene, "b", 300000);
        for (size_t i = 1; i < 3; i++)
                scene->jobs[i].directory = proc;
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(run(scene), 0);
                check(scene, job(scene, "a"));
                check(scene, job(scene, "b"));
                assert_int_equal(job(scene, "mem")->error, -EIO);
                assert_int_equal(job(scene, "maps")->error, 0);
        }
        /* what does not change by being looked at */
        job(scene, "maps")->directory = open("/proc/sys/kernel", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void)snprintf(scene->names[1], sizeof(scene->names[1]), "ostype");
        assert_int_equal(run(scene), 0);
        fd = openat(scene->jobs[1].directory, "ostype", O_RDONLY | O_CLOEXEC);
        while ((n = read(fd, text + size, sizeof(text) - size)) > 0)
                size += (size_t)n;
        assert_true(size > 0);
        (void)crypto_generichash(wanted, sizeof(wanted), (uint8_t *)text, size, NULL, 0);
        assert_int_equal(scene->jobs[1].error, 0);
        assert_memory_equal(scene->jobs[1].blake2b, wanted, sizeof(wanted));
        (void)close(scene->jobs[1].directory);
}

static void test_few_descriptors(void **state) {
        struct scene *scene = *state;
        struct rlimit before, few;
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        for (unsigned i = 0; i < 60; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%u", i);
                add_file(scene, name, i * 1000);
        }
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        few = before;
        few.rlim_cur = (rlim_t)fd + 3;
        (void)close(fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        assert_int_equal(run(scene), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        check_all(scene);
}

/* As someone who may not read it. */
static void test_unreadable(void **state) {
        struct scene *scene = *state;
        _cleanup_free_ char *path = tree_path(&scene->tree, "secret");
        pid_t pid;
        int status;

        add_file(scene, "open", 1000);
        add_file(scene, "secret", 1000);
        assert_int_equal(chmod(path, 0), 0);
        assert_int_equal(chmod(scene->tree.root, 0755), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
                        _exit(2);
                if (run(scene) != 0)
                        _exit(3);
                /* the other one is not ours either: without O_NOATIME */
                _exit(job(scene, "open")->error == 0 && job(scene, "secret")->error == -EACCES ? 0 : 4);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static unsigned count_threads(void) {
        DIR *folder = opendir("/proc/self/task");
        unsigned count = 0;

        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));)
                count += entry->d_name[0] != '.';
        (void)closedir(folder);
        return count;
}

static unsigned most_threads;

static void note_threads(struct scene *scene) {
        unsigned count = count_threads();

        (void)scene;
        most_threads = count > most_threads ? count : most_threads;
}

static void test_threads_come_and_go(void **state) {
        struct scene *scene = *state;
        unsigned before = count_threads();

        scene->act = note_threads;
        threads(scene, 4);
        add_file(scene, "0", 10000);
        most_threads = 0;
        assert_int_equal(run(scene), 0);
        assert_int_equal(most_threads, before); /* for one small file nothing is begun */
        for (unsigned i = 1; i < 40; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%u", i);
                add_file(scene, name, 1 << 20);
        }
        assert_int_equal(run(scene), 0);
        check_all(scene);
        assert_true(most_threads > before && most_threads <= before + 3);
        assert_int_equal(count_threads(), before);
}

static void test_stop_with_threads(void **state) {
        struct scene *scene = *state;
        unsigned canceled = 0;

        for (unsigned i = 0; i < 64; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%u", i);
                add_file(scene, name, 1 << 20);
        }
        threads(scene, 3);
        scene->stop_at = 1;
        assert_int_equal(run(scene), 42);
        for (size_t i = 0; i < scene->count; i++)
                if (scene->jobs[i].error == 0) {
                        check(scene, &scene->jobs[i]);
                } else {
                        assert_int_equal(scene->jobs[i].error, -ECANCELED);
                        canceled++;
                }
        assert_true(canceled > 0);
}

/* Not how long it takes, only that it takes at least as long as the rate says: the first piece is free. */
static void test_rate(void **state) {
        struct scene *scene = *state;
        struct timespec begin, end;
        int64_t ms;

        add_file(scene, "a", 200000);
        add_file(scene, "b", 200000);
        scene->settings.rate = 1000000;
        digest_pool_configure(scene->pool, &scene->settings);
        (void)clock_gettime(CLOCK_MONOTONIC, &begin);
        assert_int_equal(run(scene), 0);
        (void)clock_gettime(CLOCK_MONOTONIC, &end);
        check_all(scene);
        ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
        assert_true(ms >= 200);
        assert_true(scene->calls > 2); /* and while it waits */
        scene->stop_at = scene->calls + 1; /* what has not waited long enough waits no longer */
        assert_int_equal(run(scene), 42);
}

static void test_no_jobs(void **state) {
        struct scene *scene = *state;

        assert_int_equal(digest_pool_run(scene->pool, NULL, 0), 0);
        assert_int_equal(scene->calls, 0);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                POOL_TEST(test_files_of_unequal_length),
                POOL_TEST(test_few_files),
                POOL_TEST(test_attributes),
                POOL_TEST(test_each_has_its_own_error),
                POOL_TEST(test_changed_while_read),
                POOL_TEST(test_replaced_by_a_link),
                POOL_TEST(test_one_large_among_many),
                POOL_TEST(test_files_without_a_size),
                POOL_TEST(test_few_descriptors),
                POOL_TEST(test_unreadable),
                POOL_TEST(test_threads_come_and_go),
                POOL_TEST(test_stop_with_threads),
                POOL_TEST(test_rate),
                POOL_TEST(test_no_jobs),
                POOL_TEST(test_a_stop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
