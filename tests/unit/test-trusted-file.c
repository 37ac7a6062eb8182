/* test-trusted-file.c - what is no file, or not root's alone, is not read. */
#include "tree.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "string-list.h"
#include "trusted-file.h"

static void make_fifo(const char *path) {
        assert_int_equal(mkfifo(path, 0644), 0);
}

static void make_folder(const char *path) {
        assert_int_equal(mkdir(path, 0755), 0);
}

static void make_link(const char *path) {
        assert_int_equal(symlink("/etc/hostname", path), 0);
}

static void make_socket(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
        memcpy(address.sun_path, path, strlen(path));
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        (void)close(fd);
}

static void make_huge(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, 1024 * 1024 + 1), 0);
        (void)close(fd);
}

static const struct {
        void (*make)(const char *path); /* NULL: nothing is there */
        int answer;
        const char *message;
} not_files[] = {
        { NULL, -ENOENT, "shown: there is no such file" },
        { make_fifo, -EPERM, "shown: is a FIFO, not a file: refused" },
        { make_folder, -EPERM, "shown: is a folder, not a file: refused" },
        { make_link, -EPERM, "shown: is a symbolic link: refused" },
        { make_socket, -EPERM, "shown: is a socket or a device, not a file: refused" },
        { make_huge, -EFBIG, "shown: is larger than 1 MiB: refused" },
};

static void test_not_a_file(void **unused) {
        (void)unused;
        for (size_t i = 0; i < ELEMENTS(not_files); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL, error = BUFFER_NULL;
                _cleanup_free_ char *path = NULL;
                struct tree tree;

                tree_make(&tree);
                path = tree_path(&tree, "file");
                if (not_files[i].make)
                        not_files[i].make(path);
                assert_int_equal(trusted_file_read(AT_FDCWD, path, "shown", true, &text, &error), not_files[i].answer);
                assert_string_equal(buffer_string(&error), not_files[i].message);
                assert_int_equal(text.size, 0);
                tree_remove(&tree);
        }
}

static void test_device(void **unused) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, error = BUFFER_NULL;

        (void)unused;
        assert_int_equal(trusted_file_read(AT_FDCWD, "/dev/zero", "a\nb", true, &text, &error), -EPERM);
        assert_string_equal(buffer_string(&error), "a\\x0ab: is a device, not a file: refused");
}

static void test_reads(void **unused) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, error = BUFFER_NULL, large = BUFFER_NULL;
        _cleanup_free_ char *path = NULL;
        struct tree tree;

        (void)unused;
        tree_make(&tree);
        path = tree_path(&tree, "file");
        buffer_append_fill(&large, 'x', TRUSTED_FILE_SIZE_MAX);
        tree_write(&tree, "file", large.data, large.size);
        buffer_append_string(&text, "before ");
        assert_int_equal(trusted_file_read(AT_FDCWD, path, path, true, &text, &error), 0);
        assert_int_equal(text.size, strlen("before ") + TRUSTED_FILE_SIZE_MAX);
        assert_int_equal(error.size, 0);

        buffer_clear(&text);
        assert_int_equal(trusted_file_read(AT_FDCWD, "/proc/self/maps", "maps", true, &text, &error), 0);
        assert_true(text.size > 0);

        /* says it is empty and is larger than anything: the limit holds while reading, too */
        if (access("/proc/self/pagemap", R_OK) == 0) {
                buffer_clear(&text);
                assert_int_equal(trusted_file_read(AT_FDCWD, "/proc/self/pagemap", "p", true, &text, &error), -EFBIG);
                assert_true(text.size <= TRUSTED_FILE_SIZE_MAX);
                assert_string_equal(buffer_string(&error), "p: is larger than 1 MiB: refused");
        }
        tree_remove(&tree);
}

static void test_owner(void **unused) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, error = BUFFER_NULL;
        _cleanup_string_list_ struct strings names = { .items = NULL };
        _cleanup_free_ char *path = NULL;
        struct tree tree;
        int fd = -1;

        (void)unused;
        if (geteuid() != 0)
                skip();
        tree_make(&tree);
        tree_text(&tree, "file", "text");
        path = tree_path(&tree, "file");
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_equal(trusted_file_read(AT_FDCWD, path, "f", false, &text, &error), 0);
        assert_int_equal(chmod(path, 0662), 0);
        assert_int_equal(trusted_file_read(AT_FDCWD, path, "f", false, &text, &error), -EPERM);
        assert_string_equal(buffer_string(&error), "f: is writable by everybody (mode 0662): refused");
        buffer_clear(&error);
        assert_int_equal(chown(path, 4294967294u, 0), 0);
        assert_int_equal(trusted_file_read(AT_FDCWD, path, "f", false, &text, &error), -EPERM);
        assert_string_equal(buffer_string(&error), "f: is owned by user 4294967294, not by root: refused");

        buffer_clear(&error);
        assert_int_equal(chmod(tree.root, 01777), 0);
        assert_int_equal(trusted_folder_open(AT_FDCWD, tree.root, "d", "", false, &fd, &names, &error), -EPERM);
        assert_string_equal(buffer_string(&error), "d: is writable by everybody (mode 1777): refused");
        assert_int_equal(fd, -1);
        tree_remove(&tree);
}

static void test_folder(void **unused) {
        _cleanup_buffer_ struct buffer error = BUFFER_NULL;
        _cleanup_string_list_ struct strings names = { .items = NULL };
        struct tree tree;
        int fd = -1;

        (void)unused;
        tree_make(&tree);
        tree_text(&tree, "b.conf", "");
        tree_text(&tree, "10-z.conf", "");
        tree_text(&tree, "B.conf", "");
        tree_text(&tree, "2-a\x1b.conf", "");
        tree_text(&tree, ".b.conf", "");
        tree_text(&tree, "c.conf~", "");
        assert_int_equal(trusted_folder_open(AT_FDCWD, tree.root, "d", ".conf", true, &fd, &names, &error), 0);
        assert_int_equal(names.count, 4);
        assert_string_equal(names.items[0], "10-z.conf");
        assert_string_equal(names.items[1], "2-a\x1b.conf");
        assert_string_equal(names.items[2], "B.conf");
        assert_string_equal(names.items[3], "b.conf");
        assert_int_equal(close(fd), 0);
        string_list_done(&names);

        fd = -1;
        assert_int_equal(trusted_folder_open(AT_FDCWD, "/nowhere", "d", "", true, &fd, &names, &error), -ENOENT);
        assert_int_equal(error.size, 0);
        assert_int_equal(trusted_folder_open(AT_FDCWD, "/etc/hostname", "d", "", true, &fd, &names, &error), -EPERM);
        assert_string_equal(buffer_string(&error), "d: is not a folder (a symbolic link is not followed): refused");

        buffer_clear(&error);
        for (int i = 0; i < TRUSTED_FOLDER_FILES_MAX; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%d.conf", i);
                tree_text(&tree, name, "");
        }
        assert_int_equal(trusted_folder_open(AT_FDCWD, tree.root, "d", ".conf", true, &fd, &names, &error), -E2BIG);
        assert_string_equal(buffer_string(&error), "d: holds more than 256 configuration files: refused");
        assert_int_equal(fd, -1);
        tree_remove(&tree);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_not_a_file),
                cmocka_unit_test(test_device),
                cmocka_unit_test(test_reads),
                cmocka_unit_test(test_owner),
                cmocka_unit_test(test_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
