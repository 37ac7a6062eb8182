/* The guard's side against a courier that somebody else is: courier_run() here takes the place of the real one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "courier-keeper.h"
#include "fd.h"

/* What the courier of a case says when it comes, and when it is asked; 0: nothing. */
static struct part {
        uint8_t unasked, asked;
} part;

int courier_listen(const char *run_directory, const struct helper_user *user) {
        int fd = eventfd(0, EFD_CLOEXEC);

        (void)run_directory;
        (void)user;
        return fd < 0 ? -errno : fd;
}

int courier_run(const struct courier_options *options) {
        uint8_t byte;

        if (part.unasked)
                (void)send(options->channel, &part.unasked, 1, MSG_NOSIGNAL);
        for (;;) {
                ssize_t n = recv(options->channel, &byte, 1, 0);

                if (n == 0)
                        return EXIT_SUCCESS;
                if (n == 1 && part.asked)
                        (void)send(options->channel, &part.asked, 1, MSG_NOSIGNAL);
                if (n < 0)
                        (void)usleep(1000);
        }
}

static struct {
        struct loop *loop;
        struct courier_keeper *keeper;
        struct loop_file timer;
        int asks;
        const char *why;                /* NULL: nobody ended */
        bool ended;
} stage;

static void on_ended(void *context, pid_t pid, int status, const char *why) {
        (void)context;
        assert_true(pid > 0 && WIFSIGNALED(status));
        stage.ended = true;
        stage.why = why;
        loop_stop(stage.loop, 0);
}

static void on_child(void *context) {
        (void)context;
}

/* A few times, as the guard does once a minute; then enough. */
static int on_timer(struct loop_file *file, uint32_t events) {
        uint64_t times;

        (void)events;
        (void)!read(file->fd, &times, sizeof(times));
        if (stage.asks-- == 0)
                loop_stop(stage.loop, 0);
        else
                courier_keeper_ask(stage.keeper);
        return 0;
}

static void play(uint8_t unasked, uint8_t asked) {
        const struct itimerspec often = { .it_value = { .tv_nsec = 200000000 }, .it_interval = { .tv_nsec = 200000000 } };
        const struct courier_keeper_options options = {
                .state_directory = "/nowhere", .run_directory = "/nowhere", .foreground = true,
                .user = { .user = geteuid(), .group = getegid() },
                .ended = on_ended, .in_child = on_child,
        };

        part = (struct part){ unasked, asked };
        memset(&stage, 0, sizeof(stage));
        stage.asks = 4;
        stage.loop = loop_new();
        stage.timer = (struct loop_file){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), .ready = on_timer };
        assert_true(stage.loop && stage.timer.fd >= 0);
        assert_int_equal(timerfd_settime(stage.timer.fd, 0, &often, NULL), 0);
        assert_int_equal(loop_add(stage.loop, &stage.timer, EPOLLIN), 0);
        assert_int_equal(courier_keeper_new(stage.loop, &options, &stage.keeper), 0);
        assert_int_equal(loop_run(stage.loop), 0);
        stage.keeper = courier_keeper_free(stage.keeper);
        loop_remove(&stage.timer);
        stage.timer.fd = fd_close(stage.timer.fd);
        stage.loop = loop_free(stage.loop);
}

static void test_what_no_courier_says_ends_it(void **state) {
        (void)state;
        play('?', '?');
        assert_true(stage.ended);
        assert_string_equal(stage.why, "for having said something that no courier says");
        play(0, '!');
        assert_true(stage.ended);
        assert_string_equal(stage.why, "for having said something that no courier says");
}

static void test_silence_ends_it(void **state) {
        (void)state;
        play(0, 0);
        assert_true(stage.ended);
        assert_string_equal(stage.why, "because it no longer answered");
}

static void test_an_answer_does_not(void **state) {
        (void)state;
        play(0, '?');
        assert_false(stage.ended);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_no_courier_says_ends_it),
                cmocka_unit_test(test_silence_ends_it),
                cmocka_unit_test(test_an_answer_does_not),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
