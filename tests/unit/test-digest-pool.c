/* test-digest-pool.c - many files digested at once: each with its own answer, and the machine left as it was. */
#include "tree.h"

#include <errno.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

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

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                POOL_TEST(test_files_of_unequal_length),
                POOL_TEST(test_few_files),
                POOL_TEST(test_each_has_its_own_error),
                POOL_TEST(test_a_stop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
