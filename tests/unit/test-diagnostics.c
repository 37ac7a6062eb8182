/* test-diagnostics.c - how far long work has come is shown on a terminal, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "buffer.h"
#include "diagnostics.h"
#include "fd.h"

static void talk(int fd, bool foreground) {
        if (dup2(fd, STDERR_FILENO) < 0)
                _exit(1);
        diagnostics_open("observer", foreground);
        diagnostics_progress(NULL);
        diagnostics_progress("one");
        diagnostics_progress("two");
        diagnostics_warn("a word");
        diagnostics_progress("three");
        diagnostics_progress(NULL);
        diagnostics_progress(NULL);
        _exit(0);
}

/* What a child says that has 'inner' for its stderr. */
static void listen_to(int outer, int inner, bool foreground, struct buffer *ret) {
        char room[512];
        ssize_t n;
        int status;
        pid_t child = fork();

        if (child == 0)
                talk(inner, foreground);
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(fcntl(outer, F_SETFL, O_NONBLOCK), 0);
        while ((n = read(outer, room, sizeof(room))) > 0)
                buffer_append(ret, room, (size_t)n);
}

static void open_terminal(int *ret_outer, int *ret_inner) {
        struct termios settings;

        *ret_outer = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(*ret_outer >= 0);
        assert_int_equal(grantpt(*ret_outer), 0);
        assert_int_equal(unlockpt(*ret_outer), 0);
        *ret_inner = open(ptsname(*ret_outer), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(*ret_inner >= 0);
        assert_int_equal(tcgetattr(*ret_inner, &settings), 0);
        settings.c_oflag &= ~(tcflag_t)OPOST; /* newlines as they are */
        assert_int_equal(tcsetattr(*ret_inner, TCSANOW, &settings), 0);
}

static void test_terminal(void **state) {
        _cleanup_buffer_ struct buffer said = BUFFER_NULL;
        _cleanup_close_ int outer = -1, inner = -1;

        (void)state;
        open_terminal(&outer, &inner);
        listen_to(outer, inner, true, &said);
        assert_string_equal(buffer_string(&said),
                            "\r\033[Kone\r\033[Ktwo\r\033[Knephronix observer: a word\n\r\033[Kthree\r\033[K");
}

/* Who detaches gives the terminal back. */
static void test_background(void **state) {
        _cleanup_buffer_ struct buffer said = BUFFER_NULL;
        _cleanup_close_ int outer = -1, inner = -1;

        (void)state;
        open_terminal(&outer, &inner);
        listen_to(outer, inner, false, &said);
        assert_string_equal(buffer_string(&said), "nephronix observer: a word\n");
}

static void test_no_terminal(void **state) {
        _cleanup_buffer_ struct buffer said = BUFFER_NULL;
        int ends[2];

        (void)state;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        listen_to(ends[0], ends[1], true, &said);
        assert_string_equal(buffer_string(&said), "nephronix observer: a word\n");
        (void)close(ends[0]);
        (void)close(ends[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_terminal),
                cmocka_unit_test(test_background),
                cmocka_unit_test(test_no_terminal),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
