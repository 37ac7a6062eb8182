/* test-files.c - the walk of a file tree that somebody hostile may write in. */
#include "collect.h"
#include "tree.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "blake2b.h"
#include "fd.h"
#include "file-record.h"
#include "files.h"
#include "host.h"
#include "setuid.h"

struct look {
        struct test_collector test;     /* sees that the keys come in order */
        struct tree tree;
        struct host host;
        char *paths[32], *excludes[8];
        struct watch_settings settings;
        void *state;
        struct buffer text;             /* "file /a abcdef01", "symlink /b -> target", one line each */
        bool complete;
        int answer;                     /* of the collector */
        void (*between)(struct look *look, const char *path); /* after a record was made and before its file is read */
        struct value last[FILE_FIELDS]; /* numbers only */
        /* detail(), with what was known before of the same file */
        bool detail, known;
        struct record before;
        uint8_t digest[BLAKE2B_SIZE];
        int news;
        char finding[16], sha256[2 * SHA256_SIZE + 1];
        char content[64];               /* FILE_TEXT of the last record; "-": none */
};

static void ask_for_detail(struct look *look, struct record *record) {
        const struct change change = {
                .kind = look->known ? CHANGE_CHANGED : CHANGE_APPEARED,
                .fields = file_fields,
                .before = look->known ? &look->before : NULL,
                .after = record,
        };
        const struct value *finding, *sha256;
        struct record detailed = *record;

        look->news = watch_files.detail(look->state, &change, &detailed);
        finding = &detailed.values[FILE_FINDING];
        sha256 = &detailed.values[FILE_SHA256];
        (void)snprintf(look->finding, sizeof(look->finding), "%.*s", finding->present ? (int)finding->bytes.size : 0,
                       finding->present ? (const char *)finding->bytes.data : "");
        look->sha256[0] = '\0';
        for (size_t i = 0; sha256->present && i < SHA256_SIZE; i++)
                (void)snprintf(look->sha256 + 2 * i, 3, "%02x", sha256->bytes.data[i]);
        look->before = *record;
        look->known = true;
        if (record->values[FILE_DIGEST].present) {
                memcpy(look->digest, record->values[FILE_DIGEST].bytes.data, BLAKE2B_SIZE);
                look->before.values[FILE_DIGEST].bytes.data = look->digest;
        }
}

static int on_record(struct collector *collector, const struct record *given) {
        struct look *look = container_of(collector, struct look, test.collector);
        struct record record = *given;
        const struct value *values = record.values;
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;

        buffer_append_bytes(&path, values[FILE_PATH].bytes);
        if (look->between)
                look->between(look, buffer_string(&path));
        if (look->complete) {
                int r = watch_files.complete(look->state, &record);

                if (r == WATCH_E_NO_NEWS)
                        return look->answer;
                assert_int_equal(r, 0);
        }
        if (look->detail)
                ask_for_detail(look, &record);
        (void)test_record(collector, &record);
        buffer_append_bytes(&look->text, values[FILE_TYPE].bytes);
        buffer_append_byte(&look->text, ' ');
        buffer_append_bytes(&look->text, values[FILE_PATH].bytes);
        if (values[FILE_TARGET].present) {
                buffer_append_string(&look->text, " -> ");
                buffer_append_bytes(&look->text, values[FILE_TARGET].bytes);
        }
        if (values[FILE_DIGEST].present) {
                assert_int_equal(values[FILE_DIGEST].bytes.size, BLAKE2B_SIZE);
                buffer_append_byte(&look->text, ' ');
                for (size_t i = 0; i < 4; i++)
                        buffer_printf(&look->text, "%02x", values[FILE_DIGEST].bytes.data[i]);
        }
        if (values[FILE_ERROR].present) {
                buffer_append_string(&look->text, " !");
                buffer_append_bytes(&look->text, values[FILE_ERROR].bytes);
        }
        buffer_append_byte(&look->text, '\n');
        memcpy(look->last, values, sizeof(look->last));
        (void)snprintf(look->content, sizeof(look->content), "%.*s", values[FILE_TEXT].present ? (int)values[FILE_TEXT].bytes.size : 1,
                       values[FILE_TEXT].present ? (const char *)values[FILE_TEXT].bytes.data : "-");

        /* the key: the path without its first '/', NUL between its parts */
        assert_int_equal(path.data[0], '/');
        assert_int_equal(record.key.size, path.size - 1);
        for (size_t i = 0; i < record.key.size; i++)
                assert_int_equal(record.key.data[i], path.data[i + 1] == '/' ? '\0' : path.data[i + 1]);
        return look->answer;
}

static int set_up(void **state) {
        struct look *look = calloc(1, sizeof(*look));

        assert_non_null(look);
        tree_make(&look->tree);
        assert_int_equal(host_open(&look->host, look->tree.root), 0);
        test_collector_init(&look->test, &watch_files);
        look->test.collector.record = on_record;
        look->settings.paths.items = look->paths;
        look->settings.excludes.items = look->excludes;
        assert_int_equal(watch_files.open(&look->settings, &look->host, &look->state), 0);
        *state = look;
        return 0;
}

static int tear_down(void **state) {
        struct look *look = *state;

        watch_files.close(look->state);
        test_collector_done(&look->test);
        buffer_done(&look->text);
        host_close(&look->host);
        tree_remove(&look->tree);
        free(look);
        return 0;
}

__attribute__((sentinel))
static void watch_paths(struct look *look, const char *first, ...) {
        va_list list;

        look->settings.paths.count = 0;
        va_start(list, first);
        for (const char *path = first; path; path = va_arg(list, const char *))
                look->paths[look->settings.paths.count++] = (char *)(uintptr_t)path;
        va_end(list);
}

static int collect(struct look *look) {
        buffer_clear(&look->text);
        return test_collect(&look->test, look->state);
}

static void assert_finds(struct look *look, const char *records, const char *conditions) {
        assert_int_equal(collect(look), WATCH_OK);
        assert_string_equal(buffer_string(&look->text), records);
        assert_string_equal(buffer_string(&look->test.conditions), conditions);
}

static void make_link(const struct look *look, const char *target, const char *path) {
        _cleanup_free_ char *whole = tree_path(&look->tree, path);

        assert_int_equal(symlink(target, whole), 0);
}

static void make_fifo(const struct look *look, const char *path) {
        _cleanup_free_ char *whole = tree_path(&look->tree, path);

        assert_int_equal(mkfifo(whole, 0600), 0);
}

static size_t open_descriptors(void) {
        DIR *listing = opendir("/proc/self/fd");
        size_t count = 0;

        assert_non_null(listing);
        while (readdir(listing))
                count++;
        (void)closedir(listing);
        return count;
}

/* Every type there is: only regular files are opened, nothing is followed. Digests as b2sum(1) gives them. */
static void test_types(void **state) {
        struct look *look = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_free_ char *socket_path = NULL;
        char long_target[4000];

        tree_text(&look->tree, "outside/secret", "x");
        tree_text(&look->tree, "boot/file", "abc");
        tree_text(&look->tree, "boot/folder/inner", "");
        make_fifo(look, "boot/fifo");
        make_link(look, "../outside", "boot/link");
        make_link(look, "no\n\x1b[2J\xff", "boot/link-nowhere");
        memset(long_target, 't', sizeof(long_target) - 1);
        long_target[sizeof(long_target) - 1] = '\0';
        make_link(look, ".", "boot/link-self");
        socket_path = tree_path(&look->tree, "boot/socket");
        assert_true(strlen(socket_path) < sizeof(address.sun_path));
        memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);

        look->complete = true;
        watch_paths(look, "/boot", NULL);
        (void)alarm(60); /* whoever opens the fifo waits for ever */
        assert_finds(look,
                     "dir /boot\n"
                     "fifo /boot/fifo\n"
                     "file /boot/file ba80a53f\n"
                     "dir /boot/folder\n"
                     "file /boot/folder/inner 786a02f7\n"
                     "symlink /boot/link -> ../outside\n"
                     "symlink /boot/link-nowhere -> no\n\x1b[2J\xff\n"
                     "symlink /boot/link-self -> .\n"
                     "socket /boot/socket\n", "");
        (void)alarm(0);

        make_link(look, long_target, "long");
        watch_paths(look, "/long", NULL);
        assert_int_equal(collect(look), WATCH_OK);
        assert_non_null(strstr(buffer_string(&look->text), long_target));
}

static void test_fields(void **state) {
        struct look *look = *state;
        _cleanup_free_ char *file = tree_path(&look->tree, "file"), *other = tree_path(&look->tree, "other");
        const struct timespec times[] = { { 1000, 5 }, { 1700000000, 123456789 } };
        struct stat status;

        tree_text(&look->tree, "file", "12345");
        assert_int_equal(link(file, other), 0);
        assert_int_equal(chmod(file, 04751), 0);
        assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
        look->complete = true;
        watch_paths(look, "/file", NULL);
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(stat(file, &status), 0);
        assert_int_equal(status.st_atim.tv_sec, 1000); /* we leave no trace */
        assert_int_equal(look->last[FILE_SIZE].number, 5);
        assert_int_equal(look->last[FILE_LINKS].number, 2);
        assert_int_equal(look->last[FILE_MODE].number, 04751);
        assert_int_equal(look->last[FILE_USER].number, status.st_uid);
        assert_int_equal(look->last[FILE_GROUP].number, status.st_gid);
        assert_int_equal(look->last[FILE_INODE].number, status.st_ino);
        assert_true(look->last[FILE_MTIME].number == UINT64_C(1700000000123456789));
        assert_true(look->last[FILE_CTIME].number ==
                    (uint64_t)status.st_ctim.tv_sec * 1000000000 + (uint64_t)status.st_ctim.tv_nsec);

        /* what moves in a folder by itself is not told of it */
        tree_folder(&look->tree, "folder");
        watch_paths(look, "/folder", NULL);
        assert_int_equal(collect(look), WATCH_OK);
        assert_true(look->last[FILE_MODE].present && look->last[FILE_FOLDER_CTIME].present);
        assert_false(look->last[FILE_SIZE].present || look->last[FILE_LINKS].present ||
                     look->last[FILE_MTIME].present || look->last[FILE_CTIME].present);
}

static void write_at(const struct look *look, const char *path, off_t offset, const char *text) {
        _cleanup_free_ char *whole = tree_path(&look->tree, path);
        _cleanup_close_ int fd = open(whole, O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, text, strlen(text), offset), (ssize_t)strlen(text));
}

static void test_policies(void **state) {
        struct look *look = *state;
        size_t present = 0;

        tree_text(&look->tree, "t/file", "abc");
        look->complete = true;
        watch_paths(look, "/t", NULL);
        look->settings.policy = POLICY_METADATA;
        assert_finds(look, "dir /t\nfile /t/file\n", "");
        assert_true(look->last[FILE_CTIME].present && look->last[FILE_SIZE].present);
        look->settings.policy = POLICY_EXISTS;
        assert_finds(look, "dir /t\nfile /t/file\n", "");
        for (size_t i = 0; i < FILE_FIELDS; i++)
                present += look->last[i].present;
        assert_int_equal(present, 2);
        look->settings.policy = POLICY_APPEND;
        assert_finds(look, "dir /t\nfile /t/file ba80a53f\n", "");
}

static void test_sha256(void **state) {
        static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        static const char zeros[] = "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"; /* 1 MiB */
        struct look *look = *state;
        _cleanup_free_ char *file = tree_path(&look->tree, "file");

        tree_text(&look->tree, "file", "abc");
        look->complete = look->detail = true;
        watch_paths(look, "/file", NULL);
        assert_int_equal(collect(look), WATCH_OK);
        assert_string_equal(look->sha256, abc);
        assert_int_equal(collect(look), WATCH_OK); /* not of what is as it was */
        assert_string_equal(look->sha256, "");
        assert_int_equal(truncate(file, 0), 0);
        assert_int_equal(truncate(file, 1 << 20), 0);
        assert_int_equal(collect(look), WATCH_OK); /* in a second pass */
        assert_string_equal(look->sha256, zeros);
        assert_int_equal(truncate(file, (off_t)FILE_SHA256_MOST + 1), 0);
        assert_int_equal(collect(look), WATCH_OK);
        assert_string_equal(look->sha256, "");
        assert_int_equal(look->news, WATCH_OK);
}

static void assert_content(struct look *look, const char *content) {
        assert_int_equal(collect(look), WATCH_OK);
        assert_string_equal(look->content, content);
        assert_true(look->last[FILE_DIGEST].present);
}

/* Only of what everybody may read, however that is forbidden. */
static void test_text(void **state) {
        static const uint8_t acl[] = { 2, 0, 0, 0, /* user::rw-, user:1000:---, group::r--, mask::r--, other::r-- */
                                       1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 0, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
                                       16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255 };
        struct look *look = *state;
        _cleanup_free_ char *file = NULL, *folder = NULL;

        tree_text(&look->tree, "etc/d/f", "one\n");
        file = tree_path(&look->tree, "etc/d/f");
        folder = tree_path(&look->tree, "etc");
        assert_int_equal(chmod(look->tree.root, 0755), 0);
        look->complete = true;
        watch_paths(look, "/etc/d/f", NULL);
        assert_content(look, "-");                      /* not without Text= */
        look->settings.text = true;
        assert_content(look, "one\n");
        assert_int_equal(chmod(file, 0640), 0);         /* as shadow */
        assert_content(look, "-");
        assert_int_equal(chmod(file, 0604), 0);
        assert_content(look, "-");
        assert_int_equal(chmod(file, 0644), 0);
        assert_content(look, "one\n");
        assert_int_equal(chmod(folder, 0750), 0);       /* as /root */
        assert_content(look, "-");
        watch_paths(look, "/etc", NULL);
        assert_content(look, "-");
        assert_int_equal(chmod(folder, 0711), 0);
        assert_content(look, "one\n");
        look->settings.policy = POLICY_APPEND;
        assert_content(look, "-");
        look->settings.policy = POLICY_FULL;
        if (setxattr(file, "system.posix_acl_access", acl, sizeof(acl), 0) == 0) {
                assert_content(look, "-");
                assert_int_equal(removexattr(file, "system.posix_acl_access"), 0);
        }
        assert_content(look, "one\n");

        tree_text(&look->tree, "etc/d/f", "");
        assert_content(look, "");
        write_at(look, "etc/d/f", 0, "a\nb");
        assert_content(look, "a\nb");
        assert_int_equal(truncate(file, 4), 0);         /* a NUL */
        assert_content(look, "-");
}

static void test_text_sizes(void **state) {
        struct look *look = *state;
        _cleanup_free_ char *file = tree_path(&look->tree, "file");
        char *text = calloc(1, FILE_TEXT_MAX + 2);

        assert_non_null(text);
        memset(text, 'x', FILE_TEXT_MAX + 1);
        tree_text(&look->tree, "file", text);
        assert_int_equal(chmod(look->tree.root, 0755), 0);
        look->complete = look->settings.text = true;
        watch_paths(look, "/file", NULL);
        assert_content(look, "-");
        assert_int_equal(truncate(file, FILE_TEXT_MAX), 0);
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(look->last[FILE_TEXT].bytes.size, FILE_TEXT_MAX);
        free(text);
}

static void assert_log(struct look *look, int news, const char *finding) {
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(look->news, news);
        assert_string_equal(look->finding, finding);
}

static void test_append(void **state) {
        struct look *look = *state;
        _cleanup_free_ char *log = tree_path(&look->tree, "log"), *old = tree_path(&look->tree, "log.1");
        struct record after = { 0 };
        const struct change change = { CHANGE_CHANGED, file_fields, &look->before, &after };

        tree_text(&look->tree, "log", "one\n");
        look->complete = look->detail = true;
        look->settings.policy = POLICY_APPEND;
        watch_paths(look, "/log", NULL);
        assert_log(look, WATCH_OK, "");                 /* it appeared */
        write_at(look, "log", 4, "two\n");
        assert_log(look, WATCH_E_NO_NEWS, "");          /* it grew */
        write_at(look, "log", 4, "TWO\nthree\n");
        assert_log(look, WATCH_OK, "rewritten");        /* it grew, too */
        assert_int_equal(utimensat(AT_FDCWD, log, NULL, 0), 0);
        assert_log(look, WATCH_E_NO_NEWS, "");          /* nothing was appended */
        write_at(look, "log", 0, "ONE\n");
        assert_log(look, WATCH_OK, "rewritten");        /* in place */
        assert_int_equal(truncate(log, 4), 0);
        assert_log(look, WATCH_OK, "truncated");
        write_at(look, "log", 4, "four\n");
        assert_int_equal(chmod(log, 0600), 0);
        assert_log(look, WATCH_OK, "");                 /* it grew, and that is not all */
        assert_int_equal(rename(log, old), 0);
        tree_text(&look->tree, "log", "ONE\nfour\nfive\n");
        assert_log(look, WATCH_OK, "replaced");         /* though it begins as the one before */

        after.values[FILE_FINDING] = value_string("truncated");
        assert_string_equal(watch_files.classify(&change)->action, "file-truncated");
        after.values[FILE_FINDING].present = false;
        assert_null(watch_files.classify(&change));
}

static void test_hostile_names(void **state) {
        struct look *look = *state;

        tree_text(&look->tree, "t/-rf", "");
        tree_text(&look->tree, "t/ ", "");
        tree_text(&look->tree, "t/a\nb", "");
        tree_text(&look->tree, "t/\\n\\", "");
        tree_text(&look->tree, "t/\x01", "");
        tree_text(&look->tree, "t/\x1b]0;gotcha\a", "");
        tree_text(&look->tree, "t/\xff\xfe/...", "");
        tree_text(&look->tree, "t/\xc3\xbc", "");
        tree_text(&look->tree, "t/%s%n", "");
        look->complete = true;
        watch_paths(look, "/t", NULL);
        assert_finds(look,
                     "dir /t\n"
                     "file /t/\x01 786a02f7\n"
                     "file /t/\x1b]0;gotcha\a 786a02f7\n"
                     "file /t/  786a02f7\n"
                     "file /t/%s%n 786a02f7\n"
                     "file /t/-rf 786a02f7\n"
                     "file /t/\\n\\ 786a02f7\n"
                     "file /t/a\nb 786a02f7\n"
                     "file /t/\xc3\xbc 786a02f7\n"
                     "dir /t/\xff\xfe\n"
                     "file /t/\xff\xfe/... 786a02f7\n", "");
}

/* What lies in "a" comes right behind it, before "a-b" and "a.b", whose names sort before "a/". */
static void test_order(void **state) {
        struct look *look = *state;

        tree_text(&look->tree, "t/a/x", "");
        tree_text(&look->tree, "t/a/x-y", "");
        tree_text(&look->tree, "t/a/\x01", "");
        tree_text(&look->tree, "t/a-b/x", "");
        tree_text(&look->tree, "t/a\x01", "");
        tree_text(&look->tree, "t/a.b", "");
        tree_text(&look->tree, "t/aa", "");
        tree_text(&look->tree, "t/B", "");
        tree_folder(&look->tree, "t2");
        watch_paths(look, "/t2", "/t/a-b", "/t/a", NULL); /* the roots as well, whatever order they are written in */
        assert_finds(look,
                     "dir /t/a\n"
                     "file /t/a/\x01\n"
                     "file /t/a/x\n"
                     "file /t/a/x-y\n"
                     "dir /t/a-b\n"
                     "file /t/a-b/x\n"
                     "dir /t2\n", "");
        watch_paths(look, "/t", NULL);
        assert_finds(look,
                     "dir /t\n"
                     "file /t/B\n"
                     "dir /t/a\n"
                     "file /t/a/\x01\n"
                     "file /t/a/x\n"
                     "file /t/a/x-y\n"
                     "file /t/a\x01\n"
                     "dir /t/a-b\n"
                     "file /t/a-b/x\n"
                     "file /t/a.b\n"
                     "file /t/aa\n", "");
        watch_paths(look, "/t2", "/t/aa", "/t/a.b", "/t/a/x", "/t/a-b", "/t/a/x-y", NULL);
        assert_finds(look,
                     "file /t/a/x\n"
                     "file /t/a/x-y\n"
                     "dir /t/a-b\n"
                     "file /t/a-b/x\n"
                     "file /t/a.b\n"
                     "file /t/aa\n"
                     "dir /t2\n", "");
        /* a folder too large for one answer of the kernel */
        for (int i = 0; i < 3000; i++) {
                char name[80];

                (void)snprintf(name, sizeof(name), "many/%d-with-a-name-that-takes-some-room", i * 7919 % 3000);
                tree_text(&look->tree, name, "");
        }
        watch_paths(look, "/many", NULL);
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(look->test.count, 3001);
}

/* ---- deep ---- */

/* Makes 'levels' folders of that name in each other, a file "leaf" in the last if there is room for one. */
static void make_deep(const struct look *look, const char *name, int levels, int *fds) {
        int fd = open(look->tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        for (int i = 0; i < levels; i++) {
                assert_true(fd >= 0);
                assert_int_equal(mkdirat(fd, name, 0755), 0);
                fds[i] = fd;
                fd = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        fds[levels] = fd;
        fd = openat(fd, "leaf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        (void)close(fd);
}

static void remove_deep(const char *name, int levels, int *fds) {
        assert_int_equal(unlinkat(fds[levels], "leaf", 0), 0);
        (void)close(fds[levels]);
        while (levels-- > 0) {
                assert_int_equal(unlinkat(fds[levels], name, AT_REMOVEDIR), 0);
                (void)close(fds[levels]);
        }
}

/* A path of 4,096 characters and more is one that no call takes whole. */
static void test_long_path(void **state) {
        enum { LEVELS = 17, NAME = 255 };
        struct look *look = *state;
        _cleanup_free_ char *top = NULL;
        char name[NAME + 1];
        int fds[LEVELS + 1];

        memset(name, 'n', NAME);
        name[NAME] = '\0';
        assert_true(asprintf(&top, "/%s", name) > 0);
        make_deep(look, name, LEVELS, fds);
        look->complete = true;
        watch_paths(look, top, NULL);
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(look->test.count, LEVELS + 1);
        assert_string_equal(buffer_string(&look->test.conditions), "");
        assert_true(look->test.key.size > 4096);
        assert_non_null(strstr(buffer_string(&look->text), "n/leaf 786a02f7\n"));
        remove_deep(name, LEVELS, fds);
}

static void test_deep(void **state) {
        enum { LEVELS = 2200, MOST = 2100 };
        static int fds[LEVELS + 1];
        struct look *look = *state;
        struct rlimit limit, small;
        size_t descriptors;

        tree_text(&look->tree, "e", "");
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        small = limit;
        small.rlim_cur = 2 * LEVELS + 100;
        if (small.rlim_cur > small.rlim_max)
                skip();
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        make_deep(look, "d", LEVELS, fds);
        watch_paths(look, "/d", "/e", NULL);
        descriptors = open_descriptors();
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(look->test.count, MOST + 2);
        assert_non_null(strstr(buffer_string(&look->test.conditions), "/d/d: deeper than 2100 levels, not entered\n"));
        assert_non_null(strstr(buffer_string(&look->text), "\nfile /e\n")); /* and goes on */
        assert_int_equal(open_descriptors(), descriptors);

        /* when descriptors end the round fails; what it held is given back, and the next may succeed */
        small.rlim_cur = descriptors + 50;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        assert_int_equal(collect(look), -EMFILE);
        assert_int_equal(open_descriptors(), descriptors);
        small.rlim_cur = 2 * LEVELS + 100;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(look->test.count, MOST + 2);
        remove_deep("d", LEVELS, fds);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* ---- what is left out, what is not there ---- */

static void exclude(struct look *look, const char *pattern) {
        look->excludes[look->settings.excludes.count++] = (char *)(uintptr_t)pattern;
}

static void test_excludes(void **state) {
        struct look *look = *state;

        tree_text(&look->tree, "t/a.bak", "");
        tree_text(&look->tree, "t/a.bak2", "");
        tree_text(&look->tree, "t/sub/b.bak", "");
        tree_text(&look->tree, "t/sub/.hidden.bak", "");
        tree_text(&look->tree, "t/grub/grubenv", "");
        tree_text(&look->tree, "t/grub/x/grubenv", "");
        tree_text(&look->tree, "t/cache/x", "");
        tree_text(&look->tree, "u/t/cache", "");
        tree_text(&look->tree, "u/[x]", "");
        exclude(look, "*.bak");
        exclude(look, "/t/grub/grubenv");
        exclude(look, "/t/cache"); /* with all that lies in it */
        exclude(look, "\\[x]");
        watch_paths(look, "/t", "/u", NULL);
        assert_finds(look,
                     "dir /t\n"
                     "file /t/a.bak2\n"
                     "dir /t/grub\n"
                     "dir /t/grub/x\n"
                     "file /t/grub/x/grubenv\n"
                     "dir /t/sub\n"
                     "dir /u\n"
                     "dir /u/t\n"
                     "file /u/t/cache\n", "");
        look->settings.excludes.count = 0;
        exclude(look, "u"); /* a root itself */
        exclude(look, "t?");
        watch_paths(look, "/u", NULL);
        assert_finds(look, "", "");
}

static void test_roots(void **state) {
        struct look *look = *state;

        assert_finds(look, "", ""); /* no path at all */
        tree_text(&look->tree, "file", "abc");
        tree_text(&look->tree, "folder/inner", "");
        make_link(look, "folder", "link");
        make_link(look, "/folder", "link-absolute");
        make_link(look, "/etc", "link-out");
        watch_paths(look, "/none", "/file", "/file/below", "/link", "/no/where", NULL);
        assert_finds(look,
                     "file /file\n"
                     "symlink /link -> folder\n",
                     "no /file/below on this host\n"
                     "/link is a symbolic link: what it points to is not watched\n"
                     "no /no/where on this host\n"
                     "no /none on this host\n");
        /* on the way to a root links are followed, inside the host's root */
        watch_paths(look, "/link-absolute/inner", "/link-out/passwd", "/link/inner", NULL);
        assert_finds(look, "file /link/inner\nfile /link-absolute/inner\n", "no /link-out/passwd on this host\n");
        watch_paths(look, "/", NULL);
        assert_finds(look,
                     "dir /\n"
                     "file /file\n"
                     "dir /folder\n"
                     "file /folder/inner\n"
                     "symlink /link -> folder\n"
                     "symlink /link-absolute -> /folder\n"
                     "symlink /link-out -> /etc\n", "");
}

static void test_many_conditions(void **state) {
        struct look *look = *state;
        static char names[20][8];

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                (void)snprintf(names[i], sizeof(names[i]), "/no%02zu", i);
                look->paths[i] = names[i];
        }
        look->settings.paths.count = ELEMENTS(names);
        for (int round = 0; round < 2; round++) { /* every look counts anew */
                assert_int_equal(collect(look), WATCH_OK);
                assert_non_null(strstr(buffer_string(&look->test.conditions), "no /no15 on this host\nand 4 more places"));
                assert_null(strstr(buffer_string(&look->test.conditions), "/no16"));
        }
}

static void test_kernel_filesystem(void **state) {
        struct look *look = *state;

        host_close(&look->host);
        assert_int_equal(host_open(&look->host, "/"), 0);
        watch_paths(look, "/proc", NULL);
        assert_finds(look, "dir /proc\n", "/proc: a kernel filesystem, not entered\n");
}

/* ---- the content ---- */

/* What b2sum(1) says of a file: 128 digits; false if there is none on this host. */
static bool real_b2sum(const char *path, char ret[2 * BLAKE2B_SIZE]) {
        int ends[2], status;
        size_t size = 0;
        ssize_t n;
        pid_t child;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void)dup2(ends[1], STDOUT_FILENO);
                (void)close(ends[0]);
                (void)execlp("b2sum", "b2sum", path, (char *)NULL);
                _exit(127);
        }
        (void)close(ends[1]);
        while (size < 2 * BLAKE2B_SIZE && (n = read(ends[0], ret + size, 2 * BLAKE2B_SIZE - size)) > 0)
                size += (size_t)n;
        (void)close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        return size == 2 * BLAKE2B_SIZE;
}

static void test_digests(void **state) {
        static const size_t sizes[] = { 0, 1, 127, 128, 129, 4096, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1000003 };
        struct look *look = *state;
        _cleanup_free_ char *content = malloc(1000003), *whole = tree_path(&look->tree, "file");

        assert_non_null(content);
        for (size_t i = 0; i < 1000003; i++)
                content[i] = (char)(i * 31 + i / 251);
        look->complete = true;
        watch_paths(look, "/file", NULL);
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                char digest[2 * BLAKE2B_SIZE];
                const char *ours;

                tree_write(&look->tree, "file", content, sizes[i]);
                if (!real_b2sum(whole, digest))
                        skip();
                assert_int_equal(collect(look), WATCH_OK);
                ours = strstr(buffer_string(&look->test.records), "blake2b=");
                assert_non_null(ours);
                assert_memory_equal(ours + 8, digest, sizeof(digest));
                assert_int_equal(look->last[FILE_SIZE].number, sizes[i]);
        }
}

/* A hole is read as the zeros it stands for, unless it is so large that it is there to keep us reading. */
static void test_holes(void **state) {
        struct look *look = *state;
        _cleanup_free_ char *hole = tree_path(&look->tree, "t/hole"), *tail = tree_path(&look->tree, "t/tail"),
                            *zeros = calloc(1, 5 * 1024 * 1024);
        const char *text, *tail_digest, *full_digest;

        assert_non_null(zeros);
        tree_write(&look->tree, "t/full", zeros, 5 * 1024 * 1024);
        tree_text(&look->tree, "t/hole", "some of it is not");
        tree_text(&look->tree, "t/tail", "");
        assert_int_equal(truncate(tail, 5 * 1024 * 1024), 0);
        if (truncate(hole, INT64_C(1) << 40) < 0)
                skip();
        look->complete = true;
        watch_paths(look, "/t", NULL);
        (void)alarm(60);
        assert_int_equal(collect(look), WATCH_OK);
        (void)alarm(0);
        text = buffer_string(&look->text);
        assert_non_null(strstr(text, "file /t/hole !not read: larger than 1 GiB, and most of it a hole\n"));
        full_digest = strstr(text, "file /t/full ");
        tail_digest = strstr(text, "file /t/tail ");
        assert_true(full_digest && tail_digest);
        assert_memory_equal(full_digest + 13, tail_digest + 13, 9);
        assert_int_equal(full_digest[21], '\n');
}

/* ---- what changes under our eyes ---- */

static const char *swap_with; /* NULL: nothing takes its place */
static bool swap_folder, swap_fifo;

static void swap(struct look *look, const char *path) {
        if (strcmp(path, "/t/prey") != 0)
                return;
        {
                _cleanup_free_ char *whole = tree_path(&look->tree, "t/prey"), *away = tree_path(&look->tree, "away");

                assert_int_equal(rename(whole, away), 0);
        }
        if (swap_folder)
                tree_folder(&look->tree, "t/prey");
        else if (swap_fifo)
                make_fifo(look, "t/prey");
        else if (swap_with)
                make_link(look, swap_with, "t/prey");
}

static void grow(struct look *look, const char *path) {
        if (strcmp(path, "/t/prey") == 0)
                tree_text(&look->tree, "t/prey", "abc");
}

static void test_swapped_file(void **state) {
        struct look *look = *state;
        static const struct {
                const char *with;
                bool folder, fifo;
                const char *expected;
        } cases[] = {
                { .with = "../secret", .expected = "dir /t\nfile /t/prey !ELOOP\nfile /t/then 786a02f7\n" },
                { .folder = true, .expected = "dir /t\nfile /t/prey !ESTALE\nfile /t/then 786a02f7\n" },
                { .fifo = true, .expected = "dir /t\nfile /t/prey !ESTALE\nfile /t/then 786a02f7\n" },
                { .expected = "dir /t\nfile /t/then 786a02f7\n" }, /* gone, which the next look tells */
        };

        tree_text(&look->tree, "secret", "secret");
        tree_text(&look->tree, "t/then", "");
        look->complete = true;
        watch_paths(look, "/t", NULL);
        (void)alarm(60);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                swap_with = cases[i].with;
                swap_folder = cases[i].folder;
                swap_fifo = cases[i].fifo;
                tree_text(&look->tree, "t/prey", "");
                look->between = swap;
                assert_finds(look, cases[i].expected, "");
                if (swap_with || swap_folder || swap_fifo)
                        tree_delete(&look->tree, "t/prey");
                tree_delete(&look->tree, "away");
        }
        (void)alarm(0);
        /* the record speaks of the bytes that were read */
        tree_text(&look->tree, "t/prey", "");
        exclude(look, "then");
        look->between = grow;
        assert_finds(look, "dir /t\nfile /t/prey ba80a53f\n", "");
        assert_int_equal(look->last[FILE_SIZE].number, 3);
}

static void test_swapped_folder(void **state) {
        struct look *look = *state;

        tree_text(&look->tree, "secret/inner", "");
        tree_text(&look->tree, "t/prey/inner", "");
        tree_text(&look->tree, "t/then", "");
        swap_with = "../secret";
        swap_folder = swap_fifo = false;
        look->between = swap;
        watch_paths(look, "/t", NULL);
        assert_finds(look, "dir /t\ndir /t/prey\nfile /t/then\n", "");
}

/* ---- what may not be read ---- */

static void test_unreadable(void **state) {
        struct look *look = *state;
        _cleanup_free_ char *closed = tree_path(&look->tree, "t/closed"), *file = tree_path(&look->tree, "t/file");
        int status;
        pid_t child;

        tree_text(&look->tree, "t/closed/inner", "");
        tree_text(&look->tree, "t/file", "");
        tree_text(&look->tree, "t/then", "");
        assert_int_equal(chmod(look->tree.root, 0755), 0);
        assert_int_equal(chmod(closed, 0), 0);
        assert_int_equal(chmod(file, 0), 0);
        look->complete = true;
        watch_paths(look, "/t", "/t/closed/inner", NULL);
        look->settings.paths.count = 1;
        child = fork(); /* for root everything is open */
        assert_true(child >= 0);
        if (child == 0) {
                if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
                        _exit(77);
                if (collect(look) != WATCH_OK)
                        _exit(1);
                if (strcmp(buffer_string(&look->text),
                           "dir /t\ndir /t/closed\nfile /t/file !EACCES\nfile /t/then 786a02f7\n") != 0)
                        _exit(2);
                if (strcmp(buffer_string(&look->test.conditions), "/t/closed: cannot be entered: EACCES\n") != 0)
                        _exit(3);
                look->paths[0] = look->paths[1];
                if (collect(look) != WATCH_OK || look->test.count ||
                    strcmp(buffer_string(&look->test.conditions), "/t/closed/inner: EACCES\n") != 0)
                        _exit(4);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(chmod(closed, 0700), 0);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* A collector that says stop is obeyed, and nothing stays open. */
static void test_stopped(void **state) {
        struct look *look = *state;
        size_t descriptors = open_descriptors();

        tree_text(&look->tree, "t/a/b/c", "");
        watch_paths(look, "/t", "/u", NULL);
        look->answer = -ENOSPC;
        assert_int_equal(collect(look), -ENOSPC);
        assert_int_equal(look->test.count, 1);
        look->answer = 0;
        assert_finds(look, "dir /t\ndir /t/a\ndir /t/a/b\nfile /t/a/b/c\n", "no /u on this host\n");
        assert_int_equal(open_descriptors(), descriptors);
        watch_files.close(NULL);
        /* without a walk there is nothing to read */
        {
                struct record record = { .values[FILE_TYPE] = value_string("file") };

                assert_int_equal(watch_files.complete(look->state, &record), 0);
                assert_false(record.values[FILE_DIGEST].present || record.values[FILE_ERROR].present);
        }
}

/* ---- one key and what lies below it ---- */

static int collect_within(struct look *look, const char *path) {
        struct collect_request request = { .after = BYTES_NULL };
        _cleanup_buffer_ struct buffer key = BUFFER_NULL;

        buffer_append_string(&key, path + 1);
        for (size_t i = 0; i < key.size; i++)
                if (key.data[i] == '/')
                        key.data[i] = '\0';
        request.within = buffer_bytes(&key);
        buffer_clear(&look->text);
        buffer_clear(&look->test.conditions);
        look->test.count = 0;
        return watch_files.collect(look->state, &request, &look->test.collector);
}

static void assert_finds_within(struct look *look, const char *path, const char *records, const char *conditions) {
        assert_int_equal(collect_within(look, path), WATCH_OK);
        assert_string_equal(buffer_string(&look->text), records);
        assert_string_equal(buffer_string(&look->test.conditions), conditions);
}

/* The lines of a whole look that are of this path or below it. */
static void lines_within(struct bytes all, const char *path, struct buffer *ret) {
        const char *line = (const char *)all.data, *end = line + all.size;

        while (line < end) {
                const char *next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
                const char *at = memchr(line, '/', (size_t)(next - line));
                size_t length = strlen(path);

                if (strncmp(at, path, length) == 0 && (at[length] == '/' || at[length] == ' ' || at[length] == '\n'))
                        buffer_append(ret, line, (size_t)(next - line));
                line = next;
        }
}

static void test_within(void **state) {
        static const char *const asked[] = {
                "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/b/c/d/file", "/a/b-", "/a/b-/x", "/a/link", "/a/link/file", "/a/fifo",
                "/a/b.tmp", "/a/no.tmp/below", "/a/none", "/a/none/below", "/a/b/c/d/file/below", "/z/deep/tree", "/z/deep",
                "/z/deep/tree/1", "/z", "/z/deep/other", "/ab", "/other", "/a/b/c/d/", "/a/./b", "/a/b/../b", "/single", "/single/x",
        };
        struct look *look = *state;
        _cleanup_buffer_ struct buffer all = BUFFER_NULL;
        _cleanup_buffer_ struct buffer expected = BUFFER_NULL;
        size_t descriptors;

        tree_text(&look->tree, "a/b/c/d/file", "1");
        tree_text(&look->tree, "a/b/c/d/other", "2");
        tree_text(&look->tree, "a/b/c/zz", "3");
        tree_text(&look->tree, "a/b-/x", "4");
        tree_text(&look->tree, "a/b.tmp", "5");
        tree_text(&look->tree, "a/no.tmp/below", "6");
        tree_text(&look->tree, "other/file", "7");
        tree_text(&look->tree, "ab/file", "8");
        tree_text(&look->tree, "z/deep/tree/1", "9");
        tree_text(&look->tree, "z/deep/other", "10");
        tree_text(&look->tree, "single", "11");
        make_link(look, "b/c/d", "a/link");
        make_fifo(look, "a/fifo");
        watch_paths(look, "/z/deep/tree", "/single", "/a", NULL);
        exclude(look, "*.tmp");
        look->complete = true;
        assert_int_equal(collect(look), WATCH_OK);
        buffer_append_bytes(&all, buffer_bytes(&look->text));
        descriptors = open_descriptors();
        for (size_t i = 0; i < ELEMENTS(asked); i++) {
                buffer_clear(&expected);
                lines_within(buffer_bytes(&all), asked[i], &expected);
                assert_finds_within(look, asked[i], buffer_string(&expected), "");
        }
        assert_int_equal(open_descriptors(), descriptors);

        /* the root as a tree */
        watch_paths(look, "/", NULL);
        assert_finds_within(look, "/other", "dir /other\nfile /other/file d5c47f63\n", "");
        assert_finds_within(look, "/other/file", "file /other/file d5c47f63\n", "");

        /* a tree that is not there is missed only by those who ask for it or for all around it */
        watch_paths(look, "/gone/tree", NULL);
        assert_finds_within(look, "/gone/tree/file", "", "");
        assert_finds_within(look, "/gone", "", "no /gone/tree on this host\n");
        assert_finds_within(look, "/elsewhere", "", "");
}

/* A name that no file can have is asked for by nobody honest. */
static void test_within_hostile(void **state) {
        static const char *const keys[] = { "a/b", "a\0b/c", "a\0\0b", "a\0", "\0a", "a\0..\0a\0b", "\0" };
        static const size_t sizes[] = { 3, 5, 4, 2, 2, 8, 1 };
        struct look *look = *state;
        _cleanup_buffer_ struct buffer name = BUFFER_NULL;

        tree_text(&look->tree, "a/b/c", "");
        watch_paths(look, "/a", NULL);
        for (size_t i = 0; i < ELEMENTS(keys); i++) {
                struct collect_request request = { .within = bytes_of(keys[i], sizes[i]) };

                look->test.count = 0;
                assert_int_equal(watch_files.collect(look->state, &request, &look->test.collector), WATCH_OK);
                assert_int_equal(look->test.count, 0);
        }
        buffer_append_string(&name, "/a/");
        buffer_append_fill(&name, 'n', 5000);
        buffer_append_string(&name, "/b");
        assert_finds_within(look, buffer_string(&name), "", "");
}

/* A folder on the way that becomes a link to somewhere else: what is there is nobody's record. */
static void test_within_swapped(void **state) {
        struct look *look = *state;

        tree_text(&look->tree, "secret/inner", "");
        tree_text(&look->tree, "t/prey/inner", "");
        watch_paths(look, "/t", NULL);
        assert_finds_within(look, "/t/prey/inner", "file /t/prey/inner\n", "");
        swap_with = "../secret";
        swap_folder = swap_fifo = false;
        look->between = swap;
        assert_finds_within(look, "/t/prey", "dir /t/prey\n", "");
        look->between = NULL;
        assert_finds_within(look, "/t/prey/inner", "", "");
        assert_finds_within(look, "/t/prey", "symlink /t/prey -> ../secret\n", "");
}

/* Kernel filesystems are left out on the way too. */
static void test_within_kernel_filesystem(void **state) {
        struct look *look = *state;

        host_close(&look->host);
        assert_int_equal(host_open(&look->host, "/"), 0);
        watch_paths(look, "/proc", NULL);
        assert_finds_within(look, "/proc/self/status", "", "");
        assert_finds_within(look, "/proc", "dir /proc\n", "/proc: a kernel filesystem, not entered\n");
        watch_paths(look, "/", NULL);
        assert_finds_within(look, "/proc/self/status", "", "");
        assert_finds_within(look, "/proc/version", "", "");
}

/* A bind mount of the same device, one of another, and one on a single file; and the top a mount point itself. */
static void test_mounted(void **state) {
        struct look *look = *state;
        _cleanup_free_ char *sub = tree_path(&look->tree, "t/sub"), *disk = tree_path(&look->tree, "t/disk");
        _cleanup_free_ char *file = tree_path(&look->tree, "t/z"), *other = tree_path(&look->tree, "other");
        _cleanup_free_ char *content = tree_path(&look->tree, "other/x");

        tree_text(&look->tree, "t/sub/hidden", "");
        tree_text(&look->tree, "t/z", "");
        tree_folder(&look->tree, "t/disk");
        tree_text(&look->tree, "other/x", "");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount(other, sub, NULL, MS_BIND, NULL) < 0)
                skip(); /* not root */
        assert_int_equal(mount("test", disk, "tmpfs", 0, NULL), 0);
        assert_int_equal(mount(content, file, NULL, MS_BIND, NULL), 0);
        tree_text(&look->tree, "t/disk/y", "");
        host_close(&look->host); /* of the namespace before */
        assert_int_equal(host_open(&look->host, look->tree.root), 0);

        watch_paths(look, "/t", NULL);
        assert_finds(look, "dir /t\ndir /t/disk\ndir /t/sub\nfile /t/z\n",
                     "/t/disk: another filesystem, not entered\n/t/sub: another filesystem, not entered\n");
        assert_finds_within(look, "/t/sub", "dir /t/sub\n", "/t/sub: another filesystem, not entered\n");
        assert_finds_within(look, "/t/sub/x", "", "");
        assert_finds_within(look, "/t/disk/y", "", "");
        assert_finds_within(look, "/t/z", "file /t/z\n", "");
        watch_paths(look, "/t/disk", "/t/sub", NULL);
        assert_finds(look, "dir /t/disk\nfile /t/disk/y\ndir /t/sub\nfile /t/sub/x\n", "");
        assert_finds_within(look, "/t/sub/x", "file /t/sub/x\n", "");

        look->settings.crosses_mounts = true;
        watch_paths(look, "/t", NULL);
        assert_finds(look, "dir /t\ndir /t/disk\nfile /t/disk/y\ndir /t/sub\nfile /t/sub/x\nfile /t/z\n", "");
        assert_finds_within(look, "/t/sub/x", "file /t/sub/x\n", "");
        assert_int_equal(umount(sub) | umount(disk) | umount(file), 0);
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- batches ---- */

static int on_deferred(struct collector *collector, const struct record *record) {
        struct look *look = container_of(collector, struct look, test.collector);
        uint64_t bytes = 1234;
        int r = watch_files.defer(look->state, record, &bytes);

        assert_int_equal(r, record->values[FILE_SIZE].present && !record->values[FILE_TARGET].present &&
                                    bytes_equal(record->values[FILE_TYPE].bytes, bytes_of_string("file")));
        if (r)
                assert_true(bytes == record->values[FILE_SIZE].number);
        return 0;
}

/* The next one of those that were deferred, as "d1 26a0af33 5". */
static void assert_next(struct look *look, const char *expected) {
        struct record record = { .values = { [FILE_PATH] = value_string("/kept"), [FILE_INODE] = value_number(1) } };
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        int r = watch_files.complete_deferred(look->state, &record);

        if (r == WATCH_E_NO_NEWS) {
                assert_string_equal("gone", expected);
                return;
        }
        assert_int_equal(r, 0);
        assert_true(bytes_equal(record.values[FILE_PATH].bytes, bytes_of_string("/kept")));
        if (record.values[FILE_ERROR].present)
                buffer_append_bytes(&text, record.values[FILE_ERROR].bytes);
        else
                for (size_t i = 0; i < 4; i++)
                        buffer_printf(&text, "%02x", record.values[FILE_DIGEST].bytes.data[i]);
        if (record.values[FILE_SIZE].present)
                buffer_printf(&text, " %llu", (unsigned long long)record.values[FILE_SIZE].number);
        if (record.values[FILE_TEXT].present) {
                buffer_append_byte(&text, ' ');
                buffer_append_bytes(&text, record.values[FILE_TEXT].bytes);
        }
        assert_string_equal(buffer_string(&text), expected);
}

static void move(const struct look *look, const char *from, const char *to) {
        _cleanup_free_ char *old = tree_path(&look->tree, from), *new = tree_path(&look->tree, to);

        assert_int_equal(rename(old, new), 0);
}

/* Files are read when the walk has long gone on, by the directories they were found in. */
static void test_batch(void **state) {
        struct look *look = *state;
        size_t descriptors = open_descriptors();

        tree_text(&look->tree, "boot/a", "a");
        tree_text(&look->tree, "boot/d/x", "x");
        tree_text(&look->tree, "boot/d/y", "longer than it was");
        tree_text(&look->tree, "boot/e/z", "z");
        tree_text(&look->tree, "boot/f", "f");
        make_link(look, "a", "boot/l");
        make_fifo(look, "boot/p");
        watch_paths(look, "/boot", NULL);
        look->test.collector.record = on_deferred;
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(open_descriptors(), descriptors + 3); /* boot, d, e */

        /* Whoever swaps a directory or a file meanwhile does not get us to read elsewhere. */
        tree_text(&look->tree, "elsewhere/x", "another");
        move(look, "boot/d", "boot/moved");
        make_link(look, "../elsewhere", "boot/d");
        tree_delete(&look->tree, "boot/e/z");
        make_link(look, "../a", "boot/e/z");
        tree_delete(&look->tree, "boot/f");
        tree_text(&look->tree, "boot/moved/y", "short");
        assert_int_equal(watch_files.read_deferred(look->state), 0);
        assert_next(look, "333fcb4e 1");
        assert_next(look, "0909377a 1");
        assert_next(look, "50bda6e2 5");        /* of what was read, not of what was there when it was found */
        assert_next(look, "ESTALE");
        assert_next(look, "gone");
        assert_int_equal(watch_files.complete_deferred(look->state, &(struct record){ 0 }), -EINVAL);
        watch_files.rest(look->state);
        assert_int_equal(open_descriptors(), descriptors);

        /* One that is given up leaves nothing open, and nothing for the next. */
        assert_int_equal(collect(look), WATCH_OK);
        watch_files.rest(look->state);
        assert_int_equal(open_descriptors(), descriptors);
        assert_int_equal(watch_files.read_deferred(look->state), 0);
        assert_int_equal(watch_files.complete_deferred(look->state, &(struct record){ 0 }), -EINVAL);
        watch_files.rest(look->state);
}

/* Of a batch, too: the text of what was read, or none. */
static void test_batch_text(void **state) {
        struct look *look = *state;

        assert_int_equal(chmod(look->tree.root, 0755), 0);
        tree_text(&look->tree, "boot/a", "a");
        tree_text(&look->tree, "boot/x", "x");
        tree_text(&look->tree, "boot/z", "z");
        watch_paths(look, "/boot", NULL);
        look->settings.text = true;
        look->test.collector.record = on_deferred;
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(watch_files.read_deferred(look->state), 0);
        tree_text(&look->tree, "boot/x", "y");
        assert_next(look, "333fcb4e 1 a");
        assert_next(look, "0909377a 1"); /* it is another by now */
        assert_next(look, "726a03fb 1 z");
        watch_files.rest(look->state);
}

/* What is known to have no attributes is not asked for them again, and what has some is. */
static void test_batch_attributes(void **state) {
        struct look *look = *state;
        _cleanup_free_ char *path = NULL;

        tree_text(&look->tree, "boot/a", "a");
        tree_text(&look->tree, "boot/x", "x");
        path = tree_path(&look->tree, "boot/a");
        if (setxattr(path, "user.test", "1", 1, 0) < 0)
                skip(); /* a filesystem that has none */
        watch_paths(look, "/boot", NULL);
        look->test.collector.record = on_deferred;
        assert_int_equal(collect(look), WATCH_OK);
        assert_int_equal(watch_files.read_deferred(look->state), 0);
        for (int i = 0; i < 2; i++) {
                struct record record = { .values = { [FILE_PATH] = value_string("/kept") } };

                assert_int_equal(watch_files.complete_deferred(look->state, &record), 0);
                assert_int_equal(record.values[FILE_ATTRIBUTES].present, i == 0);
        }
        watch_files.rest(look->state);
}

static int on_deferred_last(struct collector *collector, const struct record *record) {
        struct look *look = container_of(collector, struct look, test.collector);
        uint64_t bytes = 0;

        if (look->answer == 0 && watch_files.defer(look->state, record, &bytes) > 0 && bytes == UINT64_MAX)
                look->answer = -EPIPE;
        return look->answer;
}

/* However many folders there are, no more are held open than an eighth of what we may. */
static void test_batch_folders(void **state) {
        struct look *look = *state;
        size_t descriptors = open_descriptors();
        struct rlimit before, few;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        few = (struct rlimit){ .rlim_cur = 1024, .rlim_max = before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        watch_files.close(look->state);
        look->state = NULL;
        assert_int_equal(watch_files.open(&look->settings, &look->host, &look->state), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

        for (int i = 0; i < 300; i++) {
                char path[32];

                (void)snprintf(path, sizeof(path), "boot/%03d/file", i);
                tree_text(&look->tree, path, "");
        }
        watch_paths(look, "/boot", NULL);
        look->test.collector.record = on_deferred_last;
        assert_int_equal(collect(look), -EPIPE);
        assert_true(open_descriptors() - descriptors < 140);
        assert_true(open_descriptors() - descriptors > 100);
        watch_files.rest(look->state);
        assert_int_equal(open_descriptors(), descriptors);
}

/* ---- slices ---- */

struct slice {
        struct collector collector;
        struct buffer *paths;           /* a line each */
        struct buffer key;              /* of the last record */
        size_t left;
};

static int on_slice_record(struct collector *collector, const struct record *record) {
        struct slice *slice = container_of(collector, struct slice, collector);

        if (slice->key.size)
                assert_true(bytes_compare(buffer_bytes(&slice->key), record->key) < 0);
        buffer_clear(&slice->key);
        buffer_append_bytes(&slice->key, record->key);
        buffer_append_bytes(slice->paths, record->values[FILE_PATH].bytes);
        buffer_append_byte(slice->paths, '\n');
        return --slice->left == 0 ? -ECANCELED : 0;
}

static void on_slice_condition(struct collector *collector, const char *text) {
        struct slice *slice = container_of(collector, struct slice, collector);

        buffer_printf(slice->paths, "(%s)\n", text);
}

/* The next 'count' records behind the last. False: that was the end. */
static bool next_slice(struct look *look, struct slice *slice, size_t count) {
        _cleanup_buffer_ struct buffer after = BUFFER_NULL;
        struct collect_request request;
        int r;

        buffer_append_bytes(&after, buffer_bytes(&slice->key)); /* ours to overwrite when it is back */
        request = (struct collect_request){ .after = buffer_bytes(&after) };
        slice->left = count;
        r = watch_files.collect(look->state, &request, &slice->collector);
        watch_files.rest(look->state);
        assert_true(r == WATCH_OK || r == -ECANCELED);
        return r == -ECANCELED;
}

static struct slice slice_of(struct buffer *paths) {
        return (struct slice){ .collector = { .record = on_slice_record, .condition = on_slice_condition }, .paths = paths };
}

/* In slices of any size the walk hands over what it does in one, and says once what it cannot see. */
static void test_slices(void **state) {
        static const char *const paths[] = {
                "a/x", "a/y/1", "a/y/2", "a-b", "a/z/deep/deeper/deepest", "b", "c/d/e/f", "c/d.e", "c/g", "empty/sub/file", "z", "aa/1", "aa/2",
        };
        struct look *look = *state;
        _cleanup_buffer_ struct buffer whole = BUFFER_NULL;
        struct slice slice = slice_of(&whole);
        size_t descriptors;

        for (size_t i = 0; i < ELEMENTS(paths); i++)
                tree_text(&look->tree, paths[i], "");
        make_link(look, "a", "top");
        watch_paths(look, "/a", "/aa", "/missing", "/c/d", "/c/d.e", "/empty", "/top", "/z", NULL);
        assert_false(next_slice(look, &slice, SIZE_MAX));
        assert_non_null(strstr(buffer_string(&whole), "(no /missing on this host)\n"));
        buffer_done(&slice.key);
        descriptors = open_descriptors();
        for (size_t size = 1; size < 20; size++) {
                _cleanup_buffer_ struct buffer parts = BUFFER_NULL;

                slice = slice_of(&parts);
                while (next_slice(look, &slice, size))
                        assert_int_equal(open_descriptors(), descriptors);
                assert_string_equal(buffer_string(&parts), buffer_string(&whole));
                buffer_done(&slice.key);
        }
}

/* ---- privileged files alone ---- */

/* "cap_net_raw+ep", as setcap(8) writes it. */
static const uint8_t raw_capability[] = { 1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

static void set_mode(const struct look *look, const char *path, mode_t mode) {
        _cleanup_free_ char *whole = tree_path(&look->tree, path);

        assert_int_equal(chmod(whole, mode), 0);
}

static bool set_capability(const struct look *look, const char *path) {
        _cleanup_free_ char *whole = tree_path(&look->tree, path);

        return setxattr(whole, "security.capability", raw_capability, sizeof(raw_capability), 0) == 0;
}

struct passing_by {
        struct collector collector;
        struct buffer found, last;      /* paths, a line each; the key of the last word */
        unsigned words;
        bool stop;
};

static int on_found(struct collector *collector, const struct record *record) {
        struct passing_by *by = container_of(collector, struct passing_by, collector);

        buffer_append_bytes(&by->found, record->values[FILE_PATH].bytes);
        buffer_append_byte(&by->found, '\n');
        return 0;
}

static int on_passed(struct collector *collector, struct bytes key) {
        struct passing_by *by = container_of(collector, struct passing_by, collector);

        if (by->last.size)
                assert_true(bytes_compare(buffer_bytes(&by->last), key) < 0);
        buffer_clear(&by->last);
        buffer_append_bytes(&by->last, key);
        by->words++;
        return by->stop ? -ECANCELED : 0;
}

static int collect_privileged(struct look *look, void *data, struct passing_by *by, struct bytes after, const char *within) {
        _cleanup_buffer_ struct buffer copy = BUFFER_NULL;
        struct collect_request request = { 0 };

        (void)look;
        buffer_append_bytes(&copy, after);
        if (within)
                buffer_append_string(&copy, within);
        for (size_t i = 0; within && i < copy.size; i++)
                if (copy.data[i] == '/')
                        copy.data[i] = '\0';
        *(within ? &request.within : &request.after) = buffer_bytes(&copy);
        return watch_setuid.collect(data, &request, &by->collector);
}

static void test_privileged(void **state) {
        struct look *look = *state;
        struct passing_by by = { .collector = { .record = on_found, .condition = test_condition, .passed = on_passed } };
        _cleanup_free_ char *device = tree_path(&look->tree, "d/b/device");
        static const char *const found = "/d/b/group\n/d/b/user\n/d/c/capable\n/d/z\n";
        void *data = NULL;
        unsigned slices = 0;
        size_t size;

        tree_text(&look->tree, "d/a", "");
        tree_text(&look->tree, "d/b/user", "x");
        tree_text(&look->tree, "d/b/group", "x");
        tree_text(&look->tree, "d/c/capable", "x");
        tree_text(&look->tree, "d/c/idle", "x"); /* capabilities of what nobody may execute */
        tree_text(&look->tree, "d/z", "");
        set_mode(look, "d/b/user", 04755);
        set_mode(look, "d/b/group", 02755);
        set_mode(look, "d/c/capable", 0755);
        set_mode(look, "d/c/idle", 0644);
        set_mode(look, "d/c", 02775); /* what is made there gets its group */
        set_mode(look, "d/z", 06700);
        make_link(look, "b/user", "d/link");
        if (mknod(device, S_IFIFO | 04755, 0) < 0 || !set_capability(look, "d/c/capable") || !set_capability(look, "d/c/idle"))
                skip();
        for (int i = 0; i < 1000; i++) {
                char path[32];

                (void)snprintf(path, sizeof(path), "d/many/%d/file", i);
                tree_text(&look->tree, path, "");
        }
        watch_paths(look, "/d", NULL);
        assert_int_equal(watch_setuid.open(&look->settings, &look->host, &data), 0);
        assert_int_equal(collect_privileged(look, data, &by, BYTES_NULL, NULL), WATCH_OK);
        assert_string_equal(buffer_string(&by.found), found);
        assert_true(by.words > 20);

        /* stopped at each word, and gone on behind it */
        buffer_clear(&by.found);
        buffer_clear(&by.last);
        for (by.stop = true; collect_privileged(look, data, &by, buffer_bytes(&by.last), NULL) == -ECANCELED; slices++)
                watch_setuid.rest(data);
        assert_string_equal(buffer_string(&by.found), found);
        assert_true(slices > 20);

        by.stop = false;
        buffer_clear(&by.found);
        buffer_clear(&by.last);
        assert_int_equal(collect_privileged(look, data, &by, BYTES_NULL, "d/b/user"), WATCH_OK);
        assert_int_equal(collect_privileged(look, data, &by, BYTES_NULL, "d/a"), WATCH_OK);
        assert_int_equal(collect_privileged(look, data, &by, BYTES_NULL, "d/c"), WATCH_OK);
        assert_string_equal(buffer_string(&by.found), "/d/b/user\n/d/c/capable\n");
        size = open_descriptors();
        watch_setuid.close(data);
        assert_true(open_descriptors() <= size);
        buffer_done(&by.found);
        buffer_done(&by.last);
}

static void test_privileged_words(void **state) {
        struct record record = { 0 }, before = { 0 };
        struct change change = { .kind = CHANGE_APPEARED, .fields = file_fields, .after = &record };

        (void)state;
        record.values[FILE_MODE] = value_number(04755);
        assert_non_null(strstr(watch_setuid.classify(&change)->sentence, "new set-user-id file"));
        record.values[FILE_MODE] = value_number(02755);
        assert_non_null(strstr(watch_setuid.classify(&change)->sentence, "new set-group-id file"));
        record.values[FILE_MODE] = value_number(0755);
        assert_non_null(strstr(watch_setuid.classify(&change)->sentence, "new file with capabilities"));
        change.kind = CHANGE_CHANGED;
        change.before = &before;
        assert_null(watch_setuid.classify(&change));
}

/* The place where a walk rests may be gone, or another, when it goes on. */
static void test_slices_swapped(void **state) {
        struct look *look = *state;
        _cleanup_buffer_ struct buffer paths = BUFFER_NULL;
        struct slice slice = slice_of(&paths);

        tree_text(&look->tree, "t/a/1", "");
        tree_text(&look->tree, "t/a/2", "");
        tree_text(&look->tree, "t/b/1", "");
        tree_text(&look->tree, "t/c/1", "");
        tree_text(&look->tree, "elsewhere/9", "");
        watch_paths(look, "/t", NULL);
        assert_true(next_slice(look, &slice, 3)); /* t, a, a/1 */
        move(look, "t/a", "t/moved");
        make_link(look, "../elsewhere", "t/a");
        buffer_clear(&paths);
        assert_true(next_slice(look, &slice, 2));
        assert_string_equal(buffer_string(&paths), "/t/b\n/t/b/1\n");
        move(look, "t/b", "t/moved-b");
        tree_text(&look->tree, "t/b", "a file now");
        buffer_clear(&paths);
        assert_true(next_slice(look, &slice, 1));
        assert_string_equal(buffer_string(&paths), "/t/c\n");
        move(look, "t", "gone");
        buffer_clear(&paths);
        assert_false(next_slice(look, &slice, 1));
        assert_string_equal(buffer_string(&paths), "(no /t on this host)\n");
        buffer_done(&slice.key);
}

/* Of a directory with many names the list is kept while the walk rests in it, however many other looks there are, and for no other
 * directory that takes its place. */
static void test_slices_of_many(void **state) {
        enum { MANY = 5000 };
        struct look *look = *state;
        _cleanup_buffer_ struct buffer paths = BUFFER_NULL;
        struct slice slice = slice_of(&paths);
        struct collect_request fresh;
        size_t count = 0;

        for (int i = 0; i < MANY; i++) {
                char path[32];

                (void)snprintf(path, sizeof(path), "t/many/%04d", i);
                tree_text(&look->tree, path, "");
        }
        tree_text(&look->tree, "t/other/1", "");
        watch_paths(look, "/t", NULL);
        assert_true(next_slice(look, &slice, 1002)); /* t, many, 0000 to 0999 */
        tree_delete(&look->tree, "t/many/1000");
        tree_text(&look->tree, "t/many/1001-new", "");
        buffer_clear(&look->text);
        assert_int_equal(test_collect_within(&look->test, look->state, bytes_of("t\0other", 7)), WATCH_OK);
        assert_string_equal(buffer_string(&look->text), "dir /t/other\nfile /t/other/1\n");
        buffer_clear(&paths);
        assert_true(next_slice(look, &slice, 2));
        assert_string_equal(buffer_string(&paths), "/t/many/1001\n/t/many/1002\n"); /* by the list of before */

        move(look, "t/many", "t/aside");
        tree_text(&look->tree, "t/many/1003-other", "");
        buffer_clear(&paths);
        assert_true(next_slice(look, &slice, 2));
        assert_string_equal(buffer_string(&paths), "/t/many/1003-other\n/t/other\n");

        /* not if the engine knows better */
        buffer_clear(&slice.key);
        buffer_append(&slice.key, "t", 1);
        move(look, "t/many", "t/aside2");
        move(look, "t/aside", "t/many");
        tree_delete(&look->tree, "t/aside2/1003-other");
        assert_true(next_slice(look, &slice, 3 + MANY / 2));
        tree_text(&look->tree, "t/many/4000-new", "");
        buffer_clear(&paths);
        fresh = (struct collect_request){ .after = bytes_of("t\0many\0" "3999", 11), .fresh = true };
        buffer_clear(&slice.key);
        slice.left = 2;
        assert_int_equal(watch_files.collect(look->state, &fresh, &slice.collector), -ECANCELED);
        assert_string_equal(buffer_string(&paths), "/t/many/4000\n/t/many/4000-new\n");
        while (next_slice(look, &slice, 100))
                count += 100;
        assert_true(count >= 900);
        buffer_done(&slice.key);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FILES_TEST(test_types),          FILES_TEST(test_fields),     FILES_TEST(test_hostile_names),
                FILES_TEST(test_order),          FILES_TEST(test_long_path),  FILES_TEST(test_deep),
                FILES_TEST(test_excludes),       FILES_TEST(test_roots),      FILES_TEST(test_many_conditions),
                FILES_TEST(test_kernel_filesystem),
                FILES_TEST(test_text),           FILES_TEST(test_text_sizes),
                FILES_TEST(test_policies),       FILES_TEST(test_sha256),     FILES_TEST(test_append),
                FILES_TEST(test_digests),        FILES_TEST(test_holes),      FILES_TEST(test_swapped_file),
                FILES_TEST(test_swapped_folder), FILES_TEST(test_unreadable), FILES_TEST(test_stopped),
                FILES_TEST(test_within),         FILES_TEST(test_within_hostile),
                FILES_TEST(test_within_swapped), FILES_TEST(test_within_kernel_filesystem), FILES_TEST(test_mounted),
                FILES_TEST(test_batch),          FILES_TEST(test_batch_folders), FILES_TEST(test_batch_text),
                FILES_TEST(test_batch_attributes),
                FILES_TEST(test_slices),         FILES_TEST(test_slices_swapped), FILES_TEST(test_slices_of_many),
                FILES_TEST(test_privileged),     FILES_TEST(test_privileged_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
