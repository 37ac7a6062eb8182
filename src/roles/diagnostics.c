#include "diagnostics.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "escape.h"

static const char *diagnostics_role = "nephronixd";
static bool diagnostics_foreground = true;

void diagnostics_open(const char *role, bool foreground) {
        diagnostics_role = role;
        diagnostics_foreground = foreground;
        if (!foreground)
                openlog("nephronix", LOG_PID, LOG_DAEMON);
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
        if (diagnostics_foreground)
                (void)fprintf(stderr, "nephronix %s: %s\n", diagnostics_role, buffer_string(&line));
        else
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
