/* fuzz-sessions.c - any bytes as a session file of logind and as utmp records. */
#include <stdint.h>
#include <stdlib.h>

#include "sessions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

volatile uint8_t fuzz_seen; /* so that every byte is truly read */

static void check(const struct session *session) {
        const struct bytes fields[] = { session->id, session->user, session->tty, session->remote, session->service,
                                        session->type };

        if (session->user.size == 0)
                abort();
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
                for (size_t j = 0; j < fields[i].size; j++)
                        fuzz_seen = fields[i].data[j];
        (void)session_terminal_ok(session->tty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct session session;

        if (session_parse_logind(bytes_of_string("c1"), bytes_of(data, size), &session) == 1) {
                check(&session);
                free(session.memory);
        }
        for (size_t at = 0; size - at >= session_utmp_size(); at += session_utmp_size())
                if (session_parse_utmp(data + at, &session) == 1) {
                        check(&session);
                        free(session.memory);
                }
        return 0;
}
