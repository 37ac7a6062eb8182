/* Runs the program that NEPHRONIX_PKGDB names on rpm databases that rpm itself makes. Skipped without it or rpmbuild. */
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <sys/mman.h>

#include "buffer.h"
#include "rpm-files.h"

static const char *program;
static struct tree scratch;             /* with the two packages, and the sound database in good/ */

static int run(const char *const *argv) {
        posix_spawn_file_actions_t actions;
        char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", home[] = "HOME=/nonexistent";
        char *const environment[] = { path, home, NULL };
        int status = -1;
        pid_t pid;

        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (posix_spawnp(&pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environment) != 0)
                pid = -1;
        (void)posix_spawn_file_actions_destroy(&actions);
        if (pid < 0)
                return -1;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return status;
}

static void make_package(const char *name, const char *epoch) {
        _cleanup_free_ char *define = NULL, *spec = NULL, *text = NULL, *database = NULL, *file = NULL;

        assert_true(asprintf(&define, "_topdir %s/top", scratch.root) > 0);
        assert_true(asprintf(&spec, "%s/%s.spec", scratch.root, name) > 0);
        assert_true(asprintf(&text,
                             "Name: %s\nVersion: 1.0\nRelease: 1\n%sSummary: The package %s\nLicense: MIT\n"
                             "BuildArch: noarch\n"
                             "%%description\nnothing\n%%install\nmkdir -p %%{buildroot}/usr/share/both %%{buildroot}/etc\n"
                             "echo one > %%{buildroot}/usr/share/%s\nln -s %s %%{buildroot}/usr/share/%s-link\n"
                             "echo configuration > %%{buildroot}/etc/%s.conf\n"
                             "%%files\n%%attr(4750, root, games) %%caps(cap_net_raw=ep) /usr/share/%s\n/usr/share/%s-link\n"
                             "%%dir /usr/share/both\n%%config /etc/%s.conf\n",
                             name, epoch, name, name, name, name, name, name, name, name) > 0);
        tree_text(&scratch, strrchr(spec, '/') + 1, text);
        assert_int_equal(run((const char *const[]){ "rpmbuild", "-bb", "--define", define, spec, NULL }), 0);
        assert_true(asprintf(&database, "%s/good", scratch.root) > 0);
        assert_true(asprintf(&file, "%s/top/RPMS/noarch/%s-1.0-1.noarch.rpm", scratch.root, name) > 0);
        assert_int_equal(run((const char *const[]){ "rpm", "--dbpath", database, "--nodeps", "--justdb", "--install", file, NULL }), 0);
}

static int setup(void **context) {
        (void)context;
        program = getenv("NEPHRONIX_PKGDB");
        if (!program || run((const char *const[]){ "rpmbuild", "--version", NULL }) != 0)
                program = NULL;
        if (!program)
                return 0;
        tree_make(&scratch);
        tree_folder(&scratch, "good");
        make_package("tiny", "Epoch: 2\n");
        make_package("other", "");
        return 0;
}

static int teardown(void **context) {
        (void)context;
        if (program)
                tree_remove(&scratch);
        return 0;
}

/* Runs it, with a question of files if there is one; what it sent in 'answer', what it said on stderr in 'said'. Its exit status, or
 * -1. */
static int ask_of(const char *root, const char *folder, struct bytes question, struct buffer *answer, struct buffer *said) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        /* librpm loses sqlite's memory when a database is no good: not our leak. */
        char letter = '-', home[] = "HOME=/root", sanitizer[] = "ASAN_OPTIONS=detect_leaks=0";
        char *const environment[] = { home, sanitizer, NULL };
        struct iovec part = { .iov_base = &letter, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
        };
        const char *argv[] = { program, root, folder, question.data ? "files" : NULL, NULL };
        int sockets[2], talk[2], status = -1, fd = -1, input = memfd_create("test", MFD_CLOEXEC);
        uint8_t bytes[4096];
        ssize_t n;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
        assert_int_equal(pipe2(talk, O_CLOEXEC), 0);
        assert_true(input >= 0);
        assert_int_equal(write(input, question.data, question.size), (ssize_t)question.size);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (question.data && dup2(input, STDIN_FILENO) < 0)
                        _exit(126);
                int socket_copy = fcntl(sockets[1], F_DUPFD, 10), talk_copy = fcntl(talk[1], F_DUPFD, 10);

                if (dup2(socket_copy, 3) < 0 || dup2(talk_copy, STDERR_FILENO) < 0)
                        _exit(126);
                (void)close(socket_copy);
                (void)close(talk_copy);
                (void)execve(program, (char **)(uintptr_t)argv, environment);
                _exit(127);
        }
        (void)close(input);
        (void)close(sockets[1]);
        (void)close(talk[1]);
        while ((n = read(talk[0], bytes, sizeof(bytes))) > 0)
                buffer_append(said, bytes, (size_t)n);
        n = recvmsg(sockets[0], &message, MSG_CMSG_CLOEXEC);
        if (n == 1) {
                const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

                assert_int_equal(letter, 'R');
                assert_non_null(rights);
                memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
                assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
                for (off_t at = 0; (n = pread(fd, bytes, sizeof(bytes), at)) > 0; at += n)
                        buffer_append(answer, bytes, (size_t)n);
                (void)close(fd);
        }
        (void)close(sockets[0]);
        (void)close(talk[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int ask(const char *root, const char *folder, struct buffer *answer, struct buffer *said) {
        return ask_of(root, folder, BYTES_NULL, answer, said);
}

static void expect_failure(const char *folder, const char *why) {
        _cleanup_buffer_ struct buffer answer = BUFFER_NULL, said = BUFFER_NULL;
        const char *text;

        assert_int_equal(ask(scratch.root, folder, &answer, &said), 1);
        assert_int_equal(answer.size, 0);
        text = buffer_string(&said);
        print_message("%s", text);
        assert_true(strncmp(text, "nephronix-pkgdb: ", 17) == 0);
        assert_ptr_equal(strchr(text, '\n'), text + said.size - 1); /* one line */
        assert_non_null(strstr(text, why));
}

static void copy_database(const char *folder, size_t most, size_t damaged_at) {
        _cleanup_free_ char *from = tree_path(&scratch, "good/rpmdb.sqlite"), *to = NULL;
        _cleanup_buffer_ struct buffer data = BUFFER_NULL;
        uint8_t bytes[4096];
        ssize_t n;
        int fd = open(from, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        while ((n = read(fd, bytes, sizeof(bytes))) > 0)
                buffer_append(&data, bytes, (size_t)n);
        (void)close(fd);
        if (damaged_at) {
                uint8_t *summary = memmem(data.data, data.size, "The package tiny", 16);

                assert_non_null(summary);
                for (; summary; summary = memmem(data.data, data.size, "The package tiny", 16)) /* free pages may hold an old copy */
                        summary[damaged_at] ^= 1;
        }
        assert_true(asprintf(&to, "%s/rpmdb.sqlite", folder) > 0);
        tree_write(&scratch, to, data.data, data.size < most ? data.size : most);
        /* As rpm leaves them: without, sqlite would have to make them, and in here nothing is written. */
        for (size_t i = 0; i < 2; i++) {
                _cleanup_free_ char *beside = NULL;

                assert_true(asprintf(&beside, "%s%s", to, i ? "-shm" : "-wal") > 0);
                tree_write(&scratch, beside, "", 0);
        }
}

#define NEED_PROGRAM()          \
        do {                    \
                (void)context;  \
                if (!program)   \
                        skip(); \
        } while (0)

static void test_good(void **context) {
        _cleanup_buffer_ struct buffer answer = BUFFER_NULL, said = BUFFER_NULL;
        const char *text;

        NEED_PROGRAM();
        assert_int_equal(ask(scratch.root, "/good", &answer, &said), 0);
        assert_string_equal(buffer_string(&said), "");
        text = buffer_string(&answer);
        assert_non_null(strstr(text, "Package: tiny\nStatus: install ok installed\nArchitecture: noarch\nVersion: 2:1.0-1\n"
                                     "Description: The package tiny\n\n"));
        assert_non_null(strstr(text, "Package: other\nStatus: install ok installed\nArchitecture: noarch\nVersion: 1.0-1\n"
                                     "Description: The package other\n\n"));
}

/* "number package version mode flags kind digest-size user group target capabilities" */
static void describe(struct buffer *out, const struct rpm_file *is) {
        static const enum rpm_file_text texts[] = { RPM_FILE_USER, RPM_FILE_GROUP, RPM_FILE_TARGET, RPM_FILE_CAPABILITIES };

        buffer_printf(out, "%u ", is->number);
        buffer_append_bytes(out, is->texts[RPM_FILE_PACKAGE]);
        buffer_append_byte(out, ' ');
        buffer_append_bytes(out, is->texts[RPM_FILE_VERSION]);
        buffer_printf(out, " %o %u %u %zu", is->mode, is->flags, is->digest_kind, is->texts[RPM_FILE_DIGEST].size);
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                buffer_append_byte(out, ' ');
                buffer_append_bytes(out, is->texts[texts[i]]);
        }
        buffer_append_byte(out, '\n');
}

static void test_files(void **context) {
        static const char question[] = "/usr/share/tiny\0/nothing\0/usr/share/other-link\0/etc/tiny.conf\0/usr/share/both\0/a\nb";
        _cleanup_buffer_ struct buffer answer = BUFFER_NULL, said = BUFFER_NULL, out = BUFFER_NULL;
        struct rpm_files reader;
        struct rpm_file file;
        uint32_t paths = 0;
        int r;

        NEED_PROGRAM();
        assert_int_equal(ask_of(scratch.root, "/good", bytes_of(question, sizeof(question)), &answer, &said), 0);
        assert_string_equal(buffer_string(&said), "");
        reader = rpm_files_of(buffer_bytes(&answer));
        while ((r = rpm_files_next(&reader, &file, &paths)) > 0)
                describe(&out, &file);
        assert_int_equal(r, 0);
        assert_int_equal(paths, 6);
        assert_string_equal(buffer_string(&out),
                            "0 tiny 2:1.0-1 104750 0 8 32 root games  cap_net_raw=ep\n"
                            "2 other 1.0-1 120777 0 0 0 root root other \n"
                            "3 tiny 2:1.0-1 100644 1 8 32 root root  \n"
                            "4 tiny 2:1.0-1 40755 0 0 0 root root  \n"
                            "4 other 1.0-1 40755 0 0 0 root root  \n");
}

/* What no guard would let through. */
static void test_bad_questions(void **context) {
        static const char *const questions[] = { "", "relative", "\0/x", "/cut" };
        static const size_t sizes[] = { 0, 9, 4, 4 };
        _cleanup_free_ uint8_t *large = malloc(RPM_FILES_QUESTION_MAX + 1);

        NEED_PROGRAM();
        for (size_t i = 0; i <= ELEMENTS(questions); i++) {
                _cleanup_buffer_ struct buffer answer = BUFFER_NULL, said = BUFFER_NULL;
                struct bytes question = i < ELEMENTS(questions) ? bytes_of(questions[i], sizes[i]) :
                                                                  bytes_of(large, RPM_FILES_QUESTION_MAX + 1);

                memset(large, '/', RPM_FILES_QUESTION_MAX + 1);
                assert_int_equal(ask_of(scratch.root, "/good", question, &answer, &said), 1);
                assert_int_equal(answer.size, 0);
        }
}

static void test_damaged(void **context) {
        uint8_t garbage[20000];

        NEED_PROGRAM();
        for (size_t i = 0; i < sizeof(garbage); i++)
                garbage[i] = (uint8_t)(i * 7919 >> 3);
        tree_write(&scratch, "garbage/rpmdb.sqlite", garbage, sizeof(garbage));
        expect_failure("garbage", "not a database");
        tree_write(&scratch, "old/Packages", garbage, sizeof(garbage));
        expect_failure("old", "");
        tree_write(&scratch, "suse/Packages.db", garbage, sizeof(garbage));
        expect_failure("suse", "");
        copy_database("empty", 0, 0);
        expect_failure("empty", "");
        for (size_t size = 4096; size < 100000; size += 16384) {
                copy_database("truncated", size, 0);
                expect_failure("truncated", "malformed");
        }
        copy_database("flipped", SIZE_MAX, 4);
        expect_failure("flipped", "BAD");
}

static void test_where(void **context) {
        _cleanup_free_ char *link = NULL, *target = NULL, *hostile = NULL;

        NEED_PROGRAM();
        expect_failure("nowhere", "no rpm database there");
        tree_folder(&scratch, "no-database");
        expect_failure("no-database", "no rpm database there");
        /* An absolute link means one below the root, not one out of it. */
        link = tree_path(&scratch, "link");
        target = tree_path(&scratch, "good");
        assert_int_equal(symlink(target, link), 0);
        expect_failure("link", "no rpm database there");
        /* The folder's name becomes the body of a macro. */
        hostile = tree_path(&scratch, "pwned");
        copy_database("%(touch pwned)", SIZE_MAX, 0);
        expect_failure("%(touch pwned)", "'%'");
        assert_int_equal(access(hostile, F_OK), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_bad_questions),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_where),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests_name("pkgdb", tests, setup, teardown);
}
