/* test-page-cache.c - what the kernel holds of a file is seen, and is left by the pool as it was found. */
#include "tree.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "digest-pool.h"
#include "fd.h"
#include "page-cache.h"

enum { PAGES = 96, MANY_PAGES = 5000 };

struct scene {
        struct tree tree;
        uint64_t page;
        int directory;
};

static int set_up(void **state) {
        struct scene *scene = calloc(1, sizeof(*scene));

        assert_non_null(scene);
        tree_make(&scene->tree);
        scene->page = (uint64_t)sysconf(_SC_PAGESIZE);
        scene->directory = open(scene->tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(scene->directory >= 0);
        *state = scene;
        return 0;
}

static int tear_down(void **state) {
        struct scene *scene = *state;

        (void)close(scene->directory);
        tree_remove(&scene->tree);
        free(scene);
        return 0;
}

/* A file of that many pages and a bit, of which these first pages are in memory, if any; not where nothing can be dropped. */
static void make(struct scene *scene, const char *name, size_t pages, size_t present) {
        size_t size = pages * scene->page + 100;
        _cleanup_free_ uint8_t *data = calloc(1, size);
        _cleanup_close_ int fd = -1;

        assert_non_null(data);
        tree_write(&scene->tree, name, data, size);
        fd = openat(scene->directory, name, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fsync(fd), 0);
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
        for (size_t i = 0; i < present; i++)
                assert_int_equal(pread(fd, data, 1, (off_t)(i * scene->page)), 1);
        if (!present && !page_cache_look(fd, size).absent) {
                print_message("this filesystem keeps all it has in memory\n");
                skip();
        }
}

static struct page_cache look(struct scene *scene, const char *name) {
        _cleanup_close_ int fd = openat(scene->directory, name, O_RDONLY | O_CLOEXEC);
        struct stat stat;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &stat), 0);
        return page_cache_look(fd, (uint64_t)stat.st_size);
}

static uint64_t bits(unsigned from, unsigned to) {
        uint64_t ret = 0;

        for (unsigned i = from; i < to; i++)
                ret |= UINT64_C(1) << i;
        return ret;
}

static void check_looks(struct scene *scene) {
        make(scene, "cold", PAGES, 0);
        assert_int_equal(look(scene, "cold").window, 2 * scene->page);
        assert_int_equal(look(scene, "cold").absent, bits(0, PAGES / 2 + 1));
        make(scene, "half", PAGES, 21);
        assert_int_equal(look(scene, "half").absent, bits(11, PAGES / 2 + 1));
        make(scene, "warm", PAGES, PAGES + 1);
        assert_int_equal(look(scene, "warm").absent, 0);
        make(scene, "small", 0, 0);
        assert_int_equal(look(scene, "small").absent, 1);
        make(scene, "many", MANY_PAGES, 4990); /* more than one piece of a mapping */
        assert_int_equal(look(scene, "many").absent, bits(39, 40));
        tree_write(&scene->tree, "empty", "", 0);
        assert_int_equal(look(scene, "empty").absent, 0);
}

static void test_looks(void **state) {
        check_looks(*state);
}

/* A kernel before 6.5. */
static void test_without_cachestat(void **state) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number of the system call */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 451, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38), /* ENOSYS */
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { ELEMENTS(filter), filter };
        struct scene *scene = *state;
        pid_t pid;
        int status;

        make(scene, "cold", PAGES, 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                        _exit(77);
                check_looks(scene);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

static void test_windows_are_dropped_once_passed(void **state) {
        struct scene *scene = *state;
        _cleanup_close_ int fd = -1;
        struct page_cache cache;

        make(scene, "cold", PAGES, 0);
        cache = look(scene, "cold");
        make(scene, "cold", PAGES, PAGES + 1);
        fd = openat(scene->directory, "cold", O_RDONLY | O_CLOEXEC);
        page_cache_drop(fd, &cache, 9 * scene->page); /* the fifth window ends behind it */
        assert_int_equal(look(scene, "cold").absent, bits(0, 4));
        cache.undropped &= ~bits(6, 10);
        page_cache_drop(fd, &cache, UINT64_MAX);
        assert_int_equal(look(scene, "cold").absent, bits(0, PAGES / 2 + 1) & ~bits(6, 10));
        assert_int_equal(cache.undropped, 0);
}

/* After a run of the pool the same is in memory as before it, of large files and of small ones. */
static void test_the_pool_leaves_it(void **state) {
        static const struct {
                const char *name;
                size_t pages, present;
        } files[] = { { "cold", PAGES, 0 }, { "half", PAGES, 40 },    { "warm", PAGES, PAGES + 1 },
                      { "small", 0, 0 },    { "small-warm", 0, 1 },   { "large", MANY_PAGES, 0 },
                      { "large-half", MANY_PAGES, MANY_PAGES / 2 } };
        struct scene *scene = *state;
        struct digest_pool_settings settings = { .threads = 2 };
        _cleanup_digest_pool_ struct digest_pool *pool = NULL;
        struct digest_job jobs[ELEMENTS(files)];
        struct page_cache before[ELEMENTS(files)];

        assert_int_equal(digest_pool_new(&settings, &pool), 0);
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                make(scene, files[i].name, files[i].pages, files[i].present);
                jobs[i] = (struct digest_job){ .directory = scene->directory, .name = files[i].name };
        }
        for (size_t i = 0; i < ELEMENTS(files); i++)
                before[i] = look(scene, files[i].name);
        assert_int_equal(digest_pool_run(pool, jobs, ELEMENTS(files)), 0);
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                assert_int_equal(jobs[i].error, 0);
                assert_int_equal(look(scene, files[i].name).absent, before[i].absent);
        }
}

#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                CACHE_TEST(test_looks),
                CACHE_TEST(test_without_cachestat),
                CACHE_TEST(test_windows_are_dropped_once_passed),
                CACHE_TEST(test_the_pool_leaves_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
