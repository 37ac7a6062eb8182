#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "buffer.h"
#include "courier.h"
#include "fd.h"
#include "page.h"
#include "tree.h"

enum { LINES = 20000, SOMEBODY = 65534, STRANGER = 54321 };

static struct tree scratch;
static pid_t courier = -1;
static int guard_end = -1;

static char *path_of(const char *name) {
        return tree_path(&scratch, name);
}

/* ---- a client ---- */

static int connect_client(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/control.sock", scratch.root);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                int r = -errno;

                (void)close(fd);
                return r;
        }
        return fd;
}

static void say(int fd, const char *text) {
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until a line that ends an answer; true if there was one before the connection ended. Its text in 'last'. */
static bool hear(int fd, struct buffer *answer, size_t *ret_lines, struct buffer *last) {
        size_t begin = 0, at = 0;

        *ret_lines = 0;
        for (;;) {
                uint8_t room[4096];
                ssize_t n = recv(fd, room, sizeof(room), MSG_PEEK);
                const uint8_t *end = n > 0 ? memchr(room, '\n', (size_t)n) : NULL;

                /* no further than this line: what follows may be the next answer */
                n = n > 0 ? recv(fd, room, end ? (size_t)(end - room) + 1 : (size_t)n, 0) : n;
                if (n <= 0)
                        return false;
                buffer_append(answer, room, (size_t)n);
                for (; at < answer->size; at++) {
                        const char *line = (const char *)answer->data + begin;

                        if (answer->data[at] != '\n')
                                continue;
                        if (strncmp(line, "{\"end\":", 7) == 0 || strncmp(line, "{\"error\":", 9) == 0) {
                                buffer_clear(last);
                                buffer_append(last, line, at - begin);
                                return true;
                        }
                        ++*ret_lines;
                        begin = at + 1;
                }
        }
}

static size_t ask(int fd, const char *request, const char *last_line) {
        _cleanup_buffer_ struct buffer answer = BUFFER_NULL, last = BUFFER_NULL;
        size_t lines;

        say(fd, request);
        assert_true(hear(fd, &answer, &lines, &last));
        assert_string_equal(buffer_string(&last), last_line);
        return lines;
}

/* ---- what it answers ---- */

static void answers(void **state) {
        _cleanup_close_ int fd = connect_client();

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(ask(fd, "{\"verb\":\"status\"}\n", "{\"end\":true,\"lines\":1}"), 1);
        assert_int_equal(ask(fd, "{\"verb\":\"events\"}\n", "{\"end\":true,\"lines\":20000}"), LINES);
        assert_int_equal(ask(fd, "{\"verb\":\"events\",\"after\":19990}\n", "{\"end\":true,\"lines\":10}"), 10);
        assert_int_equal(ask(fd, "{\"verb\":\"events\",\"watch\":\"boot\",\"limit\":3}\n", "{\"end\":true,\"lines\":3}"), 3);
        assert_int_equal(ask(fd, "{\"verb\":\"events\",\"severity\":5}\n", "{\"end\":true,\"lines\":0}"), 0);
        /* two requests at once are answered one after the other */
        say(fd, "{\"verb\":\"events\",\"limit\":1}\n");
        assert_int_equal(ask(fd, "{\"verb\":\"status\"}\n", "{\"end\":true,\"lines\":1}"), 1);
        {
                _cleanup_buffer_ struct buffer answer = BUFFER_NULL, last = BUFFER_NULL;
                size_t lines;

                assert_true(hear(fd, &answer, &lines, &last));
        }
}

static void says_what_is_wrong(void **state) {
        _cleanup_close_ int fd = connect_client();

        (void)state;
        (void)ask(fd, "status\n", "{\"error\":\"a request is one JSON object on one line\"}");
        (void)ask(fd, "{\"verb\":\"accept\"}\n", "{\"error\":\"\\\"verb\\\" is none of \\\"status\\\", \\\"events\\\"\"}");
        assert_int_equal(ask(fd, "{\"verb\":\"status\"}\n", "{\"end\":true,\"lines\":1}"), 1);
}

/* ---- who harms nobody ---- */

static void still_answers(void) {
        _cleanup_close_ int fd = connect_client();

        assert_true(fd >= 0);
        assert_int_equal(ask(fd, "{\"verb\":\"events\",\"after\":19999}\n", "{\"end\":true,\"lines\":1}"), 1);
}

static bool was_dropped(int fd) {
        uint8_t room[65536];
        ssize_t n;

        do
                n = recv(fd, room, sizeof(room), 0);
        while (n > 0);
        return n == 0 || errno == ECONNRESET;
}

static void one_that_says_too_much(void **state) {
        static char text[8192];
        _cleanup_close_ int fd = connect_client();

        (void)state;
        memset(text, 'x', sizeof(text));
        (void)!send(fd, text, sizeof(text), MSG_NOSIGNAL);
        assert_true(was_dropped(fd));
        still_answers();
}

static void one_that_says_nothing(void **state) {
        _cleanup_close_ int silent = connect_client(), half = connect_client();

        (void)state;
        say(half, "{\"verb\":");
        still_answers();
        assert_true(was_dropped(silent));
        assert_true(was_dropped(half));
}

static void one_that_takes_nothing(void **state) {
        _cleanup_close_ int slow = connect_client();
        struct pollfd wait = { .fd = slow, .events = POLLRDHUP };

        (void)state;
        say(slow, "{\"verb\":\"events\"}\n");
        for (int i = 0; i < 20; i++)
                still_answers();
        /* It hangs up, with what it had sent before still to be read. */
        assert_int_equal(poll(&wait, 1, -1), 1);
        assert_true(was_dropped(slow));
        still_answers();
}

static void one_that_leaves_in_the_middle(void **state) {
        (void)state;
        for (int i = 0; i < 50; i++) {
                _cleanup_close_ int fd = connect_client();

                say(fd, "{\"verb\":\"events\"}\n");
        }
        still_answers();
}

static void more_than_there_is_room_for(void **state) {
        int crowd[5 * COURIER_CLIENTS_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(crowd); i++) {
                crowd[i] = connect_client();
                assert_true(crowd[i] >= 0);
        }
        still_answers();
        for (size_t i = 0; i < ELEMENTS(crowd); i++)
                (void)close(crowd[i]);
        still_answers();
}

static int as_stranger(gid_t group, gid_t other) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                char byte;
                int fd;

                if (setgroups(1, &other) < 0 || setresgid(group, group, group) < 0 || setresuid(STRANGER, STRANGER, STRANGER) < 0)
                        _exit(99);
                fd = connect_client();
                if (fd < 0)
                        _exit(-fd);
                (void)!send(fd, "{\"verb\":\"status\"}\n", 18, MSG_NOSIGNAL);
                _exit(recv(fd, &byte, 1, 0) == 1 ? 0 : 98);
        }
        assert_true(waitpid(child, &status, 0) == child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void strangers_are_not_answered(void **state) {
        _cleanup_free_ char *socket_path = path_of("run/control.sock");
        struct stat stat_of;

        (void)state;
        assert_int_equal(stat(socket_path, &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 0777, 0660);
        assert_int_equal(stat_of.st_uid, 0);
        assert_int_equal(stat_of.st_gid, SOMEBODY);
        assert_int_equal(as_stranger(STRANGER, STRANGER), EACCES);
        assert_int_equal(as_stranger(SOMEBODY, STRANGER), 0);
        assert_int_equal(as_stranger(STRANGER, SOMEBODY), 0);
        /* whoever opened the socket to all has not opened the courier */
        assert_int_equal(chmod(socket_path, 0666), 0);
        assert_int_equal(as_stranger(STRANGER, STRANGER), 98);
        assert_int_equal(chmod(socket_path, 0660), 0);
}

static void tells_the_guard_that_it_lives(void **state) {
        char byte = '?';

        (void)state;
        assert_int_equal(send(guard_end, &byte, 1, 0), 1);
        assert_int_equal(recv(guard_end, &byte, 1, 0), 1);
}

static void has_no_privilege(void **state) {
        char path[64], line[256];
        unsigned found = 0;
        FILE *file;

        (void)state;
        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)courier);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file)) {
                found += strcmp(line, "Uid:\t65534\t65534\t65534\t65534\n") == 0;
                found += strcmp(line, "Gid:\t65534\t65534\t65534\t65534\n") == 0;
                found += strcmp(line, "CapPrm:\t0000000000000000\n") == 0 || strcmp(line, "CapEff:\t0000000000000000\n") == 0;
                found += strcmp(line, "NoNewPrivs:\t1\n") == 0 || strcmp(line, "Seccomp:\t2\n") == 0;
        }
        (void)fclose(file);
        assert_int_equal(found, 6);
}

/* ---- what there is to read ---- */

static void make_ledger(void) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        for (int i = 1; i <= LINES; i++)
                buffer_printf(&text, "{\"event\":{\"sequence\":%d,\"severity\":%d},\"message\":\"%0100d\",\"nephronix\":{\"watch\":\"%s\"}}\n",
                              i, 1 + i % 4, i, i % 2 ? "boot" : "users");
        tree_write(&scratch, "state/ledger/events-00000000000000000001.jsonl", text.data, text.size);
}

static int set_up(void **state) {
        _cleanup_free_ char *page_path = NULL, *state_path = NULL, *run_path = NULL, *segment = NULL;
        struct helper_user user = { .user = SOMEBODY, .group = SOMEBODY, .own = true };
        struct page *page;
        int ends[2], listener;

        (void)state;
        tree_make(&scratch);
        segment = path_of("state/ledger/events-00000000000000000001.jsonl");
        page_path = path_of("run/status");
        state_path = path_of("state");
        run_path = path_of("run");
        assert_int_equal(chmod(scratch.root, 0755), 0);
        tree_folder(&scratch, "run");
        make_ledger();
        assert_int_equal(chmod(segment, 0644), 0);
        assert_int_equal(page_create(page_path, &page), 0);
        assert_int_equal(page_publish(page, bytes_of_string("{\"daemon\":{}}")), 0);
        page = page_close(page);
        assert_int_equal(chmod(page_path, 0644), 0);
        assert_int_equal(chmod(run_path, 0755), 0);
        assert_int_equal(chmod(state_path, 0755), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        listener = courier_listen(run_path, &user);
        assert_true(listener >= 0);
        courier = fork();
        assert_true(courier >= 0);
        if (courier == 0) {
                const struct courier_options options = {
                        .state_directory = state_path,
                        .run_directory = run_path,
                        .listener = listener,
                        .channel = ends[1],
                        .user = user,
                        .foreground = true,
                };

                (void)close(ends[0]);
                _exit(courier_run(&options));
        }
        (void)close(ends[1]);
        (void)close(listener);
        guard_end = ends[0];
        return 0;
}

/* It ends when the guard does. */
static int tear_down(void **state) {
        int status;

        (void)state;
        (void)close(guard_end);
        assert_true(waitpid(courier, &status, 0) == courier);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        tree_remove(&scratch);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(answers),
                cmocka_unit_test(says_what_is_wrong),
                cmocka_unit_test(tells_the_guard_that_it_lives),
                cmocka_unit_test(has_no_privilege),
                cmocka_unit_test(strangers_are_not_answered),
                cmocka_unit_test(one_that_says_too_much),
                cmocka_unit_test(one_that_says_nothing),
                cmocka_unit_test(one_that_takes_nothing),
                cmocka_unit_test(one_that_leaves_in_the_middle),
                cmocka_unit_test(more_than_there_is_room_for),
        };

        if (geteuid() != 0)
                return 77;
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
