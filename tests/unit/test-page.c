/* test-page.c - a text that others read while it is replaced: never half, never two mixed, never a dead writer's. */
#include "tree.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fd.h"
#include "page.h"

struct fixture {
        struct tree tree;
        char *path;             /* owned */
        struct page *page;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        tree_make(&fixture->tree);
        fixture->path = tree_path(&fixture->tree, "page");
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        fixture->page = page_close(fixture->page);
        tree_remove(&fixture->tree);
        free(fixture->path);
        free(fixture);
        return 0;
}

static void assert_reads(struct fixture *fixture, struct bytes expected) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        buffer_append_string(&text, "> ");
        assert_int_equal(page_read(fixture->path, &text), 0);
        assert_int_equal(text.size, expected.size + 2);
        if (expected.size)
                assert_memory_equal(text.data + 2, expected.data, expected.size);
}

static void test_published(void **state) {
        struct fixture *fixture = *state;
        static const size_t sizes[] = { 1, 16 * 1024 - 17, 16 * 1024 - 16, 16 * 1024 - 15, 100000, 5, 0, 3 };
        _cleanup_free_ char *content = malloc(100000);
        struct stat status;

        assert_non_null(content);
        assert_int_equal(page_create(fixture->path, &fixture->page), 0);
        assert_int_equal(stat(fixture->path, &status), 0);
        assert_int_equal(status.st_mode & 0777 & ~0640u, 0);
        assert_reads(fixture, BYTES_NULL);
        assert_int_equal(page_publish(fixture->page, BYTES_NULL), 0);
        assert_reads(fixture, BYTES_NULL);
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                memset(content, 'a' + (int)i, sizes[i]);
                assert_int_equal(page_publish(fixture->page, bytes_of(content, sizes[i])), 0);
                assert_reads(fixture, bytes_of(content, sizes[i]));
        }
        /* what its writer leaves is there to read */
        fixture->page = page_close(fixture->page);
        assert_reads(fixture, bytes_of_string("hhh"));
        /* a new one begins empty, whoever has the old one open */
        assert_int_equal(page_create(fixture->path, &fixture->page), 0);
        assert_reads(fixture, BYTES_NULL);
}

/* A text that no reader would take is not published. */
static void test_too_large(void **state) {
        struct fixture *fixture = *state;
        const size_t size = 17 * 1024 * 1024;
        _cleanup_free_ char *content = calloc(1, size);

        assert_non_null(content);
        assert_int_equal(page_create(fixture->path, &fixture->page), 0);
        assert_int_equal(page_publish(fixture->page, bytes_of_string("before")), 0);
        assert_int_equal(page_publish(fixture->page, bytes_of(content, size)), -EFBIG);
        assert_reads(fixture, bytes_of_string("before"));
}

static void test_not_a_page(void **state) {
        struct fixture *fixture = *state;
        static const struct {
                const char *content;
                size_t size;
        } cases[] = {
                { "", 0 },
                { "nephrpg1", 8 },
                { "nephrpg1\0\0\0\0\0\0\0", 15 },
                { "nephrpg1\0\0\0\0\xff\xff\xff\xff" "abc", 19 }, /* says more than there is */
                { "NEPHRPG1\0\0\0\0\0\0\0\0abc", 19 },
        };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        _cleanup_free_ char *link = tree_path(&fixture->tree, "link"), *fifo = tree_path(&fixture->tree, "fifo");

        assert_int_equal(page_read(fixture->path, &text), -ENOENT);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                tree_write(&fixture->tree, "page", cases[i].content, cases[i].size);
                assert_int_equal(page_read(fixture->path, &text), -EBADMSG);
        }
        tree_write(&fixture->tree, "page", "nephrpg1\0\0\0\0\3\0\0\0abc", 19);
        assert_reads(fixture, bytes_of_string("abc"));
        assert_int_equal(text.size, 0);

        assert_int_equal(symlink("page", link), 0);
        assert_int_equal(page_read(link, &text), -ELOOP);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(page_read(fifo, &text), -EBADMSG); /* nobody waits for its writer */
        assert_int_equal(page_read(fixture->tree.root, &text), -EBADMSG);
}

/* In the way when it is made anew: a link is not followed, a folder not removed. */
static void test_created(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *precious = tree_path(&fixture->tree, "precious"), *folder = tree_path(&fixture->tree, "folder");
        struct stat status;

        tree_text(&fixture->tree, "precious", "do not touch");
        assert_int_equal(symlink("precious", fixture->path), 0);
        assert_int_equal(page_create(fixture->path, &fixture->page), 0);
        assert_int_equal(stat(precious, &status), 0);
        assert_int_equal(status.st_size, 12);
        fixture->page = page_close(fixture->page);
        tree_folder(&fixture->tree, "folder");
        assert_true(page_create(folder, &fixture->page) < 0);
        assert_null(fixture->page);
        assert_int_equal(page_create("/no/such/folder/page", &fixture->page), -ENOENT);
}

/* The writer replaces the text as fast as it can: each reading is one of the texts, whole. */
static void test_concurrent(void **state) {
        struct fixture *fixture = *state;
        unsigned seen = 0;
        char last = 0;
        pid_t writer;
        int status;

        assert_int_equal(page_create(fixture->path, &fixture->page), 0);
        assert_int_equal(page_publish(fixture->page, bytes_of_string("aaaaaaaaaaaaaaaaaa")), 0);
        writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
                static char content[700000];

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (unsigned i = 0;; i++) {
                        size_t size = 300000 + i * 7919 % 400000; /* large: it is read and written at once; and it grows */

                        memset(content, 'a' + (int)(i % 26), size);
                        if (page_publish(fixture->page, bytes_of(content, size)) < 0)
                                _exit(1);
                        (void)usleep(500); /* as a real one, it has something else to do */
                }
        }
        (void)alarm(60);
        while (seen < 200) { /* so many texts one after the other: it does run beside us */
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;

                assert_int_equal(page_read(fixture->path, &text), 0);
                assert_true(text.size >= 18);
                for (size_t k = 1; k < text.size; k++)
                        if (text.data[k] != text.data[0])
                                fail_msg("mixed at %zu of %zu", k, text.size);
                seen += (char)text.data[0] != last;
                last = (char)text.data[0];
        }
        assert_int_equal(waitpid(writer, &status, WNOHANG), 0);
        (void)kill(writer, SIGKILL);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        (void)alarm(0);
}

/* A writer that dies in the middle leaves the counter odd: the reader says so in the end, and does not wait for ever. */
static void test_dead_writer(void **state) {
        struct fixture *fixture = *state;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        tree_write(&fixture->tree, "page", "nephrpg1\1\0\0\0\3\0\0\0abc", 19);
        (void)alarm(60);
        assert_int_equal(page_read(fixture->path, &text), -EBADMSG);
        (void)alarm(0);
        assert_int_equal(text.size, 0);
        assert_int_equal(page_create(fixture->path, &fixture->page), 0);
        assert_reads(fixture, BYTES_NULL);
}

/* A full filesystem: an answer, not the end of the writer; readers see the text before. */
static void test_full(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *content = calloc(1, 1024 * 1024), *path = NULL, *folder = tree_path(&fixture->tree, "small");
        pid_t child;
        int status;

        assert_non_null(content);
        assert_true(asprintf(&path, "%s/page", folder) > 0);
        tree_folder(&fixture->tree, "small");
        child = fork(); /* in mounts of its own */
        assert_true(child >= 0);
        if (child == 0) {
                struct page *page = NULL;
                struct buffer text = BUFFER_NULL;

                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("tmpfs", folder, "tmpfs", 0, "size=128k") < 0)
                        _exit(77);
                if (page_create(path, &page) < 0 || page_publish(page, bytes_of_string("before")) < 0)
                        _exit(1);
                if (page_publish(page, bytes_of(content, 1024 * 1024)) != -ENOSPC)
                        _exit(2);
                if (page_read(path, &text) < 0 || !bytes_equal(buffer_bytes(&text), bytes_of_string("before")))
                        _exit(3);
                if (page_publish(page, bytes_of_string("after")) < 0)
                        _exit(4);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
}

#define PAGE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                PAGE_TEST(test_published),   PAGE_TEST(test_too_large),   PAGE_TEST(test_not_a_page), PAGE_TEST(test_created),
                PAGE_TEST(test_concurrent),  PAGE_TEST(test_dead_writer), PAGE_TEST(test_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
