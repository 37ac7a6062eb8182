/* wall.c - finds the terminals (logind's sessions first, then utmp) and asks the guard to write there. */
#include "wall.h"

#include <errno.h>

#include "host.h"
#include "sessions.h"

static int wall_send(const struct alert_settings *settings, const struct host *host, struct favours *favours,
                     const struct notice *notice) {
        _cleanup_sessions_ struct sessions sessions = SESSIONS_NULL;
        _cleanup_buffer_ struct buffer terminals = BUFFER_NULL;
        int r;

        (void)settings;
        r = sessions_read(host, &sessions);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sessions.count; i++) {
                struct bytes tty = sessions.items[i].tty;

                if (tty.size == 0 || !session_terminal_ok(tty))
                        continue;
                buffer_append_bytes(&terminals, tty);
                buffer_append_byte(&terminals, '\0');
        }
        if (buffer_error(&terminals) < 0)
                return -ENOMEM;
        if (terminals.size == 0)
                return SINK_E_NOBODY;
        return favours->wall(favours, buffer_bytes(&terminals), notice->text);
}

const struct sink sink_wall = { .kind = "wall", .send = wall_send };
