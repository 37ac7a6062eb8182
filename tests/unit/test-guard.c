/* The guard against an observer that somebody else is: observer_run() here takes the place of the real one. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "channel.h"
#include "clock.h"
#include "favours.h"
#include "fd.h"
#include "guard.h"
#include "rpm-files.h"
#include "tree.h"

/* What the two observers of a case do and hear, shared with this process. */
static struct stage {
        int lives;
        void (*ask)(int socket);        /* of the first */
        bool ended;                     /* the second was told of the end of the first */
        char why[200];
        int answers;                    /* of the first: how many it had before it was ended */
        enum message_type answer;
} *stage;

static int next_message(int socket, struct buffer *datagram, struct message *ret) {
        for (;;) {
                _cleanup_close_ int fd = -1;
                int r = channel_receive(socket, MESSAGE_SIZE_MAX, datagram, &fd);

                if (r == -EAGAIN)
                        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
                else
                        return r <= 0 ? -EPIPE : message_decode(buffer_bytes(datagram), ret);
        }
}

int observer_run(const struct observer_options *options) {
        const struct message ready = { .type = MESSAGE_READY };
        _cleanup_buffer_ struct buffer datagram = BUFFER_NULL;
        struct message message;

        if (favours_send(options->socket, &ready, -1) < 0)
                return 3;
        if (stage->lives++ == 0) {
                stage->ask(options->socket);
                while (next_message(options->socket, &datagram, &message) == 0) {
                        stage->answer = message.type;
                        stage->answers++;
                        if (message.type == MESSAGE_HOOK_REFUSED || message.type == MESSAGE_PACKAGE_DATABASE_DONE)
                                return 0; /* answered, and not ended for it */
                }
                (void)pause();
        }
        while (next_message(options->socket, &datagram, &message) == 0) {
                if (message.type == MESSAGE_ROLE_ENDED) {
                        stage->ended = true;
                        if (message.texts[1].size < sizeof(stage->why))
                                memcpy(stage->why, message.texts[1].data, message.texts[1].size);
                        (void)kill(getppid(), SIGTERM);
                }
                if (message.type == MESSAGE_STOP)
                        return 0;
        }
        return 4;
}

static struct tree scratch;

static void play(void (*ask)(int socket)) {
        pid_t guard;
        int status;

        *stage = (struct stage){ .ask = ask };
        guard = fork();
        assert_true(guard >= 0);
        if (guard == 0) {
                struct settings *settings = calloc(1, sizeof(*settings));
                struct guard_options options = { .settings = settings, .foreground = true, .beat_s = 1, .ready = -1 };

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                settings->state_directory = strdup(scratch.root);
                settings->run_directory = strdup(scratch.root);
                settings->host_root = strdup("/");
                exit(guard_run(&options));
        }
        assert_true(waitpid(guard, &status, 0) == guard);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_int_equal(stage->lives, 2);
        assert_true(stage->ended);
}

static void send_bytes(int socket, const void *data, size_t size) {
        (void)channel_send(socket, bytes_of(data, size), -1);
}

static void send_message(int socket, const struct message *message, int fd) {
        (void)favours_send(socket, message, fd);
}

/* ---- what no observer asks for ---- */

static void an_empty_one(int socket) {
        static const uint8_t zeros[4];

        send_bytes(socket, zeros, sizeof(zeros));
}

static void an_unknown_type(int socket) {
        uint8_t datagram[32] = { 200 };

        send_bytes(socket, datagram, sizeof(datagram));
}

static void a_length_beyond_its_end(int socket) {
        uint8_t datagram[32] = { MESSAGE_WALL };

        datagram[24] = 255;
        send_bytes(socket, datagram, sizeof(datagram));
}

static void bytes_behind_its_end(int socket) {
        uint8_t datagram[33] = { MESSAGE_STOPPED };

        send_bytes(socket, datagram, sizeof(datagram));
}

static void one_too_long(int socket) {
        static uint8_t datagram[MESSAGE_SIZE_MAX + 1] = { MESSAGE_WALL };

        send_bytes(socket, datagram, sizeof(datagram));
}

static void what_only_the_guard_says(int socket) {
        const struct message message = { .type = MESSAGE_STOP };

        send_message(socket, &message, -1);
}

static void a_hook_elsewhere(int socket) {
        const struct message message = { .type = MESSAGE_HOOK, .number = 1, .texts = { bytes_of_string("../../bin/sh") } };
        _cleanup_close_ int input = memfd_create("input", MFD_CLOEXEC);

        send_message(socket, &message, input);
}

static void a_hidden_hook(int socket) {
        const struct message message = { .type = MESSAGE_HOOK, .number = 1, .texts = { bytes_of_string(".profile") } };
        _cleanup_close_ int input = memfd_create("input", MFD_CLOEXEC);

        send_message(socket, &message, input);
}

static void a_hook_with_a_nul(int socket) {
        const struct message message = { .type = MESSAGE_HOOK, .number = 1, .texts = { bytes_of("a\0b", 3) } };
        _cleanup_close_ int input = memfd_create("input", MFD_CLOEXEC);

        send_message(socket, &message, input);
}

static void a_hook_without_input(int socket) {
        const struct message message = { .type = MESSAGE_HOOK, .number = 1, .texts = { bytes_of_string("hook") } };

        send_message(socket, &message, -1);
}

static void a_hook_for_ever(int socket) {
        const struct message message = { .type = MESSAGE_HOOK, .number = UINT64_MAX, .texts = { bytes_of_string("hook") } };
        _cleanup_close_ int input = memfd_create("input", MFD_CLOEXEC);

        send_message(socket, &message, input);
}

static void another_folder_of_packages(int socket) {
        const struct message message = { .type = MESSAGE_PACKAGE_DATABASE, .texts = { bytes_of_string("/etc") } };

        send_message(socket, &message, -1);
}

static void a_folder_of_packages_that_goes_on(int socket) {
        const struct message message = { .type = MESSAGE_PACKAGE_DATABASE, .texts = { bytes_of_string("/var/lib/rpm/../..") } };

        send_message(socket, &message, -1);
}

static void files_without_paths(int socket) {
        const struct message message = { .type = MESSAGE_PACKAGE_FILES, .texts = { bytes_of_string("/var/lib/rpm") } };

        send_message(socket, &message, -1);
}

static void paths_that_may_still_change(int socket) {
        const struct message message = { .type = MESSAGE_PACKAGE_FILES, .texts = { bytes_of_string("/var/lib/rpm") } };
        _cleanup_close_ int input = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        (void)!write(input, "/x", 3);
        (void)fcntl(input, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK);
        send_message(socket, &message, input);
}

static void too_many_paths(int socket) {
        const struct message message = { .type = MESSAGE_PACKAGE_FILES, .texts = { bytes_of_string("/var/lib/rpm") } };
        _cleanup_close_ int input = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        (void)!ftruncate(input, RPM_FILES_QUESTION_MAX + 1);
        (void)fcntl(input, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
        send_message(socket, &message, input);
}

static void an_escape_sequence_for_terminals(int socket) {
        const struct message message = { .type = MESSAGE_WALL, .texts = { bytes_of("none", 5), bytes_of_string("\033]0;x\a") } };

        send_message(socket, &message, -1);
}

static void terminals_without_an_end(int socket) {
        const struct message message = { .type = MESSAGE_WALL, .texts = { bytes_of("none", 4), bytes_of_string("text") } };

        send_message(socket, &message, -1);
}

static void what_no_observer_asks_for_ends_it(void **state) {
        static const struct {
                const char *what;
                void (*ask)(int socket);
        } cases[] = {
                { "an empty one", an_empty_one },
                { "an unknown type", an_unknown_type },
                { "a length beyond its end", a_length_beyond_its_end },
                { "bytes behind its end", bytes_behind_its_end },
                { "one too long", one_too_long },
                { "what only the guard says", what_only_the_guard_says },
                { "a hook elsewhere", a_hook_elsewhere },
                { "a hidden hook", a_hidden_hook },
                { "a hook with a NUL in its name", a_hook_with_a_nul },
                { "a hook without input", a_hook_without_input },
                { "a hook for ever", a_hook_for_ever },
                { "another folder of packages", another_folder_of_packages },
                { "a folder of packages that goes on", a_folder_of_packages_that_goes_on },
                { "files without paths", files_without_paths },
                { "paths that may still change", paths_that_may_still_change },
                { "too many paths", too_many_paths },
                { "an escape sequence for terminals", an_escape_sequence_for_terminals },
                { "terminals without an end", terminals_without_an_end },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                print_message("%s\n", cases[i].what);
                play(cases[i].ask);
                assert_string_equal(stage->why, "for having asked for something that no observer asks for");
                assert_int_equal(stage->answers, 0);
        }
}

/* ---- what may be asked for and cannot be done ---- */

static void a_hook_that_is_not_there(int socket) {
        const struct message message = { .type = MESSAGE_HOOK, .number = 1, .texts = { bytes_of_string("hook") } };
        _cleanup_close_ int input = memfd_create("input", MFD_CLOEXEC);

        send_message(socket, &message, input);
}

static void packages_without_a_reader(int socket) {
        const struct message message = { .type = MESSAGE_PACKAGE_DATABASE, .texts = { bytes_of_string("/var/lib/rpm") } };

        send_message(socket, &message, -1);
}

static void what_cannot_be_done_is_answered(void **state) {
        (void)state;
        play(a_hook_that_is_not_there);
        assert_string_equal(stage->why, ""); /* it ended by itself */
        assert_int_equal(stage->answer, MESSAGE_HOOK_REFUSED);
        play(packages_without_a_reader);
        assert_string_equal(stage->why, "");
        assert_int_equal(stage->answer, MESSAGE_PACKAGE_DATABASE_DONE);
}

/* ---- one that hangs ---- */

static void nothing_more(int socket) {
        (void)socket;
        (void)raise(SIGSTOP);
}

static void what_does_nothing_is_ended(void **state) {
        (void)state;
        play(nothing_more);
        assert_string_equal(stage->why, "because it had done nothing for too long");
}

/* It does not say that it lives, but it works, for longer than it would have been given without. */
static void work(int socket) {
        const uint64_t until_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + UINT64_C(4000000000);

        while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until_ns)
                ;
        a_hook_that_is_not_there(socket);
}

static void what_works_is_not(void **state) {
        (void)state;
        play(work);
        assert_string_equal(stage->why, "");
        assert_int_equal(stage->answer, MESSAGE_HOOK_REFUSED);
}

static int set_up(void **state) {
        (void)state;
        stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        tree_make(&scratch);
        return stage == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state) {
        (void)state;
        tree_remove(&scratch);
        return munmap(stage, sizeof(*stage));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_no_observer_asks_for_ends_it),
                cmocka_unit_test(what_cannot_be_done_is_answered),
                cmocka_unit_test(what_does_nothing_is_ended),
                cmocka_unit_test(what_works_is_not),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
