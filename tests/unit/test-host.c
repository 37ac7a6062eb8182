/* test-host.c - a fixture tree stands for the host and cannot be left; files without a size, of any size, and none at all. */
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "fd.h"
#include "host.h"

struct fixture {
        struct tree tree, outside;
        struct host host;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        tree_make(&fixture->outside);
        tree_text(&fixture->outside, "secret", "outside");
        tree_text(&fixture->tree, "proc/modules", "in proc");
        tree_text(&fixture->tree, "etc/passwd", "inside");
        assert_int_equal(host_open(&fixture->host, fixture->tree.root), 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        host_close(&fixture->host);
        host_close(&fixture->host); /* twice is as good as once */
        tree_remove(&fixture->tree);
        tree_remove(&fixture->outside);
        free(fixture);
        return 0;
}

static void make_link(struct fixture *fixture, const char *path, const char *target) {
        _cleanup_free_ char *whole = tree_path(&fixture->tree, path);

        assert_int_equal(symlink(target, whole), 0);
}

static void test_opened(void **state) {
        struct fixture *fixture = *state;
        struct host real = HOST_NULL, none = HOST_NULL;

        assert_false(fixture->host.live);
        assert_true(fixture->host.proc_fd >= 0);
        assert_int_equal(fixture->host.sys_fd, -1); /* the tree has none */
        assert_true(fcntl(fixture->host.root_fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(host_open(&real, "/"), 0);
        assert_true(real.live);
        host_close(&real);
        assert_int_equal(host_open(&none, "/no/such/tree"), -ENOENT);
        assert_int_equal(none.root_fd, -1);
        assert_int_equal(host_open(&none, "/dev/null"), -ENOTDIR);
}

/* What a path reads, or the error. */
static void test_paths(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *secret = tree_path(&fixture->outside, "secret"), *up = NULL;
        static const struct {
                const char *path, *expected;
                int error;
        } cases[] = {
                { "etc/passwd", "inside", 0 },
                { "/etc/passwd", "inside", 0 },
                { "///etc//passwd", "inside", 0 },
                { "etc/../etc/./passwd", "inside", 0 },
                { "../../../../etc/passwd", "inside", 0 }, /* the root's parent is the root */
                { "relative", "inside", 0 },
                { "absolute", "inside", 0 },
                { "above", "inside", 0 },
                { "leading-out", NULL, -ENOENT },
                { "climbing-out", NULL, -ENOENT },
                { "itself", NULL, -ELOOP },
                { "dangling", NULL, -ENOENT },
                { "folder/passwd", "inside", 0 },
                { "etc/passwd/", NULL, -ENOTDIR },
                { "etc/passwd/x", NULL, -ENOTDIR },
                { "none", NULL, -ENOENT },
                { "etc", NULL, -EISDIR },
                { "", NULL, -EISDIR },
                { "/", NULL, -EISDIR },
        };

        make_link(fixture, "relative", "etc/passwd");
        make_link(fixture, "absolute", "/etc/passwd");
        make_link(fixture, "above", "../../../../../../etc/passwd");
        make_link(fixture, "leading-out", secret);
        assert_true(asprintf(&up, "..%s", strrchr(fixture->outside.root, '/')) > 0);
        make_link(fixture, "climbing-out", up);
        make_link(fixture, "itself", "itself");
        make_link(fixture, "dangling", "nothing");
        make_link(fixture, "folder", "etc");
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                int r = host_read(&fixture->host, cases[i].path, 100, &text);

                if (r != cases[i].error || strcmp(buffer_string(&text), cases[i].expected ? cases[i].expected : "") != 0)
                        fail_msg("%s: %d \"%s\"", cases[i].path, r, buffer_string(&text));
        }
}

static void test_flags(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *fifo = tree_path(&fixture->tree, "fifo");
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        _cleanup_close_ int file = host_openat(&fixture->host, "etc/passwd", O_RDONLY), place = -1;

        assert_true(file >= 0);
        assert_true(fcntl(file, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(file, F_GETFL) & O_NONBLOCK);
        place = host_openat(&fixture->host, "etc", O_PATH | O_DIRECTORY);
        assert_true(place >= 0);
        assert_int_equal(host_openat(&fixture->host, "etc/passwd", O_RDONLY | O_DIRECTORY), -ENOTDIR);
        /* nobody writes into it: neither the opening nor the reading waits */
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(host_read(&fixture->host, "fifo", 100, &text), 0);
        assert_string_equal(buffer_string(&text), "");
}

/* Somebody holds a lease on the file: an answer, not a loop until it is broken. */
static void test_lease(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *path = tree_path(&fixture->tree, "etc/passwd");
        _cleanup_close_ int holder = open(path, O_RDWR | O_CLOEXEC);

        assert_true(holder >= 0);
        (void)signal(SIGIO, SIG_IGN);
        if (fcntl(holder, F_SETLEASE, F_WRLCK) < 0)
                skip();
        (void)alarm(10);
        assert_int_equal(host_openat(&fixture->host, "etc/passwd", O_RDONLY), -EAGAIN);
        (void)alarm(0);
}

static void test_sizes(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 262144, 262145, 300000, 600000 };
        struct fixture *fixture = *state;
        _cleanup_free_ uint8_t *content = malloc(600001);

        assert_non_null(content);
        for (size_t i = 0; i < 600001; i++)
                content[i] = (uint8_t)(i * 31 % 251);
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                tree_write(&fixture->tree, "file", content, sizes[i]);
                buffer_append_string(&text, "before ");
                assert_int_equal(host_read(&fixture->host, "file", sizes[i], &text), 0);
                assert_int_equal(text.size, 7 + sizes[i]);
                assert_memory_equal(text.data, "before ", 7);
                if (sizes[i])
                        assert_memory_equal(text.data + 7, content, sizes[i]);
                if (sizes[i])
                        assert_int_equal(host_read(&fixture->host, "file", sizes[i] - 1, &text), -EFBIG);
        }
}

/* Files that do not know their size. */
static void test_live(void **state) {
        struct host host = HOST_NULL;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        uint8_t id[BOOT_ID_SIZE], again[BOOT_ID_SIZE];

        (void)state;
        assert_int_equal(host_open(&host, "/"), 0);
        assert_int_equal(host_openat(&host, "proc/self/exe", O_RDONLY), -ELOOP); /* no magic links, */
        assert_int_equal(host_openat(&host, "proc/self/root/proc", O_PATH), -ELOOP);
        assert_int_equal(host_read(&host, "proc/self/status", 100000, &text), 0); /* but the ordinary ones */
        assert_non_null(strstr(buffer_string(&text), "Name:"));
        assert_int_equal(host_read(&host, "proc/meminfo", 100000, &text), 0);
        assert_non_null(strstr(buffer_string(&text), "MemTotal"));
        assert_int_equal(host_read(&host, "proc/meminfo", 10, &text), -EFBIG);
        assert_int_equal(host_boot_id(&host, id), 0);
        assert_int_equal(host_boot_id(&host, again), 0);
        assert_memory_equal(id, again, sizeof(id));
        assert_int_equal(id[6] >> 4, 4); /* a random UUID */
        host_close(&host);
}

static void test_boot_id(void **state) {
        static const struct {
                const char *text;
                int expected;
        } cases[] = {
                { "01234567-89ab-4def-8123-456789abcdef\n", 0 },
                { "0123456789ab4def8123456789abcdef", 0 },
                { "01234567-89ab-4def-8123-456789abcde\n", -EBADMSG },
                { "", -EBADMSG },
                { "no boot id at all", -EBADMSG },
                { "01234567-89AB-4DEF-8123-456789ABCDEF\n", -EBADMSG },
        };
        static const uint8_t expected[BOOT_ID_SIZE] = {
                0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4d, 0xef, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
        };
        struct fixture *fixture = *state;
        uint8_t id[BOOT_ID_SIZE];

        assert_int_equal(host_boot_id(&fixture->host, id), -ENOENT);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                tree_text(&fixture->tree, "proc/sys/kernel/random/boot_id", cases[i].text);
                memset(id, 0x55, sizeof(id));
                assert_int_equal(host_boot_id(&fixture->host, id), cases[i].expected);
                if (cases[i].expected == 0)
                        assert_memory_equal(id, expected, sizeof(id));
                else
                        assert_int_equal(id[0], 0x55);
        }
}

static void test_below_a_folder(void **state) {
        struct fixture *fixture = *state;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, target = BUFFER_NULL;
        _cleanup_close_ int folder = host_openat(&fixture->host, "etc", O_PATH | O_DIRECTORY);
        _cleanup_free_ char *long_target = malloc(4001);

        assert_true(folder >= 0);
        make_link(fixture, "etc/link", "passwd");
        assert_int_equal(file_read_at(folder, "passwd", 6, &text), 0);
        assert_string_equal(buffer_string(&text), "inside");
        assert_int_equal(file_read_at(folder, "passwd", 5, &text), -EFBIG);
        assert_int_equal(file_read_at(folder, "link", 100, &text), -ELOOP);
        assert_int_equal(file_read_at(folder, "none", 100, &text), -ENOENT);

        buffer_append_string(&target, "-> ");
        assert_int_equal(link_read_at(folder, "link", &target), 0);
        assert_string_equal(buffer_string(&target), "-> passwd");
        assert_int_equal(link_read_at(folder, "passwd", &target), -EINVAL);
        assert_int_equal(link_read_at(folder, "none", &target), -ENOENT);
        assert_non_null(long_target);
        for (size_t size = 250; size <= 4000; size = size < 260 ? size + 1 : size * 2) {
                char name[32];

                memset(long_target, 't', size);
                long_target[size] = '\0';
                (void)snprintf(name, sizeof(name), "etc/link-%zu", size);
                make_link(fixture, name, long_target);
                buffer_clear(&target);
                assert_int_equal(link_read_at(folder, name + 4, &target), 0);
                assert_string_equal(buffer_string(&target), long_target);
        }
}

#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                HOST_TEST(test_opened), HOST_TEST(test_paths),   HOST_TEST(test_flags),
                HOST_TEST(test_lease),  HOST_TEST(test_sizes),   HOST_TEST(test_live),
                HOST_TEST(test_boot_id), HOST_TEST(test_below_a_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
