/* sessions.h - who is logged in, as systemd-logind's session files and utmp tell it.
 * The parsers are pure and take anything; the reader joins both sources: a login both know is one session. */
#pragma once

#include "bytes.h"
#include "host.h"

enum session_source { SESSION_LOGIND, SESSION_UTMP };

struct session {
        enum session_source source;
        struct bytes id;        /* logind's; empty for utmp */
        struct bytes user;      /* name, or the uid in digits where no name is told */
        struct bytes tty; /* without "/dev/"; empty: no terminal. Outside text: session_terminal_ok() before use */
        struct bytes remote;    /* host name or address; empty: here */
        struct bytes service, type;
        bool has_user_id;
        uint32_t user_id;
        uint32_t leader;        /* pid; 0: not told */
        uint64_t since_ns;      /* wall clock; 0: not told */
        uint8_t *memory, *joined; /* owned by the list: what the bytes above point into */
};

struct sessions {
        struct session *items;  /* owned */
        size_t count, capacity;
        bool has_logind, has_utmp; /* the place exists and was read */
        size_t skipped;         /* files and records that made no sense or could not be read */
};

#define SESSIONS_NULL ((struct sessions){ .items = NULL })
#define _cleanup_sessions_ _cleanup_(sessions_done)

/* Where they are looked for, below the host's root. The second utmp is tried when the first is not there. */
#define SESSIONS_LOGIND_PATH "run/systemd/sessions"
#define SESSIONS_UTMP_PATH "run/utmp"
#define SESSIONS_UTMP_OLD_PATH "var/run/utmp"

/* sizeof(struct utmp): 384 on most hosts. */
size_t session_utmp_size(void);

/* One file of logind, named 'id'. 1 and *ret: a person's session that is not closing; 0: something else (greeter,
 * manager, closing); -EBADMSG: not such a file. ret->memory is the caller's to free. */
int session_parse_logind(struct bytes id, struct bytes text, struct session *ret);

/* One record of session_utmp_size() bytes. 1 and *ret: a login; 0: a record of another kind; -EBADMSG: garbage. */
int session_parse_utmp(const uint8_t *record, struct session *ret);

/* True for a relative name below /dev made of harmless bytes, without "..": fit to be opened and printed. */
bool session_terminal_ok(struct bytes tty);

/* All sessions of people, logind's first; those of utmp whose process is gone or whose terminal logind knows are left
 * out. The list must be SESSIONS_NULL or read before. 0 or negative errno (-ENOMEM; a source that fails is has_...
 * false). */
int sessions_read(const struct host *host, struct sessions *sessions);

/* Whether that process exists now; true where the host has no proc. */
bool sessions_process_exists(const struct host *host, uint32_t pid);

void sessions_done(struct sessions *sessions);
