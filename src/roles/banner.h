/* banner.h - what is said at a start: name, time, host and addresses, BLAKE2b of the running binary. */
#pragma once

#include "buffer.h"

/* Appends the lines, each ended by '\n'; escaped. 0 or negative errno. */
int banner_append(struct buffer *buffer, const char *version);

/* BLAKE2b-512 of the running program in hexadecimal. 0 or negative errno. */
int banner_program_digest(struct buffer *buffer);

/* Name, machine id and boot id of the host, "" where it has none; allocated, the caller's. */
int banner_host(const char *root, char **ret_name, char **ret_machine_id, char **ret_boot_id);
