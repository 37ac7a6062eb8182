#include "diagnostics.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "escape.h"
#include "fd.h"

static const char *diagnostics_role = "nephronixd";
static bool diagnostics_foreground = true;
static bool diagnostics_attached = true;
static bool diagnostics_on_terminal;
static bool diagnostics_has_progress;

void diagnostics_open(const char *role, bool foreground) {
        diagnostics_role = role;
        diagnostics_foreground = foreground;
        diagnostics_on_terminal = foreground && isatty(STDERR_FILENO); /* later no role may ask a terminal anything */
        if (!foreground)
                openlog("nephronix", LOG_PID, LOG_DAEMON);
}

void diagnostics_detach(void) {
        _cleanup_close_ int null = -1;

        if (diagnostics_foreground)
                return;
        diagnostics_attached = false;
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0)
                (void)dup2(null, STDERR_FILENO);
}

void diagnostics_progress(const char *text) {
        if (!diagnostics_on_terminal || (!text && !diagnostics_has_progress))
                return;
        (void)fprintf(stderr, "\r\033[K%s", text ? text : "");
        (void)fflush(stderr);
        diagnostics_has_progress = text != NULL;
}

__attribute__((format(printf, 3, 0)))
static void say(int level, int error, const char *format, va_list arguments) {
        _cleanup_free_ char *text = NULL;
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;

        if (vasprintf(&text, format, arguments) < 0) {
                text = NULL;
                return;
        }
        escape_append(&line, bytes_of_string(text));
        if (error)
                buffer_printf(&line, ": %s", strerror(error < 0 ? -error : error));
        diagnostics_progress(NULL);
        if (diagnostics_attached)
                (void)fprintf(stderr, "nephronix %s: %s\n", diagnostics_role, buffer_string(&line));
        if (!diagnostics_foreground)
                syslog(level, "%s: %s", diagnostics_role, buffer_string(&line));
}

void diagnostics_info(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(LOG_INFO, 0, format, arguments);
        va_end(arguments);
}

void diagnostics_warn(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(LOG_WARNING, 0, format, arguments);
        va_end(arguments);
}

void diagnostics_error(int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(LOG_ERR, error, format, arguments);
        va_end(arguments);
}
