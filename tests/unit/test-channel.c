/* test-channel.c - datagrams between two processes, whole or not at all, with a descriptor or without, that never wait. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "channel.h"
#include "fd.h"

struct fixture {
        int ends[2];
        struct buffer buffer;
        int descriptors;        /* open before the test */
};

static int count_descriptors(void) {
        int count = 0;

        for (int fd = 0; fd < 256; fd++)
                count += fcntl(fd, F_GETFD) >= 0;
        return count;
}

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        fixture->descriptors = count_descriptors();
        assert_int_equal(channel_pair(fixture->ends), 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        (void)fd_close(fixture->ends[0]);
        (void)fd_close(fixture->ends[1]);
        buffer_done(&fixture->buffer);
        assert_int_equal(count_descriptors(), fixture->descriptors);
        free(fixture);
        return 0;
}

static void assert_receives(struct fixture *fixture, size_t limit, int expected, const char *text) {
        int fd = -2;

        assert_int_equal(channel_receive(fixture->ends[1], limit, &fixture->buffer, &fd), expected);
        assert_int_equal(fd, expected == 1 ? -1 : -2);
        if (text)
                assert_string_equal(buffer_string(&fixture->buffer), text);
}

static void test_pair(void **state) {
        struct fixture *fixture = *state;

        for (int i = 0; i < 2; i++) {
                assert_true(fcntl(fixture->ends[i], F_GETFD) & FD_CLOEXEC);
                assert_true(fcntl(fixture->ends[i], F_GETFL) & O_NONBLOCK);
        }
        assert_receives(fixture, 100, -EAGAIN, "");
}

static void test_datagrams(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(channel_send(fixture->ends[0], bytes_of_string("one"), -1), 0);
        assert_int_equal(channel_send(fixture->ends[0], bytes_of("t\0wo", 4), -1), 0);
        assert_int_equal(channel_send(fixture->ends[0], bytes_of_string("three"), -1), 0);
        buffer_append_string(&fixture->buffer, "what was there");
        assert_receives(fixture, 3, 1, "one");
        assert_receives(fixture, 100, 1, NULL);
        assert_true(bytes_equal(buffer_bytes(&fixture->buffer), bytes_of("t\0wo", 4)));
        assert_receives(fixture, 4, -EMSGSIZE, NULL); /* longer than allowed: gone, and the next is whole */
        assert_int_equal(channel_send(fixture->ends[0], bytes_of_string("four"), -1), 0);
        assert_receives(fixture, 4, 1, "four");
        assert_receives(fixture, 4, -EAGAIN, "");
}

static void test_gone(void **state) {
        struct fixture *fixture = *state;
        int fd;

        /* what it said before it went is heard */
        assert_int_equal(channel_send(fixture->ends[0], bytes_of_string("last"), -1), 0);
        fixture->ends[0] = fd_close(fixture->ends[0]);
        assert_receives(fixture, 100, 1, "last");
        assert_receives(fixture, 100, 0, "");
        assert_receives(fixture, 100, 0, "");
        assert_int_equal(channel_send(fixture->ends[1], bytes_of_string("too late"), -1), -EPIPE); /* no SIGPIPE */

        /* gone with something of ours unread: gone, not an error */
        fixture->ends[1] = fd_close(fixture->ends[1]);
        assert_int_equal(channel_pair(fixture->ends), 0);
        assert_int_equal(channel_send(fixture->ends[1], bytes_of_string("unread"), -1), 0);
        fixture->ends[0] = fd_close(fixture->ends[0]);
        assert_receives(fixture, 100, 0, "");
        assert_int_equal(channel_receive(-1, 100, &fixture->buffer, &fd), -EBADF);
}

/* The other side does not keep up: an answer, at once. */
static void test_full(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *large = calloc(1, 4 * 1024 * 1024);
        int r = 0, sent = 0;

        assert_non_null(large);
        while (sent < 100000 && (r = channel_send(fixture->ends[0], bytes_of(large, 1000), -1)) == 0)
                sent++;
        assert_int_equal(r, -EAGAIN);
        assert_true(sent > 0);
        for (int i = 0; i < sent; i++)
                assert_receives(fixture, 1000, 1, NULL);
        assert_receives(fixture, 1000, -EAGAIN, NULL);
        assert_int_equal(channel_send(fixture->ends[0], bytes_of(large, 4 * 1024 * 1024), -1), -EMSGSIZE);
}

static void test_descriptor(void **state) {
        struct fixture *fixture = *state;
        _cleanup_close_ int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
        struct stat sent, came;
        int fd = -1;

        assert_true(file >= 0);
        assert_int_equal(channel_send(fixture->ends[0], bytes_of_string("with"), file), 0);
        assert_true(fcntl(file, F_GETFD) >= 0); /* not consumed */
        assert_int_equal(channel_receive(fixture->ends[1], 100, &fixture->buffer, &fd), 1);
        assert_string_equal(buffer_string(&fixture->buffer), "with");
        assert_true(fd >= 0 && fd != file);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fstat(file, &sent), 0);
        assert_int_equal(fstat(fd, &came), 0);
        assert_int_equal(sent.st_rdev, came.st_rdev);
        fd = fd_close(fd);

        /* one that came with what cannot be taken is closed (tear_down counts) */
        assert_int_equal(channel_send(fixture->ends[0], bytes_of_string("too long"), file), 0);
        assert_receives(fixture, 3, -EMSGSIZE, NULL);
        assert_int_equal(channel_send(fixture->ends[0], bytes_of_string("none"), 9999), -EBADF);
}

/* Whoever speaks to us may send any number of them: one is kept, the others are closed. */
static void test_descriptors(void **state) {
        static const int counts[] = { 2, 4, 5, 100 };
        struct fixture *fixture = *state;
        _cleanup_close_ int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(file >= 0);
        for (size_t i = 0; i < ELEMENTS(counts); i++) {
                union {
                        char room[CMSG_SPACE(100 * sizeof(int))];
                        struct cmsghdr align;
                } control = { 0 };
                char text[] = "many";
                struct iovec part = { .iov_base = text, .iov_len = 4 };
                struct msghdr header = {
                        .msg_iov = &part, .msg_iovlen = 1,
                        .msg_control = control.room, .msg_controllen = CMSG_SPACE((size_t)counts[i] * sizeof(int)),
                };
                struct cmsghdr *message = CMSG_FIRSTHDR(&header);
                int fd = -1;

                message->cmsg_level = SOL_SOCKET;
                message->cmsg_type = SCM_RIGHTS;
                message->cmsg_len = CMSG_LEN((size_t)counts[i] * sizeof(int));
                for (int k = 0; k < counts[i]; k++)
                        memcpy(CMSG_DATA(message) + (size_t)k * sizeof(int), &file, sizeof(int));
                assert_int_equal(sendmsg(fixture->ends[0], &header, 0), 4);
                assert_int_equal(channel_receive(fixture->ends[1], 100, &fixture->buffer, &fd), 1);
                assert_string_equal(buffer_string(&fixture->buffer), "many");
                assert_true(fd >= 0);
                fd = fd_close(fd);
        }
}

#define CHANNEL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                CHANNEL_TEST(test_pair), CHANNEL_TEST(test_datagrams),  CHANNEL_TEST(test_gone),
                CHANNEL_TEST(test_full), CHANNEL_TEST(test_descriptor), CHANNEL_TEST(test_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
